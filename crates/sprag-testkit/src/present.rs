//! The files of a folder that somebody is at work in.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Every file in a folder and in those below it, open. A server that replaces a file writes a draft of it first, which has
/// gone once it stands in the other's place: what goes between the listing and the look is none of the folder's.
///
/// # Panics
/// The folder itself is not there, or something in it cannot be opened for another reason than that it has gone.
pub fn files_in(folder: &Path) -> Vec<(PathBuf, File)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { opened(path) }).collect()
}

fn opened(path: PathBuf) -> Vec<(PathBuf, File)> {
    match File::open(&path) {
        Ok(file) => vec![(path, file)],
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// What stands in a file from where it was read to.
///
/// # Errors
/// It cannot be read.
pub fn bytes(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_draft_that_goes_while_the_folder_is_looked_at_is_none_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let (draft, mark, kept) = ["draft", "mark", "kept"].map(|name| folder.path().join(name)).into();
        fs::write(&kept, "0").unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    fs::write(&draft, "1").unwrap();
                    fs::rename(&draft, &mark).unwrap();
                }
            });
            for _ in 0..2_000 {
                let files = files_in(folder.path());
                assert!(files.iter().any(|(path, _)| *path == kept), "{files:?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
