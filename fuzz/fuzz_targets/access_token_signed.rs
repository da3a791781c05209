//! Any header and claims under a genuine signature: the reader of JSON and claims behind the signature.
//!
//! A line before the claims is the header; without one the usual header is taken.
//!
//! What it accepts must be what an unambiguous reader of the same JSON finds.

#![no_main]

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sprag::access::{self, Expected};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;

/// The vectors' ring with a shared secret, and that secret.
static KEYS: LazyLock<(KeyRing, Vec<u8>)> = LazyLock::new(|| {
    let json: Value =
        serde_json::from_str(include_str!("../../vectors/keys.json")).expect("the rings of the vectors");
    let ring = &json["rings"]["shared"];
    let secret = ring["access"][0]["secret"].as_str().expect("a secret");
    let secret = BASE64URL_NOPAD.decode(secret.as_bytes()).expect("base64url");
    (KeyRing::from_json(&ring.to_string()).expect("a ring"), secret)
});

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const EXPECTED: Expected<'static> =
    Expected { issuer: "https://id.example", audience: Some("https://api.example") };

fuzz_target!(|text: &str| {
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"HS256","typ":"at+jwt"}"#, text));
    let signed = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header.as_bytes()),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &KEYS.1);
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let text = format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
    if let Ok(token) = access::verify(&text, &KEYS.0, EXPECTED, NOW) {
        let header: Value = serde_json::from_str(header).expect("an accepted header is JSON");
        let claims: Value = serde_json::from_str(claims).expect("accepted claims are JSON");
        assert_eq!((&header["alg"], header.get("crit")), (&Value::from("HS256"), None));
        assert_eq!((&claims["iss"], &claims["aud"]), (&EXPECTED.issuer.into(), &EXPECTED.audience.into()));
        assert_eq!(claims["sub"], token.subject.to_string());
        assert_eq!(claims["sid"], token.session.to_string());
        assert_eq!(claims["exp"], token.expires_at.seconds());
        assert!(token.expires_at > NOW);
    }
});
