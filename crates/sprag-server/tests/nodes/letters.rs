//! A link works once, however many use it at once and at whichever node.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::scope;

use serde_json::json;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::server::{PASSWORD, await_some};
use crate::wire::{Connection, Request};

/// How many use one link at once.
const AT_ONCE: usize = 32;

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
    let statuses = scope(|scope| {
        let uses: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let body = json!({ "token": token, "new_password": format!("good password {number}") });
                scope.spawn(move || ask(nodes[number % NODES], "/api/v1/auth/password/reset", &body))
            })
            .collect();
        uses.into_iter().map(|used| used.join().unwrap()).collect::<Vec<u16>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    // Whoever found all hashing threads taken was told to come again.
    assert!(statuses.iter().all(|status| [204, 400, 503].contains(status)), "{statuses:?}");
    assert_eq!(cluster.database.psql("select epoch from account where username = 'carol'"), "1");
    cluster.verify_journal();
}

fn ask(node: SocketAddr, path: &str, body: &serde_json::Value) -> u16 {
    Connection::open(node).unwrap().ask(&Request::post(path, body)).unwrap().status
}

/// The token in the only letter of a folder.
fn token_in(folder: &Path) -> Option<String> {
    let letters = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let letter = letters.into_iter().find(|path| path.extension().is_some_and(|end| end == "eml"))?;
    let text = fs::read_to_string(letter).unwrap().replace("=\r\n", "");
    let (_, rest) = text.split_once("spo_")?;
    Some(format!("spo_{}", &rest[..111]))
}
