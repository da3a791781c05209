//! A change of password whose answer is lost on the way, an account that is disabled while people log in, and passwords
//! that nobody waits for any more.

use rusqlite::params;
use sprag_rig::Proxy;
use sprag_testkit::binary::log_ins::log_in_while_disabled_and_enabled;

use crate::SPRAG;
use crate::people::{Pair, change_password, log_in, login, me, refresh};
use crate::server::{Home, PASSWORD, Server, await_some};
use crate::wire::{Answer, Connection, Request};

const NEW: &str = "another long password for tests";

/// Time enough for a server to be killed and started again on any machine.
const LONG_WINDOW: [&str; 4] = ["--reuse-interval", "300s", "--public-url", "http://localhost:1"];

/// Whoever presents a token from before a change of password hears of that, and is accused of nothing.
#[track_caller]
fn assert_told_of_the_change(answer: &Answer) {
    let said = (answer.status, answer.member("code"), answer.member("cause"));
    assert_eq!(said, (401, "session_ended".to_owned(), "password_changed".to_owned()));
}

#[test]
fn a_change_of_password_whose_answer_was_cut_off_is_answered_again_and_after_a_kill_too() {
    let home = Home::new(SPRAG);
    let server = home.start(&LONG_WINDOW);
    home.create_user("ann");
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let change = change_password(&pair, PASSWORD, NEW);
    let way = Proxy::start(server.address());
    let mut client = Connection::open(way.addr()).unwrap();
    way.hold_answers();
    client.send(&change).unwrap();
    await_some(|| (server.ask(&me(&pair.access)).status == 401).then_some(())).expect("it has happened");
    way.cut();
    client.receive().expect_err("its answer is lost");
    assert_told_of_the_change(&server.ask(&refresh(&pair.refresh)));

    let answered = Pair::of(&server.ask(&change));
    server.kill();
    let server = home.start(&LONG_WINDOW);
    let again = Pair::of(&server.ask(&change));
    assert_eq!(again.refresh, answered.refresh, "byte for byte, from another process");
    Pair::of(&server.ask(&refresh(&again.refresh)));
    assert_told_of_the_change(&server.ask(&change));
    assert_told_of_the_change(&server.ask(&refresh(&pair.refresh)));
    assert_eq!(server.ask(&login("ann", PASSWORD)).member("code"), "credentials_invalid");
    Pair::of(&server.ask(&login("ann", NEW)));
    server.stop();
    home.verify_journal();
}

fn operator_does(home: &Home, what: &str) {
    let ran = home.run(home.command(&["user", what, "ann"]), "");
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn twelve_who_log_in_while_an_administrator_disables_and_enables_are_never_told_that_the_password_is_wrong() {
    const AT_ONCE: usize = 12;
    const ROUNDS: usize = 6;
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    home.create_user("ann");
    let people = (0..AT_ONCE).map(|_| server.connect()).collect();
    log_in_while_disabled_and_enabled(people, "ann", ROUNDS, |_, what| operator_does(&home, what));
    Pair::of(
        &await_some(|| Some(server.ask(&login("ann", PASSWORD))).filter(|one| one.status != 503)).unwrap(),
    );
}

/// How many connections there are, the one that asks included.
fn connections(server: &Server) -> u64 {
    let answer = server.ask(&Request::get("/metrics"));
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().find_map(|line| line.strip_prefix("sprag_connections "));
    line.expect("they are counted").parse().unwrap()
}

/// One thread would have many seconds of work with what they left behind, far more than a request is given.
#[test]
fn passwords_whose_clients_are_gone_keep_nobody_waiting() {
    const WAITING: usize = 60;
    // Of what password is nobody's business: it takes a few tenths of a second to find out that it is another one.
    const DEAR: &str = "$2b$12$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE";
    let home = Home::new(SPRAG);
    let flags = ["--hash-threads", "1", "--hash-queue", "64"];
    home.start(&flags).stop();
    home.create_user("ann");
    home.create_user("bob");
    let database = rusqlite::Connection::open(home.data().join("sprag.db")).unwrap();
    let bobs = "update credential set secret = ?1
                where account_id = (select id from account where username = 'bob')";
    assert_eq!(database.execute(bobs, params![DEAR.as_bytes()]).unwrap(), 1);
    drop(database);
    let server = home.start(&flags);
    let mut gone: Vec<Connection> = (0..WAITING).map(|_| server.connect()).collect();
    for client in &mut gone {
        client.send(&login("bob", PASSWORD)).unwrap();
    }
    await_some(|| (connections(&server) > WAITING as u64).then_some(())).expect("they are all there");
    drop(gone);
    await_some(|| (connections(&server) == 1).then_some(())).expect("they are all gone");
    Pair::of(&server.ask(&login("ann", PASSWORD)));
}
