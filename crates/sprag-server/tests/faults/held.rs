//! Somebody else holds rows for long, and there are too few connections to wait for them.

use std::thread::scope;
use std::time::{Duration, Instant};

use sprag_rig::{Database, Postgres};

use crate::crowd::{Crowd, Rhythm};
use crate::people::{log_in, login};
use crate::server::{PASSWORD, await_some};
use crate::stage::{Stage, assert_put_off};

const STEADY: Rhythm = Rhythm::Each(Duration::from_millis(20));
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Holds the rows that a query locks for so many seconds, and does something meanwhile.
fn while_held(database: &Database, rows: &str, seconds: u32, meanwhile: impl FnOnce()) {
    let hold = format!("begin; {rows} for update; select pg_sleep({seconds}); commit");
    scope(|scope| {
        scope.spawn(|| database.psql(&hold));
        let held =
            "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
        await_some(|| (database.psql(held) == "1").then_some(())).unwrap();
        meanwhile();
    });
}

pub(crate) fn f6_one_connection_and_a_held_account_keep_no_refresh_waiting() {
    let database = Postgres::shared().fresh_database();
    let stage = Stage::on(&database.url());
    let node = stage.node(&["--database-connections", "1", "--reuse-interval", "0s"]);
    // Without a window every refresh rotates, and so every client sends retry ids.
    let mut crowd = Crowd::log_in(&stage, &[&node], 8, 1);
    stage.home.create_user("ann");
    crowd.live_through(STEADY, |outside| {
        while_held(&database, "select 1 from account where username = 'ann'", 5, || {
            let (mut put_off, mut slowest, begun) = (0, Duration::ZERO, Instant::now());
            while begun.elapsed() < Duration::from_secs(4) {
                scope(|scope| {
                    let asked = Instant::now();
                    let all = ["ann", "user-0", "ann"].map(|name| {
                        let node = &node;
                        scope.spawn(move || (node.ask(&login(name, PASSWORD)), asked.elapsed()))
                    });
                    for (answer, took) in all.map(|answer| answer.join().unwrap()) {
                        slowest = slowest.max(took);
                        if answer.status != 200 {
                            assert_put_off(&answer);
                            put_off += 1;
                        }
                    }
                });
            }
            eprintln!("held: {put_off} log-ins put off, the slowest after {slowest:?}");
            assert!(put_off > 0, "nobody can log in as ann");
            assert!(slowest < ANSWERED_WITHIN, "an answer took {slowest:?}");
        });
        log_in(&mut node.connect(), "ann").expect("ann can log in again");
        outside.wait(Duration::from_millis(200));
    });
    crowd.assert_unharmed(&stage, "an account held");
    assert_eq!(crowd.count(503), 0, "no refresh needs that account or that connection");
}

pub(crate) fn f6_sessions_held_for_longer_than_the_window_do_not_end() {
    let database = Postgres::shared().fresh_database();
    let stage = Stage::on(&database.url());
    let window = ["--reuse-interval", "2s"];
    let nodes = [stage.node(&window), stage.node(&window)];
    let mut crowd = Crowd::log_in(&stage, &[&nodes[0], &nodes[1]], 12, 0);
    crowd.live_through(STEADY, |outside| {
        outside.wait(Duration::from_millis(500));
        while_held(&database, "select 1 from (select * from session order by id limit 4) s", 6, || {});
        outside.wait(Duration::from_secs(2));
    });
    crowd.assert_unharmed(&stage, "rows held");
}
