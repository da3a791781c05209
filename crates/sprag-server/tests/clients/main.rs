//! The JavaScript client (`clients/js`): its package is checked as those who install it would see it, and its tests run, some of
//! them against the real binary. What is tested stands there; `npm run` in that folder runs each of it alone.

use std::path::Path;
use std::process::Command;

use sprag_rig::npm::{self, Package};

/// The oldest Node that the client runs on, and its tools.
const OLDEST_NODE: (u32, u32) = (20, 0);

#[test]
fn its_package_is_small_and_fit_for_both_module_systems() {
    let checked = package().and_then(|package| {
        npm::run(&mut package.npm(&["run", "--silent", "lint"]))?;
        // The last two look at what the first one made.
        package.alone(|| {
            ["build", "size", "pack-check"]
                .iter()
                .try_for_each(|script| npm::run(&mut package.npm(&["run", "--silent", script])))
        })
    });
    expect(checked);
}

#[test]
fn it_holds_its_promises_at_every_hard_moment() {
    play(&["run", "--silent", "test"]);
}

#[test]
fn its_stories_come_true_with_the_real_server() {
    play(&["run", "--silent", "stories"]);
}

/// The file is committed, so that cargo needs no Node to build the server.
#[test]
fn the_demo_page_runs_this_very_client() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/demo-client");
    // The script takes its bundler from the client's packages.
    expect(package().and_then(|_| npm::run(Command::new(script).arg("--check"))));
}

fn play(words: &[&str]) {
    let played = package().and_then(|package| {
        npm::run(package.npm(words).env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag")))
    });
    expect(played);
}

fn package() -> Result<Package, String> {
    Package::installed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/js"), OLDEST_NODE)
}

fn expect(outcome: Result<(), String>) {
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
