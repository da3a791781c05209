//! From text to typed values, as several features need them. Each says, where it refuses, which text it was and what it
//! would accept.

use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use crate::quoted::quoted;

/// What a parser says: a value, or what is wrong with the text.
pub(super) type Parsed<T> = Result<T, String>;

/// A span of time within bounds, which are spelled as spans too.
pub(super) fn span(text: &str, least: &str, most: &str) -> Parsed<Duration> {
    let within = |span: &Duration| {
        duration(least).is_some_and(|least| *span >= least)
            && duration(most).is_some_and(|most| *span <= most)
    };
    match duration(text) {
        Some(span) if within(&span) => Ok(span),
        Some(_) => Err(format!("{} is out of bounds; write {least} to {most}", quoted(text))),
        None => Err(format!(
            "{} is not a span of time; write 30s, 15m, 12h or 7d ({least} to {most} here)",
            quoted(text)
        )),
    }
}

/// A whole number and one of s, m, h, d; nothing else.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| number.parse().ok())??;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A whole number within bounds.
pub(super) fn count<T>(text: &str, least: T, most: T) -> Parsed<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<T>() {
        Ok(number) if is_number && number >= least && number <= most => Ok(number),
        _ => Err(format!("{} is not a whole number from {least} to {most}", quoted(text))),
    }
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{} is neither on nor off", quoted(text))),
    }
}

/// Whether the host is this machine whatever a name server says; browsers trust http there.
pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quoted::spell;

    #[test]
    fn a_span_is_a_number_and_a_unit_and_nothing_else() {
        for (text, seconds) in [("0s", 0), ("30s", 30), ("15m", 900), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        let wrong = [
            "", "s", "30", "30 s", " 30s", "30s ", "+3s", "-3s", "1.5h", "1h30m", "3S", "5ms", "7w", "٣s",
            "3é",
        ];
        for text in wrong {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration("99999999999999999999s"), None);
        assert_eq!(duration("18446744073709551615d"), None);
    }

    #[test]
    fn a_span_is_spelled_in_the_largest_unit_that_fits() {
        for text in ["0s", "30s", "90s", "15m", "36h", "7d"] {
            assert_eq!(duration(text).map(spell).as_deref(), Some(text));
        }
    }
}
