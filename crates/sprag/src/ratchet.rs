//! The ratchet: one pure function from a session and a presented token to a verdict.
//!
//! Everything that decides whether a session turns, stays or ends stands in this file. [`judge`] reads
//! the table in `ARCHITECTURE.md` from the top; its rows carry the same numbers here.
//!
//! ```
//! use sprag::policy::Policy;
//! use sprag::ratchet::{Found, Row, judge};
//! use sprag::clock::Timestamp;
//!
//! // A token that did not parse never reaches the store: row 1.
//! let judgement = judge(None, &Found::Nothing, 0, Timestamp(0), &Policy::default());
//! assert_eq!(judgement.row, Row::Malformed);
//! ```

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use crate::clock::{Timestamp, millis};
use crate::policy::{Ahead, LOCKSTEP_STREAK, Lockstep, MAX_GAP, MAX_GENERATION, MAX_RETRIES, Policy, Retry};
use crate::session::{
    EndCause, Ended, Epoch, Generation, ProfileId, SecretHash, Session, SessionKey, ShortHash,
};

/// How often a verdict is sought again after its write matched no row (row 15).
pub const MAX_MISSES: u8 = 3;

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
    /// The store failed, timed out, is full or is shutting down.
    Fault,
    /// There is no such session.
    Nothing,
    /// There is one.
    Session(Box<SessionState>),
}

/// The row of the verdict table that decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Row {
    /// The token is not one of ours.
    Malformed = 1,
    /// The store is at fault.
    StoreFault = 2,
    /// No such session.
    Unknown = 3,
    /// The tag is right and the secret is not.
    SecretMismatch = 4,
    /// The session has ended before.
    Ended = 5,
    /// The token is ahead of the database.
    Ahead = 6,
    /// Two or more generations behind.
    LongSpent = 7,
    /// One behind, and the request that made the last rotation.
    SameRequest = 8,
    /// One behind, inside the reuse interval.
    JustSpent = 9,
    /// One behind, outside it.
    Spent = 10,
    /// The account is disabled or its epoch moved.
    AccountMoved = 11,
    /// Idle timeout or absolute lifetime reached.
    Expired = 12,
    /// Current, and turned a moment ago.
    JustTurned = 13,
    /// Current.
    Current = 14,
    /// Current, but the write has missed too often.
    Missed = 15,
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

/// What is to be done, and what the client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Say no and change nothing.
    Refuse(Denial),
    /// Say "not now" and change nothing: 503.
    Fault,
    /// End the session, then say no.
    End(EndCause, Denial),
    /// Give the successor that was given before, once more; nothing needs writing.
    Repeat,
    /// The same, once the row has counted it.
    Retry(Retried),
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
    /// Spent, and this profile answers no retries: 401 `token_spent`.
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
    /// An alert: the same for [`LOCKSTEP_STREAK`] generations or more.
    Lockstep {
        /// How many, this one included.
        streak: u8,
    },
}

/// The order to turn a row. Only [`judge`] and [`Rotation::optimistic`] make one; a store applies it where, and only
/// where, [`Rotation::applies_to`] holds, in one statement.
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
    /// Row 13: not where the row has turned before, at most this long ago.
    pub unless_turned_within: Option<Duration>,
}

/// The order to count one answered retry.
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
}

/// Judges one presented token; the table's rows from the top.
///
/// `presented` is `None` where the token did not parse, its tag did not verify, or it was made for another profile.
/// `misses` counts how often a write ordered for this request matched no row.
#[must_use]
pub fn judge(
    presented: Option<&Presented>,
    found: &Found,
    misses: u8,
    now: Timestamp,
    policy: &Policy,
) -> Judgement {
    let Some(token) = presented else {
        return refuse(Row::Malformed, Denial::Invalid);
    };
    let state = match found {
        Found::Fault => return plain(Row::StoreFault, Verdict::Fault),
        Found::Nothing => return refuse(Row::Unknown, Denial::Ended(None)),
        Found::Session(state) => state,
    };
    let session = &state.session;
    if session.profile != token.profile || !bool::from(session.secret_hash.ct_eq(&token.secret_hash)) {
        return refuse(Row::SecretMismatch, Denial::Invalid).with(Notice::SecretMismatch);
    }
    if let Some(Ended { cause, .. }) = session.ended {
        return refuse(Row::Ended, Denial::Ended(Some(cause)));
    }
    let judgement = match token.generation.cmp(&session.generation) {
        std::cmp::Ordering::Greater => judge_ahead(token, state, now, policy),
        std::cmp::Ordering::Less => judge_spent(token, state, now, policy),
        std::cmp::Ordering::Equal => judge_current(token, state, now, policy),
    };
    let wants_write = matches!(judgement.verdict, Verdict::Rotate(_) | Verdict::Retry(_));
    if wants_write && misses >= MAX_MISSES {
        return plain(Row::Missed, Verdict::Fault);
    }
    judgement
}

