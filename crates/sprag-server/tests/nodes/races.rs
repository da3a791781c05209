//! One node answers, another must know: the same request at two nodes, and an end that no node lets anyone outlive.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread::scope;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use serde_json::json;
use sprag_rig::Postgres;
use sprag_testkit::often::often;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::people::{Pair, log_in, login, logout, refresh, refresh_with_id};
use crate::random::Random;
use crate::server::{PASSWORD, await_some};
use crate::token::facts;
use crate::wire::{Answer, Connection, Request};

/// Where every refresh rotates.
const EVERY: [&str; 2] = ["--reuse-interval", "0s"];

#[test]
fn t17_a_refresh_at_all_nodes_at_once_has_one_successor() {
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &EVERY);
    cluster.create_users(1);
    let mut nodes = cluster.addresses().map(|address| Connection::open(address).unwrap());
    let mut token = log_in(&mut nodes[0], "user-0").unwrap().refresh;
    for round in 1..=1000 {
        token = same_successor(&mut nodes, &refresh_with_id(&token));
        assert_eq!(facts(&token).generation, round);
    }
    assert_eq!(cluster.database.psql("select generation from session"), "1000");
}

#[test]
fn t17_without_a_retry_id_as_well_within_the_reuse_interval() {
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &[]);
    cluster.create_users(1);
    let mut nodes = cluster.addresses().map(|address| Connection::open(address).unwrap());
    for _ in 0..50 {
        let first = log_in(&mut nodes[0], "user-0").unwrap().refresh;
        let next = same_successor(&mut nodes, &refresh(&first));
        assert_eq!(facts(&next).generation, 1);
    }
    assert_eq!(cluster.database.psql("select distinct generation from session"), "1");
}

/// Asks on a connection of its own.
fn ask(node: SocketAddr, request: &Request) -> Answer {
    Connection::open(node).unwrap().ask(request).unwrap()
}

/// Sends a refresh to all nodes before any has answered.
fn same_successor(nodes: &mut [Connection; NODES], request: &Request) -> String {
    for node in &mut *nodes {
        node.send(request).unwrap();
    }
    let given = nodes.each_mut().map(|node| Pair::of(&node.receive().unwrap()).refresh);
    assert!(given.iter().all(|token| *token == given[0]), "{given:?}");
    given[0].clone()
}

#[test]
fn r13_after_an_acknowledged_end_of_a_session_no_node_refreshes_it() {
    const AT_ONCE: usize = 15;
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &EVERY);
    cluster.create_users(1);
    let mut random = Random::new(20_266);
    for _ in 0..often(10, 40) {
        let people = log_in_all(&cluster, "user-0", AT_ONCE);
        let addresses = cluster.addresses();
        let pauses: Vec<_> = (0..AT_ONCE).map(|_| random.below(6000)).collect();
        scope(|scope| {
            for (number, (person, pause)) in people.iter().zip(pauses).enumerate() {
                scope.spawn(move || {
                    person.race(addresses, number, || {
                        std::thread::sleep(Duration::from_micros(pause));
                        person.end_own_session(addresses[number % NODES], number);
                    });
                });
            }
        });
    }
}

#[test]
fn r15_after_an_acknowledged_change_of_the_password_no_node_refreshes_the_other_sessions() {
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &EVERY);
    cluster.create_users(1);
    for round in 0..often(5, 16) {
        let mut people = log_in_all(&cluster, "user-0", 16);
        let own = people.pop().unwrap();
        let node = cluster.addresses()[round % NODES];
        let tokens = own.tokens.lock().unwrap().clone();
        // Even where the password stays as it is, the epoch moves.
        let body = json!({ "current_password": PASSWORD, "new_password": PASSWORD, "refresh_token": tokens.refresh });
        let change = Request::post("/api/v1/auth/password", &body).bearer(&tokens.access);
        all_race(&cluster, &people, || {
            let answer = ask(node, &change);
            *own.tokens.lock().unwrap() = Pair::of(&answer);
        });
        let after = own.tokens.lock().unwrap().refresh.clone();
        let answer = ask(cluster.addresses()[0], &refresh_with_id(&after));
        assert_eq!(answer.status, 200, "the session that changed it goes on");
    }
}

