//! A database that a server must not use: it says why in a sentence, and leaves.

use std::fs;
use std::net::SocketAddr;

use sprag_rig::{Postgres, Proxy, Sync};

use crate::server::Ran;
use crate::stage::{DATABASE_URL, Stage};

/// What `sprag serve` says on that database; nothing is made where it refuses.
#[track_caller]
fn refused(url: &str, says: &[&str]) -> Ran {
    let stage = Stage::on("postgres://nobody@127.0.0.1:1/nothing");
    let mut command = stage.home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env(DATABASE_URL, url);
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
