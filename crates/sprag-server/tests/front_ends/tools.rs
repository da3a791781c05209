//! What the scenes are played with: Node and its packages, Chromium, and a Python with the libraries FastAPI uses.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use sprag_rig::npm::{self, Package};
use sprag_testkit::rooms::Room;

use crate::Ended;

/// The oldest Node that runs them: Debian 12's. Earlier ones take no reporter of one's own.
const OLDEST_NODE: (u32, u32) = (18, 19);

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
        let chromium = npm::chromium()?;
        Package::installed(here, OLDEST_NODE)?;
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

/// A Python in the build folder with what requirements.txt names.
fn python(here: &Path) -> Result<PathBuf, String> {
    let requirements = here.join("requirements.txt");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("front_ends_python");
    let (python, done) = (folder.join("bin/python"), folder.join("installed"));
    if !npm::is_newer(&done, &requirements) {
        let doing = "make a Python for the tests";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), doing)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(&requirements), "install what requirements.txt names")?;
        fs::write(&done, "").map_err(|error| could_not(doing, &error))?;
    }
    Ok(python)
}

/// Runs a program to its end; `doing` is what it is for.
fn run(command: &mut Command, doing: &str) -> Result<(), String> {
    npm::run(command).map_err(|why| format!("could not {doing}: {why}"))
}

fn could_not(doing: &str, error: &io::Error) -> String {
    format!("could not {doing}: {error}")
}
