//! The entries of the JavaScript client for frameworks and APIs (`clients/js/src`), what the guides show of them, and the
//! examples, against the real binary. What is tested stands in `clients/js/test/entries` and `examples/test`.

use std::path::{Path, PathBuf};

use sprag_rig::npm::{self, Package};

/// The oldest Node that the client runs on.
const OLDEST_NODE: (u32, u32) = (20, 0);

#[test]
fn each_entry_keeps_its_promises_and_the_guides_show_what_runs() {
    play("clients/js", &["run", "--silent", "entries"]);
}

#[test]
fn the_small_examples_start_by_one_command_and_work_in_a_browser() {
    play("examples", &["test", "--silent"]);
}

/// Runs npm in a folder, and panics with what it said where that fails. The client's packages serve the examples too.
fn play(folder: &str, words: &[&str]) {
    let client = Package::installed(&root("clients/js"), OLDEST_NODE);
    let played = client.and_then(|client| {
        let mut npm = client.npm(words);
        npm.current_dir(root(folder)).env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag"));
        npm::run(npm.env("SPRAG_TEST_CHROMIUM", npm::chromium()?))
    });
    if let Err(why) = played {
        panic!("{why}");
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
