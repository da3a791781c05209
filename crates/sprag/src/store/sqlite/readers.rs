//! The threads that read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::Settings;
use super::connection::{self, Role};
use super::counted::Kept;
use crate::error::Fault;
use crate::observe::QueueCounts;
use crate::timers::KeptTimers;

/// Reads, on a connection or for want of one; says whether the connection is still good.
type Job = Box<dyn FnOnce(Result<&Connection, Fault>) -> bool + Send>;

/// The threads that read, each with a connection of its own, fed from one bounded queue.
#[derive(Debug)]
pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    deadline: Duration,
    timers: KeptTimers,
    kept: Arc<Kept>,
}

impl Readers {
    pub(super) fn start(path: &Path, settings: &Settings, kept: &Arc<Kept>) -> Result<Self, Fault> {
        let (jobs, queue) = bounded(settings.read_queue.max(1));
        let (deadline, kept) = (settings.deadline, Arc::clone(kept));
        let timers = KeptTimers::default();
        let mut readers = Self { jobs: Some(jobs), threads: Vec::new(), deadline, timers, kept };
        for number in 1..=settings.readers.max(1) {
            let role = Role::Reads { cache_kib: settings.reader_cache_kib };
            let reader = Reader {
                path: path.to_owned(),
                role,
                connection: Some(connection::open(path, role)?),
                queue: queue.clone(),
            };
            readers.threads.push(spawn(&format!("sprag-reader-{number}"), move || reader.run())?);
        }
        Ok(readers)
    }

    /// Has a reader do `work`; `doing` names it in faults.
    pub(super) async fn read<T, F>(&self, doing: &'static str, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if reply.is_closed() {
                return true;
            }
            let (connection, outcome) = match connection {
                Ok(connection) => (connection, work(connection)),
                Err(fault) => {
                    // Whoever asked may have given up meanwhile.
                    let _ = reply.send(Err(fault));
                    return false;
                }
            };
            let is_sound = outcome.as_ref().err().is_none_or(connection::concerns_statement_only);
            let _ = reply.send(outcome.map_err(|error| connection::fault_of(connection, doing, error)));
            is_sound
        });
        let asked = async {
            send(self.jobs.as_ref(), job, doing, &self.kept.reads)?;
            await_answer(answer, (&self.timers, self.deadline), doing).await
        };
        self.kept.operations.counted(doing, asked).await
    }

    /// How many reads wait, and how many may.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.jobs.as_ref().map_or((0, 0), |jobs| (jobs.len(), jobs.capacity().unwrap_or(0)))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic there has been answered and told already.
            let _ = thread.join();
        }
    }
}

struct Reader {
    path: PathBuf,
    role: Role,
    connection: Option<Connection>,
    queue: Receiver<Job>,
}

impl Reader {
    fn run(mut self) {
        while let Ok(job) = self.queue.recv() {
            let connection = match self.connection.take() {
                Some(connection) => Ok(connection),
                None => connection::open(&self.path, self.role),
            };
            let is_sound = match connection {
                Ok(connection) => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| job(Ok(&connection))));
                    outcome.is_ok_and(|is_sound| is_sound).then_some(connection)
                }
                Err(fault) => {
                    job(Err(fault));
                    None
                }
            };
            self.connection = is_sound;
        }
    }
}

/// Puts a job in a queue, or says at once that there is no room.
pub(super) fn send<J>(
    queue: Option<&Sender<J>>,
    job: J,
    doing: &'static str,
    counts: &QueueCounts,
) -> Result<(), Fault> {
    let queue = queue.expect("the queue is there until the store is dropped");
    queue.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => {
            counts.refused.one();
            Fault::unavailable(doing, "the store's queue is full; try again in a moment")
        }
        TrySendError::Disconnected(_) => Fault::unavailable(doing, "the store's thread has stopped; restart"),
    })
}

/// Waits for an answer until the deadline.
pub(super) async fn await_answer<T>(
    answer: oneshot::Receiver<Result<T, Fault>>,
    (timers, deadline): (&KeptTimers, Duration),
    doing: &'static str,
) -> Result<T, Fault> {
    match timers.within(deadline, pin!(answer)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Fault::internal(doing, "the work panicked; the log says where")),
        Err(_) => {
            Err(Fault::unavailable(doing, format!("no answer within {deadline:?}; the disk may be slow")))
        }
    }
}

/// Starts a thread under a name that shows in `top -H`.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| Fault::unavailable("start a thread of the store", error))
}
