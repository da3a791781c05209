//! A file of an operator's that is read again when it has changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sprag::files::{self, Stamp};

/// What a file says, and what it said before for as long as it is broken.
pub(super) struct Watched<T> {
    path: PathBuf,
    read: fn(&Path) -> anyhow::Result<T>,
    current: RwLock<Arc<T>>,
    /// What the file was when it was last read, whatever came of it; nothing where it was gone.
    seen: Mutex<Option<Stamp>>,
}

/// What a look at the file came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// It is what it was.
    Same,
    /// It has changed, and what it says now counts.
    Changed,
    /// It has changed and cannot be used, or is gone, as the log says; what it said before counts.
    Kept,
}

impl<T: About> Watched<T> {
    /// Reads it for the first time.
    pub(super) fn read(path: &Path, read: fn(&Path) -> anyhow::Result<T>) -> anyhow::Result<Self> {
        let seen = files::stamp(path);
        let found = read(path)?;
        tracing::info!("{}: {}", path.display(), found.about());
        let current = RwLock::new(Arc::new(found));
        Ok(Self { path: path.to_owned(), read, current, seen: Mutex::new(seen) })
    }

    /// What counts now.
    pub(super) fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads it again if it has changed.
    pub(super) fn look(&self) -> Looked {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = files::stamp(&self.path);
        if found == *seen {
            return Looked::Same;
        }
        let path = self.path.display();
        if found.is_none() {
            *seen = None;
            tracing::warn!(
                "{path} is gone; what it said before still counts, and a restart would fail: put it back"
            );
            return Looked::Kept;
        }
        let read = (self.read)(&self.path);
        if files::stamp(&self.path) != found {
            // It is being written just now; half of it would be another file.
            return Looked::Kept;
        }
        *seen = found;
        match read {
            Ok(changed) => {
                tracing::info!("{path} has changed and was read again: {}", changed.about());
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(changed);
                Looked::Changed
            }
            Err(error) => {
                tracing::error!(
                    "{error:#}; what it said before still counts, and a restart would fail: mend it"
                );
                Looked::Kept
            }
        }
    }
}

/// What can say in a few words what it is.
pub(super) trait About {
    /// What it is, in a few words.
    fn about(&self) -> String;
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("path", &self.path).finish_non_exhaustive()
    }
}
