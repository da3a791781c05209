//! The server is asked to stop: what is under way finishes, what is idle does not hold it up.

use std::{fs, thread};

use rustix::process::Signal;

use crate::SPRAG;
use crate::people::{Pair, log_in, login, refresh};
use crate::server::{Home, PASSWORD, await_some};
use crate::wire::{Connection, Request};

/// Sends all but the body, and comes back when the server has begun to wait for it.
fn under_way(mut connection: Connection, request: &Request) -> Connection {
    let (head, _) = request.parts();
    connection.write(&head).unwrap();
    assert_eq!(connection.receive().unwrap().status, 100, "the server asks for the body");
    connection
}

#[test]
fn f7_sigterm_lets_everything_under_way_finish() {
    finishes_what_is_under_way(Signal::TERM);
}

#[test]
fn f7_sigint_does_too() {
    finishes_what_is_under_way(Signal::INT);
}

fn finishes_what_is_under_way(signal: Signal) {
    let home = Home::new(SPRAG);
    // One thread for hashing, so that log-ins still wait for it when the signal comes.
    let mut server = home.start(&["--hash-threads", "1", "--shutdown-grace", "60s"]);
    home.create_user("ann");
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let idle: Vec<_> = (0..8).map(|_| server.connect()).collect();
    let mut used = server.connect();
    assert_eq!(used.ask(&Request::get("/healthz")).unwrap().status, 200);

    let expecting = |request: Request| request.header("Expect", "100-continue");
    let wanted: Vec<_> = (0..5).map(|_| expecting(login("ann", PASSWORD))).collect();
    let mut log_ins: Vec<_> = wanted.iter().map(|request| under_way(server.connect(), request)).collect();
    let slow = expecting(refresh(&pair.refresh));
    let mut slow_body = under_way(server.connect(), &slow);
    let (begun, rest) = slow.parts().1.split_at(10);
    slow_body.write(begun).unwrap();
    for (connection, request) in log_ins.iter_mut().zip(&wanted) {
        connection.write(request.parts().1).unwrap();
    }

    server.signal(signal);
    if signal == Signal::TERM {
        let is_turned_away = || {
            let answer = server.connect().ask(&Request::get("/readyz")).unwrap();
            (answer.status == 503).then(|| answer.member("code"))
        };
        assert_eq!(await_some(is_turned_away).as_deref(), Some("shutting_down"));
    } else {
        let is_closed = || Connection::open(server.address()).is_err().then_some(());
        await_some(is_closed).expect("no new connection is accepted");
    }
    slow_body.write(rest).unwrap();
    Pair::of(&slow_body.receive().unwrap());
    let answers = log_ins.into_iter().map(|mut connection| thread::spawn(move || connection.receive()));
    for answer in answers.collect::<Vec<_>>() {
        Pair::of(&answer.join().unwrap().unwrap());
    }
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(!server.log().contains("did not finish"), "{}", server.log());
    drop((idle, used));
}

#[test]
fn what_does_not_finish_in_time_is_cut_off_and_said() {
    let home = Home::new(SPRAG);
    let mut server = home.start(&["--shutdown-grace", "0s"]);
    home.create_user("ann");
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let slow = refresh(&pair.refresh).header("Expect", "100-continue");
    let mut never_sent = under_way(server.connect(), &slow);
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(server.log().contains("did not finish"), "{}", server.log());
    assert_eq!(never_sent.rest(), b"");

    let server = home.start(&[]);
    Pair::of(&server.ask(&refresh(&pair.refresh)));
}

#[test]
fn connections_that_asked_nothing_held_up_a_stop() {
    let home = Home::new(SPRAG);
    let mut server = home.start(&["--shutdown-grace", "10m"]);
    let mut used = server.connect();
    assert_eq!(used.ask(&Request::get("/healthz")).unwrap().status, 200);
    let fresh = server.connect();
    let mut half = server.connect();
    half.write(b"GET /healthz HT").unwrap();
    // It speaks HTTP/2 and answers no ping, which is how that version says farewell.
    let mut silent = server.connect();
    silent.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    drop((used, fresh, half, silent));
}

#[test]
fn a_server_that_was_started_while_the_old_one_still_held_the_address_failed() {
    let home = Home::new(SPRAG);
    let mut old = home.start(&[]);
    let address = old.address().to_string();
    let mut new = home.begin(&["--listen", &address], &[]);
    await_some(|| new.log().contains("is taken; waiting").then_some(())).expect("it waits for the address");
    // Nor does this end it meanwhile.
    new.signal(Signal::HUP);
    old.signal(Signal::TERM);
    assert_eq!(old.wait().code(), Some(0), "{}", old.log());
    new.await_address();
    assert_eq!(new.address(), old.address());
    new.kill();
    home.start(&["--listen", &address]).stop();
}

#[test]
fn sighup_ended_the_server() {
    let home = Home::new(SPRAG);
    let write = |text: &str| fs::write(home.path().join(".env"), text).unwrap();
    write("SPRAG_LOG=info\nSPRAG_THREADS=2\n");
    let server = home.start(&[]);
    let says = |wanted: &str| {
        await_some(|| server.log().contains(wanted).then_some(()))
            .unwrap_or_else(|| panic!("{wanted}: {}", server.log()));
    };
    server.signal(Signal::HUP);
    says("SIGHUP: the key ring has not changed; the log filter has not changed; nothing else has changed");

    write("SPRAG_LOG=info,sprag=trace\nSPRAG_THREADS=3\n");
    server.signal(Signal::HUP);
    says("the log filter is info,sprag=trace now; changed, and in force only after a restart: threads");
    says("a job runs");

    write("SPRAG_THREADS=many\n");
    server.signal(Signal::HUP);
    says("those before stay in force, and a restart would fail");
    assert_eq!(server.ask(&Request::get("/readyz")).status, 200);
    server.stop();
}
