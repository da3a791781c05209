//! What stands in the way of a database: which file or folder, what is wrong with it, and what to do. SQLite itself says no more
//! than that it could not.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// What stands beside a database while it is used. Whoever has left one behind keeps it.
const BESIDE: [&str; 4] = ["-shm", "-wal", "-in-use", "-migrating"];

/// What keeps this process from using a database: the file or folder, what is wrong with it, and what to do. `None` where nothing
/// is seen, as where there is no such file yet.
#[must_use]
pub fn look_for(path: &Path) -> Option<String> {
    let folder = folder_of(path);
    match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some(format!(
                "there is no folder {}; make it, or look whether the path is right",
                folder.display()
            ));
        }
        Ok(about) if !about.is_dir() => {
            return Some(format!(
                "{} is no folder, and the database is to lie in it; look whether the path is right",
                folder.display()
            ));
        }
        Ok(_) | Err(_) => {}
    }
    if path.is_dir() {
        return Some("it is a folder; name a file in it".to_owned());
    }
    let file =
        forbidden(path, Access::READ_OK | Access::WRITE_OK).map(|why| Obstacle { path, why, left: false });
    let beside: Vec<PathBuf> = BESIDE.iter().map(|suffix| beside(path, suffix)).collect();
    let left = beside.iter().find_map(|path| {
        let why = forbidden(path, Access::READ_OK | Access::WRITE_OK)?;
        Some(Obstacle { path, why, left: true })
    });
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    let folder = || forbidden(folder, all).map(|why| Obstacle { path: folder, why, left: false });
    file.or(left).or_else(folder).map(|obstacle| obstacle.to_string())
}

/// Why a file cannot be opened, made or locked, with what to do.
pub(super) fn told(database: &Path, file: &Path, error: &io::Error) -> String {
    match look_for(database) {
        Some(obstacle) => format!("{}: {obstacle}", file.display()),
        None => format!("{}: {error}", file.display()),
    }
}

/// Why others cannot be kept from reading a file.
pub(super) fn not_ours_to_restrict(file: &Path, error: &io::Error) -> String {
    let Ok(about) = fs::metadata(file) else { return format!("{}: {error}", file.display()) };
    format!(
        "{} belongs to {} and others may read it (mode {:o}), which only its owner can end; run, as that user: chmod 600 {}",
        file.display(),
        user(about.uid()),
        about.mode() & 0o777,
        file.display()
    )
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn forbidden(path: &Path, access: Access) -> Option<Errno> {
    accessat(CWD, path, access, AtFlags::EACCESS).err().filter(|errno| *errno != Errno::NOENT)
}

struct Obstacle<'a> {
    path: &'a Path,
    why: Errno,
    /// Whether somebody left it beside the database.
    left: bool,
}

impl fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.why == Errno::ROFS {
            return write!(
                f,
                "{path} is on a file system that is mounted read-only, and SQLite writes beside a database even to read it; \
                 mount it for writing, or name a database elsewhere"
            );
        }
        match fs::metadata(self.path) {
            Ok(about) => f.write_str(&rights(self.path, &About::of(&about), geteuid().as_raw(), self.left)),
            Err(_) => write!(
                f,
                "{} may not look at {path}: a folder on the way to it is closed to that user; run this as the server's user, \
                 or open the folders with: chmod a+x",
                user(geteuid().as_raw())
            ),
        }
    }
}

/// What matters of a file here.
#[derive(Clone, Copy, Debug)]
struct About {
    uid: u32,
    gid: u32,
    mode: u32,
    is_folder: bool,
}

impl About {
    fn of(metadata: &Metadata) -> Self {
        let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        Self { uid, gid, mode, is_folder: metadata.is_dir() }
    }
}

/// Whose a file is, who we are, and what lets us use it.
fn rights(path: &Path, about: &About, us: u32, is_left: bool) -> String {
    let (shown, owner, ours) = (path.display(), user(about.uid), user(us));
    let (what, may) = match about.is_folder {
        true => ("the folder ", "make files in it, as SQLite must"),
        false => ("", "read and write it"),
    };
    let way_out = match (about.uid == us, about.is_folder, is_left) {
        (true, true, _) => format!("run: chmod u+rwx {shown}"),
        (true, false, _) => format!("run: chmod u+rw {shown}"),
        (false, _, true) => format!(
            "a command that {owner} ran has left it: run, as root, chown {us} {shown}, and run commands as the server's user"
        ),
        (false, _, false) => {
            format!("run this as {owner}, or give it to {ours}: run, as root, chown {us} {shown}")
        }
    };
    format!(
        "{what}{shown} belongs to {owner} (group {}, mode {:o}), and this runs as {ours}, who may not {may}; {way_out}",
        about.gid, about.mode
    )
}

/// A user by name where this machine knows one.
fn user(uid: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.map_or_else(|| format!("user {uid}"), |name| format!("user {name} ({uid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_user_is_named_with_its_owner_and_the_way_out() {
        let about = About { uid: 4_000_001, gid: 7, mode: 0o600, is_folder: false };
        let told = rights(Path::new("/d/sprag.db-shm"), &about, 4_000_002, true);
        for words in [
            "/d/sprag.db-shm belongs to user 4000001 (group 7, mode 600)",
            "user 4000002",
            "chown 4000002 /d/sprag.db-shm",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        let told = rights(Path::new("/d/sprag.db"), &About { uid: 4_000_002, ..about }, 4_000_002, false);
        assert!(told.contains("run: chmod u+rw /d/sprag.db"), "{told}");
        let told =
            rights(Path::new("/d"), &About { is_folder: true, mode: 0o555, ..about }, 4_000_002, false);
        assert!(told.starts_with("the folder /d belongs to") && told.contains("make files in it"), "{told}");
        assert!(told.contains("run this as user 4000001"), "{told}");
    }

    #[test]
    fn a_folder_that_is_missing_or_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let told = look_for(&dir.path().join("none/sprag.db")).unwrap();
        assert!(told.starts_with("there is no folder") && told.contains("/none;"), "{told}");
        let told = look_for(&dir.path().join("file/sprag.db")).unwrap();
        assert!(told.contains("/file is no folder"), "{told}");
        assert_eq!(look_for(dir.path()), Some("it is a folder; name a file in it".to_owned()));
        assert_eq!(look_for(&dir.path().join("new.db")), None);
        assert_eq!(user(0), "user root (0)");
    }
}
