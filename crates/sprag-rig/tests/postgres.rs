//! A server starts, crashes, recovers, stands still and goes on.

use sprag_rig::Postgres;

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
