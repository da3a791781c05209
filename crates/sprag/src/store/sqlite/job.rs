//! What waits to be written, and how it is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::connection::{self, execute, is_its_own};
use crate::audit::Event;
use crate::error::Fault;
use crate::outbox::Message;
use crate::ratchet::Rotation;
use crate::session::AccountId;
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
        /// What the journal says of it, if anything.
        told: Option<Box<Told>>,
        outcome: Result<Option<Rotated>, Fault>,
        reply: oneshot::Sender<Result<Option<Rotated>, Fault>>,
    },
    Write {
        work: Box<dyn Work>,
        concerns: Concerns,
    },
}

/// Whose rows a write may change.
#[derive(Clone, Copy)]
pub(super) enum Concerns {
    Everybody,
    Account(AccountId),
    /// No account's, and nobody misses it if it is lost: where nothing else is in the batch, it does not count as progress.
    Nobody,
}

/// What the journal says of a write to a row, and what is told to others because of it.
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) messages: Vec<Message>,
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
        self.outcome = Some(by_itself(connection, self.doing, || work(connection))?);
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

/// Does `work` in a savepoint, so that what fails or panics undoes itself alone. An error here is the whole batch's.
pub(super) fn by_itself<T>(
    connection: &Connection,
    doing: &'static str,
    work: impl FnOnce() -> rusqlite::Result<Outcome<T>>,
) -> rusqlite::Result<Result<T, Fault>> {
    execute(connection, "savepoint one")?;
    let (is_kept, outcome) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(Outcome::Keep(value))) => (true, Ok(value)),
        Ok(Ok(Outcome::Undo(value))) => (false, Ok(value)),
        Ok(Err(error)) if is_its_own(connection, &error) => (false, Err(connection::fault(doing, error))),
        Ok(Err(error)) => return Err(error),
        Err(_) => (false, Err(Fault::internal(doing, "the write panicked; the log says where"))),
    };
    if !is_kept {
        execute(connection, "rollback to one")?;
    }
    execute(connection, "release one")?;
    Ok(outcome)
}

impl Job {
    /// The rotation that has turned a row in a committed batch.
    pub(super) fn order(&self) -> Option<&Order> {
        match self {
            Self::Rotate { order, outcome, .. } => matches!(outcome, Ok(Some(_))).then_some(order),
            Self::Write { .. } => None,
        }
    }

    /// Whether it moves the store on, where it changes something.
    pub(super) fn is_counted(&self) -> bool {
        !matches!(self, Self::Write { concerns: Concerns::Nobody, .. })
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
