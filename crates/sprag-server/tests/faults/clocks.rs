//! Nodes whose own clocks are wrong go by the database's, and do not believe it at once where it jumps.

use std::thread::{scope, sleep};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sprag_rig::{Database, Postgres, tools};

use crate::late::{are_found_out, clock_off_by, go_on, unheard};
use crate::people::{Pair, log_in, me, refresh};
use crate::server::{Server, await_some};
use crate::stage::Stage;
use crate::wire::Request;

/// What a busy machine may take between two looks at a clock.
const SECONDS_BETWEEN: i64 = 10;
const WINDOW_FLAGS: [&str; 2] = ["--reuse-interval", "2s"];
const LONGER_THAN_THE_WINDOW: Duration = Duration::from_millis(2100);

/// A node that takes it to be so much later, or earlier.
fn node_at(stage: &Stage, offset: &str) -> Server {
    let library = tools::faketime().display().to_string();
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

pub(crate) fn a_clock_of_the_database_that_jumps_ends_nobody_and_is_noticed() {
    let database_server = Postgres::builder().with_a_clock_to_wind().start();
    let database = database_server.fresh_database();
    let stage = Stage::on(&database.url());
    let (first, second) = (stage.node(&WINDOW_FLAGS), stage.node(&WINDOW_FLAGS));
    stage.home.create_user("ann");
    for (offset, seconds) in [("+40d", 40 * 24 * 3600), ("-1h", -3600), ("+1h", 3600)] {
        let right = database_seconds(&database);
        let held = unheard(&first, "ann", 6);
        database_server.clock().jumps(offset);
        let (at_first, at_second) = held.split_at(3);
        go_on(&first, at_first, offset);
        go_on(&second, at_second, offset);
        for node in [&first, &second] {
            let noticed = await_some(|| clock_off_by(node));
            assert!(noticed.is_some_and(|noticed| (noticed - seconds).abs() <= 2), "{offset}: {noticed:?}");
        }
        assert!((database_seconds(&database) - right - seconds).abs() < 60, "the database's clock is wound");
        let held_in_doubt = unheard(&second, "ann", 6);
        go_on(&first, &held_in_doubt, offset);
        let pair = log_in(&mut second.connect(), "ann").unwrap();
        assert!((claims(&pair.access)["iat"].as_i64().unwrap() - right).abs() < 60, "{offset}");
        assert_eq!(first.ask(&me(&pair.access)).status, 200);
        let third = stage.node(&WINDOW_FLAGS);
        assert!(clock_off_by(&third).is_some(), "who starts meanwhile takes the doubt over: {offset}");
        assert_eq!(third.ask(&me(&pair.access)).status, 200);
        third.stop();
        database_server.clock().jumps("+0");
        for node in [&first, &second] {
            assert!(await_some(|| clock_off_by(node).is_none().then_some(())).is_some(), "{offset}");
        }
        are_found_out(&second, &held);
    }
    assert!(second.log().contains("the clock has jumped and is not believed"));
    let kinds = database.psql("select distinct kind from event where kind like 'clock%' order by kind");
    assert_eq!(kinds, "clock_jumped\nclock_returned");
    stage.home.verify_journal();
}
