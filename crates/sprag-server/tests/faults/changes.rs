//! Changes of password while the way to the database breaks: whoever is put off cannot know whether it happened, and the
//! same request again is answered either way.

use std::net::SocketAddr;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use sprag_rig::{Postgres, Proxy};
use sprag_testkit::binary::random::Random;

use crate::people::{Pair, change_password, login, me, refresh};
use crate::server::{PASSWORD, Server, await_some};
use crate::stage::{Stage, assert_put_off};
use crate::wire::{Answer, Request};

const ROUNDS: u64 = 12;

/// Each question to the database takes so long that a change is mostly on its way there.
const EACH_WAY: Duration = Duration::from_millis(20);

/// Asks until it is not put off.
fn hears(node: &Server, request: &Request) -> Answer {
    await_some(|| Some(node.ask(request)).filter(|answer| answer.status != 503)).expect("an answer")
}

pub(crate) fn a_change_of_password_that_was_put_off_is_answered_when_it_comes_again() {
    let database_server = Postgres::shared();
    let database = database_server.fresh_database();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], database_server.port())));
    let stage = Stage::on(&database.url());
    let by_proxy = format!("postgres://postgres@{}/{}", proxy.addr(), database.name());
    let node = stage.node_by(&by_proxy, &["--reuse-interval", "300s"]);
    stage.home.create_user("ann");
    let mut passwords = [PASSWORD, "another long password for tests"];
    let mut pair = Pair::of(&hears(&node, &login("ann", passwords[0])));
    let mut random = Random::new(202_613);
    proxy.delay_answers(EACH_WAY);
    let begun = Instant::now();
    pair = Pair::of(&hears(&node, &change_password(&pair, passwords[0], passwords[1])));
    passwords.swap(0, 1);
    let undisturbed = begun.elapsed();
    let (mut put_off, mut had_happened) = (0, 0);
    for round in 0..ROUNDS {
        let change = change_password(&pair, passwords[0], passwords[1]);
        proxy.delay_answers(EACH_WAY);
        // Most of the time goes into hashing; what is written is written towards the end.
        let pause = undisturbed * u32::try_from(60 + random.below(45)).unwrap() / 100;
        let answer = scope(|scope| {
            let asked = scope.spawn(|| node.ask(&change));
            sleep(pause);
            proxy.hold_answers();
            let answer = asked.join().unwrap();
            proxy.cut();
            proxy.heal();
            answer
        });
        if answer.status != 200 {
            assert_put_off(&answer);
            assert!(answer.member("detail").contains("may have been changed"), "{:?}", answer.json());
            put_off += 1;
            had_happened += u32::from(hears(&node, &me(&pair.access)).status == 401);
        }
        let renewed = if answer.status == 200 { Pair::of(&answer) } else { Pair::of(&hears(&node, &change)) };
        for _ in 0..2 {
            let old = hears(&node, &refresh(&pair.refresh));
            assert_eq!((old.status, old.member("cause")), (401, "password_changed".to_owned()), "{round}");
        }
        assert_eq!(hears(&node, &me(&renewed.access)).status, 200, "round {round}");
        pair = renewed;
        passwords.swap(0, 1);
    }
    eprintln!("of {ROUNDS} changes {put_off} were put off, and {had_happened} of those had happened");
    assert!(put_off > 0, "the way broke in time");
    assert_eq!(hears(&node, &login("ann", passwords[1])).member("code"), "credentials_invalid");
    Pair::of(&hears(&node, &login("ann", passwords[0])));
    let reuse = database.psql("select count(*) from session where ended_cause = 'reuse'");
    assert_eq!(reuse, "0", "nobody was accused");
}
