//! The one thread that writes.
//!
//! It commits without a timer: whatever has queued while the last commit ran goes into the next one, up to a
//! bound. Nothing is answered before its commit has returned. When the disk fails or is full, or anything
//! else happens that SQLite may have answered by rolling back, the whole batch is rolled back, every job in it
//! is answered with a fault, and the connection is opened anew: what a failed commit left in the log lies
//! beyond its end and is overwritten by the next one. As soon as the disk works again, so does this.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OptionalExtension as _};
use tokio::sync::oneshot;

use super::Settings;
use super::checkpointer::{Checkpointer, Log};
use super::connection::{self, Role};
use super::readers::{await_answer, send, spawn};
use super::sessions::turn;
use crate::error::Fault;
use crate::ratchet::Rotation;
use crate::store::Rotated;

const ROTATING: &str = "rotate a session";

/// What a write came to: kept with the batch, or undone, which is an answer too.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Keep(T),
    Undo(T),
}

/// The one thread that writes, fed from a bounded queue.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    deadline: Duration,
}

impl Writer {
    pub(super) fn start(path: &Path, settings: &Settings) -> Result<Self, Fault> {
        let log = Arc::new(Log::default());
        let role = Role::Writes { cache_kib: settings.writer_cache_kib, busy_timeout: settings.busy_timeout };
        let connection = open(path, role, &log)?;
        let (jobs, queue) = bounded(settings.write_queue.max(1));
        let committer = Committer {
            path: path.to_owned(),
            role,
            connection: Some(connection),
            batch: settings.batch.max(1),
            checkpointer: Checkpointer::start(path, settings, Arc::clone(&log))?,
            log,
            failing: None,
        };
        let thread = spawn("sprag-writer", move || committer.run(&queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), deadline: settings.deadline })
    }

    /// Turns a row where the rotation applies.
    pub(super) async fn rotate(&self, rotation: Rotation) -> Result<Option<Rotated>, Fault> {
        let (reply, answer) = oneshot::channel();
        send(self.jobs.as_ref(), Job::Rotate { rotation, outcome: Ok(None), reply }, ROTATING)?;
        await_answer(answer, self.deadline, ROTATING).await
    }

    /// Has the writer do `work` in its next transaction, by itself in a savepoint; `doing` names it in faults.
    pub(super) async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<Outcome<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write = Write { doing, work: Some(work), outcome: None, reply };
        send(self.jobs.as_ref(), Job::Write(Box::new(write)), doing)?;
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

/// What waits to be written. The rotation, by far the most frequent, is told apart so that it needs no box, no
/// savepoint and no dispatch.
enum Job {
    Rotate {
        rotation: Rotation,
        outcome: Result<Option<Rotated>, Fault>,
        reply: oneshot::Sender<Result<Option<Rotated>, Fault>>,
    },
    Write(Box<dyn Work>),
}

/// A write and its answer, whatever their types.
trait Work: Send {
    /// Does it in the open transaction, or not at all. An error here is the whole batch's.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Answers, now that the batch is committed or has failed.
    fn answer(self: Box<Self>, committed: Result<(), Broken>);
}

/// Why a batch was not committed, for each of its jobs.
#[derive(Clone, Debug, thiserror::Error)]
enum Broken {
    #[error("the transaction it belonged to was rolled back: {0}")]
    Failed(Arc<rusqlite::Error>),
    #[error("the transaction it belonged to was rolled back because a write in it panicked")]
    Panicked,
    #[error("the database cannot be opened: {0}")]
    Closed(String),
}

impl Broken {
    fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::Failed(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

struct Write<T, F> {
    doing: &'static str,
    work: Option<F>,
    outcome: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Work for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<Outcome<T>> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        execute(connection, "savepoint one")?;
        let (is_kept, outcome) = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(Ok(Outcome::Keep(value))) => (true, Ok(value)),
            Ok(Ok(Outcome::Undo(value))) => (false, Ok(value)),
            Ok(Err(error)) if is_its_own(connection, &error) => {
                (false, Err(connection::fault(self.doing, error)))
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => (false, Err(Fault::internal(self.doing, "the write panicked; the log says where"))),
        };
        if !is_kept {
            execute(connection, "rollback to one")?;
        }
        execute(connection, "release one")?;
        self.outcome = Some(outcome);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Broken>) {
        let answer = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Fault::internal(self.doing, "its batch was committed without it")),
            (Err(broken), _) => Err(Fault::unavailable(self.doing, broken)),
        };
        // Whoever asked may have given up meanwhile.
        let _ = self.reply.send(answer);
    }
}

impl Job {
    fn answer(self, committed: Result<(), Broken>) {
        match self {
            Self::Write(work) => work.answer(committed),
            Self::Rotate { outcome, reply, .. } => {
                let answer = match committed {
                    Ok(()) => outcome,
                    Err(broken) => Err(Fault::unavailable(ROTATING, broken)),
                };
                // Whoever asked may have given up meanwhile.
                let _ = reply.send(answer);
            }
        }
    }
}

