//! What the ratchet is asked, and what it answers: the token and the row on one side, the verdict and the orders that carry
//! it out on the other. The rules stand in [`ratchet`](crate::ratchet), which shows all of this under its own name.

use std::time::Duration;

use crate::clock::Timestamp;
#[cfg(doc)]
use crate::policy::{LOCKSTEP_STREAK, MAX_RETRIES};
use crate::session::{EndCause, Epoch, Generation, ProfileId, SecretHash, Session, SessionKey, ShortHash};

/// What a client presented, once its tag has verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presented {
    /// The session it names.
    pub key: SessionKey,
    /// The profile it was made for.
    pub profile: ProfileId,
    /// n: the generation it names.
    pub generation: Generation,
    /// SHA-256 of the session secret it carries.
    pub secret_hash: SecretHash,
    /// The retry id of this request (`Idempotency-Key`), hashed, if it has one.
    pub retry_hash: Option<ShortHash>,
    /// The client instance that presents it, hashed.
    pub instance_hash: ShortHash,
}

/// A session together with the state of its account, read in one glance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionState {
    /// The session's row.
    pub session: Session,
    /// Whether its account may not log in; an account that is gone counts as disabled.
    pub is_disabled: bool,
    /// The account's epoch now.
    pub epoch: Epoch,
}

/// What looking for the session came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// There is no such session.
    Nothing,
    /// There is one.
    Session(Box<SessionState>),
}

/// The moment by which a request is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// The moment before which W of time lies in which somebody could have been answered. Who rotated then or later
    /// did so inside the window.
    pub window_start: Timestamp,
}

impl Moment {
    /// A moment before which nothing was ever out of order for `window`.
    #[must_use]
    pub fn uninterrupted(now: Timestamp, window: Duration) -> Self {
        Self { now, window_start: now.minus(window) }
    }
}

/// The row of the verdict table that decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Row {
    /// The token is not one of ours.
    Malformed,
    /// The store is at fault.
    StoreFault,
    /// No such session.
    Unknown,
    /// The tag is right and the secret is not.
    SecretMismatch,
    /// The session has ended before.
    Ended,
    /// The token is ahead of the database.
    Ahead,
    /// Two or more generations behind.
    LongSpent,
    /// One behind, and the request that made the last rotation.
    SameRequest,
    /// One behind, inside the reuse interval.
    JustSpent,
    /// One behind, outside it.
    Spent,
    /// The account is disabled or its epoch moved.
    AccountMoved,
    /// Idle timeout or absolute lifetime reached.
    Expired,
    /// Current, of a contested generation, and not presented by the row's last other instance.
    Contested,
    /// Current, and turned a moment ago.
    JustTurned,
    /// Current.
    Current,
    /// Current, but the write has missed too often.
    Missed,
}

impl Row {
    /// Every row, in the order of the table.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::StoreFault,
        Self::Unknown,
        Self::SecretMismatch,
        Self::Ended,
        Self::Ahead,
        Self::LongSpent,
        Self::SameRequest,
        Self::JustSpent,
        Self::Spent,
        Self::AccountMoved,
        Self::Expired,
        Self::Contested,
        Self::JustTurned,
        Self::Current,
        Self::Missed,
    ];

    /// What an operator reads of it; stable, a label of the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::StoreFault => "store_fault",
            Self::Unknown => "unknown",
            Self::SecretMismatch => "secret_mismatch",
            Self::Ended => "ended",
            Self::Ahead => "ahead",
            Self::LongSpent => "reuse_long_spent",
            Self::SameRequest => "same_request",
            Self::JustSpent => "just_spent",
            Self::Spent => "reuse",
            Self::AccountMoved => "account_moved",
            Self::Expired => "expired",
            Self::Contested => "contested",
            Self::JustTurned => "just_rotated",
            Self::Current => "rotated",
            Self::Missed => "missed",
        }
    }

    /// Its number in the table of `ARCHITECTURE.md`.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Malformed => "1",
            Self::StoreFault => "2",
            Self::Unknown => "3",
            Self::SecretMismatch => "4",
            Self::Ended => "5",
            Self::Ahead => "6",
            Self::LongSpent => "7",
            Self::SameRequest => "8",
            Self::JustSpent => "9",
            Self::Spent => "10",
            Self::AccountMoved => "11",
            Self::Expired => "12",
            Self::Contested => "12b",
            Self::JustTurned => "13",
            Self::Current => "14",
            Self::Missed => "15",
        }
    }
}

