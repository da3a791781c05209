//! Writes the token vectors in `vectors/` anew, after a deliberate change of format.
//!
//! `cargo run -p sprag --example vectors`

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};
use sprag::token::Encoding;

#[path = "../tests/support/forge.rs"]
mod forge;
#[path = "../tests/vectors/make_access.rs"]
mod make_access;
#[path = "../tests/vectors/make_refresh.rs"]
mod make_refresh;

const REFRESH_OPAQUE: &str = "refresh-opaque.json";
const REFRESH_JWT: &str = "refresh-jwt.json";
const ACCESS: &str = "access.json";

fn main() {
    make_refresh::write(Encoding::Opaque);
    make_refresh::write(Encoding::Jwt);
    make_access::write();
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file)
}

/// The rings of `keys.json` by name.
fn rings() -> Map<String, Value> {
    let json: Value =
        serde_json::from_str(&fs::read_to_string(path("keys.json")).expect("keys.json")).expect("JSON");
    json["rings"].as_object().expect("rings").clone()
}

fn save(file: &str, about: &str, rings: &Map<String, Value>, vectors: Vec<Value>) {
    let json = serde_json::json!({
        "about": about,
        "warning": "TEST ONLY: every key in this file is public. Never use one for anything else.",
        "keys": rings,
        "vectors": vectors,
    });
    let mut text = serde_json::to_string_pretty(&json).expect("JSON");
    text.push('\n');
    fs::write(path(file), text).expect(file);
}