/// Row 6: genuine, yet the database knows nothing of it, so the database went back in time.
fn judge_ahead(token: &Presented, state: &SessionState, now: Timestamp, policy: &Policy) -> Judgement {
    let gap = token.generation.0 - state.session.generation.0;
    let notice = Notice::Ahead { gap };
    if policy.ahead == Ahead::Refuse || gap > MAX_GAP {
        return end(Row::Ahead, EndCause::Ahead).with(notice);
    }
    if let Some(over) = barred(token.generation, state, now) {
        return over.with(notice);
    }
    let mut rotation = Rotation::of(token, now, policy);
    rotation.from = state.session.generation;
    rotation.unless_turned_within = None;
    plain(Row::Ahead, Verdict::Rotate(rotation)).with(notice)
}

/// Rows 7 to 10: the session has moved on from this token. Judged before expiry, or a thief who outlives an
/// idle victim would never be noticed.
fn judge_spent(token: &Presented, state: &SessionState, now: Timestamp, policy: &Policy) -> Judgement {
    let session = &state.session;
    let age = now.millis_since(session.rotated_at);
    let in_window = is_within(age, policy.reuse_interval);
    let answers = policy.retry == Retry::Answer;

    if token.generation.next() < session.generation {
        let bears_with_it = !answers && (in_window || age < 0);
        return if bears_with_it {
            refuse(Row::LongSpent, Denial::Spent)
        } else {
            end(Row::LongSpent, EndCause::Reuse)
        };
    }
    if token.retry_hash.is_some() && token.retry_hash == session.retry_hash {
        return barred(session.generation, state, now)
            .unwrap_or_else(|| plain(Row::SameRequest, Verdict::Repeat));
    }
    if in_window && answers {
        return barred(session.generation, state, now)
            .unwrap_or_else(|| judge_retry(token, session, now, policy));
    }
    if in_window || age < 0 {
        return refuse(Row::JustSpent, Denial::Spent);
    }
    end(Row::Spent, EndCause::Reuse)
}

/// Row 9: the same successor, a bounded number of times; and who is asking?
fn judge_retry(token: &Presented, session: &Session, now: Timestamp, policy: &Policy) -> Judgement {
    if session.retries >= MAX_RETRIES {
        return refuse(Row::JustSpent, Denial::TooManyRetries);
    }
    let mut retried = Retried {
        key: token.key,
        profile: token.profile,
        secret_hash: token.secret_hash,
        generation: session.generation,
        at: now,
        streak: None,
    };
    let is_foreign = token.instance_hash != session.instance_hash;
    let is_counted = session.streak_generation == Some(session.generation);
    if !is_foreign || is_counted {
        return plain(Row::JustSpent, Verdict::Retry(retried));
    }
    let continues = session.streak_generation.map(Generation::next) == Some(session.generation);
    let streak = if continues { session.streak.saturating_add(1) } else { 1 };
    retried.streak = Some(streak);
    if streak < LOCKSTEP_STREAK {
        return plain(Row::JustSpent, Verdict::Retry(retried)).with(Notice::ForeignRetry { streak });
    }
    let verdict = match policy.lockstep {
        Lockstep::Alert => Verdict::Retry(retried),
        Lockstep::End => Verdict::End(EndCause::Lockstep, Denial::Ended(Some(EndCause::Lockstep))),
    };
    plain(Row::JustSpent, verdict).with(Notice::Lockstep { streak })
}

/// Rows 11 to 14: the token is the session's newest.
fn judge_current(token: &Presented, state: &SessionState, now: Timestamp, policy: &Policy) -> Judgement {
    let session = &state.session;
    if let Some(over) = barred(session.generation, state, now) {
        return over;
    }
    let rotation = Rotation::of(token, now, policy);
    let age = now.millis_since(session.rotated_at);
    let turned = session.generation > Generation(0);
    // A clock gone back turns nothing either, or a slow tab would be two behind.
    if turned && rotation.unless_turned_within.is_some_and(|window| age <= millis(window)) {
        return plain(Row::JustTurned, Verdict::Keep);
    }
    plain(Row::Current, Verdict::Rotate(rotation))
}

