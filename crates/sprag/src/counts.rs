//! What is counted by the day: log-ins and failures, refreshes, sessions that begin and end, who was active.
//!
//! A node adds up in memory and writes its own sums once a minute ([`Upkeep::write_counts`](crate::engine::Upkeep)), and once
//! more when it ends in order; so a report is whole but for the last minute of a node that was killed. A refresh adds to a
//! counter, looks whether its account was counted before, and writes nothing. What is counted names nobody.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::audit::EventKind;
use crate::clock::{Clock, Timestamp};
use crate::day::Day;
use crate::error::{Error, Fault};
use crate::session::{AccountId, EndCause};
use crate::store::{RunId, Store, Swept};

mod carried;
mod counted_store;
mod distinct;
mod fold;
mod names;
mod report;
mod sums;

pub(crate) use counted_store::CountedStore;
pub(crate) use fold::fold;
pub(crate) use report::report;
pub use report::{Bucket, By, Gap, LONGEST_BY_DAY, NoPeriod, Report, ReportRow, SweepWork};

use distinct::Seen;
use names::{
    COUNTRIES, EVENTS, FAILED_LOGINS, LIVE_SESSIONS, LOGINS, NEW_DEVICES, OTHER, REFRESHES,
    REFUSED_REFRESHES, SESSIONS_ENDED, SESSIONS_OPENED, SWEEP,
};
use sums::Sums;

/// Adds up what happens on this node, day by day. From [`Engine::counts`](crate::Engine::counts).
pub struct Counts {
    run: RunId,
    clock: Arc<dyn Clock>,
    /// Refreshes of two days: around midnight there are some of either.
    hot: [HotDay; 2],
    sums: Mutex<Sums>,
}

/// What refreshes count on one day.
struct HotDay {
    day: AtomicI64,
    rotated: AtomicU64,
    repeated: AtomicU64,
    active: Seen,
}

/// What became of writing sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// How many days' sums could not be written while anybody still adds to those days, and are lost.
    pub lost_days: usize,
}

impl Counts {
    pub(crate) fn new(run: Uuid, clock: Arc<dyn Clock>) -> Self {
        let hot = || HotDay {
            day: AtomicI64::new(i64::MIN),
            rotated: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            active: Seen::default(),
        };
        Self { run: RunId(run), clock, hot: [hot(), hot()], sums: Mutex::default() }
    }

    /// Counts a log-in that was refused, before or after anything was compared, by the code of the refusal. Nothing that is
    /// counted may tell whether there is such an account.
    pub fn login_refused(&self, refusal: &'static str) {
        self.add(FAILED_LOGINS, refusal, 1);
    }

    /// Counts from which country a log-in came: two letters (ISO 3166-1), or anything else for one that nobody knows.
    pub fn login_from(&self, country: Option<&str>) {
        let known =
            country.filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let label = known.map_or(Cow::Borrowed(OTHER), |code| Cow::Owned(code.to_ascii_uppercase()));
        self.add(COUNTRIES, label, 1);
    }

    /// Counts a device that an account logged in from for the first time.
    pub fn new_device(&self) {
        self.add(NEW_DEVICES, "", 1);
    }

    /// Counts what one slice of a sweep came to.
    pub(crate) fn swept_slice(&self, swept: &Swept, at: Timestamp) {
        let (day, mut sums) = (Day::of(at), self.sums());
        sums.add(day, SESSIONS_ENDED, EndCause::Idle.name(), swept.idle);
        sums.add(day, SESSIONS_ENDED, EndCause::Expired.name(), swept.ended - swept.idle);
        for (label, count) in [("seen", swept.seen), ("ended", swept.ended), ("removed", swept.removed)] {
            sums.add(day, SWEEP, label, count);
        }
    }

    /// Counts a whole pass of the sweep, from the first session to the last: how many live.
    pub(crate) fn swept(&self, pass: &Swept, at: Timestamp) {
        let (day, mut sums) = (Day::of(at), self.sums());
        sums.add(day, SWEEP, "passes", 1);
        let buckets = pass.histogram().buckets.iter().flat_map(|accounts| accounts.to_be_bytes()).collect();
        sums.at_least(day, LIVE_SESSIONS, pass.live, Some(buckets));
    }

