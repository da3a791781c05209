//! Which report somebody asks for: `since` and `by`, as the command line and the administrators' API take them.

use sprag::clock::Timestamp;
use sprag::counts::{By, LONGEST_BY_DAY};
use sprag::day::Day;

use crate::duration;
use crate::quoted::quoted;

/// How many days a report covers where nobody says.
pub(crate) const DAYS: i32 = 14;

/// The days that a report is of, and what each of its rows is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ReportAsked {
    pub(crate) since: Day,
    pub(crate) until: Day,
    pub(crate) by: By,
}

impl ReportAsked {
    /// What was asked for, today being the last day: `since` is a span in days (`30d` is thirty days, today among them) or a day
    /// (`2026-11-21`), and `by` is `day`, `week` or `month`.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub(crate) fn read(since: Option<&str>, by: Option<&str>, now: Timestamp) -> Result<Self, String> {
        let until = Day::of(now);
        let since = match since {
            None => until.plus(1 - DAYS),
            Some(since) => first_day(since, until)?,
        };
        let by: By = match by {
            None => By::default(),
            Some(by) => by.parse().map_err(|error| format!("{} is no period: {error}", quoted(by)))?,
        };
        if since > until {
            return Err(format!("{since} is after today, {until} in UTC; name a day that has begun"));
        }
        let days = until.0 - since.0 + 1;
        if by == By::Day && days > LONGEST_BY_DAY {
            return Err(format!(
                "{days} days are too many for a row each, {LONGEST_BY_DAY} at most; ask by week or by month, or for fewer days"
            ));
        }
        Ok(Self { since, until, by })
    }
}

fn first_day(since: &str, today: Day) -> Result<Day, String> {
    if let Ok(day) = since.parse() {
        return Ok(day);
    }
    let span = duration::parse(since).ok().filter(|span| !span.is_zero());
    let days = span.and_then(|span| i32::try_from(span.as_secs().div_ceil(86_400)).ok());
    let days = days.ok_or_else(|| {
        format!(
            "{} says no first day; write how many days, as 30d, or the first day, as 2026-11-21",
            quoted(since)
        )
    })?;
    Ok(today.plus(1 - days))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_230_131_123); // 2026-11-21T03:02

    fn asked(since: Option<&str>, by: Option<&str>) -> Result<(String, String, By), String> {
        let asked = ReportAsked::read(since, by, NOW)?;
        Ok((asked.since.to_string(), asked.until.to_string(), asked.by))
    }

    #[test]
    fn a_report_is_of_the_last_days_or_since_a_day() {
        let of = |since: &str, by| Ok((since.to_owned(), "2026-11-21".to_owned(), by));
        assert_eq!(asked(None, None), of("2026-11-08", By::Day));
        assert_eq!(asked(Some("1d"), None), of("2026-11-21", By::Day));
        assert_eq!(asked(Some("30d"), Some("week")), of("2026-10-23", By::Week));
        assert_eq!(
            asked(Some("12h"), None),
            of("2026-11-21", By::Day),
            "a day that has begun is shown whole"
        );
        assert_eq!(asked(Some("2024-02-29"), Some("month")), of("2024-02-29", By::Month));
        for (since, by, says) in [
            ("yesterday", "day", "write how many days"),
            ("0d", "day", "write how many days"),
            ("2026-11-22", "day", "is after today, 2026-11-21"),
            ("401d", "day", "401 days are too many"),
            ("7d", "hour", "\"hour\" is no period: a report is by day, week or month"),
        ] {
            let refused = asked(Some(since), Some(by)).unwrap_err();
            assert!(refused.contains(says), "{since} by {by}: {refused}");
        }
    }
}
