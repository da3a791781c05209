//! What the SQLite store promises beyond the contract: its file, its log, its neighbours.
#![cfg(feature = "sqlite")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};
use sprag::clock::Timestamp;
use sprag::error::FaultKind;
use sprag::policy::Policy;
use sprag::ratchet::{Moment, Presented, Rotation};
use sprag::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use sprag::store::sqlite::{Settings, SqliteStore};
use sprag::store::{Sessions as _, Store as _};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[test]
fn nobody_else_can_read_the_files() {
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    let (directory, path) = migrated();
    let store = opened(&path, patient());
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
    }
    assert!(directory.path().join("sprag.db-wal").exists() && directory.path().join("sprag.db-shm").exists());
    drop(store);

    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let _store = opened(&path, patient());
    assert_eq!(mode(&path), 0o600, "what others could read is restricted on opening");
    rustix::process::umask(umask);
}

/// How many migrations there are.
fn migrations() -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    fs::read_dir(folder).expect("the folder of migrations").count()
}

#[test]
fn only_a_migrated_file_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sprag.db");
    assert!(refused(&path).contains("sprag.db"), "a missing file is named");
    assert!(!path.exists(), "and not made");
    fs::write(&path, "").unwrap();
    assert!(refused(&path).contains("make a store there with: sprag migrate --create"));

    let applied = SqliteStore::migrate(&path).unwrap();
    assert_eq!((applied[0].version, applied[0].name.as_str()), (1, "sessions"));
    assert_eq!(SqliteStore::migrate(&path).unwrap(), [], "nothing is applied twice");
    opened(&path, patient());

    fs::write(&path, "this is no database, whatever its name says, and it is long enough to tell").unwrap();
    assert!(refused(&path).contains("not a database"));
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("create table other (x)").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(refused(&path).contains("there is no store in it yet"));
    assert!(SqliteStore::migrate(&path).is_err());
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (before, 0o644));
}

#[test]
fn a_file_from_a_newer_or_altered_build_is_refused() {
    for (change, complaint) in [
        ("insert into refinery_schema_history values (99, 'novelty', '', '1')", "V99__novelty is not known"),
        ("update refinery_schema_history set checksum = '1'", "applied with other content"),
        ("delete from refinery_schema_history", "there is no store in it yet"),
    ] {
        let (_directory, path) = migrated();
        Connection::open(&path).unwrap().execute(change, []).unwrap();
        assert!(refused(&path).contains(complaint), "{change}");
        assert!(SqliteStore::migrate(&path).is_err(), "{change}");
    }
}

#[test]
fn a_first_start_that_was_cut_short_is_finished_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sprag.db");
    // What there is once the table of migrations has been made, and none applied. Its primary key has an index.
    let history = "create table refinery_schema_history (
        version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))";
    Connection::open(&path).unwrap().execute_batch(history).unwrap();
    assert_eq!(SqliteStore::migrate(&path).unwrap().len(), migrations());
    opened(&path, patient());
}

#[test]
fn a_first_write_that_was_cut_short_is_undone_by_the_next_start() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let unfinished = Connection::open(from.path().join("sprag.db")).unwrap();
    // So small a cache has to be written out before the transaction is over; a crash then leaves file and journal.
    let write = "pragma cache_size = 1; create table first (x); begin; create table other (x);
         with recursive n (i) as (select 1 union all select i + 1 from n limit 500)
         insert into other select randomblob(1000) from n;";
    unfinished.execute_batch(write).unwrap();
    for name in ["sprag.db", "sprag.db-journal"] {
        fs::copy(from.path().join(name), to.path().join(name)).unwrap();
    }
    let told = SqliteStore::migrate(&to.path().join("sprag.db")).unwrap_err();
    let told = told.source.unwrap().to_string();
    assert!(told.contains("nothing tells that they are Sprag's"), "it is readable, and not ours: {told}");
}

