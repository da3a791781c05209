//! Proofs of work: what whoever is out of a network's budget may buy one try with, where a server allows it.
//!
//! The format is ALTCHA's, version 2 (<https://altcha.org>), as its widget and its libraries solve it: count until the SHA-256
//! of the salt, the nonce and the count begins with so many zeros. A challenge is signed under the key ring and kept nowhere; its
//! solution is spent as a [budget](crate::limits) of one that lasts as long as the challenge.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::budget::Rate;
use crate::clock::Timestamp;
use crate::keys::{KeyRing, RefreshKey};
use crate::random::{self, Random};
use crate::store::BudgetKey;

/// How long a challenge may be solved.
pub const LASTS: Duration = Duration::from_secs(300);

/// The most zeros that may be asked for: four thousand million hashes.
pub const MAX_ZEROS: u8 = 8;

const ALGORITHM: &str = "SHA-256";
const KEY_BYTES: u8 = 32;

/// The longest text that is read as a solution, in bytes.
const MAX_BYTES: usize = 2048;

/// A challenge, with what shows that it is one of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    parameters: Parameters,
    signature: String,
}

/// What is signed, its names in the order of the alphabet: so ALTCHA has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Parameters {
    algorithm: String,
    cost: u32,
    /// In seconds.
    expires_at: i64,
    key_length: u8,
    key_prefix: String,
    nonce: String,
    salt: String,
}

/// What the field `altcha` holds, in base64.
#[derive(Deserialize)]
struct Payload {
    challenge: Challenge,
    solution: Solution,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Solution {
    counter: u32,
    derived_key: String,
}

/// A challenge that has been solved in time. It buys one try, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Solved(BudgetKey);

impl Challenge {
    /// A new one: so many zeros, of four bits each, are to be found.
    pub(crate) fn new(zeros: u8, keys: &KeyRing, random: &dyn Random, now: Timestamp) -> Self {
        let parameters = Parameters {
            algorithm: ALGORITHM.to_owned(),
            cost: 1,
            expires_at: now.plus(LASTS).seconds(),
            key_length: KEY_BYTES,
            key_prefix: "0".repeat(usize::from(zeros.clamp(1, MAX_ZEROS))),
            nonce: HEXLOWER.encode(&random::bytes::<16>(random)),
            salt: HEXLOWER.encode(&random::bytes::<16>(random)),
        };
        let signature = HEXLOWER.encode(&parameters.tag(keys.signing_refresh(now)));
        Self { parameters, signature }
    }

    /// Its text, as a client is told it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The key that it was signed with, if that is one of ours and there is time left.
    fn signed_by<'a>(&self, keys: &'a KeyRing, now: Timestamp) -> Option<&'a RefreshKey> {
        if self.parameters.expires_at <= now.seconds() {
            return None;
        }
        let tag = HEXLOWER.decode(self.signature.as_bytes()).ok()?;
        let signed = self.parameters.signed();
        keys.all_accepted_refresh(now).find(|key| hmac::verify(&key.challenge, &signed, &tag).is_ok())
    }
}

impl Parameters {
    fn signed(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn tag(&self, key: &RefreshKey) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&key.challenge, &self.signed()).as_ref());
        tag
    }

    /// What a counter comes to.
    fn hash(&self, counter: u32) -> Option<String> {
        let [salt, nonce] = [&self.salt, &self.nonce].map(|text| HEXLOWER.decode(text.as_bytes()).ok());
        let bytes = [&salt?[..], &nonce?, &counter.to_be_bytes()].concat();
        Some(HEXLOWER.encode(digest(&SHA256, &bytes).as_ref()))
    }
}

