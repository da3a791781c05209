//! What the PostgreSQL store promises beyond the contract: its schema, its deadlines, its neighbours and its TLS.
#![cfg(feature = "postgres")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprag::Fault;
use sprag::clock::Timestamp;
use sprag::error::FaultKind;
use sprag::policy::Policy;
use sprag::ratchet::{Moment, Presented, Rotation};
use sprag::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use sprag::store::postgres::{PostgresStore, Settings};
use sprag::store::{Queries as _, Sessions as _, Slice, Store as _};
use sprag_rig::{Database, Postgres, Proxy};
use tokio::task::JoinSet;
use tokio::time::sleep;
use uuid::Uuid;

const LOOK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(20);
/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_migrate_at_once_apply_each_migration_once() {
    let database = Postgres::shared().fresh_database();
    let starts = (0..6).map(|_| {
        let url = database.url();
        async move { PostgresStore::migrate(&settings(&url)).await.expect("migrate").len() }
    });
    let applied: Vec<usize> = starts.collect::<JoinSet<_>>().join_all().await;
    let all: usize = database.psql("select count(*) from refinery_schema_history").parse().expect("a number");
    assert_eq!(applied.iter().sum::<usize>(), all, "{applied:?}");
    assert_eq!(
        applied.iter().filter(|applied| **applied > 0).count(),
        1,
        "one of them applied all: {applied:?}"
    );
    opened(&database.url()).await.ready().await.expect("ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_was_refused_with_modes_that_libpq_does_not_heed_there() {
    let server = Postgres::shared();
    let (folder, port) = (server.dir().display(), server.port());
    let url = format!("postgres://postgres@/postgres?host={folder}&port={port}");
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        for more in ["", "&sslrootcert=/nowhere/root.crt"] {
            let settings = settings(&format!("{url}&sslmode={mode}{more}"));
            let looked = PostgresStore::is_new(&settings).await;
            assert!(looked.is_ok(), "{mode}{more}: {}", told(looked.map(drop)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_usable_exactly_where_its_name_allows_it() {
    let database = migrated().await;
    database.psql(
        "insert into refinery_schema_history
         select 99, 'needs_' || max(version) || '_devices', '', '1' from refinery_schema_history",
    );
    assert_eq!(PostgresStore::migrate(&settings(&database.url())).await.expect("migrate"), []);
    let beside = opened(&database.url()).await;
    beside.ready().await.expect("a node runs beside it");
    database.psql("update refinery_schema_history set name = 'devices' where version = 99");
    for told in [
        told(PostgresStore::migrate(&settings(&database.url())).await.map(drop)),
        told(PostgresStore::open(settings(&database.url())).await.map(drop)),
        told(beside.ready().await),
    ] {
        assert!(told.contains("V99__devices is not known to this build"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_lacks_a_migration_or_was_altered_is_refused() {
    let database = Postgres::shared().fresh_database();
    let told_of_none = told(PostgresStore::open(settings(&database.url())).await.map(drop));
    assert!(told_of_none.contains("make a store there with: sprag migrate --create"), "{told_of_none}");
    assert_eq!(database.psql("select count(*) from pg_tables where schemaname = 'public'"), "0");
    PostgresStore::migrate(&settings(&database.url())).await.expect("migrate");
    database.psql("update refinery_schema_history set checksum = '1'");
    let told = told(PostgresStore::open(settings(&database.url())).await.map(drop));
    assert!(told.contains("applied with other content"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_somebody_elses_is_left_alone() {
    let database = Postgres::shared().fresh_database();
    database.psql("create table account (id int); insert into account values (7)");
    let refused = told(PostgresStore::migrate(&settings(&database.url())).await.map(drop));
    assert!(refused.contains("public.account"), "{refused}");
    let other = Postgres::shared().fresh_database();
    other.psql("create table credential (id int)");
    let refused = told(PostgresStore::migrate(&settings(&other.url())).await.map(drop));
    assert!(refused.contains("public.credential"), "{refused}");
    assert_eq!(database.psql("select id from account"), "7");
    assert_eq!(database.psql("select count(*) from pg_tables where schemaname = 'public'"), "1");
    // A schema of its own is a way out.
    database.psql("create schema sprag");
    let url = format!("{}?options=-csearch_path%3Dsprag", database.url());
    PostgresStore::migrate(&settings(&url)).await.expect("migrate");
    opened(&url).await.ready().await.expect("ready");
    assert_eq!(database.psql("select count(*) from pg_tables where schemaname = 'public'"), "1");
}

/// The owner migrates, another role serves: what a migration adds must be granted, and whoever forgot it is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_read_a_table_is_told_which() {
    let database = migrated().await;
    database.psql("create role ungranted login; grant select on all tables in schema public to ungranted");
    let url = database.url().replace("postgres://postgres@", "postgres://ungranted@");
    let store = opened(&url).await;
    store.ready().await.expect("ready");
    database.psql("revoke select on credential from ungranted");
    for told in [told(store.ready().await), told(PostgresStore::open(settings(&url)).await.map(drop))] {
        assert!(told.contains("the role ungranted may not read the table credential"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_kept_when_the_server_hangs() {
    let database = filled(1).await;
    let (proxy, url) = way_to(&database);
    let deadline = Duration::from_millis(400);
    let store = PostgresStore::open(Settings { deadline, ..settings(&url) }).await.expect("open");
    store.find(key(0)).await.expect("find");
    proxy.hang();
    let asked = Instant::now();
    let turn = store.rotate(order(&store, 0, 0), None);
    let (turned, found, listed) =
        tokio::join!(turn, store.find(key(0)), store.of(key(0).account, Slice::first(10)));
    for fault in
        [turned.expect_err("no answer"), found.expect_err("no answer"), listed.expect_err("no answer")]
    {
        assert_eq!(fault.kind, FaultKind::Unavailable, "{fault:?}");
    }
    assert!(asked.elapsed() < deadline + SLACK, "{:?}", asked.elapsed());
    proxy.heal();
    until("it is served again", async || store.find(key(0)).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once() {
    let database = filled(1).await;
    let (proxy, url) = way_to(&database);
    let few = Settings { queue: 4, batchers: 1, batch: 1, ..settings(&url) };
    let deadline = few.deadline;
    let store = Arc::new(PostgresStore::open(few).await.expect("open"));
    store.rotate(order(&store, 0, 0), None).await.expect("rotate");
    proxy.hang();
    let asked = (0..32).map(|_| {
        let store = Arc::clone(&store);
        async move {
            let asked = Instant::now();
            let fault = store.rotate(order(&store, 0, 1), None).await.expect_err("nobody answers");
            (asked.elapsed(), told(Err::<(), _>(fault)))
        }
    });
    let told = asked.collect::<JoinSet<_>>().join_all().await;
    let refused: Vec<_> = told.iter().filter(|(_, told)| told.contains("queue is full")).collect();
    assert!(refused.len() >= 32 - 4 - 2, "{} of 32 were refused", refused.len());
    assert!(refused.iter().all(|(took, _)| *took < deadline), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_closed_while_idle_cost_nobody_a_fault() {
    let database = filled(2).await;
    let store = opened(&database.url()).await;
    for generation in 0..3 {
        store.find(key(1)).await.expect("find");
        store.of(key(1).account, Slice::first(10)).await.expect("list");
        store.rotate(order(&store, 0, generation), None).await.expect("rotate").expect("it turns");
        database.psql(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        );
        // The news of it travels.
        sleep(Duration::from_millis(100)).await;
    }
    store.rotate(order(&store, 0, 3), None).await.expect("rotate").expect("it turns");
    store.of(key(1).account, Slice::first(10)).await.expect("list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_restarted_while_nobody_asked_costs_nobody_a_fault() {
    let server = Postgres::start();
    let database = filled_in(&server, 1).await;
    let store = opened(&database.url()).await;
    store.rotate(order(&store, 0, 0), None).await.expect("rotate").expect("it turns");
    server.stop_fast();
    server.start_again();
    // One heartbeat later, at most, the node knows.
    until("it is ready", async || store.ready().await.is_ok()).await;
    store.rotate(order(&store, 0, 1), None).await.expect("rotate").expect("it turns");
    store.find(key(0)).await.expect("find").expect("it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_rotation_that_nobody_heard_of_counts_from_the_end_of_the_last_outage() {
    let database = filled(1).await;
    let (proxy, url) = way_to(&database);
    let few = Settings { batchers: 1, deadline: Duration::from_millis(500), ..settings(&url) };
    let store = PostgresStore::open(few).await.expect("open");
    store.rotate(order(&store, 0, 0), None).await.expect("rotate").expect("it turns");
    let order = order(&store, 0, 1);
    let asked_at = order.at;
    proxy.hold_answers();
    store.rotate(order, None).await.expect_err("no answer comes");
    assert_eq!(generation(&database), 2, "and yet it happened");
    assert_eq!(rotated_at(&database), asked_at.0);
    proxy.cut();
    proxy.heal();
    until("it is dated anew", async || rotated_at(&database) > asked_at.0).await;
    // The client was put off, and comes back to find nobody once more.
    proxy.hang();
    sleep(Duration::from_millis(2500)).await;
    let back = store.clock().now();
    proxy.heal();
    until("it is dated anew once more", async || rotated_at(&database) >= back.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_statement_that_waits_for_a_lock_is_given_up_by_the_server_too() {
    let database = filled(1).await;
    let deadline = Duration::from_millis(500);
    let store = PostgresStore::open(Settings { deadline, ..settings(&database.url()) }).await.expect("open");
    let held = database.clone();
    let hold = tokio::task::spawn_blocking(move || {
        held.psql("begin; select 1 from session for update; select pg_sleep(2); commit")
    });
    let sleeps = "select count(*) from pg_stat_activity
                  where datname = current_database() and wait_event = 'PgSleep'";
    until("the row is held", async || database.psql(sleeps) == "1").await;
    store.rotate(order(&store, 0, 0), None).await.expect_err("somebody holds the row");
    let waits = "select count(*) from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock'";
    until("nobody waits for it", async || database.psql(waits) == "0").await;
    hold.await.expect("psql ends");
    assert_eq!(generation(&database), 0, "what was given up does not happen after all");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_what_its_mode_says() {
    let (server, files) = Postgres::with_tls();
    let (ca, foreign) = (Some(files.ca.as_path()), Some(files.foreign_ca.as_path()));
    let is = async |mode: &str, roots: Option<&Path>, wanted: Result<bool, &str>| {
        let found = encrypted(&server, mode, roots).await;
        let is_so = match (&found, wanted) {
            (Ok(found), Ok(wanted)) => *found == wanted,
            (Err(told), Err(wanted)) => told.contains(wanted),
            _ => false,
        };
        assert!(is_so, "{mode} with {roots:?}: {found:?}, not {wanted:?}");
    };
    let (plain, secret) = (Ok(false), Ok(true));
    for (mode, wanted) in [("disable", plain), ("allow", plain), ("prefer", secret), ("require", secret)] {
        is(mode, None, wanted).await;
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        is(mode, ca, secret).await;
        is(mode, foreign, Err("invalid peer certificate")).await;
    }
    server.present(&files.wrong_name);
    is("require", ca, secret).await;
    is("verify-ca", ca, secret).await;
    is("verify-full", ca, Err("is for another host than the URL names")).await;
    server.present(&files.foreign);
    is("require", None, secret).await;
    is("verify-ca", foreign, secret).await;
    is("verify-ca", ca, Err("invalid peer certificate")).await;
    is("verify-full", ca, Err("invalid peer certificate")).await;
    server.set("ssl", "off");
    is("prefer", None, plain).await;
    is("require", None, Err("does not support TLS")).await;
    is("verify-full", ca, Err("does not support TLS")).await;
}

/// As libpq has it, `prefer` means that encryption is not worth a refusal.
#[tokio::test(flavor = "multi_thread")]
async fn prefer_goes_on_without_tls_wherever_tls_does_not_come_about() {
    let (server, files) = Postgres::with_tls();
    let ca = Some(files.ca.as_path());
    let rules = server.dir().join("data/pg_hba.conf");
    let before = std::fs::read_to_string(&rules).expect("the rules can be read");
    // A server that takes this user without TLS only.
    let lines: String = ["127.0.0.1/32", "::1/128"]
        .iter()
        .flat_map(|from| {
            [format!("hostnossl all all {from} trust\n"), format!("hostssl all all {from} reject\n")]
        })
        .collect();
    std::fs::write(&rules, format!("local all all trust\n{lines}")).expect("the rules can be written");
    server.set("log_connections", "on");
    assert_eq!(encrypted(&server, "prefer", None).await, Ok(false));
    for (mode, roots) in [("require", None), ("verify-ca", ca), ("verify-full", ca)] {
        let told = encrypted(&server, mode, roots).await.expect_err(mode);
        assert!(told.contains("28000"), "{mode}: {told}");
    }
    // One that takes it with TLS only.
    let lines =
        lines.replace("hostnossl", "host?").replace("hostssl", "hostnossl").replace("host?", "hostssl");
    std::fs::write(&rules, format!("local all all trust\n{lines}")).expect("the rules can be written");
    server.set("log_connections", "off");
    let wanted = [("prefer", Ok(true)), ("allow", Ok(true)), ("require", Ok(true))];
    for (mode, wanted) in wanted {
        assert_eq!(encrypted(&server, mode, None).await, wanted, "{mode}");
    }
    assert!(encrypted(&server, "disable", None).await.is_err());
    // One whose TLS is of another age.
    std::fs::write(&rules, before).expect("the rules can be written");
    server.set("ssl_min_protocol_version", "TLSv1");
    server.set("ssl_max_protocol_version", "TLSv1.1");
    assert_eq!(encrypted(&server, "prefer", None).await, Ok(false));
    assert!(encrypted(&server, "require", None).await.is_err());
}

/// Whether a store's connections are encrypted, or why there are none.
async fn encrypted(server: &Postgres, mode: &str, roots: Option<&Path>) -> Result<bool, String> {
    let roots = roots.map(|roots| format!("&sslrootcert={}", roots.display())).unwrap_or_default();
    let name = format!("tls-{mode}");
    let port = server.port();
    let url = format!(
        "postgres://postgres@localhost:{port}/postgres?sslmode={mode}&application_name={name}{roots}"
    );
    let migrated = PostgresStore::migrate(&settings(&url)).await;
    if migrated.is_err() {
        return Err(told(migrated.map(drop)));
    }
    let _store = opened(&url).await;
    let of =
        "select count(*), count(*) filter (where ssl) from pg_stat_ssl join pg_stat_activity using (pid)";
    let counts = server.psql(&format!("{of} where application_name = '{name}'"));
    let (all, secret) = counts.split_once('|').expect("two counts");
    assert!(all != "0" && (secret == all || secret == "0"), "{counts}");
    Ok(secret == all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_becomes_the_primary_is_found_while_another_is_silent() {
    let database = migrated().await;
    let to_be_read = |is_so: &str| {
        let name = database.name();
        Postgres::shared().psql(&format!("alter database {name} set default_transaction_read_only = {is_so}"))
    };
    let ((frozen, _), (standby, _)) = (way_to(&database), way_to(&database));
    frozen.hang();
    to_be_read("on");
    let (hosts, name) = (format!("{},{}", frozen.addr(), standby.addr()), database.name());
    // Nobody is given up before this test is.
    let url = format!("postgres://postgres@{hosts}/{name}?connect_timeout=600");
    let patient = Settings { start_patience: Duration::from_secs(600), ..settings(&url) };
    let opening = tokio::spawn(PostgresStore::open(patient));
    until("the standby is asked", async || standby.is_in_use()).await;
    to_be_read("off");
    let opened = tokio::time::timeout(PATIENCE, opening).await.expect("it is found");
    opened.expect("no panic").expect("open").ready().await.expect("ready");
}

/// A proxy before the server, and the database's address by way of it.
fn way_to(database: &Database) -> (Proxy, String) {
    let port = Postgres::shared().port();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], port)));
    let url = format!("postgres://postgres@{}/{}", proxy.addr(), database.name());
    (proxy, url)
}

#[tokio::test]
async fn password_hashes_move_into_the_credentials_and_who_has_none_gets_no_row() {
    const NO_PASSWORD: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";
    let database = Postgres::shared().fresh_database();
    database.psql(include_str!("../migrations/postgres/V1__sessions.sql"));
    database.psql(include_str!("../migrations/postgres/V3__needs_2_particulars.sql"));
    for (number, hash) in [(1, "a hash"), (2, NO_PASSWORD)] {
        database.psql(&format!(
            "insert into account (id, epoch, is_admin, created_at, password_hash)
             values ('{}', 0, false, {number}, '{hash}')",
            Uuid::from_u128(number)
        ));
    }
    database.psql(include_str!("../migrations/postgres/V4__needs_4_ratchet_and_credentials.sql"));
    let found = "select account_id || ' ' || kind || ' ' || id || ' ' || convert_from(secret, 'UTF8') from credential";
    assert_eq!(database.psql(found), format!("{} password {} a hash", Uuid::from_u128(1), Uuid::nil()));
    assert!(database.try_psql("select password_hash from account").is_err(), "it stands in one place");
}

fn settings(url: &str) -> Settings {
    Settings::new(url.parse().expect("a URL"))
}

async fn opened(url: &str) -> PostgresStore {
    PostgresStore::open(settings(url)).await.expect("open")
}

async fn migrated() -> Database {
    let database = Postgres::shared().fresh_database();
    PostgresStore::migrate(&settings(&database.url())).await.expect("migrate");
    database
}

async fn filled(rows: u64) -> Database {
    filled_in(Postgres::shared(), rows).await
}

/// A database with accounts that have a session each.
async fn filled_in(server: &Postgres, rows: u64) -> Database {
    let database = server.fresh_database();
    PostgresStore::migrate(&settings(&database.url())).await.expect("migrate");
    for row in 0..rows {
        let id = key(row).account;
        database.psql(&format!(
            "insert into account (id, epoch, is_admin, created_at) values ('{id}', 0, false, 0);
             insert into session (account_id, id, profile, generation, secret_hash, epoch, created_at, rotated_at,
                 idle_expires_at, expires_at, instance_hash, retries, streak)
             values ('{id}', '{id}', 1, 0, decode(repeat('07', 32), 'hex'), 0, 0, 0,
                 9000000000000, 9000000000000, decode(repeat('09', 16), 'hex'), 0, 0)"
        ));
    }
    database
}

fn key(row: u64) -> SessionKey {
    let id = Uuid::from_u64_pair(1, row);
    SessionKey { account: AccountId(id), session: SessionId(id) }
}

/// The order to turn a row, from now.
fn order(store: &PostgresStore, row: u64, generation: u64) -> Rotation {
    let token = Presented {
        key: key(row),
        profile: ProfileId(1),
        generation: Generation(generation),
        secret_hash: [7; 32],
        retry_hash: Some([8; 16]),
        instance_hash: [9; 16],
    };
    let policy = Policy { reuse_interval: Duration::ZERO, ..Policy::default() };
    let now: Timestamp = store.clock().now();
    Rotation::optimistic(&token, Moment::uninterrupted(now, policy.reuse_interval), &policy)
        .expect("the generation is not the last")
}

fn generation(database: &Database) -> i64 {
    database.psql("select generation from session").parse().expect("a number")
}

fn rotated_at(database: &Database) -> i64 {
    database.psql("select rotated_at from session").parse().expect("a number")
}

/// What stopped it.
#[track_caller]
fn told<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> String {
    outcome.expect_err("it must not succeed").source.expect("it has a cause").to_string()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(LOOK).await;
    }
}
