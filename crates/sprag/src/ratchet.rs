//! The ratchet: one pure function from a session and a presented token to a verdict.
//!
//! Everything that decides whether a session turns, stays or ends stands in this file. [`judge`] reads
//! the table in `ARCHITECTURE.md` from the top; its rows carry the same numbers here. [`access`] judges access tokens
//! and [`at_log_out`] log-outs; [`judged_at`], [`counts_from`] and [`waits`] decide by which moment, from which moment and
//! whether already.
//!
//! ```
//! use sprag::policy::Policy;
//! use sprag::ratchet::{Found, Moment, Row, judge};
//! use sprag::clock::Timestamp;
//!
//! // A token that did not parse never reaches the store: row 1.
//! let policy = Policy::default();
//! let moment = Moment::uninterrupted(Timestamp(0), policy.reuse_interval);
//! let judgement = judge(None, &Found::Nothing, 0, moment, &policy);
//! assert_eq!(judgement.row, Row::Malformed);
//! ```

use std::cmp::Ordering;
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use crate::clock::{Timestamp, millis};
use crate::policy::{Ahead, LOCKSTEP_STREAK, Lockstep, MAX_GAP, MAX_GENERATION, MAX_RETRIES, Policy, Retry};
use crate::session::{
    EndCause, Ended, Generation, NO_INSTANCE, ProfileId, SecretHash, Session, SessionKey, ShortHash,
};
pub use crate::verdict::{
    Denial, Found, Judgement, Moment, Notice, Presented, Retried, Rotation, Row, SessionState, Verdict,
};

/// How often a verdict is sought again after its write matched no row (row 15).
pub const MAX_MISSES: u8 = 3;

/// How far apart two nodes may be that follow one clock: each is off by half the time that its slowest question for
/// the time may take. Further, and a clock went backwards.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// Judges one presented token; the table's rows from the top.
///
/// `presented` is `None` where the token did not parse, its tag did not verify, or it was made for another profile.
/// `misses` counts how often a write ordered for this request matched no row.
#[must_use]
pub fn judge(
    presented: Option<&Presented>,
    found: &Found,
    misses: u8,
    moment: Moment,
    policy: &Policy,
) -> Judgement {
    let Some(token) = presented else {
        return refuse(Row::Malformed, Denial::Invalid);
    };
    let Found::Session(state) = found else {
        return refuse(Row::Unknown, Denial::Ended(None));
    };
    let session = &state.session;
    if session.profile != token.profile || !bool::from(session.secret_hash.ct_eq(&token.secret_hash)) {
        return refuse(Row::SecretMismatch, Denial::Invalid).with(Notice::SecretMismatch);
    }
    if let Some(Ended { cause, .. }) = session.ended {
        return refuse(Row::Ended, Denial::Ended(Some(cause)));
    }
    let judgement = match token.generation.cmp(&session.generation) {
        Ordering::Greater => judge_ahead(token, state, moment, policy),
        Ordering::Less => judge_spent(token, state, moment, policy),
        Ordering::Equal => judge_current(token, state, moment, policy),
    };
    let wants_write =
        matches!(judgement.verdict, Verdict::Rotate(_) | Verdict::Retry(_) | Verdict::Contest(_));
    if wants_write && misses >= MAX_MISSES {
        return plain(Row::Missed, Verdict::Fault);
    }
    judgement
}

/// Row 6: genuine, yet the database knows nothing of it, so the database went back in time.
fn judge_ahead(token: &Presented, state: &SessionState, moment: Moment, policy: &Policy) -> Judgement {
    let gap = token.generation.0 - state.session.generation.0;
    let notice = Notice::Ahead { gap };
    if policy.ahead == Ahead::Refuse || gap > MAX_GAP {
        return end(Row::Ahead, EndCause::Ahead).with(notice);
    }
    if let Some(over) = barred(token.generation, state, moment.now) {
        return over.with(notice);
    }
    let mut rotation = Rotation::of(token, moment, policy);
    rotation.from = state.session.generation;
    rotation.unless_turned_since = None;
    plain(Row::Ahead, Verdict::Rotate(rotation)).with(notice)
}

