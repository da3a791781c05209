//! Another server takes over: with all that was acknowledged, or without the last of it.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use sprag_rig::{Postgres, Sync};

use crate::crowd::{Crowd, Rhythm};
use crate::people::{Pair, log_in, refresh};
use crate::server::{Server, await_some};
use crate::stage::{Stage, metric};
use crate::token::facts;
use crate::wire::Request;

const STEADY: Rhythm = Rhythm::Each(Duration::from_millis(20));
const WINDOW: [&str; 2] = ["--reuse-interval", "1s"];

fn both(one: &Postgres, other: &Postgres, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{database}", one.port(), other.port())
}

pub(crate) fn f4_a_synchronous_standby_takes_over_and_loses_nothing() {
    let primary = Postgres::start();
    let database = primary.fresh_database();
    let standby = Postgres::standby_of(&primary, Sync::Yes);
    let stage = Stage::on(&both(&primary, &standby, database.name()));
    let nodes = [stage.node(&WINDOW), stage.node(&WINDOW)];
    let mut crowd = Crowd::log_in(&stage, &[&nodes[0], &nodes[1]], 32, 0);
    let back = crowd.live_through(STEADY, |outside| {
        outside.wait(Duration::from_millis(2500));
        primary.kill();
        standby.promote();
        let back = outside.now();
        outside.wait(Duration::from_secs(3));
        back
    });
    crowd.assert_unharmed(&stage, "failed over");
    crowd.assert_back_soon(back, "failed over");
    assert!(crowd.rotations() > 64, "they should have rotated, not {} times", crowd.rotations());
    for node in &nodes {
        assert_eq!(metric(node, "sprag_state_regressions_total"), 0, "no token is ahead of the database");
        let ready = node.ask(&Request::get("/readyz")).json();
        assert!(ready["store_went_back_at"].is_null(), "nothing was lost, and nothing is told: {ready}");
    }
    stage.home.verify_journal();
}

pub(crate) fn t12_what_an_asynchronous_failover_lost_is_noticed_and_ends_nobody() {
    let primary = Postgres::start();
    let database = primary.fresh_database();
    let standby = Postgres::standby_of(&primary, Sync::No);
    let stage = Stage::on(&both(&primary, &standby, database.name()));
    let node = stage.node(&WINDOW);
    let mut crowd = Crowd::log_in(&stage, &[&node], 16, 0);
    crowd.live_through(STEADY, |outside| outside.wait(Duration::from_millis(500)));
    standby.wait_caught_up();
    standby.pause_wal_receiver();
    let lost = log_in(&mut node.connect(), "user-0").unwrap();
    let back = crowd.live_through(STEADY, |outside| {
        // All rotate at least once more.
        outside.wait(Duration::from_millis(1500));
        primary.kill();
        standby.promote();
        let back = outside.now();
        outside.wait(Duration::from_secs(2));
        back
    });
    crowd.assert_unharmed(&stage, "failed over and behind");
    crowd.assert_back_soon(back, "failed over and behind");
    assert_noticed(&stage, &node, &crowd, &lost);
}

pub(crate) fn t11_a_restored_backup_is_noticed_and_ends_nobody() {
    let server = Postgres::shared();
    let (database, restored) = (server.fresh_database(), server.fresh_database());
    let stage = Stage::on(&database.url());
    let node = stage.node(&WINDOW);
    let mut crowd = Crowd::log_in(&stage, &[&node], 16, 0);
    crowd.live_through(STEADY, |outside| outside.wait(Duration::from_millis(500)));
    let dump = std::process::Command::new(server.bin("pg_dump")).arg(database.url()).output().unwrap();
    assert!(dump.status.success(), "{dump:?}");
    let lost = log_in(&mut node.connect(), "user-0").unwrap();
    crowd.live_through(STEADY, |outside| outside.wait(Duration::from_millis(1500)));
    node.stop();
    // A backup is older than that when it is put back: until the mark in it is three seconds old, the node that moved it
    // passes for one that serves beside, and then for one that stays away.
    sleep(Duration::from_millis(3500));

    restored.psql(&String::from_utf8(dump.stdout).unwrap());
    stage.move_to(&restored.url());
    let node = stage.node(&WINDOW);
    crowd.move_to(&[&node]);
    crowd.live_through(STEADY, |outside| outside.wait(Duration::from_millis(500)));
    crowd.assert_unharmed(&stage, "restored");
    assert_noticed(&stage, &node, &crowd, &lost);
}

pub(crate) fn t12_the_last_count_that_is_lost_is_not_hidden_by_the_next_one() {
    const LOSE: &str = "update store_position set position = position - 1;
        update lease set moved_at = moved_at - 1 where kind = 'count'";
    let database = Postgres::shared().fresh_database();
    let stage = Stage::on(&database.url());
    let node = stage.node(&WINDOW);
    stage.home.create_user("ann");
    let counts = || -> u64 { database.psql("select position from store_position").parse().unwrap() };
    let counted_on = || {
        let before = counts();
        log_in(&mut node.connect(), "ann").unwrap();
        await_some(|| (counts() > before).then_some(())).expect("a log-in is counted");
    };
    counted_on();
    counted_on();
    let went_back_at = || node.ask(&Request::get("/readyz")).json()["store_went_back_at"].as_i64();
    assert_eq!(went_back_at(), None);
    database.psql(LOSE);
    counted_on();
    assert!(await_some(went_back_at).is_some(), "it came as far again as was seen, by another way");
    assert!(node.log().contains("what had been counted up to position"), "{}", node.log());
    stage.home.verify_journal();
}

/// Every client was ahead of the database and is told of; who logged in after the lost moment is unknown to it.
fn assert_noticed(stage: &Stage, node: &Server, crowd: &Crowd, lost: &Pair) {
    let regressions = metric(node, "sprag_state_regressions_total");
    let tokens: Vec<_> = crowd.tokens().collect();
    assert!(regressions >= tokens.len() as u64, "{regressions} of {} were noticed", tokens.len());
    let ready = node.ask(&Request::get("/readyz"));
    assert_eq!((ready.status, ready.json()["state_regressions"].as_u64()), (200, Some(regressions)));
    let went_back_at = || node.ask(&Request::get("/readyz")).json()["store_went_back_at"].as_i64();
    assert!(await_some(went_back_at).is_some(), "the database is behind what was seen of it");
    for token in &tokens {
        let why = stage.why(token);
        assert!(why.contains("ahead_adopted") && why.contains("must have gone back in time"), "{why}");
    }
    let refused = node.ask(&refresh(&lost.refresh));
    assert_eq!((refused.status, refused.member("code").as_str()), (401, "session_ended"));
    assert_eq!(refused.json()["cause"], Value::Null, "nobody ended it; the database does not know it");
    stage.home.verify_journal();
    // They rotate on as before.
    sleep(Duration::from_millis(1100));
    let next = Pair::of(&node.ask(&refresh(tokens[0])));
    assert_eq!(facts(&next.refresh).generation, facts(tokens[0]).generation + 1);
}
