//! The one thread that writes.
//!
//! It commits without a timer: whatever has queued while the last commit ran goes into the next one, up to a
//! bound. Nothing is answered before its commit has returned. When the disk fails or is full, or anything
//! else happens that SQLite may have answered by rolling back, the whole batch is rolled back, every job in it
//! is answered with a fault, and the connection is opened anew: what a failed commit left in the log lies
//! beyond its end and is overwritten by the next one. As soon as the disk works again, so does this.
//!
//! A rotation whose commit took long is dated anew before anybody is answered: its clients were told nothing, or
//! that we broke, and their honest retry must not look like theft.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB};
use tokio::sync::{oneshot, watch};

use super::Settings;
use super::batch::Writing;
use super::checkpointer::{Checkpointer, Log};
use super::connection::{self, Role};
use super::job::{Broken, Concerns, Job, Order, Outcome, ROTATING, Write};
use super::readers::{await_answer, send, spawn};
use super::sessions::restamp_all;
use crate::audit::Event;
use crate::error::Fault;
use crate::high_water::Progress;
use crate::ratchet::{Rotation, counts_from};
use crate::store::Rotated;

/// The one thread that writes, fed from a bounded queue.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    deadline: Duration,
}

impl Writer {
    /// Starts it on a store that has come as far as `progress` says; whoever follows that hears of each commit.
    pub(super) fn start(
        path: &Path,
        settings: &Settings,
        progress: watch::Sender<Progress>,
    ) -> Result<Self, Fault> {
        let log = Arc::new(Log::default());
        let role = Role::Writes { cache_kib: settings.writer_cache_kib, busy_timeout: settings.busy_timeout };
        let writing = Writing::open(path, role, &log)?;
        let (jobs, queue) = bounded(settings.write_queue.max(1));
        let committer = Committer {
            path: path.to_owned(),
            role,
            writing: Some(writing),
            batch: settings.batch.max(1),
            checkpointer: Checkpointer::start(path, settings, Arc::clone(&log), progress.clone())?,
            log,
            progress,
            restamp_after: settings.restamp_after,
            failing: None,
        };
        let thread = spawn("sprag-writer", move || committer.run(&queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), deadline: settings.deadline })
    }

    /// Rotates a row where the rotation applies, and has the journal tell of it where there is something to tell.
    pub(super) async fn rotate(
        &self,
        rotation: Rotation,
        event: Option<Event>,
    ) -> Result<Option<Rotated>, Fault> {
        let (reply, answer) = oneshot::channel();
        let event = event.map(Box::new);
        let job = Job::Rotate { order: Order::now(rotation), event, outcome: Ok(None), reply };
        send(self.jobs.as_ref(), job, ROTATING)?;
        await_answer(answer, self.deadline, ROTATING).await
    }

    /// Has the writer do `work` in its next transaction, by itself in a savepoint; `doing` names it in faults.
    pub(super) async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<Outcome<T>> + Send + 'static,
    {
        self.write_about(Concerns::Everybody, doing, work).await
    }

    /// As [`write`](Self::write), where it is known whose rows may change.
    pub(super) async fn write_about<T, F>(
        &self,
        concerns: Concerns,
        doing: &'static str,
        work: F,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<Outcome<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(Write { doing, work: Some(work), outcome: None, reply });
        send(self.jobs.as_ref(), Job::Write { work, concerns }, doing)?;
        await_answer(answer, self.deadline, doing).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been answered and told already.
            let _ = thread.join();
        }
    }
}

/// The writing thread's own state.
struct Committer {
    path: PathBuf,
    role: Role,
    writing: Option<Writing>,
    batch: usize,
    checkpointer: Checkpointer,
    log: Arc<Log>,
    /// How far the store has come, once that is durable.
    progress: watch::Sender<Progress>,
    restamp_after: Duration,
    /// What stopped the last batch, until one succeeds.
    failing: Option<Broken>,
}