/// Rows 7 to 10: the session has moved on from this token. Judged before expiry, or a thief who outlives an
/// idle victim would never be noticed.
fn judge_spent(token: &Presented, state: &SessionState, moment: Moment, policy: &Policy) -> Judgement {
    let session = &state.session;
    let age = Age::of(session.rotated_at, moment, policy);
    if token.generation.next() < session.generation {
        return judge_long_spent(token, session, age, policy);
    }
    let answers = |row| {
        barred(session.generation, state, moment.now)
            .unwrap_or_else(|| judge_retry(row, token, session, moment.now, policy))
    };
    let is_same_request = token.retry_hash.is_some() && token.retry_hash == session.retry_hash;
    if is_same_request && (age != Age::Outside || session.knows(token.instance_hash)) {
        return answers(Row::SameRequest);
    }
    match (age, policy.retry) {
        (Age::Outside, _) => end(Row::Spent, EndCause::Reuse),
        (Age::Inside, Retry::Answer) => answers(Row::JustSpent),
        (Age::Inside, Retry::Refuse) => judge_refused(token, state, moment.now),
        (Age::Before, _) => refuse(Row::JustSpent, Denial::Spent),
    }
}

/// Row 7 and its exceptions.
fn judge_long_spent(token: &Presented, session: &Session, age: Age, policy: &Policy) -> Judgement {
    let is_before_last = token.generation.next().next() == session.generation;
    let is_twin =
        is_before_last && token.retry_hash.is_some() && token.retry_hash == session.previous_retry_hash;
    let is_of_its_own = session.knows(token.instance_hash) && !session.was_taken_from(token.generation);
    if age == Age::Outside {
        end(Row::LongSpent, EndCause::Reuse)
    } else if is_twin {
        refuse(Row::LongSpent, Denial::Spent).with(Notice::LateTwin)
    } else if policy.retry == Retry::Refuse && is_of_its_own {
        refuse(Row::LongSpent, Denial::Spent)
    } else {
        end(Row::LongSpent, EndCause::Reuse)
    }
}

/// Row 9 where retries are refused: nothing ends, but if an instance that was unknown has turned the row since, and now
/// another than the row's presents the token it turned, the newest generation is contested.
fn judge_refused(token: &Presented, state: &SessionState, now: Timestamp) -> Judgement {
    let session = &state.session;
    let refused = refuse(Row::JustSpent, Denial::Spent);
    if token.instance_hash == session.instance_hash {
        return refused;
    }
    let is_news = session.was_taken_from(token.generation) && !session.is_contested();
    if is_news && barred(session.generation, state, now).is_none() {
        let contest = Retried { contests: true, ..Retried::of(token, session, now) };
        return plain(Row::JustSpent, Verdict::Contest(contest)).with(Notice::Contested);
    }
    refused.with(Notice::ForeignSpent)
}

/// Rows 8 and 9: the same successor, a bounded number of times; and who is asking? Only row 9 ends for lockstep: row 8
/// answers a request that was made once.
fn judge_retry(row: Row, token: &Presented, session: &Session, now: Timestamp, policy: &Policy) -> Judgement {
    if session.retries >= MAX_RETRIES {
        return refuse(row, Denial::TooManyRetries);
    }
    let mut retried = Retried::of(token, session, now);
    let is_foreign = token.instance_hash != session.instance_hash;
    let is_counted = session.streak_generation == Some(session.generation);
    if !is_foreign || is_counted {
        return plain(row, Verdict::Retry(retried));
    }
    let continues = session.streak_generation.map(Generation::next) == Some(session.generation);
    let streak = if continues { session.streak.saturating_add(1) } else { 1 };
    retried.streak = Some(streak);
    if streak < LOCKSTEP_STREAK {
        return plain(row, Verdict::Retry(retried)).with(Notice::ForeignRetry { streak });
    }
    let verdict = match policy.lockstep {
        Lockstep::End if row == Row::JustSpent => {
            Verdict::End(EndCause::Lockstep, Denial::Ended(Some(EndCause::Lockstep)))
        }
        Lockstep::End | Lockstep::Alert => Verdict::Retry(retried),
    };
    plain(row, verdict).with(Notice::Lockstep { streak })
}

