//! The client in a real browser and in Node, behind a network that loses, delays, doubles and cuts what goes over it, against
//! the binary. A few rounds; `just client-proof` plays a thousand (docs/reference/client-proof.md).

use std::path::Path;
use std::process::Command;

use sprag_rig::npm::{self, Package};

/// The oldest Node that the client runs on.
const OLDEST_NODE: (u32, u32) = (20, 0);

/// Runs a program of the rig with the client as it is built, and panics with all that it said where something was wrong.
fn play(program: &str, words: &[&str]) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
    let played = prepare(&clients).and_then(|()| {
        let mut node = Command::new("node");
        node.arg(program).args(words).current_dir(clients.join("proof"));
        node.env("SPRAG_TEST_CHROMIUM", npm::chromium()?);
        npm::run(node.env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag")))
    });
    if let Err(why) = played {
        panic!("{why}");
    }
}

fn prepare(clients: &Path) -> Result<(), String> {
    Package::installed(&clients.join("js"), OLDEST_NODE)?.built("dist/index.js", "src")?;
    Package::installed(&clients.join("proof"), OLDEST_NODE).map(drop)
}

#[test]
fn nobody_is_signed_out_by_accident_in_a_browser() {
    play("prove.mjs", &["--browser", "chromium", "--rounds", "6", "--at-once", "6"]);
}

#[test]
fn nobody_is_signed_out_by_accident_in_node() {
    play("prove.mjs", &["--browser", "node", "--rounds", "6", "--seed", "7", "--at-once", "6"]);
}

#[test]
fn a_thief_is_noticed_and_the_person_is_told_why() {
    play("thieves.mjs", &["--browser", "node", "--profiles", "sprag,fastapi-template", "--at-once", "8"]);
}