impl Committer {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut jobs = Vec::with_capacity(self.batch);
        while let Ok(first) = queue.recv() {
            jobs.push(first);
            jobs.extend(queue.try_iter().take(self.batch - 1));
            let committed = self.commit(&mut jobs);
            self.tell(committed.as_ref().err());
            if committed.is_ok() {
                // Before any answer: whoever missed the row is about to look at it again.
                self.restamp(&jobs);
            }
            for job in jobs.drain(..) {
                job.answer(committed.clone());
            }
            self.bound_log();
        }
        self.close();
    }

    /// Commits the jobs together. Whenever that fails, the connection is given up with its transaction.
    fn commit(&mut self, jobs: &mut [Job]) -> Result<(), Broken> {
        let mut writing = match self.writing.take() {
            Some(writing) => writing,
            None => self.reopen()?,
        };
        match catch_unwind(AssertUnwindSafe(|| writing.commit(jobs))) {
            Ok(Ok(progress)) => {
                self.writing = Some(writing);
                if let Some(progress) = progress {
                    self.progress.send_modify(|known| *known = Progress { copied: known.copied, ..progress });
                }
                Ok(())
            }
            Ok(Err(error)) => {
                writing.give_up();
                let told = connection::explained(&self.path, &error).unwrap_or_else(|| error.to_string());
                Err(Broken::Failed { error: Arc::new(error), told })
            }
            Err(_) => {
                writing.give_up();
                Err(Broken::Panicked)
            }
        }
    }

    /// Dates the rotations of a batch that took long from now: only from now on can a client have had its answer.
    fn restamp(&mut self, jobs: &[Job]) {
        let now = Instant::now();
        let late = jobs.iter().filter_map(Job::order).filter_map(|order| {
            let took = now.saturating_duration_since(order.queued);
            Some((&order.rotation, counts_from(order.rotation.at, took, self.restamp_after)?))
        });
        let mut late = late.peekable();
        if late.peek().is_none() {
            return;
        }
        let Some(writing) = self.writing.take() else { return };
        match restamp_all(&writing.connection, late) {
            Ok(()) => self.writing = Some(writing),
            Err(error) => {
                tracing::warn!(
                    "late rotations keep the moment they arrived; a retry may seem theft: {error}"
                );
                writing.give_up();
            }
        }
    }

    /// Opens a connection in place of one that failed.
    ///
    /// On a full disk the log may be what fills it. Rotations need no room in the file itself, so copying the log
    /// there and cutting it off is often enough to go on.
    fn reopen(&self) -> Result<Writing, Broken> {
        let writing = Writing::open(&self.path, self.role, &self.log).map_err(|fault| closed(&fault))?;
        if self.failing.as_ref().is_some_and(Broken::is_for_want_of_room)
            && let Err(error) = writing.connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE)
        {
            tracing::debug!("the log could not be cut off to make room: {error}");
        }
        Ok(writing)
    }

    /// Tells of the first failure and of the first success after it; what lies between is told to those who asked.
    fn tell(&mut self, broken: Option<&Broken>) {
        match (&self.failing, broken) {
            (None, Some(broken)) => tracing::error!("nothing is written until this is mended: {broken}"),
            (Some(_), None) => tracing::info!("writes succeed again"),
            _ => {}
        }
        self.failing = broken.cloned();
    }

    /// Calls the checkpointer when the log has grown, and lets the log start afresh when it is too long.
    fn bound_log(&mut self) {
        let Some(Writing { connection, .. }) = &self.writing else { return };
        self.checkpointer.call_if_due(&self.log);
        if self.log.take_restart_order() {
            self.checkpointer.restart_log(&self.log, connection, self.role);
        }
    }

    /// Copies the log into the file; as this is the last connection to close, SQLite then removes the log.
    fn close(self) {
        let Self { writing, checkpointer, .. } = self;
        drop(checkpointer);
        if let Some(writing) = writing
            && let Err((_, error)) = writing.connection.close()
        {
            tracing::warn!(
                "the database did not close cleanly; the log is kept and nothing is lost: {error}"
            );
        }
    }
}

fn closed(fault: &Fault) -> Broken {
    let source = fault.source.as_ref().map(ToString::to_string);
    Broken::Closed(source.unwrap_or_else(|| fault.to_string()))
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::super::{SqliteStore, position};
    use super::*;
    use crate::audit::EventKind;
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
        let writer = Writer::start(&path, settings, progress).unwrap();
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
        let kept: Vec<_> =
            [(first, 1), (last, 2)].into_iter().filter(|(outcome, _)| outcome.is_ok()).collect();
        assert_eq!(accounts(&path), kept.into_iter().map(|(_, id)| [id; 16]).collect::<Vec<_>>());
        writer.write("insert", |connection| insert(connection, 3)).await.expect("it goes on by itself");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_late_answer_is_a_fault() {
        let settings =
            Settings { write_queue: 1, batch: 1, deadline: Duration::from_millis(1), ..Settings::default() };
        let (_directory, path, writer) = started(&settings);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (take, taken) = std::sync::mpsc::channel();
        let held = writer.write("hold", move |_| {
            take.send(()).unwrap();
            // Ends when the test lets go of the other end.
            let _ = released.recv();
            Ok(Outcome::Keep(()))
        });
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
                let event = is_told.then(|| Box::new(told_of(&order)));
                let late = Order { rotation: order.clone(), queued };
                let (reply, answer) = oneshot::channel();
                let job = Job::Rotate { order: late, event, outcome: Ok(None), reply };
                send(writer.jobs.as_ref(), job, ROTATING).unwrap();
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
        let settings = Settings {
            deadline: Duration::from_secs(120),
            restamp_after: Duration::ZERO,
            ..Settings::default()
        };
        let (_directory, path, writer) = started(&settings);
        writer.write("insert", |connection| insert(connection, 1)).await.unwrap();
        writer.write("insert", insert_session).await.unwrap();
        let before = session(&path);
        assert_eq!(writer.rotate(turning(3), None).await.unwrap(), None);
        assert_eq!(session(&path), before);
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
        let at =
            Timestamp(1_800_000_000_000).plus(Duration::from_secs(60) * u32::try_from(generation).unwrap());
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
}
