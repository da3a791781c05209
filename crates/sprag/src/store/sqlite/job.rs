//! What waits to be written, and how it is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::connection::{self, execute, is_its_own};
use crate::error::Fault;
use crate::ratchet::Rotation;
use crate::store::Rotated;

pub(super) const ROTATING: &str = "rotate a session";

/// What a write came to: kept with the batch, or undone, which is an answer too.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    Keep(T),
    Undo(T),
}

/// What waits to be written. The rotation, by far the most frequent, is told apart so that it needs no box, no
/// savepoint and no dispatch.
pub(super) enum Job {
    Rotate {
        order: Order,
        outcome: Result<Option<Rotated>, Fault>,
        reply: oneshot::Sender<Result<Option<Rotated>, Fault>>,
    },
    Write {
        work: Box<dyn Work>,
        counts: Counts,
    },
}

/// What a write is besides.
pub(super) enum Counts {
    /// It carries out a rotation.
    Rotation(Order),
    /// It moves the store on.
    Yes,
    /// Nobody misses it if it is lost.
    No,
}

/// A rotation and when it was asked for.
pub(super) struct Order {
    pub(super) rotation: Rotation,
    pub(super) queued: Instant,
}

impl Order {
    pub(super) fn now(rotation: Rotation) -> Self {
        Self { rotation, queued: Instant::now() }
    }
}

/// A write and its answer, whatever their types.
pub(super) trait Work: Send {
    /// Does it in the open transaction, or not at all. An error here is the whole batch's.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Answers, now that the batch is committed or has failed.
    fn answer(self: Box<Self>, committed: Result<(), Broken>);
}

/// Why a batch was not committed, for each of its jobs.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the transaction it belonged to was rolled back: {told}")]
    Failed { error: Arc<rusqlite::Error>, told: String },
    #[error("the transaction it belonged to was rolled back because a write in it panicked")]
    Panicked,
    #[error("the database cannot be opened: {0}")]
    Closed(String),
}

impl Broken {
    pub(super) fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

pub(super) struct Write<T, F> {
    pub(super) doing: &'static str,
    pub(super) work: Option<F>,
    pub(super) outcome: Option<Result<T, Fault>>,
    pub(super) reply: oneshot::Sender<Result<T, Fault>>,
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
    /// The rotation that may have turned a row in a committed batch.
    pub(super) fn order(&self) -> Option<&Order> {
        match self {
            Self::Rotate { order, outcome, .. } => matches!(outcome, Ok(Some(_))).then_some(order),
            Self::Write { counts: Counts::Rotation(order), .. } => Some(order),
            Self::Write { .. } => None,
        }
    }

    /// Whether it moves the store on, where it changes something.
    pub(super) fn is_counted(&self) -> bool {
        !matches!(self, Self::Write { counts: Counts::No, .. })
    }

    pub(super) fn answer(self, committed: Result<(), Broken>) {
        match self {
            Self::Write { work, .. } => work.answer(committed),
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
