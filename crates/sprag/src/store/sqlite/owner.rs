//! Whose the files are: those of the store stay the server's, whoever runs a command beside it.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

/// Gives a file that this process has made to whoever owns the folder that it is in, which only root can do, and only root
/// need: whatever root leaves behind, the server could not open. SQLite does so with its log.
pub(super) fn give_to_folders_owner(file: &File, path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(made)) = (fs::metadata(folder), file.metadata()) else { return };
    if (folder.uid(), folder.gid()) != (made.uid(), made.gid()) {
        // Who may not has nothing to give away.
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}
