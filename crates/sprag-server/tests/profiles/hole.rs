//! Comparing what came with what was expected, holes and all.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// What was kept, by name.
pub(crate) type Kept = BTreeMap<String, String>;

/// Puts what was kept where `{name}` stands.
pub(crate) fn filled(text: &str, kept: &Kept) -> String {
    let filled =
        kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    let left = filled.split("\"{").skip(1).find(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    assert!(left.is_none(), "nothing was kept under a name in {filled}");
    filled
}

/// Compares a value; `at` says where it stands.
pub(crate) fn compare(expected: &Value, actual: &Value, kept: &mut Kept, at: &str) -> Result<(), String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            if names(expected) != names(actual) {
                return Err(format!("{at} has {:?}, not {:?}", names(actual), names(expected)));
            }
            expected
                .iter()
                .try_for_each(|(name, value)| compare(value, &actual[name], kept, &format!("{at}.{name}")))
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let pairs = expected.iter().zip(actual).enumerate();
            pairs.into_iter().try_for_each(|(i, (e, a))| compare(e, a, kept, &format!("{at}[{i}]")))
        }
        (Value::String(text), _) => compare_text(text, actual, kept, at),
        _ if expected == actual => Ok(()),
        _ => Err(format!("{at} is {actual}, not {expected}")),
    }
}

fn compare_text(expected: &str, actual: &Value, kept: &mut Kept, at: &str) -> Result<(), String> {
    let Some(hole) = expected.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
        let is_same = actual.as_str() == Some(filled(expected, kept).as_str());
        return if is_same { Ok(()) } else { Err(format!("{at} is {actual}, not {expected:?}")) };
    };
    let (kind, name) = hole.split_once(' ').map_or((hole, None), |(kind, name)| (kind, Some(name)));
    if !is_of_kind(kind, actual) {
        return Err(format!("{at} is {actual}, which is no {kind}"));
    }
    if let Some(name) = name {
        let text = actual.as_str().map_or_else(|| actual.to_string(), str::to_owned);
        kept.insert(name.to_owned(), text);
    }
    Ok(())
}

/// Compares a `Set-Cookie` header, whose value may be a hole.
pub(crate) fn compare_cookie(expected: &str, actual: &str, kept: &mut Kept) -> Result<(), String> {
    let parts = |text: &str| {
        let (name, rest) = text.split_once('=').unwrap_or((text, ""));
        let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
        (name.to_owned(), value.to_owned(), attributes.to_owned())
    };
    let ((name, value, attributes), (name_set, value_set, attributes_set)) = (parts(expected), parts(actual));
    if (&name, &attributes) != (&name_set, &attributes_set) {
        return Err(format!("the cookie is {actual}, not {expected}"));
    }
    compare_text(&value, &value_set.into(), kept, &format!("the cookie {name}"))
}

fn is_of_kind(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "access-token" => text.is_some_and(is_access_token),
        "refresh-token" => text.is_some_and(is_refresh_token),
        "uuid" => text.is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        "time" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        "number" => value.is_u64(),
        "text" => text.is_some_and(|text| !text.is_empty()),
        _ => panic!("<{kind}> is no hole; main.rs lists them"),
    }
}

pub(crate) fn is_access_token(text: &str) -> bool {
    is_jwt_of(text, "at+jwt")
}

pub(crate) fn is_refresh_token(text: &str) -> bool {
    text.starts_with("spr_") || is_jwt_of(text, "rt+jwt")
}

fn is_jwt_of(text: &str, kind: &str) -> bool {
    let header = text.split('.').next().and_then(|header| BASE64URL_NOPAD.decode(header.as_bytes()).ok());
    let header = header.and_then(|header| serde_json::from_slice::<Value>(&header).ok());
    header.is_some_and(|header| header["typ"] == kind)
}
