//! A link works once, however many use it at once and at whichever node.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::scope;

use serde_json::{Value, json};
use sprag::clock::{Clock as _, SystemClock};
use sprag::factor::totp::Seed;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::people::{Pair, log_in};
use crate::server::{PASSWORD, await_some};
use crate::wire::{Connection, Request};

/// How many use one link at once.
const AT_ONCE: usize = 32;

/// How long the token of a link is.
const TOKEN_CHARS: usize = 115;

const AUTH: &str = "/api/v1/auth";

#[test]
fn of_32_uses_of_one_link_at_once_on_three_nodes_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let way = format!("folder:{}", folder.path().display());
    let flags = ["--mail-url", way.as_str()];
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &flags);
    let create =
        ["user", "create", "--username", "carol", "--email", "carol@example.org", "--password-stdin"];
    cluster.done(0, &create, PASSWORD);
    let nodes = cluster.addresses();
    let asked = ask(nodes[1], "/api/v1/auth/password/forgot", &json!({ "email": "carol@example.org" }));
    assert_eq!(asked, 202);
    let token = await_some(|| token_in(folder.path())).expect("one of the nodes sends the letter");
    let statuses = each_at_once(
        &nodes,
        "/api/v1/auth/password/reset",
        |number| json!({ "token": token, "new_password": format!("good password {number}") }),
    );
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    // Whoever found all hashing threads taken was told to come again.
    assert!(statuses.iter().all(|status| [204, 400, 503].contains(status)), "{statuses:?}");
    assert_eq!(cluster.database.psql("select epoch from account where username = 'carol'"), "1");
    cluster.verify_journal();
}

fn ask(node: SocketAddr, path: &str, body: &Value) -> u16 {
    Connection::open(node).unwrap().ask(&Request::post(path, body)).unwrap().status
}

/// Sends 32 requests at once to the nodes in turn; says how each was answered.
pub(crate) fn at_once(nodes: &[SocketAddr], path: &str, body: &Value) -> Vec<u16> {
    each_at_once(nodes, path, |_| body.clone())
}

/// Sends 32 requests at once to the nodes in turn, each with a body of its own; says how each was answered.
fn each_at_once(nodes: &[SocketAddr], path: &str, body: impl Fn(usize) -> Value) -> Vec<u16> {
    scope(|scope| {
        let uses: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let body = body(number);
                scope.spawn(move || ask(nodes[number % NODES], path, &body))
            })
            .collect();
        uses.into_iter().map(|used| used.join().unwrap()).collect()
    })
}

pub(crate) fn count(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

#[test]
fn an_address_is_changed_and_undone_once_and_a_letter_logs_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let way = format!("folder:{}", folder.path().display());
    let flags = ["--mail-url", way.as_str(), "--offers", "send_code,login_by_code"];
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &flags);
    let create =
        ["user", "create", "--username", "carol", "--email", "carol@example.org", "--password-stdin"];
    cluster.done(0, &create, PASSWORD);
    let nodes = cluster.addresses();
    let next = || await_some(|| takes_token(folder.path())).expect("one of the nodes sends the letter");

    let mut connection = Connection::open(nodes[0]).unwrap();
    let carol = log_in(&mut connection, "carol").unwrap();
    let body = json!({ "email": "carol@new.example" });
    let asked = Request::post("/api/v1/auth/email", &body).bearer(&carol.access);
    assert_eq!(connection.ask(&asked).unwrap().status, 202);
    let statuses = at_once(&nodes, "/api/v1/auth/email/confirm", &json!({ "token": next() }));
    assert_eq!((count(&statuses, 204), count(&statuses, 400)), (1, AT_ONCE - 1), "{statuses:?}");

    let code = json!({ "email": "carol@new.example" });
    let undo = next();
    let asked = connection.ask(&Request::post("/api/v1/auth/code", &code)).unwrap();
    let used = json!({ "token": next(), "login_id": asked.member("login_id") });
    let statuses = at_once(&nodes, "/api/v1/auth/code/login", &used);
    assert_eq!((count(&statuses, 200), count(&statuses, 400)), (1, AT_ONCE - 1), "{statuses:?}");

    let statuses = at_once(&nodes, "/api/v1/auth/email/undo", &json!({ "token": undo }));
    assert_eq!(count(&statuses, 200), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 400, 503].contains(status)), "{statuses:?}");
    let now = cluster.database.psql("select email from account where username = 'carol'");
    assert_eq!(now, "carol@example.org");
    cluster.verify_journal();
}

