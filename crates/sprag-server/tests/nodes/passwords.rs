//! A change of password whose answer is lost, and an account that is disabled while people log in, at several nodes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;

use sprag_rig::{Postgres, Proxy};
use sprag_testkit::beside::Over;

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
    let (is_over, let_in, told) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let answers: Vec<Answer> = scope(|scope| {
        let person = |number: usize| {
            let mut client = Connection::open(nodes[number % NODES]).unwrap();
            let (is_over, let_in, told) = (&is_over, &let_in, &told);
            move || {
                let mut answers = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.ask(&login("user-0", PASSWORD)).unwrap();
                    match answer.status {
                        200 => _ = let_in.fetch_add(1, Ordering::Relaxed),
                        401 => _ = told.fetch_add(1, Ordering::Relaxed),
                        // Put off: neither.
                        _ => {}
                    }
                    answers.push(answer);
                }
                answers
            }
        };
        let people: Vec<_> = (0..AT_ONCE).map(|number| scope.spawn(person(number))).collect();
        let over = Over(&is_over);
        let happens = |counted: &AtomicUsize| {
            let before = counted.load(Ordering::Relaxed);
            await_some(|| (counted.load(Ordering::Relaxed) > before).then_some(())).expect("an answer");
        };
        // Every second round waits for both answers: where a log-in takes longer than a round does, none would
        // be let in otherwise.
        for round in 0..ROUNDS {
            cluster.done(round % NODES, &["user", "disable", "user-0"], "");
            if round % 2 == 1 {
                happens(&told);
            }
            cluster.done(round % NODES, &["user", "enable", "user-0"], "");
            if round % 2 == 1 {
                happens(&let_in);
            }
        }
        drop(over);
        people.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    for answer in &answers {
        let told = (answer.status, answer.member("code"));
        let is_true = matches!(told.0, 200 | 503) || told.1 == "account_disabled";
        assert!(is_true, "{told:?}");
    }
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert!(count(200) > 0 && count(401) > 0, "{} let in, {} told", count(200), count(401));
    Pair::of(&hears(nodes[0], &login("user-0", PASSWORD)));
}
