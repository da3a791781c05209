//! The JavaScript client (`clients/js`): its package is checked as those who install it would see it, and its tests run, some of
//! them against the real binary. What is tested stands there; `npm run` in that folder runs each of it alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The oldest Node that the client runs on, and its tools.
const OLDEST_NODE: u32 = 20;

#[test]
fn its_package_is_small_and_fit_for_both_module_systems() {
    // The last two look at what the second one made.
    for script in ["lint", "build", "size", "pack-check"] {
        npm(&["run", "--silent", script]);
    }
}

#[test]
fn it_holds_its_promises_at_every_hard_moment() {
    npm(&["run", "--silent", "test"]);
}

#[test]
fn its_stories_come_true_with_the_real_server() {
    npm(&["run", "--silent", "stories"]);
}

/// The file is committed, so that cargo needs no Node to build the server.
#[test]
fn the_demo_page_runs_this_very_client() {
    // Whatever it is asked, the packages are there then.
    npm(&["--version"]);
    let script = folder().join("../../scripts/demo-client");
    let said = Command::new(script).arg("--check").stdin(Stdio::null()).output().expect("the script runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// Runs npm in the client's folder, its packages installed, and panics with what it said where that fails.
fn npm(arguments: &[&str]) {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    let folder = folder();
    let installed = INSTALLED.get_or_init(|| install(&folder)).clone();
    if let Err(why) = installed.and_then(|()| run(&folder, arguments)) {
        panic!("{why}");
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/js")
}

/// `npm ci`, unless it ran since the lock changed.
fn install(folder: &Path) -> Result<(), String> {
    check_node()?;
    let lock = folder.join("package-lock.json");
    if is_newer(&folder.join("node_modules/.package-lock.json"), &lock) {
        return Ok(());
    }
    run(folder, &["ci"])
}

fn check_node() -> Result<(), String> {
    let wanted =
        format!("these tests need Node {OLDEST_NODE} or newer with npm: install it, or run scripts/test");
    let output =
        Command::new("node").arg("--version").output().map_err(|error| format!("{wanted} ({error})"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => Err(format!("{wanted}; the one here is {version}")),
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(folder).stdin(Stdio::null());
    npm.env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag"));
    let said = npm.output().map_err(|error| {
        format!("could not start npm: {error}; install Node with npm, or run scripts/test, which does")
    })?;
    if said.status.success() {
        return Ok(());
    }
    let [stdout, stderr] = [&said.stdout, &said.stderr].map(|text| String::from_utf8_lossy(text));
    Err(format!("{npm:?} in {} left with {}\n{stdout}\n{stderr}", folder.display(), said.status))
}

fn is_newer(one: &Path, other: &Path) -> bool {
    let changed = |path: &Path| -> io::Result<SystemTime> { fs::metadata(path)?.modified() };
    changed(one).is_ok_and(|one| changed(other).is_ok_and(|other| one >= other))
}
