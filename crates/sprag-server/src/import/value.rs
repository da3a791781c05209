//! From a value as a source has it to the one that is meant: texts, yes or no, moments, digests.
//!
//! Every function answers `None` for what is not there: `null`, the empty text. What it refuses it describes without
//! repeating it, for it may be a secret.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use sprag::clock::Timestamp;

/// What is wrong with a value, as the end of a sentence that begins with its column.
pub(super) type Wrong = &'static str;

/// The first number of milliseconds: as seconds it would be in the year 5138, as milliseconds it is in 1973.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

/// The largest whole number that a floating-point one has exactly: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A text, exactly as it stands; a whole number is its digits.
pub(super) fn text(value: &Value) -> Result<Option<String>, Wrong> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => match number.as_f64() {
            _ if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            Some(float) if float.fract() == 0.0 && float.abs() <= EXACT => Ok(Some(format!("{float:.0}"))),
            _ => Err("holds a number that is not whole, where a text is needed"),
        },
        Value::Bool(_) => Err("holds true or false, where a text is needed"),
        Value::Array(_) | Value::Object(_) => Err("holds an object or array, where a text is needed"),
    }
}

/// A text, or anything else as the JSON that it is.
pub(super) fn loose_text(value: &Value) -> Result<Option<String>, Wrong> {
    match value {
        Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Null | Value::String(_) => text(value),
    }
}

/// Yes or no.
pub(super) fn flag(value: &Value) -> Result<Option<bool>, Wrong> {
    const WRONG: Wrong = "is neither true nor false";
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(Some(false)),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(Some(true)),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "t" | "true" | "1" => Ok(Some(true)),
            "f" | "false" | "0" => Ok(Some(false)),
            _ => Err(WRONG),
        },
        _ => Err(WRONG),
    }
}

/// A moment: after RFC 3339, or with a space and without an offset (then it is UTC), or counted from the epoch.
pub(super) fn time(value: &Value) -> Result<Option<Timestamp>, Wrong> {
    const WRONG: Wrong = "holds no moment that is understood; write it like 2024-12-13T10:00:00Z";
    let at = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => written(text.trim()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => counted(whole),
            (None, Some(seconds)) => fractional(seconds),
            (None, None) => None,
        },
        _ => None,
    };
    at.map(Some).ok_or(WRONG)
}

/// The 32 bytes of a SHA-256, in hexadecimal or base64.
pub(super) fn sha256(value: &Value) -> Result<Option<[u8; 32]>, Wrong> {
    const WRONG: Wrong = "holds no SHA-256: 64 hexadecimal digits, or 32 bytes in base64";
    let Some(text) = text(value)? else { return Ok(None) };
    // PostgreSQL writes bytes so.
    let text = text.strip_prefix("\\x").unwrap_or(&text).as_bytes();
    let forms = [&HEXLOWER_PERMISSIVE, &BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD];
    let decoded = forms.iter().filter_map(|form| form.decode(text).ok());
    let hash = decoded.into_iter().find_map(|bytes| <[u8; 32]>::try_from(bytes).ok());
    hash.map(Some).ok_or(WRONG)
}

