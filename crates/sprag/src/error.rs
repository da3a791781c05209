//! The two ways of not succeeding: [`Refusal`], an answer, and [`Fault`], our failure.
//!
//! They are not to be mixed up: a client that takes a database that is away for a refusal logs somebody out.
//!
//! ```
//! use sprag::{Error, FaultKind, Refusal};
//!
//! fn status(error: &Error) -> u16 {
//!     match error {
//!         Error::Refused(Refusal::Forbidden) => 403,
//!         Error::Refused(_) => 401,
//!         Error::Failed(fault) if fault.kind == FaultKind::Internal => 500,
//!         Error::Failed(_) => 503,
//!     }
//! }
//!
//! assert_eq!(status(&Refusal::SessionEnded(None).into()), 401);
//! assert_eq!(Refusal::SessionEnded(None).code(), "session_ended");
//! ```

use std::error::Error as StdError;

use crate::ratchet::Denial;

pub use refusals::{CODES, Code, Refusal, Rejected};

pub mod refusals;

/// What the engine's actions return instead of success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// We answered "no".
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// We broke.
    #[error(transparent)]
    Failed(#[from] Fault),
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Invalid => Self::TokenInvalid,
            Denial::Spent => Self::TokenSpent,
            Denial::Ended(cause) => Self::SessionEnded(cause),
            Denial::Disabled => Self::AccountDisabled,
            Denial::Expired => Self::TokenExpired,
            Denial::TooManyRetries => Self::TooManyRetries,
        }
    }
}

/// A failure of ours: what was being attempted, and what stopped it.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct Fault {
    /// What was being attempted, as the end of a sentence that begins "could not".
    pub doing: &'static str,
    /// Whether trying again later may help.
    pub kind: FaultKind,
    /// What stopped it.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whether trying again later may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The store failed, timed out, is full or is shutting down.
    Unavailable,
    /// A bounded queue is full, which is said at once.
    Busy,
    /// A defect.
    Internal,
}

impl FaultKind {
    /// What a client is told of such a fault, which is no detail: a row of the table of refusals.
    #[must_use]
    pub fn row(self) -> &'static Code {
        match self {
            Self::Unavailable => &refusals::UNAVAILABLE,
            Self::Busy => &refusals::BUSY,
            Self::Internal => &refusals::INTERNAL,
        }
    }
}

impl Fault {
    /// The store, or something else we depend on, does not answer as it should.
    pub fn unavailable(doing: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { doing, kind: FaultKind::Unavailable, source: Some(source.into()) }
    }

    /// There is more work than we accept.
    #[must_use]
    pub fn busy(doing: &'static str) -> Self {
        Self { doing, kind: FaultKind::Busy, source: None }
    }

    /// Something that must not happen has happened.
    pub fn internal(doing: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { doing, kind: FaultKind::Internal, source: Some(source.into()) }
    }
}
