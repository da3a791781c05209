//! A database that a server must not use: it says why in a sentence, and leaves.

use std::fs;
use std::net::SocketAddr;

use rustix::process::Signal;
use sprag_rig::{Postgres, Proxy, Sync};

use crate::people::login;
use crate::server::{PASSWORD, Ran, Server, await_some};
use crate::stage::{DATABASE_URL, Stage};

const START_TIMEOUT: &str = "SPRAG_DATABASE_START_TIMEOUT";

/// Waits until it has told so often that it waits for the database.
fn await_waiting(server: &Server, times: usize) {
    let waits = || server.log().matches("waiting for the database").count() >= times;
    await_some(|| waits().then_some(())).unwrap_or_else(|| panic!("it does not wait:\n{}", server.log()));
}

/// What `sprag serve` says on that database; nothing is made where it refuses.
#[track_caller]
fn refused(url: &str, says: &[&str]) -> Ran {
    let stage = Stage::on("postgres://nobody@127.0.0.1:1/nothing");
    let mut command = stage.home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env(DATABASE_URL, url).env(START_TIMEOUT, "0s");
    let ran = stage.home.run(command, "");
    assert!(!ran.status.success(), "it should not have started on {url}: {ran:?}");
    assert_eq!(ran.stderr.matches("sprag: ").count(), 1, "one sentence: {}", ran.stderr);
    for words in says {
        assert!(ran.stderr.contains(words), "it should say {words:?}: {}", ran.stderr);
    }
    assert!(!stage.home.data().exists(), "nothing is made by a server that refuses to start");
    ran
}

pub(crate) fn a_database_that_forgets_what_it_commits_is_refused() {
    let server = Postgres::shared();
    let says = ["synchronous_commit is off", "alter role"];
    let database = server.fresh_database();
    database.psql("create role forgetful login superuser; alter role forgetful set synchronous_commit = off");
    refused(&database.url().replace("postgres@", "forgetful@"), &says);
    database.psql(&format!("alter database {} set synchronous_commit = off", database.name()));
    refused(&database.url(), &says);
    assert_eq!(database.psql("select count(*) from pg_tables where schemaname = 'public'"), "0");
}

pub(crate) fn a_server_that_forgets_and_its_standby_are_refused() {
    let primary = Postgres::builder().set("synchronous_commit", "off").start();
    refused(&primary.url("postgres"), &["synchronous_commit is off"]);
    let standby = Postgres::standby_of(&primary, Sync::No);
    refused(&standby.url("postgres"), &["can only be read", "connect to the primary"]);
}

pub(crate) fn a_database_that_is_read_only_is_refused() {
    let database = Postgres::shared().fresh_database();
    database.psql(&format!("alter database {} set default_transaction_read_only = on", database.name()));
    refused(&database.url(), &["can only be read", "default_transaction_read_only"]);
}

pub(crate) fn a_database_that_cannot_be_reached_is_named() {
    let server = Postgres::shared();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let url = format!("postgres://postgres:a-secret@{}/postgres", proxy.addr());
    let shown = format!("postgres://postgres@{}/postgres", proxy.addr());
    proxy.hang();
    let silent = refused(&url, &[&shown, "no answer within"]);
    proxy.refuse(true);
    let closed = refused(&url, &[&shown, "refused"]);
    for ran in [silent, closed] {
        assert!(!ran.stderr.contains("a-secret"), "{}", ran.stderr);
    }
    refused(&server.url("nowhere"), &["\"nowhere\" does not exist"]);
}

pub(crate) fn a_wrong_password_is_refused_and_not_repeated() {
    let server = Postgres::start();
    server.psql("create role ann login password 'the right one'");
    let rules = server.dir().join("data/pg_hba.conf");
    let others = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("host all ann 127.0.0.1/32 scram-sha-256\n{others}")).unwrap();
    server.set("log_connections", "on");
    let url = |password| format!("postgres://ann:{password}@127.0.0.1:{}/postgres", server.port());
    let ran = refused(&url("wrong-one"), &["password authentication failed"]);
    assert!(!ran.stderr.contains("wrong-one"), "{}", ran.stderr);
    // With the right one it gets as far as this role may go.
    refused(&url("the%20right%20one"), &["permission denied for schema public"]);
}

pub(crate) fn tables_of_somebody_elses_are_left_alone() {
    let database = Postgres::shared().fresh_database();
    database.psql("create table session (id int); insert into session values (7)");
    refused(&database.url(), &["there is a table public.session already", "a database of its own"]);
    assert_eq!(database.psql("select id from session"), "7");
    assert_eq!(database.psql("select count(*) from pg_tables where schemaname = 'public'"), "1");
}

