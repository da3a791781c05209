//! Every command on a PostgreSQL database, beside a running server.

use serde_json::{Value, json};
use sprag_rig::{Database, Postgres};

use crate::given::{ANNS_PASSWORD, Folder, Server, an_empty_folder};

const CREATE_ANN: [&str; 7] =
    ["user", "create", "--username", "ann", "--email", "ann@example.org", "--password-stdin"];

/// A node of its own on that database. What it warns of there, that nothing is synced to the disk, is the rig's doing.
pub(crate) fn a_node_on(database: &Database) -> Folder {
    an_empty_folder().set("SPRAG_DATABASE_URL", &database.url()).set("SPRAG_LOG", "error")
}

#[test]
fn every_command_works_on_postgresql_beside_a_running_server() {
    let database = Postgres::shared().fresh_database();
    let node = a_node_on(&database);
    assert!(node.run(&["migrate", "--check"]).fails().contains("there is no store in it yet"));
    assert!(node.run(&["migrate"]).succeeds().starts_with("applied V1 sessions"));
    node.run(&["migrate", "--check"]).succeeds();

    let made = node.run_with(ANNS_PASSWORD, &[&CREATE_ANN[..], &["--log", "warn"]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("every further node on this database needs this same ring"), "{}", made.err);
    let server = node.serve();
    assert_eq!(server.get("/readyz").0, 200);
    let pair = server.log_in("ann", ANNS_PASSWORD, Some("phone"));
    let (status, pair) = server.refresh(&pair);
    assert_eq!(status, 200, "{pair}");

    assert_eq!(node.json(&["user", "list", "--json"])[0]["username"], "ann");
    let id = pair["session_id"].as_str().unwrap();
    assert_eq!(node.json(&["session", "list", "--json"])[0]["id"], id);
    assert!(node.run(&["why", id]).succeeds().contains(id));
    assert_eq!(node.json(&["sweep", "--json"]), json!({ "seen": 1, "ended": 0, "removed": 0, "live": 1 }));
    assert_eq!(node.json(&["audit", "verify", "--json"])["is_intact"], json!(true));
    assert_eq!(node.json(&["key", "list", "--json"])[0]["state"], "signs");
    node.run(&["key", "rotate", "--refresh", "--in", "1h"]).succeeds();
    node.run(&["session", "revoke", id]).succeeds();
    assert_eq!(server.refresh(&pair).1["cause"], "admin");
    node.run(&["user", "disable", "ann"]).succeeds();
    node.run(&["user", "enable", "ann"]).succeeds();
}

/// What `/readyz` says of a store that went back; looked for until it is as expected.
fn await_notice(server: &Server, is_expected: bool) {
    let begun = std::time::Instant::now();
    loop {
        let (status, ready) = server.get("/readyz");
        assert_eq!(status, 200, "a store that went back is no reason to send nothing here: {ready}");
        if ready["store_went_back_at"].is_i64() == is_expected {
            return;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{ready}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_database_that_lost_commits_is_told_by_every_node_until_somebody_accepts_it() {
    const LOSE: &str = "update store_position set position = 0";
    let database = Postgres::shared().fresh_database();
    let node = a_node_on(&database);
    assert_eq!(node.run_with(ANNS_PASSWORD, &CREATE_ANN).code, 0);
    let other = a_node_on(&database).set("SPRAG_KEY_RING", &node.read("sprag-data/keys.json"));
    let (server, beside) = (node.serve(), other.serve());
    await_notice(&server, false);
    assert!(node.run(&["audit", "accept"]).succeeds().contains("nothing to accept"));

    // As a failover does that loses the last of what a running node saw.
    database.psql(LOSE);
    server.log_in("ann", ANNS_PASSWORD, None);
    await_notice(&server, true);
    await_notice(&beside, true);
    assert!(node.run(&["audit", "accept"]).succeeds().starts_with("accepted"));
    await_notice(&server, false);
    await_notice(&beside, false);
    drop((server, beside));

    // As a dump does that is restored while nothing runs.
    node.run(&["audit", "verify"]).succeeds();
    database.psql(LOSE);
    let told = node.run(&["audit", "verify"]);
    assert_eq!(told.code, 1);
    assert!(told.out.contains("has gone back"), "{}", told.out);
    assert!(node.run(&["audit", "verify", "--json"]).out.contains("store_went_back"));
    let server = node.serve();
    await_notice(&server, true);
    assert_eq!(node.run(&["audit", "verify"]).code, 0, "it is journalled, and counts on");
    let told = database.psql("select count(*) from event where kind = 'store_went_back'");
    assert_eq!(told.trim(), "2", "each loss is told once");
    drop(server);
    let server = node.serve();
    await_notice(&server, true);
    node.run(&["audit", "accept"]).succeeds();
    await_notice(&server, false);
}

#[test]
fn a_second_node_needs_the_keys_of_the_first() {
    let database = Postgres::shared().fresh_database();
    let first = a_node_on(&database);
    assert_eq!(first.run_with(ANNS_PASSWORD, &CREATE_ANN).code, 0);
    let second = a_node_on(&database);
    let told = second.run(&["serve", "--listen", "127.0.0.1:0"]).fails();
    assert!(told.contains("copy keys.json from the data directory of a node"), "{told}");
    assert!(!second.path("sprag-data/keys.json").exists(), "a new ring would be of no use");

    let second = second.set("SPRAG_KEY_RING", &first.read("sprag-data/keys.json"));
    let (first, second) = (first.serve(), second.serve());
    let mut pair: Value = first.log_in("ann", ANNS_PASSWORD, None);
    for server in [&second, &first, &second] {
        let (status, next) = server.refresh(&pair);
        assert_eq!(status, 200, "{next}");
        pair = next;
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let node = an_empty_folder()
        .set("SPRAG_DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/sprag")
        .set("SPRAG_DATABASE_START_TIMEOUT", "0s");
    for command in [&["migrate"][..], &["migrate", "--check"], &["serve", "--listen", "127.0.0.1:0"]] {
        let told = node.run(command);
        assert_eq!(told.code, 1);
        assert!(told.err.contains("127.0.0.1:1/sprag") && !told.err.contains("hunter2"), "{}", told.err);
    }
}