/// Rows 11 to 14: the token is the session's newest.
fn judge_current(token: &Presented, state: &SessionState, moment: Moment, policy: &Policy) -> Judgement {
    let session = &state.session;
    if let Some(over) = barred(session.generation, state, moment.now) {
        return over;
    }
    if session.is_contested() && session.other_instance_hash != Some(token.instance_hash) {
        return end(Row::Contested, EndCause::Reuse);
    }
    let rotation = Rotation::of(token, moment, policy);
    if rotation.comes_too_soon_for(session) {
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

/// Why an access token of this session says nothing any more, genuine and unexpired as it is; `None` if it does.
#[must_use]
pub fn access(state: &SessionState, now: Timestamp) -> Option<Denial> {
    let session = &state.session;
    if let Some(ended) = session.ended {
        return Some(Denial::Ended(Some(ended.cause)));
    }
    if state.is_disabled {
        return Some(Denial::Disabled);
    }
    if session.epoch != state.epoch {
        return Some(Denial::Ended(None));
    }
    (!session.is_live(now)).then_some(Denial::Expired)
}

/// What a refresh token does at a log-out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogOut {
    /// Nothing: its session is over.
    Nothing,
    /// Nothing, and the journal must know: only a holder of the refresh key can have made it.
    SecretMismatch,
    /// It ends its session.
    Ends {
        /// Why: the cause that was asked for, or reuse where the token would be that at a refresh.
        cause: EndCause,
        /// Whether its client may still have it in good faith, of a session that has not run out: then it may also end the
        /// account's other sessions.
        is_current: bool,
        /// What the journal should say of it, beyond the end's own entry.
        notice: Option<Notice>,
    },
}

impl LogOut {
    /// Whether it says of somebody that a token was stolen.
    #[must_use]
    pub fn accuses(&self) -> bool {
        matches!(self, Self::Ends { cause: EndCause::Reuse, .. })
    }
}

/// Judges a token that is presented to log out for `cause`.
#[must_use]
pub fn at_log_out(
    token: &Presented,
    state: SessionState,
    cause: EndCause,
    moment: Moment,
    policy: &Policy,
) -> LogOut {
    let is_newest_or_before = token.generation.next() >= state.session.generation;
    let judgement = judge(Some(token), &Found::Session(Box::new(state)), 0, moment, policy);
    let (cause, is_current) = match judgement.verdict {
        Verdict::Refuse(Denial::Invalid) => return LogOut::SecretMismatch,
        Verdict::Refuse(Denial::Ended(_)) => return LogOut::Nothing,
        // A token that would be reuse at a refresh is reuse here too.
        Verdict::End(EndCause::Reuse, _) => (EndCause::Reuse, false),
        Verdict::Retry(_) | Verdict::Keep | Verdict::Rotate(_) => (cause, true),
        Verdict::Contest(_) | Verdict::Refuse(Denial::Spent | Denial::TooManyRetries) => {
            (cause, is_newest_or_before)
        }
        Verdict::Refuse(_) | Verdict::End(..) | Verdict::Fault => (cause, false),
    };
    LogOut::Ends { cause, is_current, notice: judgement.notice }
}

/// The moment to judge a request by that came at `asked`: that one, or a slow store would push it out of its window; but
/// `now` where another has turned the row since, for else that would look like a clock gone back. Two nodes that read one
/// clock at the same time do not read quite the same: what another has just dated is no later than now.
#[must_use]
pub fn judged_at(turned: Timestamp, asked: Timestamp, now: Timestamp) -> Timestamp {
    if turned <= asked {
        return asked;
    }
    let is_one_clock = turned.millis_since(now) <= millis(CLOCKS_DIFFER);
    if is_one_clock { now.max(turned) } else { now }
}

/// From when a rotation counts that was asked for at `at` and took so long, if not from then. A client can have had its
/// answer only once it was written: where that took `too_long`, the window begins there.
#[must_use]
pub fn counts_from(at: Timestamp, took: Duration, too_long: Duration) -> Option<Timestamp> {
    (took >= too_long).then(|| at.plus(took))
}

/// Whether an end must wait. While it may turn out that rotations happened of which nobody was told, nobody is accused of
/// reuse.
#[must_use]
pub fn waits(cause: EndCause, may_have_missed_rotations: bool) -> bool {
    cause == EndCause::Reuse && may_have_missed_rotations
}

/// Whether the request that ended this session and put another in its place is answered once more, to who presents a token of
/// it with the request again.
#[must_use]
pub fn answers_again(token: &Presented, row: &Session, moment: Moment, policy: &Policy) -> bool {
    let is_its_own = row.profile == token.profile && bool::from(row.secret_hash.ct_eq(&token.secret_hash));
    is_its_own && row.ended.is_some_and(|ended| Age::of(ended.at, moment, policy) == Age::Inside)
}

/// When a row last turned, seen from now. A window of nothing holds nothing; nor does a clock gone back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Age {
    /// The clock went backwards.
    Before,
    Inside,
    Outside,
}

