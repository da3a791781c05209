//! Batches: what harms whom, what is answered when, and from when on it counts.

use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::params;
use tokio::runtime::Builder;

use super::super::SqliteStore;
use super::*;
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::error::FaultKind;
use crate::policy::Policy;
use crate::ratchet::{Moment, Presented};
use crate::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};

/// A writer over an account table with nothing in it.
fn started(settings: &Settings) -> (tempfile::TempDir, PathBuf, Writer) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sprag.db");
    SqliteStore::migrate(&path).unwrap();
    let progress = watch::Sender::new(position::look(&path).unwrap().unwrap());
    let writer = Writer::start(&path, settings, progress, &Arc::new(Kept::of(&path))).unwrap();
    (directory, path, writer)
}

fn insert(connection: &Connection, id: u8) -> rusqlite::Result<Outcome<()>> {
    let insert = "insert into account (id, epoch, is_admin, created_at) values (?1, 0, 0, 0)";
    connection.execute(insert, [[id; 16]]).map(|_| Outcome::Keep(()))
}

fn accounts(path: &Path) -> Vec<[u8; 16]> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("select id from account order by id").unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    found.map(|id| id.unwrap()).collect()
}

#[tokio::test]
async fn a_write_that_fails_or_panics_harms_no_other_in_its_batch() {
    let (_directory, path, writer) =
        started(&Settings { deadline: Duration::from_secs(120), ..Settings::default() });
    let (first, twin, panics, undone, last) = tokio::join!(
        writer.write("insert", |connection| insert(connection, 1)),
        writer.write("insert", |connection| insert(connection, 2).and_then(|_| insert(connection, 1))),
        writer.write("insert", |connection| -> rusqlite::Result<Outcome<()>> {
            insert(connection, 3)?;
            panic!("as this test wants it");
        }),
        writer.write("insert", |connection| insert(connection, 4).map(|_| Outcome::Undo(()))),
        writer.write("insert", |connection| insert(connection, 5)),
    );
    assert!(first.is_ok() && undone.is_ok() && last.is_ok());
    assert_eq!(twin.unwrap_err().kind, FaultKind::Internal);
    assert_eq!(panics.unwrap_err().kind, FaultKind::Internal);
    assert_eq!(accounts(&path), [[1; 16], [5; 16]]);
}

#[tokio::test]
async fn a_transaction_that_sqlite_rolled_back_is_acknowledged_to_nobody() {
    let (_directory, path, writer) =
        started(&Settings { deadline: Duration::from_secs(120), ..Settings::default() });
    let (first, culprit, last) = tokio::join!(
        writer.write("insert", |connection| insert(connection, 1)),
        writer.write("insert", |connection| connection.execute_batch("rollback").map(Outcome::Keep)),
        writer.write("insert", |connection| insert(connection, 2)),
    );
    // Whether the three shared a batch depends on the writer's pace; none may be acknowledged and lost.
    assert_eq!(culprit.unwrap_err().kind, FaultKind::Unavailable);
    let kept: Vec<_> = [(first, 1), (last, 2)].into_iter().filter(|(outcome, _)| outcome.is_ok()).collect();
    assert_eq!(accounts(&path), kept.into_iter().map(|(_, id)| [id; 16]).collect::<Vec<_>>());
    writer.write("insert", |connection| insert(connection, 3)).await.expect("it goes on by itself");
}

