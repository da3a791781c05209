//! Any text as an access token: only what is signed passes, and nothing makes the verifier panic.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sprag::access::{self, Expected};
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;

/// The rings of the vectors, so that they can serve as seeds.
static RINGS: LazyLock<Vec<KeyRing>> = LazyLock::new(|| {
    let json: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/keys.json")).expect("the rings of the vectors");
    ["eddsa", "hs256", "shared"]
        .map(|name| KeyRing::from_json(&json["rings"][name].to_string()).expect("a ring"))
        .into()
});

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const EXPECTED: Expected<'static> =
    Expected { issuer: "https://id.example", audience: Some("https://api.example") };

fuzz_target!(|text: &str| {
    let passes = RINGS.iter().filter(|keys| access::verify(text, keys, EXPECTED, NOW).is_ok()).count();
    assert!(passes <= 1, "one token passed with the keys of two installations");
});
