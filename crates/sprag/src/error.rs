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
use crate::session::EndCause;

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

/// A "no" with a stable code and a sentence for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token came with the request.
    #[error("no token was sent; log in, or send the token this call needs")]
    TokenMissing,
    /// The token is not one of ours, or not for this profile.
    #[error("this token is not valid here; log in again")]
    TokenInvalid,
    /// The token was spent a moment ago and this profile answers no retries.
    #[error("this refresh token has been used already; use the one that replaced it")]
    TokenSpent,
    /// The token's or session's lifetime is over.
    #[error("this token has expired; refresh it or log in again")]
    TokenExpired,
    /// The session is over.
    #[error("this session has ended{}; log in again", .0.map(because).unwrap_or_default())]
    SessionEnded(Option<EndCause>),
    /// The account may not log in.
    #[error("this account is disabled; ask whoever runs this service")]
    AccountDisabled,
    /// One spent token was presented too often.
    #[error("this refresh token was presented too many times; use the one that replaced it")]
    TooManyRetries,
    /// Unknown name or wrong password: deliberately not told apart.
    #[error("the name or the password is wrong")]
    CredentialsInvalid,
    /// The present password, asked for once more, is wrong.
    #[error("the current password is wrong")]
    CurrentPasswordWrong,
    /// The password cannot be taken.
    #[error("a password has {min} to {max} bytes; choose another", min = crate::policy::MIN_PASSWORD_BYTES, max = crate::policy::MAX_PASSWORD_BYTES)]
    PasswordRejected,
    /// The user name or e-mail cannot be taken.
    #[error("{0}")]
    NameInvalid(&'static str),
    /// Another account has that user name or e-mail.
    #[error("another account has this user name or e-mail; choose another")]
    NameTaken,
    /// Only an administrator may do this.
    #[error("only an administrator may do this")]
    Forbidden,
    /// The account has no such session.
    #[error("there is no such live session; list the sessions to see which there are")]
    SessionUnknown,
    /// There is no such account.
    #[error("there is no such account")]
    AccountUnknown,
}

impl Refusal {
    /// The stable code, part of the wire. `docs/reference/errors.md` documents each.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid => "token_invalid",
            Self::TokenSpent => "token_spent",
            Self::TokenExpired => "token_expired",
            Self::SessionEnded(_) => "session_ended",
            Self::AccountDisabled => "account_disabled",
            Self::TooManyRetries => "too_many_retries",
            Self::CredentialsInvalid => "credentials_invalid",
            Self::CurrentPasswordWrong => "current_password_wrong",
            Self::PasswordRejected => "password_rejected",
            Self::NameInvalid(_) => "name_invalid",
            Self::NameTaken => "name_taken",
            Self::Forbidden => "forbidden",
            Self::SessionUnknown => "session_unknown",
            Self::AccountUnknown => "account_unknown",
        }
    }
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

fn because(cause: EndCause) -> String {
    format!(" because {}", cause.sentence())
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
    /// The store failed, timed out, is full or is shutting down: 503 `unavailable`.
    Unavailable,
    /// A bounded queue is full: 503 `busy`, at once.
    Busy,
    /// A defect: 500 `internal`.
    Internal,
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