#[test]
fn nor_does_any_other_link_or_the_code_of_a_log_in_work_twice() {
    let folder = tempfile::tempdir().unwrap();
    let way = format!("folder:{}", folder.path().display());
    let flags =
        ["--mail-url", way.as_str(), "--offers", "send_code,login_by_code", "--registration", "invite"];
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &flags);
    for (name, flag) in
        [("carol", None), ("dave", None), ("erin", None), ("frank", None), ("root", Some("--admin"))]
    {
        let email = format!("{name}@example.org");
        let create = ["user", "create", "--username", name, "--email", &email, "--password-stdin"];
        cluster.done(0, &[&create[..], flag.as_slice()].concat(), PASSWORD);
    }
    let nodes = cluster.addresses();
    let desk = Desk { node: nodes[0], letters: folder.path() };
    let (login_id, code) = desk.asks_for_code("frank");
    for (path, body, success) in [
        ("/email/verify", json!({ "token": desk.asks_to_confirm("carol") }), 204),
        ("/not-me", json!({ "token": desk.adds_app("dave") }), 200),
        ("/me/keep", json!({ "token": desk.asks_to_delete("erin") }), 204),
        ("/code/login", json!({ "login_id": login_id, "code": code }), 200),
    ] {
        let statuses = at_once(&nodes, &format!("{AUTH}{path}"), &body);
        assert_eq!(count(&statuses, success), 1, "{path}: {statuses:?}");
        // Guesses of a code have a budget as well.
        assert!(
            statuses.iter().all(|status| [success, 400, 429, 503].contains(status)),
            "{path}: {statuses:?}"
        );
    }
    let invite = desk.invites("root");
    let statuses = each_at_once(
        &nodes,
        &format!("{AUTH}/register"),
        |number| json!({ "username": format!("newcomer{number}"), "password": PASSWORD, "invite": invite }),
    );
    assert_eq!(count(&statuses, 201), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 400, 503].contains(status)), "{statuses:?}");

    let counted = |what: &str| cluster.database.psql(&format!("select count(*) from {what}"));
    assert_eq!(counted("account where username like 'newcomer%'"), "1");
    assert_eq!(counted("account where email_confirmed_at is not null and username = 'carol'"), "1");
    assert_eq!(counted("account where erase_at is not null"), "0");
    assert_eq!(counted("session join account on account.id = account_id where username = 'frank'"), "1");
    assert_eq!(counted("one_time_token where purpose = 'reset_password'"), "1", "of whoever it was not");
    cluster.verify_journal();
}

/// Where people ask for letters.
struct Desk<'a> {
    node: SocketAddr,
    letters: &'a Path,
}

impl Desk<'_> {
    fn logs_in(&self, name: &str) -> Pair {
        log_in(&mut Connection::open(self.node).unwrap(), name).unwrap()
    }

    /// Asks for something with an access token, and gives what was answered.
    fn asks(&self, pair: &Pair, path: &str, body: &Value) -> Value {
        let request = Request::post(&format!("{AUTH}{path}"), body).bearer(&pair.access);
        let answer = Connection::open(self.node).unwrap().ask_until_served(&request).unwrap();
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.json());
        answer.json()
    }

    fn link_to(&self, page: &str) -> String {
        await_some(|| link_to(self.letters, page)).expect("one of the nodes sends the letter")
    }

    fn asks_to_confirm(&self, name: &str) -> String {
        self.asks(&self.logs_in(name), "/email/verification", &json!({}));
        self.link_to("verify")
    }

    /// Adds an app, and gives the token by which its owner says that it was not them.
    fn adds_app(&self, name: &str) -> String {
        let pair = self.logs_in(name);
        let begun = self.asks(&pair, "/factors/totp", &json!({}));
        let seed = Seed::from_base32(begun["secret"].as_str().unwrap(), None).unwrap();
        let confirm = format!("/factors/totp/{}/confirm", begun["id"].as_str().unwrap());
        self.asks(&pair, &confirm, &json!({ "code": seed.code(SystemClock.now()) }));
        self.link_to("not-me")
    }

    fn asks_to_delete(&self, name: &str) -> String {
        self.asks(&self.logs_in(name), "/me/delete", &json!({}));
        self.link_to("delete")
    }

    /// Asks for a code, and gives the login id and the code of the letter.
    fn asks_for_code(&self, name: &str) -> (String, String) {
        let body = json!({ "email": format!("{name}@example.org") });
        let request = Request::post(&format!("{AUTH}/code"), &body);
        let answer = Connection::open(self.node).unwrap().ask(&request).unwrap();
        assert_eq!(answer.status, 202);
        let code = await_some(|| after(self.letters, "Your code is ", 6));
        (answer.member("login_id"), code.expect("one of the nodes sends the letter"))
    }

    fn invites(&self, name: &str) -> String {
        let invited = self.asks(&self.logs_in(name), "/invites", &json!({}));
        invited["invite"].as_str().unwrap().to_owned()
    }
}

/// The token in a letter of a folder, which is taken away by that.
fn takes_token(folder: &Path) -> Option<String> {
    let token = token_in(folder)?;
    whole_letters(folder).for_each(|letter| fs::remove_file(letter).unwrap());
    Some(token)
}

/// The token in the only letter of a folder.
fn token_in(folder: &Path) -> Option<String> {
    after(folder, "?token=", TOKEN_CHARS)
}

/// The token of a letter whose link leads to that page.
fn link_to(folder: &Path, page: &str) -> Option<String> {
    after(folder, &format!("/{page}?token="), TOKEN_CHARS)
}

/// So many characters behind some words, in whichever letter of a folder has them.
fn after(folder: &Path, words: &str, chars: usize) -> Option<String> {
    whole_letters(folder).find_map(|letter| {
        let text = fs::read_to_string(letter).unwrap().replace("=\r\n", "").replace("=3D", "=");
        text.split_once(words).map(|(_, rest)| rest[..chars].to_owned())
    })
}

/// The letters of a folder, but for one that is being written and has another name when it is whole.
fn whole_letters(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "eml"))
}
