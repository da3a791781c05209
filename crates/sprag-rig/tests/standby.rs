//! A standby takes over: with every commit where they waited for it, without the last ones where they did not.

use std::thread;

use sprag_rig::{Postgres, Sync};

#[test]
fn a_synchronous_standby_has_every_commit() {
    let primary = Postgres::start();
    let database = primary.fresh_database();
    database.psql("create table t (n int)");
    let standby = Postgres::standby_of(&primary, Sync::Yes);
    database.psql("insert into t values (1)");
    primary.kill();
    standby.promote();
    let there = standby.database(database.name());
    assert_eq!(there.psql("select n from t"), "1");
    there.psql("insert into t values (2)");
    assert_eq!(there.psql("select count(*) from t"), "2", "the new primary waits for nobody");
}

#[test]
fn a_synchronous_standby_that_hears_nothing_holds_commits_up() {
    let primary = Postgres::start();
    let database = primary.fresh_database();
    database.psql("create table t (n int)");
    let standby = Postgres::standby_of(&primary, Sync::Yes);
    standby.pause_wal_receiver();
    thread::scope(|scope| {
        let commit = scope.spawn(|| database.psql("insert into t values (1)"));
        let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
        while primary.psql(waits) != "1" {
            assert!(!commit.is_finished(), "the commit did not wait");
        }
        standby.resume_wal_receiver();
        commit.join().unwrap();
    });
    assert_eq!(database.psql("select n from t"), "1");
}

#[test]
fn an_asynchronous_standby_loses_what_it_did_not_hear() {
    let primary = Postgres::start();
    let database = primary.fresh_database();
    database.psql("create table t (n int); insert into t values (1)");
    let standby = Postgres::standby_of(&primary, Sync::No);
    let there = standby.database(database.name());
    database.psql("insert into t values (2)");
    standby.wait_caught_up();
    assert_eq!(there.psql("select count(*) from t"), "2");

    standby.pause_wal_receiver();
    database.psql("insert into t values (3)");
    standby.resume_wal_receiver();
    standby.wait_caught_up();
    assert_eq!(there.psql("select count(*) from t"), "3", "a pause that ends loses nothing");

    standby.pause_wal_receiver();
    database.psql("insert into t values (4)");
    assert_eq!(database.psql("select count(*) from t"), "4");
    primary.kill();
    standby.promote();
    assert_eq!(there.psql("select count(*) from t"), "3");
    there.psql("insert into t values (5)");
}
