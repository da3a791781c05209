//! Nodes whose own clocks are wrong go by the database's.

use std::fs;
use std::path::PathBuf;
use std::thread::{scope, sleep};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sprag_rig::{Database, Postgres};

use crate::people::{Pair, log_in, me, refresh};
use crate::server::Server;
use crate::stage::Stage;
use crate::wire::Request;

/// What a busy machine may take between two looks at a clock.
const SECONDS_BETWEEN: i64 = 10;
const WINDOW_FLAGS: [&str; 2] = ["--reuse-interval", "2s"];
const LONGER_THAN_THE_WINDOW: Duration = Duration::from_millis(2100);

/// The library that gives a process another time.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok).map(|folder| folder.path());
    let found =
        folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists());
    found.expect("libfaketime is not installed, and this test needs it; run: sudo apt-get install faketime")
}

/// A node that takes it to be so much later, or earlier.
fn node_at(stage: &Stage, offset: &str) -> Server {
    let library = faketime().display().to_string();
    let wrong =
        [("LD_PRELOAD", library.as_str()), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    stage.node_with(&WINDOW_FLAGS, &wrong)
}

fn database_seconds(database: &Database) -> i64 {
    database.psql("select extract(epoch from clock_timestamp())::bigint").parse().unwrap()
}

fn claims(access: &str) -> Value {
    let body = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap()
}

pub(crate) fn t14_f12_nodes_with_wrong_clocks_agree_with_the_database() {
    let database = Postgres::shared().fresh_database();
    let stage = Stage::on(&database.url());
    let right = stage.node(&WINDOW_FLAGS);
    stage.home.create_user("ann");
    let (ahead, behind) = (node_at(&stage, "+1h"), node_at(&stage, "-1d"));
    let hour_of = |node: &Server| node.log().chars().take(13).collect::<String>();
    assert_ne!(hour_of(&ahead), hour_of(&behind), "the log's own times should be wrong");
    let database = &database;
    scope(|scope| {
        let pairs =
            [(&right, &ahead), (&ahead, &right), (&behind, &right), (&ahead, &behind), (&behind, &ahead)];
        for (one, other) in pairs {
            scope.spawn(move || agree(database, one, other));
        }
    });
    for node in [&right, &ahead, &behind] {
        assert_eq!(node.ask(&Request::get("/readyz")).status, 200);
    }
    stage.home.verify_journal();
}

/// What `one` hands out, `other` takes for what it is.
fn agree(database: &Database, one: &Server, other: &Server) {
    let first = log_in(&mut one.connect(), "ann").unwrap();
    assert_is_of_now(database, &first);
    assert_eq!(other.ask(&me(&first.access)).status, 200, "its access token is neither over nor of tomorrow");
    let second = Pair::of(&other.ask(&refresh(&first.refresh)));
    assert_is_of_now(database, &second);
    let again = Pair::of(&one.ask(&refresh(&first.refresh)));
    assert_eq!(again.refresh, second.refresh, "inside the window it is a retry");
    let kept = other.ask(&refresh(&second.refresh));
    assert_eq!(Pair::of(&kept).refresh, second.refresh, "and the newest is kept");
    sleep(LONGER_THAN_THE_WINDOW);
    let reused = one.ask(&refresh(&first.refresh));
    assert_eq!((reused.status, reused.member("cause").as_str()), (401, "reuse"), "outside it is theft");
    assert_eq!(other.ask(&refresh(&second.refresh)).member("cause"), "reuse");
}

#[track_caller]
fn assert_is_of_now(database: &Database, pair: &Pair) {
    let (claims, now) = (claims(&pair.access), database_seconds(database));
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((now - issued).abs() < SECONDS_BETWEEN, "issued at {issued}, and it is {now}");
    let life = expires - issued;
    assert!((810..=900).contains(&life), "it lives for {life} s");
}
