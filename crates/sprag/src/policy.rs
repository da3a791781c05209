//! What a profile asks of its sessions: plain typed values, each with the reason for its default.
//!
//! ```
//! use std::time::Duration;
//!
//! use sprag::policy::{Lockstep, Policy};
//!
//! // Every refresh rotates, a spent token is reuse at once, and nobody refreshes in step for long.
//! let strict = Policy { reuse_interval: Duration::ZERO, lockstep: Lockstep::End, ..Policy::default() };
//! # let _ = strict;
//! ```

use std::time::Duration;

/// How many times one spent token is answered inside the reuse interval before 429.
///
/// Sixteen tabs that wake up together are a lot; a thousand are a loop.
pub const MAX_RETRIES: u8 = 16;

/// How far a token may be ahead of the database and still be followed.
///
/// At one rotation per reuse interval of 30 s this is about eight hours of lost commits.
pub const MAX_GAP: u64 = 1024;

/// How many generations running another client instance may retry before it is called lockstep.
pub const LOCKSTEP_STREAK: u8 = 3;

/// The last generation: the largest integer that every JSON reader keeps exact (2^53 - 1).
///
/// A session that reaches it has expired. At one rotation a second that takes 285 million years.
pub const MAX_GENERATION: u64 = (1 << 53) - 1;

/// The longest reuse interval that is accepted.
pub const MAX_REUSE_INTERVAL: Duration = Duration::from_secs(300);

/// The shortest new password, in characters, where no profile asks for more.
pub const MIN_PASSWORD_CHARS: u16 = 8;

/// The longest password, in bytes of UTF-8; a longer one is refused, never truncated.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// How long a new password must be, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordLength {
    /// Where it is all that an account logs in with.
    pub alone: u16,
    /// Where the account has a second factor, too.
    pub with_factor: u16,
}

impl Default for PasswordLength {
    fn default() -> Self {
        Self { alone: MIN_PASSWORD_CHARS, with_factor: MIN_PASSWORD_CHARS }
    }
}

impl PasswordLength {
    /// The longer of each.
    #[must_use]
    pub fn longest(self, other: Self) -> Self {
        Self { alone: self.alone.max(other.alone), with_factor: self.with_factor.max(other.with_factor) }
    }
}

/// The rules that one profile's sessions live under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// W: how long after a rotation the token just spent is answered again. 30 s covers a lost answer,
    /// a reload, and tabs that wake together; zero makes every spent token reuse at once.
    pub reuse_interval: Duration,
    /// What a spent token gets inside the reuse interval.
    pub retry: Retry,
    /// What a token gets that is ahead of the database.
    pub ahead: Ahead,
    /// What follows when another client instance retries in step, generation after generation.
    pub lockstep: Lockstep,
    /// How long a session lives without a refresh; slides with each rotation.
    pub idle_timeout: Duration,
    /// How long a session lives at all; no rotation extends it.
    pub absolute_lifetime: Duration,
    /// How long an access token lives, before jitter.
    pub access_ttl: Duration,
    /// By how many percent, at most, each access token's life is shortened at random, so that a thief
    /// cannot foresee when the victim refreshes and a crowd that logged in together spreads out.
    pub access_jitter_percent: u8,
    /// Whether each rotation is journalled. Off by default: rotations are counted, not listed.
    pub journal_rotations: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reuse_interval: Duration::from_secs(30),
            retry: Retry::Answer,
            ahead: Ahead::FastForward,
            lockstep: Lockstep::Alert,
            idle_timeout: Duration::from_secs(7 * 24 * 3600),
            absolute_lifetime: Duration::from_secs(30 * 24 * 3600),
            access_ttl: Duration::from_secs(15 * 60),
            access_jitter_percent: 10,
            journal_rotations: false,
        }
    }
}

/// What a spent token gets inside the reuse interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The successor that was given before, once more: an answer was lost, or a second tab was slower.
    Answer,
    /// A refusal that ends nothing.
    Refuse,
}

/// What a genuine token gets that is ahead of the database, which must have gone back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The session continues from the token's generation.
    FastForward,
    /// The session ends.
    Refuse,
}

/// What follows when another client instance retries in [`LOCKSTEP_STREAK`] generations running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockstep {
    /// An alert in the journal.
    Alert,
    /// The session ends.
    End,
}
