//! Durations as settings, profiles and the command line write them: a whole number and one unit.

use std::time::Duration;

use crate::quoted::quoted;

/// The longest duration that is read: ten years, far beyond what a session should live.
pub const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads `"30s"`, `"15m"`, `"12h"` or `"7d"` (a day has 24 hours).
///
/// # Errors
/// A sentence that says what is wrong: no unit, more than one, a fraction, a sign, white space, or too long.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{} is not a duration; write a whole number and s, m, h or d, as \"15m\"", quoted(text));
    let unit_at = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
    let unit_seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_seconds));
    seconds
        .map(Duration::from_secs)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| format!("{} is longer than ten years; choose less", quoted(text)))
}

/// A duration as a setting would be written.
#[must_use]
pub fn spell(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (size, unit) = match seconds {
        0 => (1, 's'),
        _ if seconds.is_multiple_of(86_400) => (86_400, 'd'),
        _ if seconds.is_multiple_of(3600) => (3600, 'h'),
        _ if seconds.is_multiple_of(60) => (60, 'm'),
        _ => (1, 's'),
    };
    format!("{}{unit}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_duration() {
        for (text, seconds) in [("0s", 0), ("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let wrong = [
            "", "s", "15", "15 m", " 15m", "15m ", "-1s", "+1s", "1.5h", "1h30m", "15min", "5ms", "3S", "1w",
            "١m", "1µ", "3é", "é",
        ];
        for text in wrong {
            assert!(parse(text).is_err_and(|error| error.contains("is not a duration")), "{text}");
        }
        for text in ["3651d", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse(text).is_err_and(|error| error.contains("longer than ten years")), "{text}");
        }
    }

    #[test]
    fn a_duration_is_spelled_in_the_largest_unit_that_fits() {
        for text in ["0s", "30s", "90s", "15m", "36h", "7d"] {
            assert_eq!(parse(text).map(spell).as_deref(), Ok(text));
        }
    }
}
