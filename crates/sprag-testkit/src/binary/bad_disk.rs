//! A disk that fails when it is told to: a library that stands before the C library's calls (`fault_disk.c`).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::binary::load::Trouble;
use crate::binary::server::{Home, Server, await_some};

/// The library that fails in the disk's place, compiled once for all tests of this process.
fn shim() -> PathBuf {
    static SHIM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SHIM.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("fault_disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/binary/fault_disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&path);
        let status = compiler.args([source, "-ldl"]).status().expect("there is a C compiler");
        assert!(status.success(), "cc could not compile {source}");
        (folder, path)
    });
    path.clone()
}

/// What a disk can fail at.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Full,
    Sync,
}

impl Fault {
    /// The word in the list of hits.
    fn word(self) -> &'static str {
        match self {
            Self::Full => "write ",
            Self::Sync => "sync ",
        }
    }
}

/// A disk that fails when it is told to.
pub struct BadDisk {
    fault: Fault,
    folder: TempDir,
}

impl BadDisk {
    pub fn new(fault: Fault) -> Self {
        Self { fault, folder: tempfile::tempdir().expect("a folder can be made") }
    }

    fn flag(&self) -> PathBuf {
        self.folder.path().join("fails")
    }

    /// From now on it fails, for files whose names end so.
    pub fn fail(&self, end: &str) {
        // Made elsewhere and moved there, so that nobody reads half of it.
        let draft = self.folder.path().join("draft");
        fs::write(&draft, end).expect("a flag can be written");
        fs::rename(draft, self.flag()).expect("a flag can be set");
    }

    pub fn work(&self) {
        fs::remove_file(self.flag()).expect("a flag can be taken away");
    }

    /// How often it has failed.
    pub fn hits(&self) -> usize {
        let hits = fs::read_to_string(self.folder.path().join("hits")).unwrap_or_default();
        hits.lines().filter(|line| line.starts_with(self.fault.word())).count()
    }
}

impl Trouble for BadDisk {
    fn start(&self, home: &Home, flags: &[&str]) -> Server {
        let (full, sync) = match self.fault {
            Fault::Full => (self.flag(), PathBuf::new()),
            Fault::Sync => (PathBuf::new(), self.flag()),
        };
        let hits = self.folder.path().join("hits");
        let below = home.data().join("");
        let shim = shim();
        let environment = [
            ("LD_PRELOAD", &shim),
            ("FAULT_DISK_BELOW", &below),
            ("FAULT_DISK_FULL", &full),
            ("FAULT_DISK_SYNC", &sync),
            ("FAULT_DISK_HITS", &hits),
        ];
        home.start_with(
            flags,
            &environment.map(|(name, path)| (name, path.to_str().expect("our paths are text"))),
        )
    }

    /// Fails a while; every other time the server is killed before the disk works again.
    fn strike(&self, number: u64) -> bool {
        let before = self.hits();
        self.fail("");
        await_some(|| (self.hits() > before + 20).then_some(())).expect("the load meets the fault");
        let is_killed = number.is_multiple_of(2);
        if !is_killed {
            self.work();
        }
        is_killed
    }

    fn pass(&self) {
        self.work();
    }
}

/// Kills on a disk so slow that they mostly come in the midst of a commit: what was acknowledged before it is lost.
pub struct KillsInCommits;

impl Trouble for KillsInCommits {
    fn start(&self, home: &Home, flags: &[&str]) -> Server {
        let (shim, below) = (shim(), home.data().join(""));
        let paths = [("LD_PRELOAD", &shim), ("FAULT_DISK_BELOW", &below)];
        let mut environment =
            paths.map(|(name, path)| (name, path.to_str().expect("our paths are text"))).to_vec();
        environment.push(("FAULT_DISK_SLOW", "500"));
        home.start_with(flags, &environment)
    }

    fn strike(&self, _number: u64) -> bool {
        true
    }
}
