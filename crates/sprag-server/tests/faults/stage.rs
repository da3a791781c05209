//! Nodes on one database: one folder, so one key ring, and what an operator would look at.

use std::fs;

use crate::SPRAG;
use crate::server::{Home, Server};
use crate::token::{Id, facts};
use crate::wire::{Answer, Request};

/// Names the database where it is not the stage's.
pub(crate) const DATABASE_URL: &str = "SPRAG_DATABASE_URL";

/// Where nodes are started, and the commands beside them.
pub(crate) struct Stage {
    pub(crate) home: Home,
}

impl Stage {
    /// A folder whose nodes and commands use that database.
    pub(crate) fn on(database_url: &str) -> Self {
        let stage = Self { home: Home::new(SPRAG) };
        stage.move_to(database_url);
        stage
    }

    /// Has nodes and commands use another database from now on.
    pub(crate) fn move_to(&self, database_url: &str) {
        let settings = format!("database_url = \"{database_url}\"\n");
        fs::write(self.home.path().join("sprag.toml"), settings).unwrap();
    }

    /// Starts a node; its tokens do not depend on its port.
    pub(crate) fn node(&self, flags: &[&str]) -> Server {
        self.node_with(flags, &[])
    }

    /// A node that reaches the database another way.
    pub(crate) fn node_by(&self, database_url: &str, flags: &[&str]) -> Server {
        self.node_with(flags, &[(DATABASE_URL, database_url)])
    }

    /// A node in an environment.
    pub(crate) fn node_with(&self, flags: &[&str], environment: &[(&str, &str)]) -> Server {
        let same_everywhere = ["--public-url", "http://localhost:1", "--sweep-interval", "0s"];
        self.home.start_with(&[&same_everywhere, flags].concat(), environment)
    }

    /// What `sprag why` says of a token's session.
    pub(crate) fn why(&self, token: &str) -> String {
        let session = uuid::Uuid::from_bytes(session_of(token)).to_string();
        let ran = self.home.run(self.home.command(&["why", &session]), "");
        format!("{}{}", ran.stdout, ran.stderr)
    }
}

pub(crate) fn session_of(token: &str) -> Id {
    facts(token).session
}

/// A counter's value in the text of `/metrics`.
pub(crate) fn metric(server: &Server, name: &str) -> u64 {
    let answer = server.ask(&Request::get("/metrics"));
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).parse().unwrap()
}

/// "Not now", as it must be told: come back, with what you have.
#[track_caller]
pub(crate) fn assert_put_off(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!((answer.member("code").as_str(), answer.header("retry-after")), ("unavailable", Some("1")));
    assert_eq!(answer.header("set-cookie"), None);
}
