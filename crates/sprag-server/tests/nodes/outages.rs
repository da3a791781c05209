//! On three nodes each has a mark of its own: one that is away makes nobody a thief at the others.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::Cluster;
use crate::people::{Pair, log_in, refresh};
use crate::server::Server;
use crate::token::facts;

const WINDOW: [&str; 2] = ["--reuse-interval", "2s"];
const OUTAGE: Duration = Duration::from_secs(5);
const LONGER_THAN_THE_WINDOW: Duration = Duration::from_millis(2300);
const CLIENTS: usize = 6;

/// Clients that refreshed once and never heard of it.
fn unheard(server: &Server) -> Vec<Pair> {
    let mut at = server.connect();
    let held: Vec<_> = (0..CLIENTS).map(|_| log_in(&mut at, "user-0").unwrap()).collect();
    for pair in &held {
        assert_eq!(at.ask(&refresh(&pair.refresh)).unwrap().status, 200, "and nobody reads it");
    }
    held
}

#[track_caller]
fn go_on(server: &Server, held: &[Pair], what: &str) {
    for pair in held {
        let answer = server.ask(&refresh(&pair.refresh));
        assert_eq!(answer.status, 200, "{what}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(facts(&Pair::of(&answer).refresh).generation, facts(&pair.refresh).generation + 1);
    }
}

#[track_caller]
fn are_found_out(server: &Server, held: &[Pair]) {
    sleep(LONGER_THAN_THE_WINDOW);
    let refused = server.ask(&refresh(&held[0].refresh));
    assert_eq!((refused.status, refused.member("cause").as_str()), (401, "reuse"), "a thief is still found");
}

#[test]
fn a_node_that_is_away_makes_nobody_a_thief_at_the_others() {
    let (cluster, servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &WINDOW);
    cluster.create_users(1);
    let [first, second, third] = servers;
    let held = unheard(&first);
    first.signal(Signal::STOP);
    sleep(OUTAGE);
    let (at_others, at_thawed) = held.split_at(CLIENTS / 2);
    go_on(&second, at_others, "frozen, at another");
    first.signal(Signal::CONT);
    go_on(&first, at_thawed, "frozen, when it thaws");
    are_found_out(&third, at_others);

    let held = unheard(&second);
    second.kill();
    sleep(OUTAGE);
    let (at_others, at_restarted) = held.split_at(CLIENTS / 2);
    go_on(&third, at_others, "killed, at another");
    let second = cluster.start_node(1);
    go_on(&second, at_restarted, "killed, when it is back");
    are_found_out(&third, at_others);

    let held = unheard(&second);
    second.stop();
    sleep(OUTAGE);
    are_found_out(&third, &held);
    cluster.verify_journal();
}