impl Solved {
    /// What a client sent as the solution of a challenge, if it is one of ours, in time and right.
    pub(crate) fn read(text: &str, keys: &KeyRing, now: Timestamp) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let json = BASE64.decode(text.trim_ascii().as_bytes()).ok()?;
        let Payload { challenge, solution } = serde_json::from_slice(&json).ok()?;
        let key = challenge.signed_by(keys, now)?;
        let hash = challenge.parameters.hash(solution.counter)?;
        let is_solved = hash == solution.derived_key && hash.starts_with(&challenge.parameters.key_prefix);
        // Under the key that signed it, whichever signs by now: it is spent once.
        let spent = hmac::sign(&key.challenge, &[b"spent\n", challenge.signature.as_bytes()].concat());
        let mut budget = [0; 16];
        budget.copy_from_slice(&spent.as_ref()[..16]);
        is_solved.then_some(Self(BudgetKey(budget)))
    }

    /// The budget that it is spent of, and what that holds: one, as long as the challenge lasts.
    pub(crate) fn budget(self) -> (BudgetKey, Rate) {
        (self.0, Rate { burst: 1, interval: LASTS })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::access::Algorithm;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn ring() -> KeyRing {
        KeyRing::generate(Algorithm::Es256, &SeededRandom::new(14), NOW).unwrap()
    }

    fn challenge(zeros: u8, ring: &KeyRing) -> Challenge {
        Challenge::new(zeros, ring, &SeededRandom::new(7), NOW)
    }

    /// The text of a solution, as a client makes it.
    fn solved(challenge: &Challenge) -> Value {
        let prefix = &challenge.parameters.key_prefix;
        let found = (0..).map(|counter| (counter, challenge.parameters.hash(counter).unwrap()));
        let (counter, hash) = found.into_iter().find(|(_, hash)| hash.starts_with(prefix)).unwrap();
        let challenge: Value = serde_json::from_slice(&challenge.to_json()).unwrap();
        json!({ "challenge": challenge, "solution": { "counter": counter, "derivedKey": hash, "time": 12.5 } })
    }

    fn read(payload: &Value, ring: &KeyRing, now: Timestamp) -> Option<Solved> {
        Solved::read(&BASE64.encode(payload.to_string().as_bytes()), ring, now)
    }

    #[test]
    fn a_solution_counts_for_five_minutes_and_is_always_spent_of_the_same_budget() {
        let mut ring = ring();
        let payload = solved(&challenge(2, &ring));
        let first = read(&payload, &ring, NOW).unwrap();
        let last_moment = NOW.plus(LASTS).minus(Duration::from_secs(1));
        ring.add_refresh(&SeededRandom::new(9), NOW, NOW.plus(Duration::from_secs(60)));
        assert_eq!(read(&payload, &ring, last_moment), Some(first), "also once another key signs");
        assert_eq!(read(&payload, &ring, NOW.plus(LASTS)), None);
        let (_, rate) = first.budget();
        assert_eq!(rate.span(), LASTS, "what is spent stays spent until nobody takes it any more");
    }

    #[test]
    fn nothing_of_a_challenge_can_be_made_easier() {
        let ring = ring();
        let right = solved(&challenge(2, &ring));
        assert!(read(&right, &ring, NOW).is_some());
        let changed = |path: &str, value: Value| {
            let mut payload = right.clone();
            *payload.pointer_mut(path).unwrap() = value;
            read(&payload, &ring, NOW)
        };
        let nonce = "00".repeat(16);
        for (path, value) in [
            ("/challenge/parameters/keyPrefix", json!("0")),
            ("/challenge/parameters/keyPrefix", json!("")),
            ("/challenge/parameters/expiresAt", json!(1_900_000_000_i64)),
            ("/challenge/parameters/nonce", json!(nonce)),
            ("/challenge/parameters/salt", json!("")),
            ("/challenge/parameters/algorithm", json!("SHA-1")),
            ("/challenge/parameters/cost", json!(0)),
            ("/challenge/parameters/keyLength", json!(1)),
            ("/challenge/signature", json!("")),
            ("/challenge/signature", json!("00")),
            ("/solution/counter", json!(1)),
            ("/solution/counter", json!(-1)),
            ("/solution/counter", json!("0")),
            ("/solution/derivedKey", json!("00".repeat(32))),
            ("/solution/derivedKey", json!("")),
        ] {
            assert_eq!(changed(path, value.clone()), None, "{path} {value}");
        }
        let mut more = right.clone();
        more["challenge"]["parameters"]["data"] = json!({ "easy": true });
        assert_eq!(read(&more, &ring, NOW), None, "what is not signed");
        let others = KeyRing::generate(Algorithm::Es256, &SeededRandom::new(15), NOW).unwrap();
        assert_eq!(read(&right, &others, NOW), None, "signed by somebody else");
    }

    #[test]
    fn what_is_no_solution_is_none() {
        let ring = ring();
        for text in ["", "e30=", "null", "bnVsbA==", "W10=", "%%%", &"A".repeat(4000)] {
            assert_eq!(Solved::read(text, &ring, NOW), None, "{text}");
        }
    }

    #[test]
    fn each_challenge_is_another() {
        let (ring, random) = (ring(), SeededRandom::new(7));
        let [one, other] = [0; 2].map(|_| Challenge::new(1, &ring, &random, NOW));
        assert_ne!(one.signature, other.signature);
        let [one, other] = [one, other].map(|challenge| read(&solved(&challenge), &ring, NOW).unwrap());
        assert_ne!(one, other);
    }
}
