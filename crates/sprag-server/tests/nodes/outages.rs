//! On three nodes each has a mark of its own: one that is away makes nobody a thief at the others.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::Cluster;
use crate::late::{self, are_found_out, go_on};
use crate::people::Pair;
use crate::server::Server;

const WINDOW: [&str; 2] = ["--reuse-interval", "2s"];
const OUTAGE: Duration = Duration::from_secs(5);
const CLIENTS: usize = 6;

fn unheard(server: &Server) -> Vec<Pair> {
    late::unheard(server, "user-0", CLIENTS)
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
