//! What the kernel says of a process of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Reads one of a process's files below `/proc`; `take` takes what is wanted from it.
///
/// # Errors
/// There is no such process, or its file does not say that.
pub(crate) fn read<T>(pid: u32, name: &str, take: impl FnOnce(&str) -> Option<T>) -> anyhow::Result<T> {
    let path = path(pid, name);
    let text = fs::read_to_string(&path).with_context(|| {
        format!("could not read {}; has the server ended, or is {pid} not its process?", path.display())
    })?;
    take(&text).with_context(|| format!("{} does not say what was looked for", path.display()))
}

/// Where something of a process is.
pub(crate) fn path(pid: u32, name: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(name)
}
