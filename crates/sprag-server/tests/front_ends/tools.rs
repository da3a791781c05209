//! What the scenes are played with: Node and its packages, Chromium, and a Python with the libraries FastAPI uses.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use serde::Deserialize;
use sprag_testkit::rooms::Room;

use crate::Ended;

/// The oldest Node that runs them: Debian 12's. Earlier ones take no reporter of one's own.
const OLDEST_NODE: (u32, u32) = (18, 19);

/// Chromium's names, in the order of preference.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

pub(crate) struct Tools {
    here: PathBuf,
    chromium: PathBuf,
    python: PathBuf,
}

/// What the reporter prints of each scene, and last of the profile as a whole.
#[derive(Deserialize)]
struct Line {
    scene: Option<String>,
    why: Option<String>,
}

impl Tools {
    /// Finds them, and installs the packages if that was not done since their lock changed.
    pub(crate) fn find(here: &Path) -> Result<Self, String> {
        check_node()?;
        let chromium = BROWSERS.iter().find_map(|name| on_path(name)).ok_or_else(|| {
            format!(
                "none of {} is on PATH; install Debian's chromium, or run scripts/test",
                BROWSERS.join(", ")
            )
        })?;
        install_packages(here)?;
        Ok(Self { here: here.to_path_buf(), chromium, python: python(here)? })
    }

    /// Plays a profile's scenes. Node stops what it started, also if it loses us: then its standard input ends.
    pub(crate) fn play(&self, room: &Room) -> Result<Ended, String> {
        let reporter = self.here.join("lib/reporter.mjs");
        let mut node = Command::new("node");
        node.arg("--test-reporter").arg(reporter).args(["--test-reporter-destination", "stdout"]);
        node.arg(&room.test).current_dir(&self.here).stdin(Stdio::piped());
        node.env("SPRAG_TEST_BINARY", env!("CARGO_BIN_EXE_sprag"));
        node.env("SPRAG_TEST_CHROMIUM", &self.chromium).env("SPRAG_TEST_PYTHON", &self.python);
        node.env("SPRAG_TEST_IS_TIED", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = node.spawn().map_err(|error| could_not("start node", &error))?;
        let tie = child.stdin.take();
        let output = child.wait_with_output().map_err(|error| could_not("wait for node", &error))?;
        drop(tie);
        ended(&output).map_err(|why| format!("could not play {}: {why}", room.test.display()))
    }
}

fn ended(output: &Output) -> Result<Ended, String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut ended = BTreeMap::new();
    let mut whole = None;
    for line in stdout.lines().filter(|line| line.starts_with('{')) {
        let Line { scene, why } = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        match scene {
            Some(scene) => drop(ended.insert(scene, why)),
            None => whole = Some(why),
        }
    }
    let failed_as_a_whole = !output.status.success() && ended.values().all(Option::is_none);
    if failed_as_a_whole || whole.is_none() {
        let why = whole.flatten().unwrap_or_default();
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("node left with {}\n{why}\n{stdout}\n{stderr}", output.status));
    }
    Ok(ended)
}

fn check_node() -> Result<(), String> {
    let (major, minor) = OLDEST_NODE;
    let wanted = format!(
        "these tests need Node {major}.{minor} or newer with npm: install nodejs and npm, or run scripts/test"
    );
    let output =
        Command::new("node").arg("--version").output().map_err(|error| format!("{wanted} ({error})"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut parts = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    let found = parts.next().zip(parts.next());
    match found {
        Some(found) if found >= OLDEST_NODE => Ok(()),
        _ => Err(format!("{wanted}; the one here is {version}")),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where programs are is asked of the machine")]
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// `npm ci`, unless it ran since the lock changed.
fn install_packages(here: &Path) -> Result<(), String> {
    let lock = here.join("package-lock.json");
    if is_newer(&here.join("node_modules/.package-lock.json"), &lock) {
        return Ok(());
    }
    run(Command::new("npm").arg("ci").current_dir(here), "install the packages of the front ends")
}

/// A Python in the build folder with what requirements.txt names.
fn python(here: &Path) -> Result<PathBuf, String> {
    let requirements = here.join("requirements.txt");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("front_ends_python");
    let (python, done) = (folder.join("bin/python"), folder.join("installed"));
    if !is_newer(&done, &requirements) {
        let doing = "make a Python for the tests";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), doing)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(&requirements), "install what requirements.txt names")?;
        fs::write(&done, "").map_err(|error| could_not(doing, &error))?;
    }
    Ok(python)
}

fn run(command: &mut Command, doing: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        let program = command.get_program().display();
        format!("could not {doing}: {program}: {error}; scripts/test installs what is missing")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    Err(format!("could not {doing}: {command:?} left with {}\n{stdout}\n{stderr}", output.status))
}

fn is_newer(one: &Path, other: &Path) -> bool {
    let changed = |path: &Path| -> io::Result<SystemTime> { fs::metadata(path)?.modified() };
    changed(one).is_ok_and(|one| changed(other).is_ok_and(|other| one >= other))
}

fn could_not(doing: &str, error: &io::Error) -> String {
    format!("could not {doing}: {error}")
}
