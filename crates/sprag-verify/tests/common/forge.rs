//! Keys and tokens of a test's own making, with a clock that stands until it is wound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const SECRET: &[u8] = b"thirty-two bytes of shared secret";
/// When the clock begins, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A clock that stands still until it is wound.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    pub(crate) fn wind(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn wind_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> SystemTime {
        at(self.0.load(Ordering::SeqCst))
    }

    /// What a builder takes.
    pub(crate) fn reader(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static + use<> {
        let clock = self.clone();
        move || clock.now()
    }
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A P-256 key of an issuer.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Key {
    pub(crate) fn new(kid: &'static str) -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), kid }
    }

    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|number| BASE64URL_NOPAD.encode(number));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid, "alg": "ES256", "use": "sig" })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_under(&json!({ "alg": "ES256", "kid": self.kid, "typ": "at+jwt" }), claims)
    }

    pub(crate) fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let signed = signed(&header.to_string(), &claims.to_string());
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

pub(crate) fn jwks(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// A token under the shared secret.
pub(crate) fn hs256(claims: &Value) -> String {
    let signed = signed(r#"{"alg":"HS256","typ":"at+jwt"}"#, &claims.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn signed(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
}

/// Claims that pass until a quarter of an hour from [`NOW`], with some of them changed: null takes one away.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "client_id": "sprag",
        "sub": "0198d1e0-7c00-7abc-8def-0123456789ab", "sid": "0198d1e0-7c00-7fed-9cba-ba9876543210",
        "iat": NOW, "exp": NOW + 900, "jti": "c2l4dGVlbiBieXRlcyBpZA",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}
