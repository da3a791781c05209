//! Node, its packages and a browser: what tests of JavaScript are run with.
//!
//! Several test programs work in one folder, and each may be the first to come: packages are installed, and what is made of
//! them is built, by one at a time. Nothing here panics; each error is a sentence that says what to do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools;

/// Chromium's names, in the order of preference.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What npm leaves behind once it has installed all packages.
const INSTALLED: &str = "node_modules/.package-lock.json";

/// A folder with a `package.json`, its packages installed.
#[derive(Clone, Debug)]
pub struct Package {
    folder: PathBuf,
}

impl Package {
    /// Installs the packages of this folder, unless that was done since its lock changed. `oldest_node` is the oldest version
    /// that they run on, its major and minor number.
    ///
    /// # Errors
    /// A sentence, where Node is missing or too old, or npm fails.
    pub fn installed(folder: &Path, oldest_node: (u32, u32)) -> Result<Self, String> {
        check_node(oldest_node)?;
        let package = Self { folder: folder.to_path_buf() };
        package.alone(|| {
            let lock = package.folder.join("package-lock.json");
            if is_newer(&package.folder.join(INSTALLED), &lock) {
                return Ok(());
            }
            run(&mut package.npm(&["ci", "--ignore-scripts"]))
        })?;
        Ok(package)
    }

    /// npm with these words, in the folder.
    #[must_use]
    pub fn npm(&self, words: &[&str]) -> Command {
        let mut npm = Command::new("npm");
        npm.args(words).current_dir(&self.folder);
        npm
    }

    /// Does something in which no other test program may come between: it holds the folder's lock file.
    ///
    /// # Errors
    /// What `act` gives; a sentence, where the lock file cannot be locked.
    pub fn alone(&self, act: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let path = self.folder.join("package-lock.json");
        let could_not = |error| format!("could not lock {}: {error}", path.display());
        let lock = File::open(&path).map_err(could_not)?;
        lock.lock().map_err(could_not)?;
        // Closing the file, here or by an end of the process, unlocks it.
        act()
    }

    /// Runs the package's script `build`, unless `made` is newer than every file below `sources`.
    ///
    /// # Errors
    /// A sentence, where that fails.
    pub fn built(&self, made: &str, sources: &str) -> Result<(), String> {
        self.alone(|| {
            if is_newest(&self.folder.join(made), self.folder.join(sources)) {
                return Ok(());
            }
            run(&mut self.npm(&["run", "--silent", "build"]))
        })
    }
}

/// Runs a program to its end; what it said, where it fails.
///
/// # Errors
/// A sentence, where it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<(), String> {
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

/// Where Chromium is.
///
/// # Errors
/// A sentence, where it is not installed.
pub fn chromium() -> Result<PathBuf, String> {
    BROWSERS.iter().find_map(|name| tools::find(name)).ok_or_else(|| {
        format!("none of {} is on PATH; install Debian's chromium, or run scripts/test", BROWSERS.join(", "))
    })
}

/// Whether one file is as new as another one. One that is not there is not.
pub fn is_newer(one: &Path, other: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    changed(one).is_ok_and(|one| changed(other).is_ok_and(|other| one >= other))
}

fn is_newest(made: &Path, sources: PathBuf) -> bool {
    let mut folders = vec![sources];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !is_newer(made, &path) {
                return false;
            }
        }
    }
    made.is_file()
}

fn check_node((major, minor): (u32, u32)) -> Result<(), String> {
    let wanted = format!(
        "these tests need Node {major}.{minor} or newer with npm: install nodejs and npm, or run scripts/test"
    );
    let output =
        Command::new("node").arg("--version").output().map_err(|error| format!("{wanted} ({error})"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match version_of(&version) {
        Some(found) if found >= (major, minor) => Ok(()),
        _ => Err(format!("{wanted}; the one here is {version}")),
    }
}

/// Major and minor number of what `node --version` says.
fn version_of(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
    parts.next().zip(parts.next())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_version_is_read_as_node_says_it() {
        assert_eq!(version_of("v20.19.4"), Some((20, 19)));
        assert_eq!(version_of("v9"), None);
        assert_eq!(version_of(""), None);
    }

    #[test]
    fn what_is_made_is_made_anew_once_a_source_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let [made, below] = ["made.js", "src/below"].map(|name| folder.path().join(name));
        fs::create_dir_all(&below).expect("a folder");
        assert!(!is_newest(&made, folder.path().join("src")), "there is nothing yet");
        let source = below.join("one.ts");
        for path in [&source, &made] {
            fs::write(path, "").expect("a file");
        }
        let ago = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - seconds);
        let dates =
            |path: &Path, at| File::options().write(true).open(path).and_then(|file| file.set_modified(at));
        dates(&made, ago(10)).expect("dated");
        dates(&source, ago(10)).expect("dated");
        assert!(is_newest(&made, folder.path().join("src")));
        dates(&source, ago(9)).expect("dated");
        assert!(!is_newest(&made, folder.path().join("src")));
    }
}