#[test]
fn many_that_migrate_at_once_apply_each_migration_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sprag.db");
    let applied = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..8).map(|_| scope.spawn(|| SqliteStore::migrate(&path).unwrap().len())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).sum::<usize>()
    });
    assert_eq!(applied, migrations());
    opened(&path, patient());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_survives_a_crash() {
    let (directory, path) = migrated();
    fill(&path, 64);
    let store = Arc::new(opened(&path, patient()));
    turn(&store, 64, 0..10).await;
    // The files as a crash would leave them: the log not copied, the store not closed.
    let crashed = directory.path().join("crashed.db");
    fs::copy(&path, &crashed).unwrap();
    fs::copy(directory.path().join("sprag.db-wal"), directory.path().join("crashed.db-wal")).unwrap();
    let revived = opened(&crashed, patient());
    for row in 0..64 {
        let state = revived.find(key(row)).await.unwrap().unwrap();
        assert_eq!(state.session.generation, Generation(10));
    }
    assert_eq!(intact(&crashed), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_copies_the_log_into_the_file() {
    let (directory, path) = migrated();
    fill(&path, 1);
    let store = Arc::new(opened(&path, patient()));
    turn(&store, 1, 0..3).await;
    assert!(directory.path().join("sprag.db-wal").exists());
    drop(store);
    assert!(!directory.path().join("sprag.db-wal").exists());
    let generation: i64 = Connection::open(&path)
        .unwrap()
        .query_row("select generation from session", [], |row| row.get(0))
        .unwrap();
    assert_eq!(generation, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rotations_leave_the_table_as_large_as_it_was() {
    let (_directory, path) = migrated();
    fill(&path, 1_000);
    let store = Arc::new(opened(&path, patient()));
    // The first two rotations store retry ids where there were none; from then on a row keeps its size.
    turn(&store, 1_000, 0..2).await;
    let before = sizes(&path);
    turn(&store, 1_000, 2..12).await;
    assert_eq!(sizes(&path), before);
    assert_eq!(before.1, [1_000, 1_000, 0, 0, 0], "0 rows per refresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_bounded_under_steady_load() {
    const LIMIT_KIB: u32 = 1024;
    let (directory, path) = migrated();
    fill(&path, 2_048);
    let settings = Settings { checkpoint_every_kib: 256, log_limit_kib: LIMIT_KIB, batch: 32, ..patient() };
    let store = Arc::new(opened(&path, settings));
    turn(&store, 2_048, 0..20).await;
    // The log's file does not shrink while the store is open: this is the longest it ever was. Unbounded it
    // would come to some 100 MiB.
    let length = fs::metadata(directory.path().join("sprag.db-wal")).unwrap().len();
    assert!(length < 8 * 1024 * u64::from(LIMIT_KIB), "{length} bytes");
    assert_eq!(intact(&path), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_file() {
    let (_directory, path) = migrated();
    fill(&path, 1);
    let stores = [(); 2].map(|()| Arc::new(opened(&path, patient())));
    for generation in 0..100 {
        let tries = (0..8).map(|number: usize| {
            let store = Arc::clone(&stores[number % 2]);
            async move { store.rotate(order(0, generation), None).await.unwrap() }
        });
        let turned = tries.collect::<JoinSet<_>>().join_all().await;
        assert_eq!(turned.iter().flatten().count(), 1, "of 8 through two stores");
    }
    let [first, second] = stores;
    drop(first);
    assert!(second.rotate(order(0, 100), None).await.unwrap().is_some(), "the one that stays goes on");
    second.ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_is_a_fault_and_passes_by_itself() {
    let (_directory, path) = migrated();
    fill(&path, 1);
    let store = opened(&path, Settings { busy_timeout: Duration::ZERO, ..patient() });
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let fault = store.rotate(order(0, 0), None).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(store.find(key(0)).await.unwrap().is_some(), "reads go on");
    other.execute_batch("commit").unwrap();
    assert!(store.rotate(order(0, 0), None).await.unwrap().is_some());
}

/// The hash of no password, which an account without one had before it had no row instead.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";

#[test]
fn password_hashes_move_into_the_credentials_and_who_has_none_gets_no_row() {
    let (first, last) = (
        [
            include_str!("../migrations/sqlite/V1__sessions.sql"),
            include_str!("../migrations/sqlite/V3__needs_2_particulars.sql"),
        ],
        include_str!("../migrations/sqlite/V4__needs_4_ratchet_and_credentials.sql"),
    );
    let connection = Connection::open_in_memory().expect("open");
    first.iter().for_each(|sql| connection.execute_batch(sql).expect("the schema of before"));
    let insert =
        "insert into account (id, epoch, is_admin, created_at, password_hash) values (?1, 0, 0, ?2, ?3)";
    for (number, hash) in [(1_u8, "a hash"), (2, NO_PASSWORD), (3, "another")] {
        connection.execute(insert, params![[number; 16], number, hash]).expect("insert");
    }
    connection.execute_batch(last).expect("migrate");
    let mut statement = connection
        .prepare("select account_id, kind, id, cast(secret as text), created_at from credential order by 1")
        .expect("prepare");
    let found = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get::<_, String>(3)?, row.get(4)?))
    });
    type Row = ([u8; 16], String, [u8; 16], String, u8);
    let found: Vec<Row> = found.expect("query").map(|row| row.expect("a row")).collect();
    let row =
        |number: u8, hash: &str| ([number; 16], "password".to_owned(), [0; 16], hash.to_owned(), number);
    assert_eq!(found, [row(1, "a hash"), row(3, "another")]);
    assert!(connection.prepare("select password_hash from account").is_err(), "it stands in one place");
}

/// Has 64 callers turn `rows` sessions through those generations.
async fn turn(store: &Arc<SqliteStore>, rows: u64, generations: std::ops::Range<u64>) {
    let callers = (0..64).map(|caller| {
        let (store, generations) = (Arc::clone(store), generations.clone());
        async move {
            for generation in generations {
                for row in (caller..rows).step_by(64) {
                    let rotated = store.rotate(order(row, generation), None).await.expect("rotate");
                    assert!(rotated.is_some(), "row {row} in generation {generation}");
                }
            }
        }
    });
    callers.collect::<JoinSet<_>>().join_all().await;
}

fn order(row: u64, generation: u64) -> Rotation {
    let token = Presented {
        key: key(row),
        profile: ProfileId(1),
        generation: Generation(generation),
        secret_hash: [7; 32],
        retry_hash: Some([8; 16]),
        instance_hash: [9; 16],
    };
    let policy = Policy { reuse_interval: Duration::ZERO, ..Policy::default() };
    Rotation::optimistic(&token, Moment::uninterrupted(NOW, policy.reuse_interval), &policy)
        .expect("the generation is not the last")
}

fn key(row: u64) -> SessionKey {
    let id = Uuid::from_u64_pair(row.wrapping_mul(0x9e37_79b9_7f4a_7c15), row);
    SessionKey { account: AccountId(id), session: SessionId(id) }
}

/// Makes accounts with a session each, all in one go.
fn fill(path: &Path, rows: u64) {
    let mut connection = Connection::open(path).expect("connect");
    let transaction = connection.transaction().expect("begin");
    for row in 0..rows {
        let id = key(row).account.0.into_bytes();
        let account = "insert into account (id, epoch, is_admin, created_at) values (?1, 0, 0, 0)";
        transaction.execute(account, [id]).expect("insert");
        let session =
            "insert into session (account_id, id, profile, generation, secret_hash, epoch, created_at,
                           rotated_at, idle_expires_at, expires_at, instance_hash, retries, streak)
                       values (?1, ?1, 1, 0, ?2, 0, ?3, ?3, ?4, ?4, ?5, 0, 0)";
        let params = params![id, [7_u8; 32], NOW.0, NOW.0 + 1_000_000_000, [9_u8; 16]];
        transaction.execute(session, params).expect("insert");
    }
    transaction.commit().expect("commit");
}

/// How many pages the file has, and how many rows each table.
fn sizes(path: &Path) -> (i64, [i64; 5]) {
    let connection = Connection::open(path).expect("connect");
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).expect("count");
    let tables = ["account", "session", "session_detail", "event", "identity"];
    (number("pragma page_count"), tables.map(|table| number(&format!("select count(*) from {table}"))))
}

fn intact(path: &Path) -> String {
    let connection = Connection::open(path).expect("connect");
    connection.query_row("pragma integrity_check", [], |row| row.get(0)).expect("integrity_check")
}

fn migrated() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("sprag.db");
    SqliteStore::migrate(&path).expect("migrate");
    (directory, path)
}

fn opened(path: &Path, settings: Settings) -> SqliteStore {
    SqliteStore::open(path, settings).expect("open")
}

/// The defaults, on a machine that may stop for a while.
fn patient() -> Settings {
    let patience = Duration::from_secs(120);
    Settings { deadline: patience, busy_timeout: patience, ..Settings::default() }
}

fn refused(path: &Path) -> String {
    let fault = SqliteStore::open(path, patient()).map(|_| ()).expect_err("it must not open");
    assert_eq!(fault.kind, FaultKind::Unavailable);
    fault.source.expect("it has a cause").to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}
