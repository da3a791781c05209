//! An API's verifier beside the server's own: any claims after a line with any header, genuinely signed.
//!
//! What the one accepts, the other accepts, and both read the same session out of it.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sprag::access::{self, Expected};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag_verify::{Error, Verifier};

struct Keys {
    ring: KeyRing,
    secret: Vec<u8>,
    verifier: Verifier,
}

/// The vectors' ring with a shared secret, and an API that knows the secret.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let json: Value =
        serde_json::from_str(include_str!("../../vectors/keys.json")).expect("the rings of the vectors");
    let ring = &json["rings"]["shared"];
    let secret = ring["access"][0]["secret"].as_str().expect("a secret");
    let secret = BASE64URL_NOPAD.decode(secret.as_bytes()).expect("base64url");
    let verifier = Verifier::builder(EXPECTED.issuer).audience("https://api.example").shared_secret(&secret);
    Keys {
        ring: KeyRing::from_json(&ring.to_string()).expect("a ring"),
        verifier: verifier.expect("a verifier"),
        secret,
    }
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
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &KEYS.secret);
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
    let now = UNIX_EPOCH + Duration::from_millis(NOW.0.unsigned_abs());
    let theirs = access::verify(&token, &KEYS.ring, EXPECTED, NOW);
    match KEYS.verifier.verify_at(&token, now) {
        // An API has leeway at the end of a token's life, and is stricter with what says how somebody logged in.
        Ok(ours) => match theirs {
            Ok(theirs) => assert_eq!(ours.session(), theirs.session.to_string()),
            Err(refused) => assert_eq!(refused, access::Rejected::Expired),
        },
        Err(Error::Claim(name)) if ["auth_time", "amr", "acr"].contains(&name.as_str()) => {}
        Err(refused) => assert!(theirs.is_err(), "{refused}"),
    }
});
