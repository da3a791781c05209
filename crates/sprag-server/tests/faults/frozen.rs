//! The database stands still, is away, or one node's way to it is: for longer than clients may be late.

use std::net::SocketAddr;
use std::thread::{scope, sleep};
use std::time::Duration;

use sprag_rig::{Database, Postgres, Proxy};

use crate::crowd::{Crowd, Outside, Rhythm};
use crate::stage::{Stage, metric};

/// Shorter than the trouble.
const SHORT_WINDOW: [&str; 2] = ["--reuse-interval", "2s"];
const TROUBLE: Duration = Duration::from_secs(6);
/// Longer than anybody waits for an answer.
const SHORTER_TROUBLE: Duration = Duration::from_secs(3);
/// So many clients refresh one shortly after the other, and the trouble comes in the midst of it. The database is so
/// far away that many rotations are on their way then.
const CLIENTS: usize = 64;
const IN_THE_MIDST: Duration = Duration::from_millis(50);
const FAR: Duration = Duration::from_millis(10);

/// A proxy before the server, and the database's address by way of it.
fn way_to(server: &Postgres, database: &Database) -> (Proxy, String) {
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let url = format!("postgres://postgres@{}/{}", proxy.addr(), database.name());
    (proxy, url)
}

/// Has all rotate, strikes in the midst of it and heals after `trouble`; when that was.
fn strike(outside: &Outside<'_>, trouble: Duration, strike: impl FnOnce(), heal: impl FnOnce()) -> Duration {
    outside.call();
    sleep(IN_THE_MIDST);
    strike();
    sleep(trouble);
    heal();
    let back = outside.now();
    // For as long as it may take, and as long as a late rotation may come out.
    sleep(Duration::from_millis(2500));
    back
}

/// Two nodes, every client's first rotation under way when the trouble comes, and nobody sends retry ids.
fn live_through(what: &str, trouble: impl FnOnce(&Postgres, &Proxy), heal: impl FnOnce(&Postgres, &Proxy)) {
    let database_server = Postgres::start();
    let database = database_server.fresh_database();
    let (proxy, by_proxy) = way_to(&database_server, &database);
    let stage = Stage::on(&database.url());
    let nodes = [stage.node_by(&by_proxy, &SHORT_WINDOW), stage.node_by(&by_proxy, &SHORT_WINDOW)];
    let mut crowd = Crowd::log_in(&stage, &[&nodes[0], &nodes[1]], CLIENTS, 0);
    proxy.delay(FAR);
    let back = crowd.live_through(Rhythm::Called, |outside| {
        strike(outside, TROUBLE, || trouble(&database_server, &proxy), || heal(&database_server, &proxy))
    });
    let come_out: u64 =
        nodes.iter().map(|node| metric(node, "sprag_verdicts_total{row=\"9\",verdict=\"just_spent\"}")).sum();
    eprintln!("{what}: {come_out} rotations had happened unanswered");
    crowd.assert_unharmed(&stage, what);
    crowd.assert_back_soon(back, what);
    assert!(crowd.count(503) > CLIENTS / 4, "they should have been put off: {}", crowd.count(503));
    assert!(nodes.iter().all(|node| metric(node, "sprag_state_regressions_total") == 0));
    stage.home.verify_journal();
}

pub(crate) fn f6_a_frozen_database_puts_clients_off_and_ends_no_session() {
    live_through("frozen", |server, _| server.freeze(), |server, _| server.thaw());
}

pub(crate) fn f3_a_database_that_was_away_for_longer_than_the_window_ends_no_session() {
    // The last answers are lost with it.
    let kill = |server: &Postgres, proxy: &Proxy| {
        proxy.hold_answers();
        sleep(FAR);
        server.kill();
        proxy.cut();
    };
    let restart = |server: &Postgres, proxy: &Proxy| {
        proxy.heal();
        server.start_again();
    };
    live_through("killed for long", kill, restart);
}

/// The window is longer here: nobody but the node that was cut off knows what it had under way, and its clients come to
/// the other one as soon as they are put off.
fn one_node_of_two(what: &str, trouble: impl FnOnce(&Proxy), heal: impl FnOnce(&Proxy)) {
    let database_server = Postgres::shared();
    let database = database_server.fresh_database();
    let (proxy, by_proxy) = way_to(database_server, &database);
    let stage = Stage::on(&database.url());
    let window = ["--reuse-interval", "10s"];
    let nodes = [stage.node_by(&by_proxy, &window), stage.node(&window)];
    let mut crowd = Crowd::log_in(&stage, &[&nodes[0], &nodes[1]], CLIENTS / 2, 0);
    proxy.delay(FAR);
    crowd.live_through(Rhythm::Called, |outside| {
        strike(outside, SHORTER_TROUBLE, || trouble(&proxy), || heal(&proxy));
    });
    crowd.assert_unharmed(&stage, what);
    assert!(nodes.iter().all(|node| metric(node, "sprag_state_regressions_total") == 0));
    stage.home.verify_journal();
}

pub(crate) fn f13_a_node_cut_off_from_the_database_ends_no_session() {
    let cut = |proxy: &Proxy| {
        proxy.refuse(true);
        proxy.cut();
    };
    let lose_answers = |proxy: &Proxy| {
        proxy.cut();
        proxy.heal();
    };
    scope(|scope| {
        scope.spawn(|| one_node_of_two("the way hangs", Proxy::hang, Proxy::heal));
        scope.spawn(|| one_node_of_two("no answers come", Proxy::hold_answers, lose_answers));
        scope.spawn(|| one_node_of_two("the way is cut", cut, Proxy::heal));
    });
}
