//! The entries of the JavaScript client for frameworks and APIs (`clients/js/src`), what the guides show of them, and the
//! examples, against the real binary. What is tested stands in `clients/js/test/entries` and `examples/test`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

/// Chromium's names, in the order of preference.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[test]
fn each_entry_keeps_its_promises_and_the_guides_show_what_runs() {
    install();
    npm(&folder("clients/js"), &["run", "--silent", "entries"]);
}

#[test]
fn the_small_examples_start_by_one_command_and_work_in_a_browser() {
    install();
    npm(&folder("examples"), &["test", "--silent"]);
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// `npm ci` for the client, which the examples need too, unless it ran since the lock changed.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let folder = folder("clients/js");
        let changed = |path: &str| folder.join(path).metadata().and_then(|data| data.modified());
        let is_done = changed("node_modules/.package-lock.json")
            .is_ok_and(|done| changed("package-lock.json").is_ok_and(|lock| done >= lock));
        if !is_done {
            npm(&folder, &["ci"]);
        }
    });
}

/// Runs npm, and panics with what it said where that fails.
fn npm(folder: &Path, arguments: &[&str]) {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(folder).stdin(Stdio::null());
    npm.env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag")).env("SPRAG_TEST_CHROMIUM", chromium());
    let output = npm.output().unwrap_or_else(|error| {
        panic!(
            "could not start npm: {error}; install Node 20 or newer with npm, or run scripts/test, which does"
        )
    });
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{npm:?} left with {}\n{stdout}\n{stderr}", output.status);
}

fn chromium() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "where programs are is asked of the machine")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let find = |name: &&str| folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
    BROWSERS.iter().find_map(find).unwrap_or_else(|| {
        panic!("none of {} is on PATH; install Debian's chromium, or run scripts/test", BROWSERS.join(", "))
    })
}
