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
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{oneshot, watch};

use super::Settings;
use super::checkpointer::{Checkpointer, Log};
use super::connection::{self, Role, execute, is_its_own};
use super::counted::Kept;
use super::job::{Broken, Concerns, Job, Order, Outcome, ROTATING, Told, Write, by_itself};
use super::journal;
use super::position;
use super::readers::{await_answer, send, spawn};
use super::sessions::{ROTATE, Rotator, restamp_all};
use crate::error::Fault;
use crate::high_water::Progress;
use crate::ratchet::{Rotation, counts_from};
use crate::store::Rotated;
use crate::timers::KeptTimers;

/// The one thread that writes, fed from a bounded queue.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    deadline: Duration,
    timers: KeptTimers,
    kept: Arc<Kept>,
}

impl Writer {
    /// Starts it on a store that has come as far as `progress` says; whoever follows that hears of each commit.
    pub(super) fn start(
        path: &Path,
        settings: &Settings,
        progress: watch::Sender<Progress>,
        kept: &Arc<Kept>,
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
            runtime: Handle::try_current()
                .ok()
                .filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread),
            checkpointer: Checkpointer::start(path, settings, Arc::clone(&log), progress.clone(), kept)?,
            log,
            progress,
            restamp_after: settings.restamp_after,
            failing: None,
            kept: Arc::clone(kept),
        };
        let thread = spawn("sprag-writer", move || committer.run(&queue))?;
        let kept = Arc::clone(kept);
        let (deadline, timers) = (settings.deadline, KeptTimers::default());
        Ok(Self { jobs: Some(jobs), thread: Some(thread), deadline, timers, kept })
    }

    /// Rotates a row where the rotation applies, and has the journal tell of it where there is something to tell. It is asked
    /// for at once, before anybody waits.
    pub(super) fn rotate(
        &self,
        rotation: Rotation,
        told: Option<Box<Told>>,
    ) -> impl Future<Output = Result<Option<Rotated>, Fault>> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Rotate { order: Order::now(rotation), told, outcome: Ok(None), reply };
        let sent = send(self.jobs.as_ref(), job, ROTATING, &self.kept.writes);
        async move {
            sent?;
            let outcome = await_answer(answer, (&self.timers, self.deadline), ROTATING).await;
            outcome.inspect_err(|_| self.kept.writes.faults.one())
        }
    }

    /// How many writes wait, and how many may.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.jobs.as_ref().map_or((0, 0), |jobs| (jobs.len(), jobs.capacity().unwrap_or(0)))
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
        let asked = async {
            send(self.jobs.as_ref(), Job::Write { work, concerns }, doing, &self.kept.writes)?;
            await_answer(answer, (&self.timers, self.deadline), doing).await
        };
        self.kept.operations.counted(doing, asked).await
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

/// A connection that writes, and what rotates sessions on it: the one is given up with the other.
struct Writing {
    connection: Connection,
    rotator: Rotator,
}

impl Writing {
    /// Opens one that tells how the log grows.
    fn open(path: &Path, role: Role, log: &Arc<Log>) -> Result<Self, Fault> {
        let mut connection = connection::open(path, role)?;
        let log = Arc::clone(log);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            log.has_grown_to(pages);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(|error| connection::fault("watch the log", error))?;
        let rotator =
            Rotator::on(&connection).map_err(|error| connection::fault("prepare to rotate", error))?;
        Ok(Self { connection, rotator })
    }

