//! Rotations in one SQLite file: 64 callers over 4096 sessions, scattered among ten thousand or a million.
//!
//! Each page size in turn, as `connection.rs` chooses among them. What is counted is rotations whose commit
//! has been acknowledged. Run with `cargo bench -p sprag`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rusqlite::{Connection, params};
use sprag::clock::Timestamp;
use sprag::policy::Policy;
use sprag::ratchet::{Moment, Presented, Rotation};
use sprag::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use sprag::store::Sessions as _;
use sprag::store::sqlite::{Settings, SqliteStore};
use tokio::runtime::Runtime;
use uuid::Uuid;

const CALLERS: u64 = 64;
const HOT: u64 = 4096;
const NOW: Timestamp = Timestamp(1_800_000_000_000);

criterion_group!(benches, rotation);
criterion_main!(benches);

fn rotation(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("rotation");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(CALLERS));
    for rows in [10_000, 1_000_000] {
        for page_bytes in [1024, 2048, 4096] {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let path = directory.path().join("sprag.db");
            fill(&path, page_bytes, rows);
            let store = Arc::new(SqliteStore::open(&path, Settings::default()).expect("open"));
            let mut hot = Hot { rows, generations: vec![0; usize::try_from(HOT).expect("it fits")] };
            let id = BenchmarkId::new(format!("{rows} rows"), format!("{page_bytes} byte pages"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|rounds| {
                    let start = Instant::now();
                    hot.turn(&runtime, &store, rounds);
                    start.elapsed()
                });
            });
        }
    }
}

/// The sessions that turn, and where each stands.
struct Hot {
    rows: u64,
    generations: Vec<u64>,
}

impl Hot {
    /// Has each caller turn its own sessions, one after another, `rounds` times in all.
    fn turn(&mut self, runtime: &Runtime, store: &Arc<SqliteStore>, rounds: u64) {
        let own = usize::try_from(HOT / CALLERS).expect("it fits");
        let rows = self.rows;
        runtime.block_on(async {
            let callers = self.generations.chunks(own).zip(0..).map(|(generations, caller)| {
                let (store, mut generations) = (Arc::clone(store), generations.to_vec());
                tokio::spawn(async move {
                    for round in 0..rounds {
                        let turn = (round % (HOT / CALLERS)) as usize;
                        let row = (caller * (HOT / CALLERS) + turn as u64) * (rows / HOT);
                        let rotated =
                            store.rotate(order(row, generations[turn]), None).await.expect("rotate");
                        assert!(rotated.is_some(), "the row stands where its last rotation left it");
                        generations[turn] += 1;
                    }
                    generations
                })
            });
            let callers: Vec<_> = callers.collect();
            let mut generations = Vec::new();
            for caller in callers {
                generations.extend(caller.await.expect("a caller ends"));
            }
            self.generations = generations;
        });
    }
}

fn order(row: u64, generation: u64) -> Rotation {
    let id = scattered(row);
    let token = Presented {
        key: SessionKey { account: AccountId(id), session: SessionId(id) },
        profile: ProfileId(1),
        generation: Generation(generation),
        secret_hash: [7; 32],
        retry_hash: Some([8; 16]),
        instance_hash: [9; 16],
    };
    let policy = Policy { reuse_interval: std::time::Duration::ZERO, ..Policy::default() };
    Rotation::optimistic(&token, Moment::uninterrupted(NOW, policy.reuse_interval), &policy)
        .expect("the generation is not the last")
}

/// An id that depends on the row's number alone and lies anywhere.
fn scattered(row: u64) -> Uuid {
    Uuid::from_u64_pair((row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), row)
}

/// Makes a database of so many accounts with one session each, past the store: a million log-ins take long.
fn fill(path: &Path, page_bytes: u32, rows: u64) {
    let mut connection = Connection::open(path).expect("connect");
    connection.pragma_update(None, "page_size", page_bytes).expect("page_size");
    connection.execute_batch("create table made (x); drop table made").expect("create");
    SqliteStore::migrate(path).expect("migrate");
    connection.pragma_update(None, "synchronous", "off").expect("synchronous");
    let mut ids: Vec<Uuid> = (0..rows).map(scattered).collect();
    ids.sort_unstable();
    let transaction = connection.transaction().expect("begin");
    for id in &ids {
        let insert = "insert into account (id, epoch, is_admin, created_at, username, email) \
             values (?1, 0, 0, ?2, 'ann', 'ann@example.org')";
        let mut statement = transaction.prepare_cached(insert).expect("prepare");
        statement.execute(params![id.as_bytes(), NOW.0]).expect("insert");
        let insert =
            "insert into session (account_id, id, profile, generation, secret_hash, epoch, created_at,
                          rotated_at, idle_expires_at, expires_at, retry_hash, instance_hash, retries, streak)
                      values (?1, ?1, 1, 0, ?2, 0, ?3, ?3, ?4, ?4, ?5, ?5, 0, 0)";
        let mut statement = transaction.prepare_cached(insert).expect("prepare");
        let (secret_hash, instance_hash) = ([7_u8; 32], [9_u8; 16]);
        let expires_at = NOW.0 + 1_000_000_000;
        statement
            .execute(params![id.as_bytes(), secret_hash, NOW.0, expires_at, instance_hash])
            .expect("insert");
    }
    transaction.commit().expect("commit");
    connection.pragma_update(None, "wal_checkpoint", "truncate").expect("checkpoint");
}
