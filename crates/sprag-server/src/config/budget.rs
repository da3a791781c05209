//! How often something may be done: at once, and then in time.

use std::num::NonZeroU32;

use super::value::{self, Parsed};
use crate::edge::refresh_limits::Budget;
use crate::quoted::quoted;

/// The most that may be done at once, and then in one span of time.
const MOST: u32 = 1_000_000;

/// The longest span that a rate is of.
const LONGEST: &str = "1d";

/// A budget as `60, 1/s`: so many at once, and then one a second. The span may have a number, as in `20, 1/30s`.
pub(super) fn budget(text: &str) -> Parsed<Budget> {
    let wrong = || {
        format!(
            "{} is no budget; write how many at once, and then how many in how long, as 60, 1/s or 20, 1/30s",
            quoted(text)
        )
    };
    let (burst, rate) = text.split_once(',').ok_or_else(wrong)?;
    let (count, span) = rate.trim().split_once('/').ok_or_else(wrong)?;
    let number = |text: &str| {
        let number = value::count(text.trim(), 1, MOST)?;
        NonZeroU32::new(number).ok_or_else(wrong)
    };
    let span = span.trim();
    let is_unit = span.len() == 1 && !span.starts_with(|first: char| first.is_ascii_digit());
    let span = if is_unit { format!("1{span}") } else { span.to_owned() };
    let span = value::span(&span, "1s", LONGEST)?;
    Ok(Budget { burst: number(burst)?, count: number(count)?, span })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(u32, u32, u64), String> {
        budget(text).map(|budget| (budget.burst.get(), budget.count.get(), budget.span.as_secs()))
    }

    #[test]
    fn a_budget_is_so_many_at_once_and_then_so_many_in_time() {
        for (text, budget) in [
            ("60, 1/s", (60, 1, 1)),
            ("3000,300/s", (3000, 300, 1)),
            ("20, 1/30s", (20, 1, 30)),
            ("5 , 1 / 10m", (5, 1, 600)),
            ("1, 1/d", (1, 1, 86_400)),
        ] {
            assert_eq!(read(text), Ok(budget), "{text}");
        }
        assert_eq!(budget("3000, 300/s").map(|budget| budget.each().as_micros()), Ok(3333));
    }

    #[test]
    fn what_is_no_budget_is_told_how_one_is_written() {
        for text in ["", "60", "60, 1", "60/s", "60 1/s", "off"] {
            assert!(read(text).is_err_and(|told| told.contains("as 60, 1/s or 20, 1/30s")), "{text}");
        }
        for text in ["0, 1/s", "60, 0/s", "-1, 1/s", "1.5, 1/s", "9999999, 1/s"] {
            assert!(
                read(text).is_err_and(|told| told.contains("not a whole number from 1 to 1000000")),
                "{text}"
            );
        }
        for text in ["60, 1/", "60, 1/ms", "60, 1/0s", "60, 1/2d", "60, 1/x"] {
            assert!(read(text).is_err_and(|told| told.contains("1s to 1d")), "{text}");
        }
    }
}