    /// One transaction, and how far it moved the store on, where something changed that is counted. An error leaves it to the
    /// caller to roll back and give up the connection.
    fn commit(&mut self, jobs: &mut [Job]) -> rusqlite::Result<Option<Progress>> {
        let Self { connection, rotator } = self;
        execute(connection, "begin immediate")?;
        rotator.begin(connection)?;
        let mut rotate = connection.prepare_cached(ROTATE)?;
        let mut has_changed = false;
        for job in jobs {
            let before = connection.total_changes();
            match job {
                // A client that has given up is not served; one that asks again is.
                Job::Rotate { reply, .. } if reply.is_closed() => {}
                Job::Rotate { order, told: None, outcome, .. } => {
                    match rotator.rotate(connection, &mut rotate, &order.rotation) {
                        Err(error) if !is_its_own(connection, &error) => return Err(error),
                        rotated => *outcome = rotated.map_err(|error| connection::fault(ROTATING, error)),
                    }
                }
                Job::Rotate { order, told: Some(told), outcome, .. } => {
                    *outcome = by_itself(connection, ROTATING, || {
                        let rotated = rotator.rotate(connection, &mut rotate, &order.rotation)?;
                        if rotated.is_some() {
                            journal::tell(connection, told)?;
                        }
                        Ok(Outcome::Keep(rotated))
                    })?;
                }
                Job::Write { work, concerns } => {
                    work.run(connection)?;
                    rotator.forget(*concerns);
                }
            }
            has_changed |= job.is_counted() && connection.total_changes() != before;
        }
        drop(rotate);
        let progress = if has_changed { position::count(connection)? } else { None };
        execute(connection, "commit")?;
        Ok(progress)
    }

    /// Rolls back what SQLite has not rolled back by itself, and closes.
    fn give_up(self) {
        let Self { connection, .. } = self;
        let rolled_back =
            if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("rollback") };
        let closed = connection.close().map_err(|(_, error)| error);
        if let Err(error) = rolled_back.and(closed) {
            tracing::warn!("the failed connection did not close cleanly: {error}");
        }
    }
}

/// A batch's answers, given when this is dropped: also by a runtime that has ended.
struct Answers {
    jobs: Vec<Job>,
    committed: Result<(), Broken>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        for job in self.jobs.drain(..) {
            job.answer(self.committed.clone());
        }
    }
}

/// The writing thread's own state.
struct Committer {
    path: PathBuf,
    role: Role,
    writing: Option<Writing>,
    batch: usize,
    /// Where whoever asks waits, if it runs on threads of its own.
    runtime: Option<Handle>,
    checkpointer: Checkpointer,
    log: Arc<Log>,
    /// How far the store has come, once that is durable.
    progress: watch::Sender<Progress>,
    restamp_after: Duration,
    /// What stopped the last batch, until one succeeds.
    failing: Option<Broken>,
    kept: Arc<Kept>,
}

impl Committer {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut jobs = Vec::with_capacity(self.batch);
        while let Ok(first) = queue.recv() {
            jobs.push(first);
            jobs.extend(queue.try_iter().take(self.batch - 1));
            self.kept.writes.batches.add(jobs.len() as u64);
            let committed = self.commit(&mut jobs);
            self.tell(committed.as_ref().err());
            if committed.is_ok() {
                // Before any answer: whoever missed the row is about to look at it again.
                self.restamp(&jobs);
            }
            self.answer(&mut jobs, committed);
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
            self.kept.writes.took.took(took);
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
        let writing = Writing::open(&self.path, self.role, &self.log).map_err(|fault| closed(&fault));
        let writing = writing.inspect_err(|_| self.kept.writes.failed.one())?;
        self.kept.writes.connected.one();
        if self.failing.as_ref().is_some_and(Broken::is_for_want_of_room)
            && let Err(error) = writing.connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE)
        {
            tracing::debug!("the log could not be cut off to make room: {error}");
        }
        Ok(writing)
    }

    /// Answers each of them. Many are answered inside the runtime, which is woken once for all of them: from out here, each
    /// would be queued there and woken by itself.
    fn answer(&self, jobs: &mut Vec<Job>, committed: Result<(), Broken>) {
        let is_one = jobs.len() == 1;
        let answers = Answers { jobs: std::mem::take(jobs), committed };
        match &self.runtime {
            Some(runtime) if !is_one => drop(runtime.spawn(async move { drop(answers) })),
            _ => drop(answers),
        }
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
mod tests;
