//! What a request brings that may be a password or a token, wiped once it has been used.
//!
//! What the HTTP library has read ahead and what the readers of JSON and forms copy while they read is theirs, and is freed
//! as it is.

use std::ops::Deref;

use bytes::Bytes;
use serde_json::{Map, Value};
use sprag::wipe::Wipe as _;

/// The fields of a body.
#[derive(Default)]
pub(crate) struct WipedFields(Map<String, Value>);

impl From<Map<String, Value>> for WipedFields {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl WipedFields {
    /// Writes a whole number that came under a name as a text, for all that is taken is one.
    pub(crate) fn spell_number(&mut self, name: &str) {
        if let Some(value) = self.0.get_mut(name)
            && let Some(number) = value.as_u64()
        {
            *value = number.to_string().into();
        }
    }
}

impl Deref for WipedFields {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for WipedFields {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe_value);
    }
}

fn wipe_value(value: &mut Value) {
    match value {
        Value::String(text) => text.wipe(),
        Value::Array(values) => values.iter_mut().for_each(wipe_value),
        Value::Object(fields) => fields.values_mut().for_each(wipe_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Copies what came of a body into memory of its own, which [`wipe`] can wipe; what the library shares with it is wiped where
/// nobody else has it.
pub(crate) fn take_in(shared: Bytes, own: &mut Vec<u8>) {
    own.extend_from_slice(&shared);
    wipe(shared);
}

/// Wipes a body, unless somebody else has it, too. Says whether it did.
pub(crate) fn wipe(body: Bytes) -> bool {
    match body.try_into_mut() {
        Ok(mut bytes) => {
            sprag::wipe::wipe(&mut bytes);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_a_body_is_wiped() {
        let mut value =
            json!({ "password": "secret", "list": ["secret", { "inner": "secret" }], "number": 7 });
        wipe_value(&mut value);
        assert_eq!(value, json!({ "password": "", "list": ["", { "inner": "" }], "number": 7 }));
    }

    #[test]
    fn a_body_of_its_own_is_wiped_and_one_that_is_shared_is_left_to_whoever_has_it() {
        let shared = Bytes::from(b"password=secret".to_vec());
        let mut ours = Vec::new();
        take_in(shared.clone(), &mut ours);
        let ours = Bytes::from(ours);
        assert_eq!(ours, shared);
        assert!(wipe(ours), "the library keeps what it shares, and this is no such body");
        let other = shared.clone();
        assert!(!wipe(other), "it would be wiped under whoever reads it");
        assert_eq!(shared, "password=secret");
    }
}