/// A verdict and the row it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// Which row of the table decided.
    pub row: Row,
    /// What is to be done and answered.
    pub verdict: Verdict,
    /// What the journal should say of it, beyond an end's own entry.
    pub notice: Option<Notice>,
}

impl Judgement {
    /// Whether it says of somebody that a token was stolen.
    #[must_use]
    pub fn accuses(&self) -> bool {
        matches!(self.verdict, Verdict::End(EndCause::Reuse, _))
    }
}

/// What is to be done, and what the client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Say no and change nothing.
    Refuse(Denial),
    /// Say "not now" and change nothing: 503.
    Fault,
    /// End the session, then say no.
    End(EndCause, Denial),
    /// Give the successor that was given before, once the row has counted it.
    Retry(Retried),
    /// Say "spent" and end nothing, once the row has noted that its newest generation is contested.
    Contest(Retried),
    /// Give a fresh access token; the refresh token stays as it is.
    Keep,
    /// Turn the row, then give the successor.
    Rotate(Rotation),
}

/// Why a refresh is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    /// Not a token of ours: 401 `token_invalid`.
    Invalid,
    /// Spent a moment ago, and nobody is accused: 401 `token_spent`.
    Spent,
    /// The session is over, for this cause if it is known: 401 `session_ended`.
    Ended(Option<EndCause>),
    /// 401 `account_disabled`.
    Disabled,
    /// 401 `token_expired`.
    Expired,
    /// Answered [`MAX_RETRIES`] times already: 429 `too_many_retries`.
    TooManyRetries,
}

/// Something the journal should remember about a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Critical: only a holder of the refresh key can have made this token.
    SecretMismatch,
    /// Critical: the database is this many generations behind a genuine token.
    Ahead {
        /// n - g.
        gap: u64,
    },
    /// A warning: another client instance retried, in this many generations running.
    ForeignRetry {
        /// How many, this one included.
        streak: u8,
    },
    /// A warning: another client instance presented the token just spent, and was refused.
    ForeignSpent,
    /// Critical: it did so after an instance unknown till then had turned the row, so one of the two has no right to it,
    /// and whoever presents the newest token next must be the one from before.
    Contested,
    /// A warning: the request that made the rotation before the last came once more, after another had turned the row.
    LateTwin,
    /// An alert: the same for [`LOCKSTEP_STREAK`] generations or more.
    Lockstep {
        /// How many, this one included.
        streak: u8,
    },
}

/// The order to turn a row. Only [`judge`](crate::ratchet::judge) and [`Rotation::optimistic`] make one; a store applies
/// it where, and only where, [`Rotation::applies_to`] holds, in one statement.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// The row to turn.
    pub key: SessionKey,
    /// The profile it must belong to.
    pub profile: ProfileId,
    /// The secret hash it must have.
    pub secret_hash: SecretHash,
    /// The generation it must have.
    pub from: Generation,
    /// The generation it gets.
    pub to: Generation,
    /// Now; expiry must lie after it.
    pub at: Timestamp,
    /// When it will end unless it turns again.
    pub idle_expires_at: Timestamp,
    /// The retry id that makes this rotation.
    pub retry_hash: Option<ShortHash>,
    /// The client instance that makes it.
    pub instance_hash: ShortHash,
    /// Row 13: not where the row has turned before, at this moment or later.
    pub unless_turned_since: Option<Timestamp>,
}

/// The order to note that a spent token came back: to count one answered retry, or to contest the newest generation.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Retried {
    /// The row that counts it.
    pub key: SessionKey,
    /// The profile it must belong to.
    pub profile: ProfileId,
    /// The secret hash it must have.
    pub secret_hash: SecretHash,
    /// The generation it must have: the successor's.
    pub generation: Generation,
    /// Now; expiry must lie after it.
    pub at: Timestamp,
    /// The streak to note, if this is the generation's first retry by another client instance.
    pub streak: Option<u8>,
    /// Whether nothing is answered nor counted, and the generation is contested from now on.
    pub contests: bool,
}
