//! The client in a real browser and in Node, behind a network that loses, delays, doubles and cuts what goes over it, against
//! the binary. A few rounds; `just client-proof` plays a thousand (docs/reference/client-proof.md).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// What rounds are played with, set up once: the client as it is built, and the packages of the rig.
fn rig() -> &'static Path {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match READY.get_or_init(prepare) {
        Ok(rig) => rig,
        Err(why) => panic!("{why}"),
    }
}

fn prepare() -> Result<PathBuf, String> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
    // Held until this function ends, so that two of these tests at once do not install into one folder.
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("client_proof.lock");
    let lock = fs::File::create(lock).map_err(|error| format!("could not make a lock: {error}"))?;
    lock.lock().map_err(|error| format!("could not lock the packages: {error}"))?;
    let (client, rig) = (clients.join("js"), clients.join("proof"));
    let installed = "node_modules/.package-lock.json";
    if !is_newer(&client.join(installed), &client.join("package-lock.json")) {
        run(Command::new("npm").arg("ci").current_dir(&client))?;
    }
    if !is_built(&client) {
        run(Command::new("npm").args(["run", "build"]).current_dir(&client))?;
    }
    if !is_newer(&rig.join(installed), &rig.join("package-lock.json")) {
        run(Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(&rig))?;
    }
    Ok(rig)
}

/// Whether the client was built since any of its sources changed.
fn is_built(client: &Path) -> bool {
    let built = client.join("dist/index.js");
    let mut folders = vec![client.join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !is_newer(&built, &path) {
                return false;
            }
        }
    }
    built.is_file()
}

fn is_newer(one: &Path, other: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let newest: Option<(SystemTime, SystemTime)> = changed(one).ok().zip(changed(other).ok());
    newest.is_some_and(|(one, other)| one >= other)
}

/// Runs a program of the rig, which says all that happened where something was wrong.
fn play(program: &str, words: &[&str]) {
    let mut node = Command::new("node");
    node.arg(program).args(words).current_dir(rig());
    node.env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag"));
    if let Err(why) = run(&mut node) {
        panic!("{why}");
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        let program = command.get_program().display();
        format!("could not start {program}: {error}; scripts/test installs what is missing")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    Err(format!("{command:?} left with {}\n{stdout}\n{stderr}", output.status))
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
