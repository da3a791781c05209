//! The token vectors of the project, which readers in any language can run: this one reaches the outcomes they state.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use sprag::access;
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag_verify::{Algorithm, Claims, DEFAULT_LEEWAY, Error, KeySet, Verifier};

struct Vectors {
    rings: HashMap<String, (Value, KeyRing)>,
    list: Vec<Value>,
}

impl Vectors {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/access.json");
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let ring = |(name, json): (&String, &Value)| {
            (name.clone(), (json.clone(), KeyRing::from_json(&json.to_string()).unwrap()))
        };
        Self {
            rings: file["keys"].as_object().unwrap().iter().map(ring).collect(),
            list: file["vectors"].as_array().unwrap().clone(),
        }
    }

    /// One verifier for each algorithm that the vector's ring has a key for.
    fn verifiers(&self, vector: &Value) -> Vec<(Algorithm, Verifier)> {
        let (json, ring) = &self.rings[vector["keys"].as_str().unwrap()];
        let now = vector["now"].as_i64().unwrap();
        let published = access::jwks(ring, Timestamp(now)).to_string();
        let secrets = json["access"].as_array().unwrap().iter().filter(|key| key["algorithm"] == "HS256");
        let mut sets: Vec<KeySet> = secrets.map(secret).collect();
        sets.push(KeySet::from_jwks(published.as_bytes()).unwrap());
        let verifiers = sets.iter().flat_map(|keys| {
            keys.algorithms().into_iter().map(|algorithm| {
                let builder = Verifier::builder(vector["issuer"].as_str().unwrap()).algorithm(algorithm);
                let builder = match vector["audience"].as_str() {
                    Some(audience) => builder.audience(audience),
                    None => builder.no_audience(),
                };
                (algorithm, builder.keys(keys.clone()).unwrap())
            })
        });
        verifiers.collect()
    }
}

fn secret(key: &Value) -> KeySet {
    let secret = BASE64URL_NOPAD.decode(key["secret"].as_str().unwrap().as_bytes()).unwrap();
    if key["shared"] == true {
        KeySet::shared_secret(&secret).unwrap()
    } else {
        KeySet::named_secret(key["kid"].as_str().unwrap(), &secret).unwrap()
    }
}

/// When the vector is looked at. Its `expired` is without leeway: a verifier with one says so that much later.
fn moment(vector: &Value) -> SystemTime {
    let now = UNIX_EPOCH + Duration::from_millis(vector["now"].as_u64().unwrap());
    if vector["expect"]["refused"] == "expired" { now + DEFAULT_LEEWAY } else { now }
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn says(claims: &Claims, expect: &Value, name: &str) {
    let id = BASE64URL_NOPAD.decode(claims.id().as_bytes()).unwrap();
    assert_eq!(expect["subject"], claims.account(), "{name}");
    assert_eq!(expect["session"], claims.session(), "{name}");
    assert_eq!(expect["client_id"], claims.client_id(), "{name}");
    assert_eq!(expect["issued_at"], seconds(claims.issued_at()), "{name}");
    assert_eq!(expect["expires_at"], seconds(claims.expires_at()), "{name}");
    assert_eq!(expect["id"], HEXLOWER.encode(&id), "{name}");
    let configured = expect["claims"].as_object().into_iter().flatten();
    for (claim, value) in configured {
        assert_eq!(claims.get::<Value>(claim).unwrap().as_ref(), Some(value), "{name}");
    }
}

#[test]
fn access_tokens_are_read_as_the_vectors_say() {
    let vectors = Vectors::read();
    assert!(vectors.list.len() > 50, "the vectors are there");
    for vector in &vectors.list {
        let name = vector["name"].as_str().unwrap();
        let (token, expect) = (vector["token"].as_str().unwrap(), &vector["expect"]);
        let outcomes: Vec<_> = vectors
            .verifiers(vector)
            .into_iter()
            .map(|(algorithm, verifier)| (algorithm, verifier.verify_at(token, moment(vector))))
            .collect();
        let accepted: Vec<_> = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()).collect();
        match expect["refused"].as_str() {
            None => {
                assert_eq!(accepted.len(), 1, "{name}: one algorithm accepts it: {outcomes:?}");
                says(accepted[0], expect, name);
            }
            Some(reason) => {
                assert!(accepted.is_empty(), "{name}: {outcomes:?}");
                let has_said_why = |(_, outcome): &(_, Result<Claims, Error>)| match outcome {
                    Err(Error::Claim(claim)) => reason == "claim" && expect["claim"] == claim.as_str(),
                    Err(error) => error.name() == reason,
                    Ok(_) => false,
                };
                assert!(outcomes.iter().any(has_said_why), "{name}, {reason}: {outcomes:?}");
            }
        }
    }
}