/// Rows 11 and 12: what bars even the newest token. `generation` is the one a rotation would leave behind.
fn barred(generation: Generation, state: &SessionState, now: Timestamp) -> Option<Judgement> {
    let session = &state.session;
    if state.is_disabled {
        let verdict = Verdict::End(EndCause::Disabled, Denial::Disabled);
        return Some(plain(Row::AccountMoved, verdict));
    }
    if state.epoch != session.epoch {
        return Some(end(Row::AccountMoved, EndCause::Revoked));
    }
    let cause = if now >= session.expires_at || generation.0 >= MAX_GENERATION {
        EndCause::Expired
    } else if now >= session.idle_expires_at {
        EndCause::Idle
    } else {
        return None;
    };
    Some(plain(Row::Expired, Verdict::End(cause, Denial::Expired)))
}

impl Rotation {
    /// The rotation that row 14 orders if the row still stands where the token says. Asking the store for it
    /// first saves reading the row: where it does not apply, nothing changes and [`judge`] says what is what.
    #[must_use]
    pub fn optimistic(token: &Presented, now: Timestamp, policy: &Policy) -> Option<Self> {
        (token.generation.0 < MAX_GENERATION).then(|| Self::of(token, now, policy))
    }

    fn of(token: &Presented, now: Timestamp, policy: &Policy) -> Self {
        let damps = policy.retry == Retry::Answer && !policy.reuse_interval.is_zero();
        Self {
            key: token.key,
            profile: token.profile,
            secret_hash: token.secret_hash,
            from: token.generation,
            to: token.generation.next(),
            at: now,
            idle_expires_at: now.plus(policy.idle_timeout),
            retry_hash: token.retry_hash,
            instance_hash: token.instance_hash,
            unless_turned_within: damps.then_some(policy.reuse_interval),
        }
    }

    /// Whether a store must apply this rotation to that row: its condition, which every store states in SQL.
    #[must_use]
    pub fn applies_to(&self, state: &SessionState) -> bool {
        let session = &state.session;
        let age = self.at.millis_since(session.rotated_at);
        let has_just_turned = session.generation > Generation(0)
            && self.unless_turned_within.is_some_and(|window| !window.is_zero() && age <= millis(window));
        session.generation == self.from
            && is_open(state, self.key, self.profile, &self.secret_hash, self.at)
            && !has_just_turned
    }

    /// Turns the row.
    pub fn apply(&self, session: &mut Session) {
        session.generation = self.to;
        session.rotated_at = self.at;
        session.idle_expires_at = self.idle_expires_at;
        session.retry_hash = self.retry_hash;
        session.instance_hash = self.instance_hash;
        session.retries = 0;
    }
}

impl Retried {
    /// Whether a store must count this retry on that row.
    #[must_use]
    pub fn applies_to(&self, state: &SessionState) -> bool {
        let session = &state.session;
        session.generation == self.generation
            && is_open(state, self.key, self.profile, &self.secret_hash, self.at)
            && session.retries < MAX_RETRIES
            && (self.streak.is_none() || session.streak_generation != Some(self.generation))
    }

    /// Counts it.
    pub fn apply(&self, session: &mut Session) {
        session.retries = session.retries.saturating_add(1);
        if let Some(streak) = self.streak {
            session.streak = streak;
            session.streak_generation = Some(self.generation);
        }
    }
}

/// What every write to a live row demands: the row the token names, not ended, of an account as it was.
fn is_open(
    state: &SessionState,
    key: SessionKey,
    profile: ProfileId,
    secret_hash: &SecretHash,
    now: Timestamp,
) -> bool {
    let session = &state.session;
    session.key == key
        && session.profile == profile
        && session.secret_hash == *secret_hash
        && session.ended.is_none()
        && !state.is_disabled
        && session.epoch == state.epoch
        && now < session.idle_expires_at
        && now < session.expires_at
}

/// Whether an age in milliseconds lies in the window. A zero window holds nothing; nor does a clock gone back.
fn is_within(age: i64, window: Duration) -> bool {
    !window.is_zero() && (0..=millis(window)).contains(&age)
}

fn plain(row: Row, verdict: Verdict) -> Judgement {
    Judgement { row, verdict, notice: None }
}

fn refuse(row: Row, denial: Denial) -> Judgement {
    plain(row, Verdict::Refuse(denial))
}

fn end(row: Row, cause: EndCause) -> Judgement {
    plain(row, Verdict::End(cause, Denial::Ended(Some(cause))))
}

impl Judgement {
    fn with(mut self, notice: Notice) -> Self {
        self.notice = Some(notice);
        self
    }
}