fn written(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        return counted(number);
    }
    // Some write a space before the offset, which nobody reads back.
    let joined = text.rsplit_once(' ').filter(|(_, offset)| offset.starts_with(['+', '-', 'Z']));
    let joined = joined.map(|(moment, offset)| format!("{moment}{offset}"));
    let text = joined.as_deref().or_else(|| text.strip_suffix(" UTC")).unwrap_or(text);
    let with_offset = text.parse::<jiff::Timestamp>().ok();
    let at = with_offset.or_else(|| {
        let civil = text.parse::<DateTime>().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    at.map(|at| Timestamp(at.as_millisecond()))
}

fn counted(number: i64) -> Option<Timestamp> {
    let is_millis = number.unsigned_abs() >= FIRST_MILLISECOND.unsigned_abs();
    let millis = if is_millis { number } else { number.checked_mul(1000)? };
    (millis < FIRST_MILLISECOND * 1000).then_some(Timestamp(millis))
}

fn fractional(seconds: f64) -> Option<Timestamp> {
    let span = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    counted(span.as_secs()).filter(|_| span.as_secs().abs() < FIRST_MILLISECOND)?;
    // Such a number is seldom exactly the one that was written: 1734084000.123 is a little less.
    let millis = (span.as_nanos() + 500_000).div_euclid(1_000_000);
    i64::try_from(millis).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_stay_exactly_as_they_are() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(text(&json!(" Ann\u{301} ")), some(" Ann\u{301} "));
        assert_eq!(text(&json!(42)), some("42"));
        assert_eq!(text(&json!(-42)), some("-42"));
        assert_eq!(text(&json!(18_446_744_073_709_551_615_u64)), some("18446744073709551615"));
        assert_eq!(text(&json!(42.0)), some("42"));
        assert_eq!((text(&json!(null)), text(&json!(""))), (Ok(None), Ok(None)));
        for wrong in [json!(4.2), json!(1e20), json!(true), json!({}), json!([])] {
            assert!(text(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(loose_text(&json!({ "os": "x" })), some(r#"{"os":"x"}"#));
    }

    #[test]
    fn yes_and_no_are_written_in_many_ways() {
        for yes in [json!(true), json!(1), json!("t"), json!("true"), json!("True"), json!("1")] {
            assert_eq!(flag(&yes), Ok(Some(true)), "{yes}");
        }
        for no in [json!(false), json!(0), json!("f"), json!("false"), json!("False"), json!("0")] {
            assert_eq!(flag(&no), Ok(Some(false)), "{no}");
        }
        assert_eq!((flag(&json!(null)), flag(&json!(""))), (Ok(None), Ok(None)));
        for wrong in [json!(2), json!("yes"), json!(-1), json!([]), json!("2024-12-13")] {
            assert!(flag(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_written_in_many_ways() {
        let at = Ok(Some(Timestamp(1_734_084_000_000)));
        for text in [
            "2024-12-13T10:00:00Z",
            "2024-12-13T11:00:00+01:00",
            "2024-12-13T10:00:00",
            "2024-12-13T10:00:00.000000",
            "2024-12-13 10:00:00",
            "2024-12-13 10:00:00.000 +00:00",
            "2024-12-13 10:00:00+00",
            "2024-12-13 05:00:00.000000-05:00",
            "2024-12-13 10:00:00 UTC",
            "2024-12-13 10:00:00 Z",
            "1734084000",
            "1734084000000",
        ] {
            assert_eq!(time(&json!(text)), at, "{text}");
        }
        assert_eq!(time(&json!(1_734_084_000)), at);
        assert_eq!(time(&json!(1_734_084_000_000_i64)), at);
        assert_eq!(time(&json!(1_734_084_000.123)), Ok(Some(Timestamp(1_734_084_000_123))));
        assert_eq!(time(&json!(-0.5)), Ok(Some(Timestamp(-500))));
        assert_eq!(time(&json!("2024-12-13 10:00:00.123 +00:00")), Ok(Some(Timestamp(1_734_084_000_123))));
        assert_eq!((time(&json!(null)), time(&json!(""))), (Ok(None), Ok(None)));
        for wrong in [json!("tomorrow"), json!(true), json!(1e300), json!(i64::MAX), json!("13.12.2024")] {
            assert!(time(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_digest_is_hexadecimal_or_base64() {
        let hash = [0xfb; 32];
        let texts = [
            "fb".repeat(32),
            "FB".repeat(32),
            format!("\\x{}", "fb".repeat(32)),
            BASE64.encode(&hash),
            BASE64_NOPAD.encode(&hash),
            BASE64URL.encode(&hash),
            BASE64URL_NOPAD.encode(&hash),
        ];
        for text in texts {
            assert_eq!(sha256(&json!(text)), Ok(Some(hash)), "{text}");
        }
        assert_eq!(sha256(&json!(null)), Ok(None));
        for wrong in [json!("fb"), json!("fb".repeat(31)), json!("x".repeat(64)), json!(1)] {
            assert!(sha256(&wrong).is_err(), "{wrong}");
        }
    }
}
