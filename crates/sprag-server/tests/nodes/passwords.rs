//! A change of password whose answer is lost, and an account that is disabled while people log in, at several nodes.

use std::net::SocketAddr;

use sprag_rig::{Postgres, Proxy};
use sprag_testkit::binary::log_ins::log_in_while_disabled_and_enabled;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::people::{Pair, change_password, log_in, login, me, refresh};
use crate::server::{PASSWORD, await_some};
use crate::wire::{Answer, Connection, Request};

const NEW: &str = "another long password for tests";

fn ask(node: SocketAddr, request: &Request) -> Answer {
    Connection::open(node).unwrap().ask(request).unwrap()
}

/// Asks until it is not put off.
fn hears(node: SocketAddr, request: &Request) -> Answer {
    let put_on = || Connection::open(node).ok()?.ask(request).ok().filter(|answer| answer.status != 503);
    await_some(put_on).expect("an answer")
}

#[test]
fn a_change_of_password_whose_answer_was_cut_off_is_answered_again_by_any_node() {
    let flags = ["--reuse-interval", "300s"];
    let (cluster, servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &flags);
    cluster.create_users(1);
    let nodes = cluster.addresses();
    let pair = log_in(&mut Connection::open(nodes[0]).unwrap(), "user-0").unwrap();
    let change = change_password(&pair, PASSWORD, NEW);
    let way = Proxy::start(nodes[0]);
    let mut client = Connection::open(way.addr()).unwrap();
    way.hold_answers();
    client.send(&change).unwrap();
    await_some(|| (ask(nodes[1], &me(&pair.access)).status == 401).then_some(())).expect("it has happened");
    way.cut();
    client.receive().expect_err("its answer is lost");

    let answered = nodes.map(|node| Pair::of(&hears(node, &change)).refresh);
    assert!(answered.iter().all(|token| *token == answered[0]), "one session, whichever node");
    let [first, ..] = servers;
    first.kill();
    let _restarted = cluster.start_node(0);
    assert_eq!(Pair::of(&hears(nodes[0], &change)).refresh, answered[0]);
    for node in nodes {
        let answer = hears(node, &refresh(&pair.refresh));
        let said = (answer.status, answer.member("code"), answer.member("cause"));
        assert_eq!(said, (401, "session_ended".to_owned(), "password_changed".to_owned()));
    }
    Pair::of(&hears(nodes[2], &refresh(&answered[0])));
    assert_eq!(cluster.database.psql("select count(*) from session where ended_at is null"), "1");
    cluster.verify_journal();
}

/// Of one request that all nodes are sent at once, every answer is the same.
#[test]
fn a_change_of_password_that_comes_to_all_nodes_at_once_opens_one_session() {
    const ROUNDS: usize = 8;
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &[]);
    cluster.create_users(1);
    let addresses = cluster.addresses();
    let mut nodes = addresses.map(|address| Connection::open(address).unwrap());
    let mut pair = log_in(&mut nodes[0], "user-0").unwrap();
    for round in 0..ROUNDS {
        let (current, new) = if round % 2 == 0 { (PASSWORD, NEW) } else { (NEW, PASSWORD) };
        let change = change_password(&pair, current, new);
        for node in &mut nodes {
            node.send(&change).unwrap();
        }
        let given = nodes.each_mut().map(|node| {
            let answer = node.receive().unwrap();
            // On a busy machine one may be put off, and comes again as it is told.
            if answer.status == 503 { Pair::of(&hears(addresses[0], &change)) } else { Pair::of(&answer) }
        });
        assert!(given.iter().all(|one| one.refresh == given[0].refresh), "round {round}");
        pair = given[0].clone();
    }
    assert_eq!(cluster.database.psql("select count(*) from event where kind = 'login_failed'"), "0");
    assert_eq!(cluster.database.psql("select count(*) from session where ended_at is null"), "1");
}

#[test]
fn who_logs_in_at_any_node_while_an_account_is_disabled_and_enabled_is_never_told_that_the_password_is_wrong()
{
    const AT_ONCE: usize = 12;
    const ROUNDS: usize = 6;
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &[]);
    cluster.create_users(1);
    let nodes = cluster.addresses();
    let people = (0..AT_ONCE).map(|number| Connection::open(nodes[number % NODES]).unwrap()).collect();
    log_in_while_disabled_and_enabled(people, "user-0", ROUNDS, |round, what| {
        cluster.done(round % NODES, &["user", what, "user-0"], "");
    });
    Pair::of(&hears(nodes[0], &login("user-0", PASSWORD)));
}
