//! From a value as a source has it to the one that is meant: texts, yes or no, moments, digests.
//!
//! Every function answers `None` for what is not there: `null`, the empty text. What it refuses it describes without
//! repeating it, for it may be a secret.

use std::ops::RangeInclusive;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::Value;
use sprag::clock::Timestamp;

/// What is wrong with a value, as the end of a sentence that begins with its column.
pub(super) type Wrong = &'static str;

/// The first number of milliseconds: as seconds it would be in the year 10000, as milliseconds it is in 1978.
const FIRST_MILLISECOND: i64 = 253_402_300_800;

/// The year 2200 in milliseconds. A number from beyond it was counted in another measure, or is a date in digits.
const LAST_COUNTED: i64 = 7_258_118_400_000;

/// The year 9999 in milliseconds, with which some say never, in any zone.
const NEVER: RangeInclusive<i64> = 253_370_678_400_000..=253_402_387_199_999;

/// Days that stand for never, in any zone. No calendar of ours has all of them.
const LAST_DAYS: [&str; 4] = ["9999-12-30", "9999-12-31", "10000-01-01", "+010000-01-01"];

/// A fraction is told of seconds since 1973 at the earliest; what is less is a year and a month, or a version.
const LEAST_FRACTIONAL: f64 = 100_000_000.0;

/// As many bytes as a token, hash or digest has, and an id has not.
const MIN_KEPT_AS_BYTES: usize = 20;

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

/// A password hash or token in clear, exactly as it stands but for what a column of fixed width puts behind it. Some keep
/// its characters in a column of bytes, which PostgreSQL writes as `\x` and digits.
pub(super) fn secret(value: &Value) -> Result<Option<String>, Wrong> {
    let Some(text) = text(value)? else { return Ok(None) };
    let kept = text.strip_prefix("\\x").and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok());
    let kept = kept.as_deref().and_then(visible).unwrap_or(&text);
    Ok(Some(kept.trim_matches(is_padding).to_owned()).filter(|text| !text.is_empty()))
}

/// A list of texts: a JSON array, or one that is written as a text, or texts with commas, blanks or line breaks between them.
pub(super) fn list(value: &Value) -> Result<Option<Vec<String>>, Wrong> {
    const WRONG: Wrong = "holds no list of texts";
    let texts = |values: &[Value]| {
        let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<String>>>().ok_or(WRONG)
    };
    match value {
        Value::Array(values) => texts(values).map(Some),
        Value::String(text) if text.trim_start().starts_with('[') => {
            let values: Vec<Value> = serde_json::from_str(text).map_err(|_| WRONG)?;
            texts(&values).map(Some)
        }
        // PostgreSQL writes an array in braces, and others have texts with something between them.
        Value::String(text) => {
            let text = text.trim().trim_start_matches('{').trim_end_matches('}');
            let found = between(text).map(|text| text.trim_matches(['"', ',']).to_owned());
            Ok(Some(found.filter(|text| !text.is_empty()).collect()))
        }
        Value::Null => Ok(None),
        _ => Err(WRONG),
    }
}

/// The parts of a text between blanks and commas. Argon2 has commas in a hash, which no `$` follows.
fn between(text: &str) -> impl Iterator<Item = &str> {
    let has_hashes = text.contains('$');
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut places = rest.char_indices().skip(1);
        let end = places.find_map(|(at, c)| {
            let follows = rest[at + c.len_utf8()..].chars().next();
            let parts = c == ',' && (!has_hashes || matches!(follows, Some('$' | '"') | None));
            (c.is_whitespace() || parts).then_some(at)
        });
        let (part, others) = rest.split_at(end.unwrap_or(rest.len()));
        rest = others.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        Some(part)
    })
}

/// Bytes: their characters, where they are those of a hash or a token, and otherwise in hexadecimal, as ids and digests.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let text = visible(bytes).filter(|text| text.len() >= MIN_KEPT_AS_BYTES);
    text.map_or_else(|| HEXLOWER.encode(bytes), str::to_owned)
}

/// Visible ASCII, without what fills a column of fixed width.
fn visible(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?.trim_matches(is_padding);
    text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(text)
}

fn is_padding(c: char) -> bool {
    c.is_whitespace() || c == '\0'
}