    /// Counts a refresh that was answered with tokens.
    pub(crate) fn refreshed(&self, account: AccountId, has_rotated: bool, at: Timestamp) {
        let hot = self.hot(at);
        let counter = if has_rotated { &hot.rotated } else { &hot.repeated };
        counter.fetch_add(1, Relaxed);
        hot.active.add(distinct::hash(account));
    }

    /// Counts a refresh that was refused.
    pub(crate) fn refresh_refused(&self, error: &Error, at: Timestamp) {
        self.sums().add(Day::of(at), REFUSED_REFRESHES, code(error), 1);
    }

    /// Counts what the journal was told.
    pub(crate) fn journalled(&self, kind: EventKind, at: Timestamp) {
        self.sums().add(Day::of(at), EVENTS, kind.name(), 1);
    }

    /// Counts what the journal was told along with a write to a session's row, but for rotations, which count as refreshes.
    pub(crate) fn journalled_with_a_row(&self, kind: Option<EventKind>, at: Timestamp) {
        if let Some(kind) = kind.filter(|kind| *kind != EventKind::SessionRotated) {
            self.journalled(kind, at);
        }
    }

    fn logged_in(&self, account: AccountId, at: Timestamp) {
        self.hot(at).active.add(distinct::hash(account));
        self.sums().add(Day::of(at), LOGINS, "", 1);
    }

    fn opened(&self, by: &'static str, sessions: u64, at: Timestamp) {
        self.sums().add(Day::of(at), SESSIONS_OPENED, by, sessions);
    }

    fn ended(&self, cause: EndCause, sessions: u64, at: Timestamp) {
        self.sums().add(Day::of(at), SESSIONS_ENDED, cause.name(), sessions);
    }

    fn add(&self, name: &'static str, label: impl Into<Cow<'static, str>>, more: u64) {
        self.sums().add(Day::of(self.clock.now()), name, label, more);
    }

    /// Writes what the store does not know yet; `is_last` says that this run ends in order, and then nothing of it is missing.
    /// A run that ends and has counted nothing writes nothing.
    ///
    /// # Errors
    /// A [`Fault`]; then it is written the next time.
    pub(crate) async fn write(&self, store: &dyn Store, is_last: bool) -> Result<Written, Fault> {
        let now = self.clock.now();
        let (due, lost_days) = {
            let mut sums = self.sums();
            for hot in &self.hot {
                hot.gather(&mut sums);
            }
            if is_last && sums.is_empty() {
                return Ok(Written::default());
            }
            sums.due(self.run, now, is_last)
        };
        store.write_counts(due.clone()).await?;
        self.sums().written(&due);
        Ok(Written { lost_days })
    }

    fn hot(&self, at: Timestamp) -> &HotDay {
        let day = Day::of(at).0;
        let hot = &self.hot[usize::from(day & 1 == 1)];
        if hot.day.load(Relaxed) != i64::from(day) {
            hot.turn(i64::from(day), &mut self.sums());
        }
        hot
    }

    /// A panic elsewhere leaves the sums whole.
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HotDay {
    /// Moves what was counted to the sums.
    fn gather(&self, sums: &mut Sums) {
        let Ok(day) = i32::try_from(self.day.load(Relaxed)).map(Day) else { return };
        sums.add(day, REFRESHES, "rotated", self.rotated.swap(0, Relaxed));
        sums.add(day, REFRESHES, "repeated", self.repeated.swap(0, Relaxed));
        if let Some(accounts) = self.active.take_changed() {
            sums.active(day, accounts);
        }
    }

    /// Begins another day, under the lock of the sums: the one before is over for two days, or a clock was wound.
    #[cold]
    fn turn(&self, day: i64, sums: &mut Sums) {
        if self.day.load(Relaxed) != day {
            self.gather(sums);
            self.active.clear();
            self.day.store(day, Relaxed);
        }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts").field("run", &self.run).finish_non_exhaustive()
    }
}

fn code(error: &Error) -> &'static str {
    match error {
        Error::Refused(refusal) => refusal.code(),
        Error::Failed(fault) => fault.kind.row().name,
    }
}

#[cfg(test)]
mod tests;
