//! A server starts, crashes, recovers, stands still and goes on.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use sprag_rig::Postgres;

/// The question whether the server speaks TLS, which it answers by one letter.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

#[test]
fn a_fresh_database_is_empty_and_its_own() {
    let server = Postgres::shared();
    let (one, other) = (server.fresh_database(), server.fresh_database());
    one.psql("create table t (n int); insert into t values (1), (2)");
    assert_eq!(one.psql("select n, n * 2 from t order by n"), "1|2\n2|4");
    assert!(other.try_psql("select n from t").is_err());
    assert_ne!(one.url(), other.url());
}

#[test]
fn a_crash_keeps_what_was_committed() {
    let server = Postgres::start();
    let database = server.fresh_database();
    database.psql("create table t (n int); insert into t values (1)");
    let before = server.pid();
    server.kill();
    assert!(database.try_psql("select 1").is_err(), "nobody listens");
    server.start_again();
    assert_ne!(server.pid(), before);
    assert_eq!(database.psql("select n from t"), "1");
    server.stop_fast();
    server.start_again();
    assert_eq!(database.psql("select n from t"), "1");
}

#[test]
fn a_frozen_server_answers_nobody_until_it_is_thawed() {
    let server = Postgres::start();
    let database = server.fresh_database();
    server.freeze();
    thread::scope(|scope| {
        let asked = scope.spawn(|| database.psql("select 1"));
        let mut late = TcpStream::connect(("127.0.0.1", server.port())).expect("the system accepts");
        late.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        late.write_all(&SSL_REQUEST).expect("the system takes it");
        let silence = late.read(&mut [0]).expect_err("nobody answers");
        assert_eq!(silence.kind(), ErrorKind::WouldBlock);
        assert!(!asked.is_finished());
        server.thaw();
        late.set_read_timeout(None).expect("no timeout");
        assert_eq!(late.read(&mut [0]).expect("an answer"), 1);
        assert_eq!(asked.join().expect("psql ends"), "1");
    });
    server.freeze();
    server.kill();
    server.start_again();
    assert_eq!(database.psql("select 1"), "1", "a crash takes a frozen server as well");
}

#[test]
fn settings_are_read_again_or_the_server_is_started_anew() {
    let server = Postgres::builder().set("work_mem", "5MB").start();
    let before = server.pid();
    assert_eq!(server.psql("show work_mem"), "5MB");
    server.set("work_mem", "6MB");
    assert_eq!(server.psql("show work_mem"), "6MB");
    assert_eq!(server.pid(), before);
    server.set("max_connections", "50");
    assert_eq!(server.psql("show max_connections"), "50");
    assert_ne!(server.pid(), before);
}

#[test]
fn the_socket_leads_to_the_same_database() {
    let server = Postgres::shared();
    let database = server.fresh_database();
    let output = Command::new(server.bin("psql"))
        .args([
            "-X",
            "-Atq",
            "-d",
            &database.socket_url(),
            "-c",
            "select current_database(), inet_client_addr()",
        ])
        .output()
        .expect("psql runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}|\n", database.name()));
}

#[test]
fn a_statement_that_fails_says_why() {
    let said = Postgres::shared().fresh_database().try_psql("select 1;\nselect broken").unwrap_err();
    assert!(said.contains("column \"broken\" does not exist"), "{said}");
}