/// A moment: after RFC 3339, or with a space and without an offset (then it is UTC), or in digits, or counted from the
/// epoch. What is beyond all calendars is as late as there is.
pub(super) fn time(value: &Value) -> Result<Option<Timestamp>, Wrong> {
    const WRONG: Wrong = "holds no moment that is understood; write it like 2024-12-13T10:00:00Z";
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().to_owned(),
        // Digits mean what they mean, in quotes or not.
        Value::Number(number) => number.to_string(),
        _ => return Err(WRONG),
    };
    // MySQL has this where it has nothing.
    if text.is_empty() || text.starts_with("0000-00-00") {
        return Ok(None);
    }
    written(&text).map(Some).ok_or(WRONG)
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
    if text == "infinity" || LAST_DAYS.iter().any(|day| text.starts_with(day)) {
        return Some(latest());
    }
    if text == "-infinity" {
        return Some(Timestamp(0));
    }
    if let Ok(number) = text.parse::<i64>() {
        return dated(text).or_else(|| counted(number));
    }
    if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
        && let Ok(number) = text.parse::<f64>()
    {
        return fractional(number);
    }
    // Some write a space before the offset, which nobody reads back.
    let joined = text.rsplit_once(' ').filter(|(_, offset)| offset.starts_with(['+', '-', 'Z']));
    let joined = joined.map(|(moment, offset)| format!("{moment}{offset}"));
    let text = joined.as_deref().or_else(|| text.strip_suffix(" UTC")).unwrap_or(text);
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(Timestamp(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

/// `20241213` and `20241213100000`.
fn dated(digits: &str) -> Option<Timestamp> {
    let form = match digits.len() {
        8 => "%Y%m%d",
        14 => "%Y%m%d%H%M%S",
        _ => return None,
    };
    let parsed = jiff::fmt::strtime::parse(form, digits).ok()?;
    let civil = match digits.len() {
        8 => parsed.to_date().ok()?.to_datetime(Time::midnight()),
        _ => parsed.to_datetime().ok()?,
    };
    let at = Timestamp(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    (civil.year() >= 1900 && at.0 <= LAST_COUNTED).then_some(at)
}

fn counted(number: i64) -> Option<Timestamp> {
    // Its last hours in seconds are a day of 1978 in milliseconds, which is nobody's expiry.
    if number.checked_mul(1000).is_some_and(|millis| NEVER.contains(&millis)) {
        return Some(latest());
    }
    let is_millis = number.unsigned_abs() >= FIRST_MILLISECOND.unsigned_abs();
    let millis = if is_millis { number } else { number.checked_mul(1000)? };
    if NEVER.contains(&millis) {
        return Some(latest());
    }
    (millis <= LAST_COUNTED).then_some(Timestamp(millis))
}

fn fractional(number: f64) -> Option<Timestamp> {
    let whole = jiff::SignedDuration::try_from_secs_f64(number).ok()?;
    if number.fract() == 0.0 || number.abs() >= FIRST_MILLISECOND as f64 {
        return counted(whole.as_secs());
    }
    counted(whole.as_secs()).filter(|_| number.abs() >= LEAST_FRACTIONAL)?;
    // Such a number is seldom exactly the one that was written: 1734084000.123 is a little less.
    let millis = (whole.as_nanos() + 500_000).div_euclid(1_000_000);
    i64::try_from(millis).ok().map(|millis| Timestamp(millis).min(latest()))
}

/// As late as there is.
fn latest() -> Timestamp {
    Timestamp(jiff::Timestamp::MAX.as_millisecond())
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
            "2024-12-13T10:00:00.000000000Z",
            "20241213100000",
            "1734084000",
            "1734084000.0",
            "1.734084e9",
            "1734084000000",
            "1734084000000.0",
        ] {
            assert_eq!(time(&json!(text)), at, "{text}");
        }
        assert_eq!(time(&json!(1_734_084_000)), at);
        assert_eq!(time(&json!(1_734_084_000_000_i64)), at);
        assert_eq!(time(&json!(1_734_084_000.123)), Ok(Some(Timestamp(1_734_084_000_123))));
        assert_eq!(time(&json!("1734084000.123")), Ok(Some(Timestamp(1_734_084_000_123))));
        assert_eq!(time(&json!(1_734_084_000_000.0)), at);
        assert_eq!(time(&json!(20_241_213_100_000_i64)), at);
        assert_eq!(time(&json!("20241213")), time(&json!("2024-12-13")));
        assert_eq!(time(&json!(-1)), Ok(Some(Timestamp(-1000))));
        assert_eq!(time(&json!("2024-12-13 10:00:00.123 +00:00")), Ok(Some(Timestamp(1_734_084_000_123))));
        for nothing in [json!(null), json!(""), json!(" "), json!("0000-00-00 00:00:00")] {
            assert_eq!(time(&nothing), Ok(None), "{nothing}");
        }
        for wrong in [json!("tomorrow"), json!(true), json!(1e300), json!(i64::MAX), json!("13.12.2024")] {
            assert!(time(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn never_is_as_late_as_there_is() {
        let latest = Ok(Some(latest()));
        for never in [
            json!("infinity"),
            json!("9999-12-31"),
            json!("9999-12-31 23:59:59"),
            json!("9999-12-31T23:59:59.999Z"),
            json!("9999-12-31 23:59:59+00"),
            json!("10000-01-01T00:59:59+01:00"),
            json!(253_402_300_799_i64),
            json!("253402300799"),
            // Never, as it is written west of Greenwich.
            json!(253_402_318_799_i64),
            json!(253_402_318_799_000_i64),
            json!(253_402_300_799_000_i64),
            json!(253_402_214_400.5),
        ] {
            assert_eq!(time(&never), latest, "{never}");
        }
        assert_eq!(time(&json!("-infinity")), Ok(Some(Timestamp(0))));
    }

    #[test]
    fn a_number_that_nobody_can_mean_is_no_moment() {
        // A date that there is not, one beyond all plans, milliseconds of a year like 2500, microseconds, a version.
        for wrong in [
            "20241340000000",
            "22010101000000",
            "16734084000000",
            "1734084000000000",
            "8000000000",
            "2024.12",
        ] {
            assert!(time(&json!(wrong)).is_err(), "{wrong}");
        }
        assert!(time(&json!(2024.12)).is_err());
    }

    #[test]
    fn a_hash_may_be_kept_as_bytes_or_in_a_column_of_fixed_width() {
        let hash = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";
        let written = format!("\\x{}", HEXLOWER.encode(hash.as_bytes()));
        let padded = format!("\\x{}0000", HEXLOWER.encode(hash.as_bytes()));
        for text in [hash, &written, &padded, &format!("{hash}\n"), &format!("{hash}    ")] {
            assert_eq!(secret(&json!(text)), Ok(Some(hash.to_owned())), "{text}");
        }
        assert_eq!(bytes(hash.as_bytes()), hash);
        assert_eq!(bytes(format!("{hash}\0\0").as_bytes()), hash);
        // Nothing else that begins so is touched, and neither is an id.
        for text in ["\\x00ff", "\\xyz"] {
            assert_eq!(secret(&json!(text)), Ok(Some(text.to_owned())));
        }
        for nothing in [json!("  "), json!(null), json!("\\x")] {
            assert_eq!(secret(&nothing), Ok(None), "{nothing}");
        }
        assert_eq!(bytes(b"0123456789abcdef"), HEXLOWER.encode(b"0123456789abcdef"));
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

    #[test]
    fn a_list_is_read_however_a_source_writes_it() {
        let argon = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA";
        let of = |value: Value| list(&value).unwrap().unwrap();
        assert_eq!(of(json!(["a", "b"])), ["a", "b"]);
        for text in ["a,b", "a b", "a\nb\n", "{a,b}", "[\"a\", \"b\"]", " a , b ", "{\"a\",\"b\"}"] {
            assert_eq!(of(json!(text)), ["a", "b"], "{text}");
        }
        for text in
            [format!("{argon},{argon}"), format!("{argon}\n{argon}"), format!("{{\"{argon}\",\"{argon}\"}}")]
        {
            assert_eq!(of(json!(text)), [argon, argon], "{text}");
        }
        assert_eq!(of(json!("{$2b$04$x,$2b$04$y}")), ["$2b$04$x", "$2b$04$y"]);
        assert_eq!(of(json!("")), Vec::<String>::new());
        assert_eq!(list(&Value::Null), Ok(None));
        for odd in [json!([1]), json!(1), json!("[1"), json!({})] {
            assert!(list(&odd).is_err(), "{odd}");
        }
    }
}