/// The writing thread's own state.
struct Committer {
    path: PathBuf,
    role: Role,
    connection: Option<Connection>,
    batch: usize,
    checkpointer: Checkpointer,
    log: Arc<Log>,
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
            for job in jobs.drain(..) {
                job.answer(committed.clone());
            }
            self.bound_log();
        }
        self.close();
    }

    /// Commits the jobs together. Whenever that fails, the connection is given up with its transaction.
    fn commit(&mut self, jobs: &mut [Job]) -> Result<(), Broken> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen()?,
        };
        match catch_unwind(AssertUnwindSafe(|| commit(&connection, jobs))) {
            Ok(Ok(())) => {
                self.connection = Some(connection);
                Ok(())
            }
            Ok(Err(error)) => {
                give_up(connection);
                Err(Broken::Failed(Arc::new(error)))
            }
            Err(_) => {
                give_up(connection);
                Err(Broken::Panicked)
            }
        }
    }

    /// Opens a connection in place of one that failed.
    ///
    /// On a full disk the log may be what fills it. Rotations need no room in the file itself, so copying the log
    /// there and cutting it off is often enough to go on.
    fn reopen(&self) -> Result<Connection, Broken> {
        let connection = open(&self.path, self.role, &self.log).map_err(|fault| closed(&fault))?;
        if self.failing.as_ref().is_some_and(Broken::is_for_want_of_room)
            && let Err(error) = connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE)
        {
            tracing::debug!("the log could not be cut off to make room: {error}");
        }
        Ok(connection)
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
        let Some(connection) = &self.connection else { return };
        self.checkpointer.call_if_due(&self.log);
        if self.log.take_restart_order() {
            self.checkpointer.restart_log(&self.log, connection, self.role);
        }
    }

    /// Copies the log into the file; as this is the last connection to close, SQLite then removes the log.
    fn close(self) {
        let Self { connection, checkpointer, .. } = self;
        drop(checkpointer);
        if let Some(connection) = connection
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(
                "the database did not close cleanly; the log is kept and nothing is lost: {error}"
            );
        }
    }
}

/// One transaction. An error leaves it to the caller to roll back and give up the connection.
fn commit(connection: &Connection, jobs: &mut [Job]) -> rusqlite::Result<()> {
    execute(connection, "begin immediate")?;
    let mut rotate = connection.prepare_cached(super::sessions::ROTATE)?;
    for job in jobs {
        match job {
            // A client that has given up is not served; one that asks again is.
            Job::Rotate { reply, .. } if reply.is_closed() => {}
            Job::Rotate { rotation, outcome, .. } => match turn(&mut rotate, rotation).optional() {
                Err(error) if !is_its_own(connection, &error) => return Err(error),
                turned => *outcome = turned.map_err(|error| connection::fault(ROTATING, error)),
            },
            Job::Write(work) => work.run(connection)?,
        }
    }
    drop(rotate);
    execute(connection, "commit")
}

/// Whether an error concerns the statement alone. SQLite may also have rolled the whole transaction back by
/// itself, and then nothing of the batch is left.
fn is_its_own(connection: &Connection, error: &rusqlite::Error) -> bool {
    connection::concerns_statement_only(error) && !connection.is_autocommit()
}

/// Rolls back what SQLite has not rolled back by itself, and closes.
fn give_up(connection: Connection) {
    let rolled_back = if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("rollback") };
    let closed = connection.close().map_err(|(_, error)| error);
    if let Err(error) = rolled_back.and(closed) {
        tracing::warn!("the failed connection did not close cleanly: {error}");
    }
}

fn open(path: &Path, role: Role, log: &Arc<Log>) -> Result<Connection, Fault> {
    let mut connection = connection::open(path, role)?;
    let log = Arc::clone(log);
    let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
        log.has_grown_to(pages);
        Ok(())
    };
    connection.wal_hook(Some(hook)).map_err(|error| connection::fault("watch the log", error))?;
    Ok(connection)
}

fn execute(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn closed(fault: &Fault) -> Broken {
    let source = fault.source.as_ref().map(ToString::to_string);
    Broken::Closed(source.unwrap_or_else(|| fault.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::SqliteStore;
    use super::*;
    use crate::error::FaultKind;

    /// A writer over an account table with nothing in it.
    fn started(settings: &Settings) -> (tempfile::TempDir, PathBuf, Writer) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sprag.db");
        SqliteStore::migrate(&path).unwrap();
        let writer = Writer::start(&path, settings).unwrap();
        (directory, path, writer)
    }

    fn insert(connection: &Connection, id: u8) -> rusqlite::Result<Outcome<()>> {
        connection
            .execute("insert into account values (?1, 0, null, 0, 0, null, null, 'hash')", [[id; 16]])
            .map(|_| Outcome::Keep(()))
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

    fn told(outcome: Result<(), Fault>) -> String {
        let fault = outcome.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable);
        fault.source.unwrap().to_string()
    }
}