#[test]
fn a_batch_is_answered_though_the_runtime_that_opened_the_store_has_ended_or_stands_still() {
    for mut threads in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let first = threads.enable_all().build().unwrap();
        let settings = Settings { deadline: Duration::from_secs(120), ..Settings::default() };
        let (_directory, path, writer) = first.block_on(async { started(&settings) });
        let is_alone = first.handle().runtime_flavor() == RuntimeFlavor::CurrentThread;
        // One without threads of its own only stands still.
        let _still = is_alone.then_some(first);
        let (held, taken, release) = held(&writer);
        let second = Builder::new_current_thread().enable_all().build().unwrap();
        second.block_on(async {
            let (held, one, two, ()) = tokio::join!(
                held,
                writer.write("insert", |connection| insert(connection, 1)),
                writer.write("insert", |connection| insert(connection, 2)),
                async {
                    taken.recv().expect("the writer is at it, and the others wait");
                    drop(release);
                }
            );
            held.and(one).and(two).expect("each is answered");
        });
        assert_eq!(accounts(&path), [[1; 16], [2; 16]]);
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_late_answer_is_a_fault() {
    let settings =
        Settings { write_queue: 1, batch: 1, deadline: Duration::from_millis(1), ..Settings::default() };
    let (_directory, path, writer) = started(&settings);
    let (held, taken, release) = held(&writer);
    assert!(told(held.await).contains("no answer within"));
    taken.recv().expect("the writer is at it, and the queue is empty");
    let queued = writer.write("insert", |connection| insert(connection, 1)).await;
    assert!(told(queued).contains("no answer within"));
    let refused = writer.write("insert", |connection| insert(connection, 2)).await;
    assert!(told(refused).contains("queue is full"));
    drop(release);
    drop(writer);
    assert_eq!(accounts(&path), [[1; 16]], "what was late happened, what was refused did not");
}

#[tokio::test]
async fn a_rotation_answered_late_counts_from_then() {
    const DELAY: Duration = Duration::from_secs(5);
    for (restamp_after, least) in
        [(Settings::default().restamp_after, DELAY), (Duration::MAX, Duration::ZERO)]
    {
        let patience = Duration::from_secs(120);
        let (_directory, path, writer) =
            started(&Settings { deadline: patience, restamp_after, ..Settings::default() });
        writer.write("insert", |connection| insert(connection, 1)).await.unwrap();
        writer.write("insert", insert_session).await.unwrap();
        for (generation, is_told) in [(0, false), (1, true)] {
            let order = turning(generation);
            let queued = Instant::now().checked_sub(DELAY).unwrap();
            let told = is_told.then(|| Box::new(Told { event: told_of(&order), messages: Vec::new() }));
            let late = Order { rotation: order.clone(), queued };
            let (reply, answer) = oneshot::channel();
            let job = Job::Rotate { order: late, told, outcome: Ok(None), reply };
            send(writer.jobs.as_ref(), job, ROTATING, &writer.kept.writes).unwrap();
            answer.await.unwrap().unwrap().expect("the row turns");
            let (rotated_at, rest) = session(&path);
            let moved = rotated_at - order.at.0;
            assert!(moved >= crate::clock::millis(least), "by {moved} ms");
            assert!(moved == 0 || !least.is_zero(), "what is not late stays: {moved} ms");
            let (to, expiry) = (order.to.0.cast_signed(), order.idle_expires_at.0);
            assert_eq!(rest, [to, expiry, EXPIRES_AT, 0], "nothing else moves");
        }
    }
}

#[tokio::test]
async fn a_late_rotation_that_missed_moves_nothing() {
    let settings =
        Settings { deadline: Duration::from_secs(120), restamp_after: Duration::ZERO, ..Settings::default() };
    let (_directory, path, writer) = started(&settings);
    writer.write("insert", |connection| insert(connection, 1)).await.unwrap();
    writer.write("insert", insert_session).await.unwrap();
    let before = session(&path);
    assert_eq!(writer.rotate(turning(3), None).await.unwrap(), None);
    assert_eq!(session(&path), before);
}

/// Keeps the writer busy until the sender is dropped, and tells the receiver once the writer is at it.
fn held(writer: &Writer) -> (impl Future<Output = Result<(), Fault>>, Receiver<()>, Sender<()>) {
    let (release, released) = channel();
    let (take, taken) = channel();
    let held = writer.write("hold", move |_| {
        take.send(()).unwrap();
        // Ends when the test lets go of the other end.
        let _ = released.recv();
        Ok(Outcome::Keep(()))
    });
    (held, taken, release)
}

/// The row's latest end.
const EXPIRES_AT: i64 = 1 << 50;

/// A session of the first account's.
fn insert_session(connection: &Connection) -> rusqlite::Result<Outcome<()>> {
    let sql = "insert into session (account_id, id, profile, generation, secret_hash, epoch, created_at, rotated_at,
                   idle_expires_at, expires_at, instance_hash, retries, streak)
               values (?1, ?1, 1, 0, ?2, 0, 0, 0, ?3, ?3, ?1, 0, 0)";
    connection.execute(sql, params![[1_u8; 16], [7_u8; 32], EXPIRES_AT]).map(|_| Outcome::Keep(()))
}

/// The order that turns it from that generation, a minute after the one before.
fn turning(generation: u64) -> Rotation {
    let id = uuid::Uuid::from_bytes([1; 16]);
    let token = Presented {
        key: SessionKey { account: AccountId(id), session: SessionId(id) },
        profile: ProfileId(1),
        generation: Generation(generation),
        secret_hash: [7; 32],
        retry_hash: None,
        instance_hash: [1; 16],
    };
    let at = Timestamp(1_800_000_000_000).plus(Duration::from_secs(60) * u32::try_from(generation).unwrap());
    let policy = Policy::default();
    Rotation::optimistic(&token, Moment::uninterrupted(at, policy.reuse_interval), &policy).unwrap()
}

/// What the journal may say of it.
fn told_of(rotation: &Rotation) -> Event {
    Event {
        account: rotation.key.account,
        at: rotation.at,
        kind: EventKind::SessionRotated,
        session: Some(rotation.key.session),
        cause: None,
        ip: None,
        user_agent: None,
        note: None,
    }
}

/// When the session turned, and what else a rotation could move.
fn session(path: &Path) -> (i64, [i64; 4]) {
    let columns = "rotated_at, generation, idle_expires_at, expires_at, created_at";
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]));
    Connection::open(path).unwrap().query_row(&format!("select {columns} from session"), [], row).unwrap()
}

fn told(outcome: Result<(), Fault>) -> String {
    let fault = outcome.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    fault.source.unwrap().to_string()
}
