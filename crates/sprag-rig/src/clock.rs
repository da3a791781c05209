//! The clock of one process, wound by a test.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tools;

/// A file that says what the clock of every process started with [`WoundClock::environment`] is off by. Its clock that
/// counts since the machine was started goes on as it does.
#[derive(Clone)]
pub struct WoundClock {
    library: String,
    file: PathBuf,
}

impl WoundClock {
    /// A clock that is right so far, kept in that folder.
    ///
    /// # Panics
    /// Where libfaketime is not installed, or the folder cannot be written to.
    pub fn in_folder(folder: &Path) -> Self {
        let clock = Self { library: tools::faketime().display().to_string(), file: folder.join("clock") };
        clock.jumps("+0");
        clock
    }

    /// From now on it is off by so much, such as `+40d` or `-1h`.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn jumps(&self, offset: &str) {
        let draft = self.file.with_extension("new");
        fs::write(&draft, format!("{offset}\n")).expect("could not write what the clock says");
        fs::rename(draft, &self.file).expect("could not put what the clock says in place");
    }

    /// What a process goes by this clock with.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}