impl Age {
    fn of(turned: Timestamp, moment: Moment, policy: &Policy) -> Self {
        if turned > moment.now {
            Self::Before
        } else if !policy.reuse_interval.is_zero() && turned >= moment.window_start {
            Self::Inside
        } else {
            Self::Outside
        }
    }
}

impl Session {
    /// Whether a client instance is the row's or the last other one. A row that has none yet knows everybody.
    fn knows(&self, instance: ShortHash) -> bool {
        self.has_no_instance() || instance == self.instance_hash || self.other_instance_hash == Some(instance)
    }

    fn has_no_instance(&self) -> bool {
        self.instance_hash == NO_INSTANCE
    }

    /// Whether an instance that was not known then has turned the row since this generation was the newest.
    fn was_taken_from(&self, generation: Generation) -> bool {
        self.taken_generation.is_some_and(|taken| taken > generation)
    }

    fn is_contested(&self) -> bool {
        self.contested_generation == Some(self.generation)
    }
}

impl Rotation {
    /// The rotation that row 14 orders if the row still stands where the token says. Asking the store for it
    /// first saves reading the row: where it does not apply, nothing changes and [`judge`] says what is what.
    #[must_use]
    pub fn optimistic(token: &Presented, moment: Moment, policy: &Policy) -> Option<Self> {
        (token.generation.0 < MAX_GENERATION).then(|| Self::of(token, moment, policy))
    }

    fn of(token: &Presented, moment: Moment, policy: &Policy) -> Self {
        let damps = policy.retry == Retry::Answer && !policy.reuse_interval.is_zero();
        Self {
            key: token.key,
            profile: token.profile,
            secret_hash: token.secret_hash,
            from: token.generation,
            to: token.generation.next(),
            at: moment.now,
            idle_expires_at: moment.now.plus(policy.idle_timeout),
            retry_hash: token.retry_hash,
            instance_hash: token.instance_hash,
            unless_turned_since: damps.then_some(moment.window_start),
        }
    }

    /// Whether a store must apply this rotation to that row: its condition, which every store states in SQL.
    #[must_use]
    pub fn applies_to(&self, state: &SessionState) -> bool {
        let session = &state.session;
        // A generation is contested for the token that names it: `to` follows that one.
        let is_contested = session.contested_generation.map(Generation::next) == Some(self.to);
        session.generation == self.from
            && is_open(state, self.key, self.profile, &self.secret_hash, self.at)
            && !self.comes_too_soon_for(session)
            && !(is_contested && session.other_instance_hash != Some(self.instance_hash))
    }

    /// Row 13. A clock gone back turns nothing either, or a slow tab would be two behind.
    fn comes_too_soon_for(&self, session: &Session) -> bool {
        session.generation > Generation(0)
            && self.unless_turned_since.is_some_and(|since| session.rotated_at >= since)
    }

    /// Turns the row.
    pub fn apply(&self, session: &mut Session) {
        if !session.knows(self.instance_hash) {
            session.taken_generation = Some(self.to);
        }
        if session.instance_hash != self.instance_hash && !session.has_no_instance() {
            session.other_instance_hash = Some(session.instance_hash);
        }
        session.generation = self.to;
        session.rotated_at = self.at;
        session.idle_expires_at = self.idle_expires_at;
        session.previous_retry_hash = session.retry_hash;
        session.retry_hash = self.retry_hash;
        session.instance_hash = self.instance_hash;
        session.retries = 0;
        session.contested_generation = None;
    }
}

impl Retried {
    fn of(token: &Presented, session: &Session, now: Timestamp) -> Self {
        Self {
            key: token.key,
            profile: token.profile,
            secret_hash: token.secret_hash,
            generation: session.generation,
            at: now,
            streak: None,
            contests: false,
        }
    }

    /// Whether a store must note this on that row.
    #[must_use]
    pub fn applies_to(&self, state: &SessionState) -> bool {
        let session = &state.session;
        let is_news = if self.contests {
            session.contested_generation != Some(self.generation)
        } else {
            session.retries < MAX_RETRIES
        };
        session.generation == self.generation
            && is_open(state, self.key, self.profile, &self.secret_hash, self.at)
            && is_news
            && (self.streak.is_none() || session.streak_generation != Some(self.generation))
    }

    /// Notes it.
    pub fn apply(&self, session: &mut Session) {
        if self.contests {
            session.contested_generation = Some(self.generation);
        } else {
            session.retries = session.retries.saturating_add(1);
        }
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
