//! A link works once, however many use it at once and at whichever node.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::scope;

use serde_json::json;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::people::log_in;
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

/// Sends 32 requests at once to the nodes in turn; says how each was answered.
pub(crate) fn at_once(nodes: &[SocketAddr], path: &str, body: &serde_json::Value) -> Vec<u16> {
    scope(|scope| {
        let uses: Vec<_> =
            (0..AT_ONCE).map(|number| scope.spawn(move || ask(nodes[number % NODES], path, body))).collect();
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

/// The token in a letter of a folder, which is taken away by that.
fn takes_token(folder: &Path) -> Option<String> {
    let token = token_in(folder)?;
    whole_letters(folder).for_each(|letter| fs::remove_file(letter).unwrap());
    Some(token)
}

/// The token in the only letter of a folder.
fn token_in(folder: &Path) -> Option<String> {
    let letter = whole_letters(folder).next()?;
    let text = fs::read_to_string(letter).unwrap().replace("=\r\n", "");
    let (_, rest) = text.split_once("spo_")?;
    Some(format!("spo_{}", &rest[..111]))
}

/// The letters of a folder, but for one that is being written and has another name when it is whole.
fn whole_letters(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "eml"))
}
