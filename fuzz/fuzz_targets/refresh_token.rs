//! Any text as a refresh token: whatever is read is written again as exactly that text.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;
use sprag::token::{Encoding, PREFIX, RefreshToken};

/// The ring of the vectors, so that they can serve as seeds.
static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let json: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/keys.json")).expect("the rings of the vectors");
    KeyRing::from_json(&json["rings"]["hs256"].to_string()).expect("a ring")
});

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fuzz_target!(|text: &str| {
    if let Ok(token) = RefreshToken::parse(text, &KEYS, NOW) {
        let encoding = if text.starts_with(PREFIX) { Encoding::Opaque } else { Encoding::Jwt };
        assert_eq!(token.encode(encoding, &KEYS, NOW).as_str(), text);
    }
});
