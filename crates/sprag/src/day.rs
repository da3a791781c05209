//! Days, as they are counted: from midnight to midnight, UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::clock::{Timestamp, rfc3339};

const DAY_MILLIS: i64 = 86_400_000;

/// A day: days since 1970-01-01, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Day(pub i32);

impl Day {
    /// The day in which a moment lies.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(i32::try_from(at.0.div_euclid(DAY_MILLIS)).unwrap_or(if at.0 < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Its first moment.
    #[must_use]
    pub fn begins(self) -> Timestamp {
        Timestamp(i64::from(self.0) * DAY_MILLIS)
    }

    /// The first moment after it.
    #[must_use]
    pub fn ends(self) -> Timestamp {
        self.plus(1).begins()
    }

    /// The day so many days later; earlier, if it is less than none.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The Monday of its week.
    #[must_use]
    pub fn monday(self) -> Self {
        // 1970-01-01 was a Thursday.
        self.plus(-self.0.saturating_add(3).rem_euclid(7))
    }

    /// The first day of its month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        let text = self.to_string();
        let day = text.rsplit('-').next().and_then(|day| day.parse::<i32>().ok()).unwrap_or(1);
        self.plus(1 - day)
    }

    /// Whether it is one that people write with four digits of a year.
    #[must_use]
    pub fn is_written(self) -> bool {
        (0..=2_932_896).contains(&self.0)
    }
}

/// `2026-11-21` (RFC 3339, `full-date`).
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = rfc3339(self.begins());
        f.write_str(moment.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = NoDay;

    fn from_str(text: &str) -> Result<Self, NoDay> {
        let form =
            |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
        if text.len() != 10 || !text.bytes().enumerate().all(form) {
            return Err(NoDay);
        }
        // Days in order are written in order, so the one that is written so is found by halves.
        let (mut from, mut until) = (0, 2_932_897);
        while from < until {
            let middle = i32::midpoint(from, until);
            if Self(middle).to_string().as_str() < text { from = middle + 1 } else { until = middle }
        }
        Some(Self(from)).filter(|day| day.is_written() && day.to_string() == text).ok_or(NoDay)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no day from 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no day; write it as year, month and day: 2026-11-21")]
pub struct NoDay;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_at_midnight_in_utc() {
        let day = Day::of(Timestamp(1_795_230_131_123));
        assert_eq!(day.to_string(), "2026-11-21");
        assert_eq!(Day::of(day.begins()), day);
        assert_eq!(Day::of(Timestamp(day.ends().0 - 1)), day);
        assert_eq!(Day::of(day.ends()), day.plus(1));
        assert_eq!(Day::of(Timestamp(-1)).to_string(), "1969-12-31");
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_day_is_not() {
        for day in [0, 58, 59, 789, 11_016, 20_778, 2_932_896] {
            assert_eq!(Day(day).to_string().parse(), Ok(Day(day)));
        }
        for no_day in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "26-01-01",
            "",
            "1969-12-31",
            "2026-11-21T",
            "2026/11/21",
        ] {
            assert_eq!(no_day.parse::<Day>(), Err(NoDay), "{no_day}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        for (of, monday, first) in [
            ("2026-11-29", "2026-11-23", "2026-11-01"),
            ("2026-11-23", "2026-11-23", "2026-11-01"),
            ("2026-11-01", "2026-10-26", "2026-11-01"),
            ("1970-01-05", "1970-01-05", "1970-01-01"),
        ] {
            assert_eq!((day(of).monday(), day(of).first_of_month()), (day(monday), day(first)), "{of}");
        }
    }
}
