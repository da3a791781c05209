//! Signs whatever it is told to, with the keys of a ring: what a careless or hostile issuer would make.
//!
//! It shares no code with the crate, so that the format is checked from two sides.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hkdf, hmac};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// Holds the keys of one ring.
pub(crate) struct Forger {
    ring: Value,
}

impl Forger {
    pub(crate) fn new(ring: &str) -> Self {
        Self { ring: serde_json::from_str(ring).expect("a ring's JSON") }
    }

    /// Any bytes as an opaque token with a genuine tag.
    pub(crate) fn opaque(&self, key_id: u8, facts: &[u8]) -> String {
        let mut bytes = facts.to_vec();
        bytes.extend(self.refresh_tag(key_id, "sprag refresh v1", facts));
        format!("spr_{}", base64(&bytes))
    }

    /// Any header and claims as a refresh JWT with a genuine tag.
    pub(crate) fn refresh_jwt(&self, key_id: u8, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        let tag = self.refresh_tag(key_id, "sprag refresh jwt v1", signed.as_bytes());
        format!("{signed}.{}", base64(tag))
    }

    /// Any header and claims as an access token with a genuine signature.
    pub(crate) fn access(&self, kid: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        let signature = self.sign(kid, signed.as_bytes());
        format!("{signed}.{}", base64(signature))
    }

    pub(crate) fn refresh_tag(&self, key_id: u8, label: &str, message: &[u8]) -> Vec<u8> {
        let entry = self.entry("refresh", "id", &Value::from(key_id));
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(&secret(entry));
        let info = [label.as_bytes()];
        let key: hmac::Key = derived.expand(&info, hmac::HMAC_SHA256).expect("32 bytes").into();
        hmac::sign(&key, message).as_ref().to_vec()
    }

    /// The signature of an access key under its own algorithm.
    pub(crate) fn sign(&self, kid: &str, message: &[u8]) -> Vec<u8> {
        let entry = self.entry("access", "kid", &Value::from(kid));
        let secret = secret(entry);
        let random = SystemRandom::new();
        match entry["algorithm"].as_str().expect("an algorithm") {
            "ES256" => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret);
                pair.expect("a key").sign(&random, message).expect("a signature").as_ref().to_vec()
            }
            "EdDSA" => {
                let pair = Ed25519KeyPair::from_pkcs8(&secret).expect("a key");
                pair.sign(message).as_ref().to_vec()
            }
            "RS256" => {
                let pair = RsaKeyPair::from_pkcs8(&secret).expect("a key");
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            "HS256" => hs256(&secret, message),
            other => panic!("no algorithm {other}"),
        }
    }

    /// The ids of the access keys, in the order of the ring.
    pub(crate) fn kids(&self) -> Vec<String> {
        let entries = self.ring["access"].as_array().expect("access keys");
        entries.iter().map(|entry| entry["kid"].as_str().expect("a kid").to_owned()).collect()
    }

    fn entry(&self, list: &str, name: &str, value: &Value) -> &Value {
        let entries = self.ring[list].as_array().expect("a list of keys");
        entries.iter().find(|entry| entry[name] == *value).expect("a key of that id")
    }
}

/// HMAC-SHA-256 under any bytes.
pub(crate) fn hs256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

fn secret(entry: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(entry["secret"].as_str().expect("a secret").as_bytes()).expect("base64url")
}