#[test]
fn r15_after_an_account_was_disabled_no_node_refreshes_its_sessions() {
    let (cluster, _servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &EVERY);
    cluster.create_users(1);
    for round in 0..often(3, 10) {
        let people = log_in_all(&cluster, "user-0", 16);
        all_race(&cluster, &people, || drop(cluster.done(round % NODES, &["user", "disable", "user-0"], "")));
        cluster.done(0, &["user", "enable", "user-0"], "");
        for person in &people {
            let token = person.tokens.lock().unwrap().refresh.clone();
            let answer = ask(cluster.addresses()[1], &refresh_with_id(&token));
            assert_eq!(answer.status, 401, "what has ended stays ended");
        }
    }
}

/// Somebody with one session, and the newest tokens of it.
struct Person {
    tokens: Mutex<Pair>,
}

fn log_in_all(cluster: &Cluster, name: &str, count: usize) -> Vec<Person> {
    let addresses = cluster.addresses();
    scope(|scope| {
        let log_ins: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    // So many at once may be told to come back.
                    let opened = await_some(|| {
                        let answer = ask(addresses[number % NODES], &login(name, PASSWORD));
                        (answer.status != 503).then(|| Pair::of(&answer))
                    });
                    Person { tokens: Mutex::new(opened.unwrap()) }
                })
            })
            .collect();
        log_ins.into_iter().map(|log_in| log_in.join().unwrap()).collect()
    })
}

/// All refresh while `end` ends their sessions.
fn all_race(cluster: &Cluster, people: &[Person], end: impl FnOnce()) {
    let addresses = cluster.addresses();
    scope(|scope| {
        let last: Vec<_> = (people.iter().enumerate())
            .map(|(number, person)| scope.spawn(move || person.refresh_to_the_end(addresses, number)))
            .collect();
        end();
        let acknowledged = Instant::now();
        let last: Vec<_> = last.into_iter().map(|last| last.join().unwrap()).collect();
        people.iter().for_each(|person| person.is_refused(addresses));
        assert!(
            last.iter().flatten().all(|begun| *begun < acknowledged),
            "a refresh that began later was answered"
        );
    });
}

impl Person {
    fn race(&self, addresses: [SocketAddr; NODES], number: usize, end: impl FnOnce()) {
        let (begun, acknowledged) = scope(|scope| {
            let last = scope.spawn(|| self.refresh_to_the_end(addresses, number));
            end();
            let acknowledged = Instant::now();
            self.is_refused(addresses);
            (last.join().unwrap(), acknowledged)
        });
        assert!(begun.is_none_or(|begun| begun < acknowledged), "a refresh that began later was answered");
    }

    /// Refreshes at one node after another until that is refused; when the last began that was answered with tokens.
    fn refresh_to_the_end(&self, addresses: [SocketAddr; NODES], number: usize) -> Option<Instant> {
        let mut nodes = addresses.map(|address| Connection::open(address).unwrap());
        let mut last = None;
        for turn in number.. {
            let request = refresh_with_id(&self.tokens.lock().unwrap().refresh);
            let begun = Instant::now();
            let answer = nodes[turn % NODES].ask(&request).unwrap();
            match answer.status {
                200 => {
                    *self.tokens.lock().unwrap() = Pair::of(&answer);
                    last = Some(begun);
                }
                401 => break,
                503 => {}
                status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
            }
        }
        last
    }

    /// Whoever comes later comes too late, wherever.
    fn is_refused(&self, addresses: [SocketAddr; NODES]) {
        let token = self.tokens.lock().unwrap().refresh.clone();
        for address in addresses {
            let answer = ask(address, &refresh_with_id(&token));
            assert_eq!(answer.status, 401, "{}", String::from_utf8_lossy(&answer.body));
        }
    }

    /// Logs out, or ends the session as the list of sessions lets one, until that is acknowledged.
    fn end_own_session(&self, node: SocketAddr, number: usize) {
        let tokens = self.tokens.lock().unwrap().clone();
        let request = if number.is_multiple_of(2) {
            logout(&tokens.refresh)
        } else {
            let id = HEXLOWER.encode(&facts(&tokens.refresh).session);
            let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
            Request::bare("DELETE", &format!("/api/v1/auth/sessions/{id}")).bearer(&tokens.access)
        };
        let answer = ask(node, &request);
        assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    }
}
