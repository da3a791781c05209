//! The only source of time, and of ids that carry it.
//!
//! ```
//! use std::time::Duration;
//!
//! use sprag::clock::{Clock, HandClock, Timestamp};
//!
//! let clock = HandClock::at(Timestamp(1_800_000_000_000)); // a test winds it
//! clock.wind(Duration::from_secs(30));
//! assert_eq!(clock.now().seconds(), 1_800_000_030);
//! ```

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

mod steady;

pub use steady::{BootClock, ClockNews, Doubt, SteadyClock, TakenFor};

/// A moment: whole milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `span` later; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier; stops at the beginning of time instead of wrapping.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the Unix epoch, as JWT claims count them (RFC 7519 section 2, `NumericDate`).
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The start of the hour this moment lies in.
    ///
    /// Times that move with a rotation are shown to a session only so: a thief who holds its tokens
    /// must not learn when the victim refreshes.
    #[must_use]
    pub fn hour(self) -> Self {
        Self(self.0.div_euclid(3_600_000) * 3_600_000)
    }
}

/// A span as whole milliseconds; spans beyond 292 million years count as that long.
#[must_use]
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A moment as people and machines read it, in UTC: `2026-11-21T03:02:11.123Z` (RFC 3339).
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let (days, within) = (at.0.div_euclid(86_400_000), at.0.rem_euclid(86_400_000));
    // Years that begin in March have their odd day at their end; 400 of them have 146,097 days.
    let from_march = days.saturating_add(719_468);
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, millis) = (within / 1000 % 60, within % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Why this clock carries on what it last told, if it does not believe what it reads.
    fn doubt(&self) -> Option<Doubt> {
        None
    }

    /// An operator says that what is read is right.
    fn confirm(&self) {}

    /// What has happened to it since this was asked last, oldest first.
    fn news(&self) -> Vec<ClockNews> {
        Vec::new()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(millis(since)),
            Err(before) => Timestamp(-millis(before.duration())),
        }
    }
}

/// A clock that stands still until it is wound, for tests.
#[derive(Debug)]
pub struct HandClock(AtomicI64);

impl HandClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the clock forward.
    pub fn wind(&self, span: Duration) {
        self.0.fetch_add(millis(span), Ordering::SeqCst);
    }

    /// Moves the clock backward, as a bad time server would.
    pub fn wind_back(&self, span: Duration) {
        self.0.fetch_sub(millis(span), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc() {
        for (millis, told) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_827_696_007, "2000-02-29T12:34:56.007Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_230_131_123, "2026-11-21T03:02:11.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Timestamp(millis)), told);
        }
        assert!(!rfc3339(Timestamp(i64::MAX)).is_empty() && !rfc3339(Timestamp(i64::MIN)).is_empty());
    }

    #[test]
    fn the_hour_rounds_down_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp(3_600_001).hour(), Timestamp(3_600_000));
        assert_eq!(Timestamp(-1).hour(), Timestamp(-3_600_000));
    }

    #[test]
    fn time_stops_at_its_ends_instead_of_wrapping() {
        assert_eq!(Timestamp(i64::MAX - 1).plus(Duration::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN + 1).minus(Duration::MAX), Timestamp(i64::MIN));
    }
}
