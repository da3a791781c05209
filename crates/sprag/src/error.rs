//! The two ways of not succeeding: [`Refusal`], an answer, and [`Fault`], our failure.

use std::error::Error as StdError;
use std::fmt;

use crate::ratchet::Denial;
use crate::session::EndCause;

pub use refusals::{CODES, Code};

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

/// A "no" with a stable code and a sentence for a person; [`Refusal::row`] is what the [table](refusals) says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token came with the request.
    TokenMissing,
    /// The token is not one of ours, or not for this profile.
    TokenInvalid,
    /// The token was spent a moment ago and this profile answers no retries.
    TokenSpent,
    /// The token's or session's lifetime is over.
    TokenExpired,
    /// The session is over; whoever has a genuine token of it learns why.
    SessionEnded(Option<EndCause>),
    /// The account may not log in.
    AccountDisabled,
    /// One spent token was presented too often.
    TooManyRetries,
    /// Unknown name or wrong password: deliberately not told apart.
    CredentialsInvalid,
    /// The present password, asked for once more, is wrong.
    CurrentPasswordWrong,
    /// The password cannot be taken.
    PasswordRejected,
    /// The user name or e-mail cannot be taken, for this reason.
    NameInvalid(&'static str),
    /// Another account has that user name or e-mail.
    NameTaken,
    /// Only an administrator may do this.
    Forbidden,
    /// The account has no such session.
    SessionUnknown,
    /// There is no such account.
    AccountUnknown,
}

impl Refusal {
    /// Its row in the table of refusals.
    #[must_use]
    pub fn row(&self) -> &'static Code {
        match self {
            Self::TokenMissing => &refusals::TOKEN_MISSING,
            Self::TokenInvalid => &refusals::TOKEN_INVALID,
            Self::TokenSpent => &refusals::TOKEN_SPENT,
            Self::TokenExpired => &refusals::TOKEN_EXPIRED,
            Self::SessionEnded(_) => &refusals::SESSION_ENDED,
            Self::AccountDisabled => &refusals::ACCOUNT_DISABLED,
            Self::TooManyRetries => &refusals::TOO_MANY_RETRIES,
            Self::CredentialsInvalid => &refusals::CREDENTIALS_INVALID,
            Self::CurrentPasswordWrong => &refusals::CURRENT_PASSWORD_WRONG,
            Self::PasswordRejected => &refusals::PASSWORD_REJECTED,
            Self::NameInvalid(_) => &refusals::NAME_INVALID,
            Self::NameTaken => &refusals::NAME_TAKEN,
            Self::Forbidden => &refusals::FORBIDDEN,
            Self::SessionUnknown => &refusals::SESSION_UNKNOWN,
            Self::AccountUnknown => &refusals::ACCOUNT_UNKNOWN,
        }
    }

    /// The stable code, part of the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().name
    }
}

/// The row's sentence, or what more is known of the case at hand.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionEnded(Some(cause)) => {
                write!(f, "this session has ended because {}; log in again", cause.sentence())
            }
            Self::NameInvalid(reason) => f.write_str(reason),
            _ => f.write_str(self.row().sentence),
        }
    }
}

impl StdError for Refusal {}

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
