//! A Python with a package of PyPI's, in the build folder: other people's programs, which ours are tried against.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Several tests may want one at once, and it is made once.
static MAKING: Mutex<()> = Mutex::new(());

/// One that has `module`, which comes with that requirement.
pub(crate) fn python(module: &str, requirement: &str) -> PathBuf {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python_{module}"));
    let python = folder.join("bin/python");
    let has_it = |python: &Path| {
        let import = format!("import {module}");
        let status = Command::new(python).args(["-c", &import]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !has_it(&python) {
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
        assert!(made.is_ok_and(|made| made.success()), "these tests need python3-venv, or run scripts/test");
        let got = Command::new(&python).args(["-m", "pip", "install", "-q", requirement]).status();
        assert!(got.is_ok_and(|got| got.success()), "{requirement} cannot be installed");
    }
    python
}

/// A script of this folder.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/binary").join(name)
}
