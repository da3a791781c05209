//! Who has the store open: a lock that all of them share, and that whoever puts another file in its place has alone.
//!
//! It is a file beside the database, for closing the database's own would drop SQLite's locks on it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::obstacle;
use crate::error::Fault;
use crate::files;

/// How often, and with what pauses between, the lock is tried before it counts as held.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// Keeps others from putting another file in the store's place, until it is dropped.
pub(super) fn share(path: &Path) -> Result<File, Fault> {
    const DOING: &str = "open the database";
    let (lock, shown) = open(path, DOING)?;
    match patiently(|| lock.try_lock_shared()) {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Fault::unavailable(
            DOING,
            format!(
                "a backup is being put in the place of {}; wait for `sprag restore` to end",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) => {
            Err(Fault::unavailable(DOING, format!("cannot lock {shown}: {error}")))
        }
    }
}

/// Keeps others from opening the store, until it is dropped; `None` where somebody has it open.
pub(super) fn alone(path: &Path) -> Result<Option<File>, Fault> {
    const DOING: &str = "see whether somebody has the database open";
    let (lock, shown) = open(path, DOING)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(Fault::unavailable(DOING, format!("cannot lock {shown}: {error}")))
        }
    }
}

/// Whoever only looks at a store that nobody uses has it alone for a moment; that is waited for.
fn patiently(lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    for _ in 0..LOOKS {
        match lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            locked => return locked,
        }
    }
    lock()
}

fn open(path: &Path, doing: &'static str) -> Result<(File, String), Fault> {
    let mut name = path.as_os_str().to_owned();
    name.push("-in-use");
    let name = PathBuf::from(name);
    let shown = name.display().to_string();
    let opened = files::open_lock(&name, &[path]);
    let lock = opened.map_err(|error| Fault::unavailable(doing, obstacle::told(path, &name, &error)))?;
    Ok((lock, shown))
}
