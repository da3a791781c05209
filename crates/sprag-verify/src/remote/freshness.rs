//! How long an answer may be kept (RFC 9111 section 4.2), within bounds of ours.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{AGE, CACHE_CONTROL};

use crate::limits::{DEFAULT_MAX_AGE, MAX_MAX_AGE, MIN_MAX_AGE};

/// Reads it from `Cache-Control` and `Age`.
pub(super) fn max_age(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = values.flat_map(|value| value.split(',')).map(str::trim);
    let mut told = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if ["no-store", "no-cache"].iter().any(|other| name.eq_ignore_ascii_case(other)) {
            return MIN_MAX_AGE;
        }
        if name.eq_ignore_ascii_case("max-age") {
            told = told.or_else(|| seconds(value.trim().trim_matches('"')));
        }
    }
    let Some(told) = told else { return DEFAULT_MAX_AGE };
    let age = headers.get(AGE).and_then(|value| seconds(value.to_str().ok()?.trim())).unwrap_or_default();
    told.saturating_sub(age).clamp(MIN_MAX_AGE, MAX_MAX_AGE)
}

/// Digits, and nothing else (RFC 9111 section 1.2.2); more than fits counts as much.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_says_how_long_within_bounds() {
        let kept = |control: &'static str, age: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, control.parse().unwrap());
            if let Some(age) = age {
                headers.insert(AGE, age.parse().unwrap());
            }
            max_age(&headers).as_secs()
        };
        assert_eq!(max_age(&HeaderMap::new()), DEFAULT_MAX_AGE);
        assert_eq!(kept("public, max-age=600", None), 600);
        assert_eq!(kept("Max-Age=\"600\"", Some("100")), 500);
        assert_eq!(kept("max-age=600", Some("9999")), MIN_MAX_AGE.as_secs());
        assert_eq!(kept("max-age=0", None), MIN_MAX_AGE.as_secs());
        assert_eq!(kept("no-store, max-age=600", None), MIN_MAX_AGE.as_secs());
        assert_eq!(kept("max-age=99999999999999999999999", None), MAX_MAX_AGE.as_secs());
        assert_eq!(kept("max-age=-1", None), DEFAULT_MAX_AGE.as_secs());
        assert_eq!(kept("immutable", None), DEFAULT_MAX_AGE.as_secs());
    }
}
