//! MongoDB's extended JSON (what `mongoexport` writes): values that say their type become plain ones.

use data_encoding::BASE64;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::value;

/// Unwraps the values of a document.
pub(super) fn unwrap(record: &mut Map<String, Value>) {
    for value in record.values_mut() {
        if let Some(plain) = plain(value) {
            *value = plain;
        }
    }
}

/// What a wrapped value stands for; `None` where it is not wrapped.
fn plain(value: &Value) -> Option<Value> {
    // As earlier versions wrote bytes.
    if let Some(binary) = value.as_object().filter(|object| object.len() == 2 && object.contains_key("$type"))
    {
        return old_binary(binary);
    }
    if let Value::String(text) = value {
        return object_id(text).map(Value::from);
    }
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (kind, inside) = object.iter().next()?;
    match (kind.as_str(), inside) {
        ("$oid" | "$uuid" | "$numberDecimal", Value::String(_)) => Some(inside.clone()),
        ("$numberLong" | "$numberInt", Value::String(number)) => number.parse::<i64>().ok().map(Value::from),
        ("$numberDouble", Value::String(number)) => number.parse::<f64>().ok().map(Value::from),
        ("$date", _) => date(inside),
        ("$binary", Value::Object(binary)) => self::binary(binary),
        _ => None,
    }
}

/// A text already is one; a number counts milliseconds, however small it is.
fn date(inside: &Value) -> Option<Value> {
    let millis = match inside {
        Value::String(_) => return Some(inside.clone()),
        Value::Number(millis) => millis.as_i64()?,
        wrapped => plain(wrapped)?.as_i64()?,
    };
    jiff::Timestamp::from_millisecond(millis).ok().map(|at| Value::String(at.to_string()))
}

fn binary(binary: &Map<String, Value>) -> Option<Value> {
    bytes_of(binary.get("base64")?.as_str()?, binary.get("subType").and_then(Value::as_str))
}

fn old_binary(binary: &Map<String, Value>) -> Option<Value> {
    bytes_of(binary.get("$binary")?.as_str()?, binary.get("$type").and_then(Value::as_str))
}

/// `ObjectId(507f1f77bcf86cd799439011)`, as `mongoexport` writes an id into CSV.
pub(super) fn object_id(text: &str) -> Option<&str> {
    let id = text.strip_prefix("ObjectId(")?.strip_suffix(')')?.trim_matches(['"', '\'']);
    (id.len() == OBJECT_ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

const OBJECT_ID_DIGITS: usize = 24;

fn bytes_of(base64: &str, subtype: Option<&str>) -> Option<Value> {
    let bytes = BASE64.decode(base64.as_bytes()).ok()?;
    let is_uuid = matches!(subtype, Some("04" | "4"));
    let text = match Uuid::from_slice(&bytes) {
        Ok(uuid) if is_uuid => uuid.to_string(),
        _ => value::bytes(&bytes),
    };
    Some(Value::String(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_say_their_type_become_plain() {
        let cases = [
            (json!({ "$oid": "507f1f77bcf86cd799439011" }), json!("507f1f77bcf86cd799439011")),
            (json!({ "$date": "2024-12-13T10:00:00.123Z" }), json!("2024-12-13T10:00:00.123Z")),
            (json!({ "$date": { "$numberLong": "1734084000123" } }), json!("2024-12-13T10:00:00.123Z")),
            (json!({ "$date": 5 }), json!("1970-01-01T00:00:00.005Z")),
            (json!({ "$numberLong": "9007199254740993" }), json!(9_007_199_254_740_993_i64)),
            (json!({ "$numberInt": "-7" }), json!(-7)),
            (json!({ "$binary": "AQL/", "$type": "00" }), json!("0102ff")),
            (json!("ObjectId(507f1f77bcf86cd799439011)"), json!("507f1f77bcf86cd799439011")),
            (json!({ "$binary": { "base64": "AQL/", "subType": "00" } }), json!("0102ff")),
            (
                json!({ "$binary": { "base64": "AZl8XgAAcACAAAAAAAAAAA==", "subType": "04" } }),
                json!("01997c5e-0000-7000-8000-000000000000"),
            ),
        ];
        for (wrapped, expected) in cases {
            let mut record = Map::from_iter([("x".to_owned(), wrapped)]);
            unwrap(&mut record);
            assert_eq!(record["x"], expected);
        }
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        for value in [
            json!({}),
            json!({ "a": 1 }),
            json!({ "$oid": 1 }),
            json!({ "$date": [] }),
            json!({ "$oid": "x", "b": 1 }),
        ] {
            let mut record = Map::from_iter([("x".to_owned(), value.clone())]);
            unwrap(&mut record);
            assert_eq!(record["x"], value);
        }
    }
}