pub(crate) fn a_schema_that_needs_a_newer_build_is_refused() {
    let database = Postgres::shared().fresh_database();
    let stage = Stage::on(&database.url());
    stage.node(&[]).stop();
    database.psql("insert into refinery_schema_history values (99, 'devices', '', '1')");
    refused(&database.url(), &["V99__devices is not known to this build", "newer build"]);
    database.psql("update refinery_schema_history set name = 'needs_1_devices' where version = 99");
    stage.node(&[]).stop();
}

pub(crate) fn a_database_that_comes_up_later_is_waited_for() {
    let server = Postgres::start();
    let database = server.fresh_database();
    let stage = Stage::on(&database.url());
    for how in ["stopped in order", "crashed"] {
        if how == "crashed" {
            server.kill()
        } else {
            server.stop_fast()
        }
        let mut node = stage.home.begin(&[], &[]);
        let migrating = stage.home.begin_command(&["migrate"]);
        // By the fifth try some four seconds have passed.
        await_waiting(&node, 5);
        await_waiting(&migrating, 1);
        server.start_again();
        node.await_address();
        let mut migrating = migrating;
        assert!(migrating.wait().success(), "{how}: {}", migrating.log());
        if how == "stopped in order" {
            stage.home.create_user("ann");
        }
        assert_eq!(node.ask(&login("ann", PASSWORD)).status, 200, "{how}: {}", node.log());
        node.stop();
    }
}

pub(crate) fn a_database_that_never_comes_is_given_up_after_the_time_that_is_set() {
    let server = Postgres::shared();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    proxy.refuse(true);
    let stage = Stage::on(&format!("postgres://postgres@{}/postgres", proxy.addr()));
    let create = ["user", "create", "--username", "ann", "--password-stdin"];
    let migrate = ["migrate", "--check"];
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &migrate[..1], &migrate, &create] {
        let mut command = stage.home.command(args);
        command.env(START_TIMEOUT, "2s");
        let ran = stage.home.run(command, PASSWORD);
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {ran:?}");
        assert!(ran.stderr.matches("waiting for the database").count() >= 3, "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("sprag: ").count(), 1, "one sentence: {}", ran.stderr);
        let last = ran.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("sprag: ") && last.contains("refused"), "{args:?}: {}", ran.stderr);
    }
    assert!(!stage.home.data().exists(), "nothing is made by a server that refuses to start");
}

pub(crate) fn a_wait_for_the_database_ends_at_once_when_told_to() {
    let server = Postgres::shared();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let stage = Stage::on(&format!("postgres://postgres@{}/postgres", proxy.addr()));
    for signal in [Signal::TERM, Signal::INT] {
        proxy.refuse(true);
        let mut node = stage.home.begin(&[], &[(START_TIMEOUT, "1h")]);
        await_waiting(&node, 1);
        node.signal(signal);
        assert!(node.wait().success(), "{}", node.log());
        proxy.refuse(false);
        // Neither does it wait for one that is silent.
        proxy.hang();
        let mut node = stage.home.begin(&[], &[(START_TIMEOUT, "1h")]);
        await_some(|| proxy.is_in_use().then_some(())).expect("it asks the database");
        node.signal(signal);
        assert!(node.wait().success(), "{}", node.log());
        proxy.heal();
        proxy.cut();
    }
}

pub(crate) fn the_time_for_connecting_is_the_urls() {
    let server = Postgres::shared();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    proxy.hang();
    for (query, waited) in [("", "5s"), ("?connect_timeout=3", "3s"), ("?connect_timeout=1", "2s")] {
        let url = format!("postgres://postgres@{}/postgres{query}", proxy.addr());
        refused(&url, &[&format!("no answer within {waited}")]);
    }
}

pub(crate) fn a_start_that_may_talk_to_another_machine_in_clear_warns_of_it() {
    let database = Postgres::shared().fresh_database();
    let stage = Stage::on(&database.url());
    // Only the kernel knows that this address is this machine's.
    let elsewhere = database.url().replace("127.0.0.1", "0.0.0.0");
    let said = format!("{elsewhere}?sslmode=disable");
    for (url, warnings) in [(database.url(), 0), (elsewhere, 1), (said, 0)] {
        let node = stage.node_by(&url, &[]);
        let log = node.log();
        assert_eq!(log.matches("sslmode=prefer goes on without TLS").count(), warnings, "{url}: {log}");
        assert_eq!(log.matches("sslmode=verify-full").count(), warnings, "it says what to write: {log}");
        node.stop();
    }
}
