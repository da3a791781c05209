//! Files that people name, read with the fault that each may have: what it is, and what to do.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

pub use owner::{
    expect_kept, folder_of, give_to_owner_of, have_one_owner, make, make_folders, open_lock, replace,
};

pub use readers::is_for_our_group;

mod owner;
mod readers;

/// Why a file cannot be used, as a sentence goes on after its name.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// Nothing has that name, or it is a link to nothing.
    #[error(
        "there is no such file; look whether its path is right, from the folder that this was started in"
    )]
    Missing,
    /// A folder.
    #[error("it is a folder; name a file in it")]
    Folder,
    /// A link that leads back to itself.
    #[error(
        "it is a link that leads back to itself; name the file that it was to lead to, or make the link anew"
    )]
    Loop,
    /// The process has no right to it.
    #[error(
        "this user may not read it; run this as the user it belongs to, or give that right: chmod u+r, or chown"
    )]
    Forbidden,
    /// A link of neither root's nor ours, which might lead anywhere.
    #[error(
        "it is a link that belongs to user {0}, and nobody else's is followed; put the file itself there, or have root make the link"
    )]
    ForeignLink(u32),
    /// More than such a file ever has.
    #[error("it is larger than {0} KiB, which no such file is; look whether its path is right")]
    TooLarge(u64),
    /// Another encoding, or no text at all.
    #[error("it is not UTF-8 on line {0}; look whether its path is right, and write it in UTF-8")]
    NotText(usize),
    /// Nothing is in it.
    #[error("it is empty; write it again, or restore it from its backup")]
    Empty,
    /// Replaced, it would no longer be its owner's.
    #[error(
        "it belongs to user {uid} and group {gid}, and whoever puts another in its place would take it from them; run this as \
         that user (sudo -u '#{uid}' …), or as root"
    )]
    Taken {
        /// Whose it is.
        uid: u32,
        /// Which group's.
        gid: u32,
    },
    /// Something else.
    #[error("the system said: {0}; look whether its disk works")]
    Failed(#[source] io::Error),
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A part of the path is a file, where a folder should be.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::IsADirectory => Self::Folder,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            _ if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) => Self::Loop,
            _ => Self::Failed(error),
        }
    }
}

/// Opens a file to read from it.
///
/// # Errors
/// It is none, or cannot be opened.
pub fn open(path: &Path) -> Result<File, FileFault> {
    let file = File::open(path)?;
    // A folder can be opened, too.
    if file.metadata()?.is_dir() { Err(FileFault::Folder) } else { Ok(file) }
}

/// The whole text of a file of at most so many KiB. It is wiped when it is dropped, as there may be secrets in it.
///
/// # Errors
/// It cannot be read, or is no such text. An empty file is one.
pub fn read_text(path: &Path, most_kib: u64) -> Result<Zeroizing<String>, FileFault> {
    let mut bytes = Zeroizing::new(Vec::new());
    open(path)?.take(most_kib * 1024 + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_kib * 1024 {
        return Err(FileFault::TooLarge(most_kib));
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            Err(FileFault::NotText(1 + before.iter().filter(|byte| **byte == b'\n').count()))
        }
    }
}

/// What a file is, as far as a look from outside tells: when it was written, how long it is, and which one.
pub type Stamp = (i64, i64, u64, u64);

/// What tells whether the file has changed; `None` where it cannot be looked at.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok()?;
    Some((about.mtime(), about.mtime_nsec(), about.len(), about.ino()))
}

/// What to tell where others than its owner may read or write a file or folder that only its owner should: the command
/// that takes them that right. `None` where they may not, and where it cannot be looked at.
///
/// `forbidden` is the rights of others that matter, as bits of a mode: 0o077 for what is secret, 0o022 for what is trusted. A
/// file that is mounted for a group of ours to read is none.
#[must_use]
pub fn open_to_others(path: &Path, forbidden: u32) -> Option<String> {
    let about = fs::metadata(path).ok()?;
    if is_for_our_group(&about, &[folder_of(path)]) {
        return None;
    }
    let mode = about.permissions().mode() & 0o7777;
    let (may_read, may_write) = (mode & forbidden & 0o055 != 0, mode & forbidden & 0o022 != 0);
    let may = match (may_read, may_write) {
        (false, false) => return None,
        (true, false) => "read",
        (false, true) => "write",
        (true, true) => "read and write",
    };
    let kept = mode & !forbidden;
    let path = path.display();
    Some(format!("others may {may} {path} (mode {mode:o}); run: chmod {kept:o} {path}"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_fault() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("latin1"), b"first\nsecond \xe9\n").unwrap();
        fs::write(path("large"), vec![b'x'; 2049]).unwrap();
        symlink(path("loop"), path("loop")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        for (name, expected) in [
            ("none", "there is no such file"),
            ("dangling", "there is no such file"),
            ("latin1/below", "there is no such file"),
            ("folder", "it is a folder"),
            ("loop", "a link that leads back to itself"),
            ("latin1", "it is not UTF-8 on line 2"),
            ("large", "it is larger than 2 KiB"),
        ] {
            let told = read_text(&path(name), 2).unwrap_err().to_string();
            assert!(told.starts_with(expected) || told.contains(expected), "{name}: {told}");
        }
        fs::write(path("good"), "text").unwrap();
        assert_eq!(read_text(&path("good"), 2).unwrap().as_str(), "text");
        let forbidden = FileFault::from(io::Error::from(io::ErrorKind::PermissionDenied)).to_string();
        assert!(forbidden.contains("chmod u+r"), "{forbidden}");
    }

    #[test]
    fn who_may_read_or_write_is_told_with_the_command_that_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "").unwrap();
        let told = |mode, forbidden| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            open_to_others(&path, forbidden).unwrap_or_default()
        };
        let shown = path.display();
        assert_eq!(told(0o644, 0o077), format!("others may read {shown} (mode 644); run: chmod 600 {shown}"));
        assert!(told(0o620, 0o077).contains("may write"));
        assert!(told(0o666, 0o077).contains("may read and write"));
        assert!(told(0o755, 0o077).ends_with(&format!("chmod 700 {shown}")));
        assert!(told(0o664, 0o022).contains(&format!("may write {shown} (mode 664); run: chmod 644 ")));
        assert_eq!([told(0o600, 0o077), told(0o700, 0o077), told(0o644, 0o022)], [""; 3]);
    }
}
