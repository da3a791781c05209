//! What a newcomer's `cargo sprag serve` compiles: what the server needs, and no faster code than a first look needs.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use toml::{Table, Value};

use crate::{complain, read, root};

/// How many crates `cargo sprag` compiles on Linux, our own among them. A change that needs more raises it, and says in its
/// commit what for; one that needs fewer lowers it.
const CRATES: usize = 278;

/// Crates that stand in two versions.
const IN_TWO_VERSIONS: [&str; 6] = ["base64", "const-oid", "fallible-iterator", "hashbrown", "syn", "winnow"];

/// What only tests, examples and measurements need.
const RIG: [&str; 12] = [
    "criterion",
    "hdrhistogram",
    "insta",
    "jsonschema",
    "jsonwebtoken",
    "libtest-mimic",
    "proptest",
    "rcgen",
    "sprag-bench",
    "sprag-rig",
    "sprag-testkit",
    "stateright",
];

/// What hashes a password: without optimisation, a log-in takes seconds.
const HASHING: [&str; 10] =
    ["argon2", "bcrypt", "blake2", "blowfish", "digest", "hmac", "pbkdf2", "salsa20", "scrypt", "sha2"];

/// Every crate that the server is built from, with its versions.
fn compiled() -> BTreeMap<String, BTreeSet<String>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--package", "sprag-server", "--edges", "normal,build"]);
    let output = tree
        .args(["--no-default-features", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{tree:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut crates = BTreeMap::<String, BTreeSet<String>>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut words = line.split(' ').map(str::to_owned);
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            crates.entry(name).or_default().insert(version);
        }
    }
    crates
}

#[test]
fn a_newcomers_command_leaves_out_what_is_optional() {
    let config = read(root().join(".cargo/config.toml")).parse::<Table>().unwrap();
    let words = config["alias"]["sprag"].as_array().unwrap().iter().filter_map(Value::as_str);
    let words = words.collect::<Vec<_>>().join(" ");
    assert_eq!(words, "run --package sprag-server --no-default-features --profile look --");
}

#[test]
fn a_newcomer_compiles_no_test_rig() {
    let crates = compiled();
    assert!(crates.contains_key("sprag"), "this is the server's tree: {crates:?}");
    let rig: Vec<String> =
        RIG.iter().filter(|name| crates.contains_key(**name)).map(ToString::to_string).collect();
    complain("the server is built without these; only tests need them", &rig);
}

#[test]
fn a_newcomer_compiles_no_more_than_before_and_nothing_twice() {
    let crates = compiled();
    let twice: Vec<&str> =
        crates.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(twice, IN_TWO_VERSIONS, "these stand in the tree in two versions");
    let count: usize = crates.values().map(BTreeSet::len).sum();
    assert_eq!(
        count, CRATES,
        "`cargo sprag` compiles another number of crates; look with: cargo tree -p sprag-server --no-default-features -e normal,build"
    );
}

#[test]
fn a_newcomer_waits_for_no_optimisation_but_that_of_password_hashing() {
    let profiles = read(root().join("Cargo.toml")).parse::<Table>().unwrap()["profile"].clone();
    assert!(profiles["dev"].get("opt-level").is_none(), "the first build is the fastest that there is");
    let optimised = profiles["dev"]["package"].as_table().unwrap().keys();
    assert_eq!(
        optimised.collect::<Vec<_>>(),
        HASHING,
        "what only tests need faster stands in [profile.test.package]"
    );
}

/// Beside these, tests would race servers that are several times slower than anybody's.
#[test]
fn the_servers_of_tests_are_optimised_a_little() {
    let manifest = read(root().join("Cargo.toml")).parse::<Table>().unwrap();
    let of_tests = &manifest["profile"]["test"]["package"];
    for name in ["sprag", "sprag-server", "sprag-testkit", "hyper", "tokio", "rusqlite", "libsqlite3-sys"] {
        let level = of_tests[name]["opt-level"].as_integer();
        assert!(
            level.is_some_and(|level| level > 0),
            "{name}: {:?}",
            of_tests[name].get("opt-level").map(Value::to_string)
        );
    }
}
