//! How a moment is written: always in UTC, and always with three digits after the second, so that texts sort as the moments do
//! and readers with a fixed form read every one of them.

use jiff::Timestamp as Instant;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sprag::clock::Timestamp;

use crate::duration;

/// A moment for machines (RFC 3339): `2026-11-21T03:02:11.120Z`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    format!("{:.3}", utc(at))
}

/// A moment in a sentence: `2026-11-21 03:02:11.120 UTC`.
pub(crate) fn told(at: Timestamp) -> String {
    format!("{} UTC", utc(at).strftime("%Y-%m-%d %H:%M:%S.%3f"))
}

/// A moment in a table whose heading says UTC: `2026-11-21 03:02`.
pub(crate) fn minute(at: Timestamp) -> String {
    utc(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Since when, as somebody wrote it: a span before now as `2h` or `7d`, a day as `2026-11-21`, or a moment as
/// `2026-11-21T03:02:11Z`.
pub(crate) fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(span) = duration::parse(text) {
        return Some(now.minus(span));
    }
    let is_day = text.len() == "2026-11-21".len();
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let moment = text.parse::<Instant>().ok().or_else(|| day().filter(|_| is_day))?;
    Some(Timestamp(moment.as_millisecond()))
}

/// What no calendar has is its nearest end.
fn utc(at: Timestamp) -> Instant {
    let end = if at.0 < 0 { Instant::MIN } else { Instant::MAX };
    Instant::from_millisecond(at.0).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_three_digits_after_its_second_whatever_they_are() {
        for (millis, digits) in
            [(0, "000"), (1, "001"), (20, "020"), (100, "100"), (120, "120"), (999, "999")]
        {
            let at = Timestamp(1_795_230_131_000 + millis);
            assert_eq!(rfc3339(at), format!("2026-11-21T03:02:11.{digits}Z"));
            assert_eq!(told(at), format!("2026-11-21 03:02:11.{digits} UTC"));
            assert_eq!(minute(at), "2026-11-21 03:02");
        }
        assert_eq!(rfc3339(Timestamp(-1)), "1969-12-31T23:59:59.999Z");
        for end in [Timestamp(i64::MAX), Timestamp(i64::MIN)] {
            assert_eq!(rfc3339(end).rsplit('.').next().map(str::len), Some(4), "{}", rfc3339(end));
            assert!(!told(end).is_empty());
        }
    }
}
