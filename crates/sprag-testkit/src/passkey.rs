//! A security key, and a browser that has it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::world::ORIGIN;

/// Somebody touched it.
pub const PRESENT: u8 = 1;
/// It verified who that was.
pub const VERIFIED: u8 = 1 << 2;
const HAS_KEY: u8 = 1 << 6;

/// A security key, as a browser sees it: it signs whatever it is asked, also what an honest one would not.
pub struct Key {
    pub pair: EcdsaKeyPair,
    pub id: Vec<u8>,
    pub owner: Vec<u8>,
    pub counter: u32,
    pub origin: String,
    pub site: String,
    pub flags: u8,
}

impl Key {
    /// One of that number, which says that it verified its holder, and belongs to nobody yet.
    pub fn new(id: u8) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expect("a key").as_ref());
        Self {
            pair: pair.expect("a key"),
            id: vec![id; 32],
            owner: Vec::new(),
            counter: 0,
            origin: ORIGIN.to_owned(),
            site: "auth.example.org".to_owned(),
            flags: PRESENT | VERIFIED,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = &options["publicKey"]["challenge"];
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into()
    }

    fn about(&mut self, flags: u8) -> Vec<u8> {
        self.counter += 1;
        let site = digest(&SHA256, self.site.as_bytes());
        [site.as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Answers `navigator.credentials.create`.
    pub fn makes(&mut self, options: &Value) -> Value {
        self.owner = decoded(&options["publicKey"]["user"]["id"]);
        let client_data = self.client_data("webauthn.create", options);
        let mut about = self.about(self.flags | HAS_KEY);
        about.extend([0; 16]);
        about.extend(u16::try_from(self.id.len()).expect("it is short").to_be_bytes());
        about.extend(&self.id);
        let point = self.pair.public_key().as_ref();
        // COSE: an elliptic curve's key, ES256, P-256, x and y.
        about.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        about.extend(&point[1..33]);
        about.extend([0x22, 0x58, 0x20]);
        about.extend(&point[33..65]);
        // CBOR: fmt none, an empty statement, and the above.
        let mut attestation = vec![0xa3, 0x63];
        attestation.extend(b"fmt");
        attestation.push(0x64);
        attestation.extend(b"none");
        attestation.push(0x67);
        attestation.extend(b"attStmt");
        attestation.extend([0xa0, 0x68]);
        attestation.extend(b"authData");
        attestation.extend([0x58, u8::try_from(about.len()).expect("it is short")]);
        attestation.extend(&about);
        self.answer(&json!({
            "clientDataJSON": BASE64URL_NOPAD.encode(&client_data),
            "attestationObject": BASE64URL_NOPAD.encode(&attestation),
        }))
    }

    /// Answers `navigator.credentials.get`.
    pub fn shows(&mut self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let about = self.about(self.flags);
        let signed = [about.as_slice(), digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).expect("a signature");
        self.answer(&json!({
            "clientDataJSON": BASE64URL_NOPAD.encode(&client_data),
            "authenticatorData": BASE64URL_NOPAD.encode(&about),
            "signature": BASE64URL_NOPAD.encode(signature.as_ref()),
            "userHandle": BASE64URL_NOPAD.encode(&self.owner),
        }))
    }

    fn answer(&self, response: &Value) -> Value {
        let id = BASE64URL_NOPAD.encode(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
    }
}

/// What a browser reads of binary values.
pub fn decoded(text: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_str().expect("a text").as_bytes()).expect("base64url")
}
