//! Whose the files are: those of a service stay its own, whoever runs a command beside it.
//!
//! Whatever root leaves behind in another's folder, that other could not open; and what somebody else puts in the place of a
//! file would no longer be its owner's. So a file that is made belongs to whom the one beside it or the folder belongs, as far
//! as the system lets us give it away, and one that is replaced keeps owner, group and mode, or is not replaced.
//!
//! The folder's owner may be less than root: no link is followed, and nothing is given away that was not made here.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::FileFault;

/// Makes a file that is not there yet, which nobody but its owner may read. It belongs to whom the first of `like` that is
/// there belongs, or else to the folder's owner.
///
/// # Errors
/// The system refuses it; [`ErrorKind::AlreadyExists`] where something has that name.
pub fn make(path: &Path, like: &[&Path]) -> io::Result<File> {
    let file = private().create_new(true).open(path)?;
    if let Some(model) = model(path, like) {
        give(&file, &model);
    }
    Ok(file)
}

/// Opens a file to lock it, which is empty, and makes it where there is none; whose it is, [`make`] says.
///
/// # Errors
/// The system refuses it, or a link has that name.
pub fn open_lock(path: &Path, like: &[&Path]) -> io::Result<File> {
    let open = || private().custom_flags(flags(OFlags::NOFOLLOW)).open(path);
    let file = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => match make(path, like) {
            // Somebody else has just made it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => open()?,
            made => return made,
        },
        opened => opened?,
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "it is there already, and no ordinary file"));
    }
    // One that root has left behind, by whatever build, is of no use to the others.
    let is_left_behind = about.uid() == 0 && about.len() == 0 && about.nlink() == 1;
    if let (true, Some(model)) = (is_left_behind, model(path, like)) {
        give(&file, &model);
    }
    Ok(file)
}

/// Puts a file with these bytes in the place of another, or where there is none: whole, and on the disk before it has its
/// name. One that is replaced keeps owner, group and mode. A link of root's or ours stays what it is, and what it leads to is
/// replaced; nobody else's is followed.
///
/// Until then it has another extension, `draft`; whatever is left of that name of an earlier time is removed.
///
/// # Errors
/// The system refuses it, or the file is somebody else's and would become ours; then nothing has changed.
pub fn replace(path: &Path, draft: &str, bytes: &[u8]) -> Result<(), FileFault> {
    let path = followed(path)?;
    let draft = path.with_extension(draft);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let before = match fs::metadata(&path) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let mut file = make(&draft, &[&path])?;
    let written = keep(&file, before.as_ref()).and_then(|()| {
        file.write_all(bytes)?;
        if let Some(before) = &before {
            file.set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
        }
        file.sync_all()?;
        Ok(fs::rename(&draft, &path)?)
    });
    written.inspect_err(|_| {
        // Half a file is of use to nobody but a thief.
        let _ = fs::remove_file(&draft);
    })
}

/// Where a link leads, if it is one whose owner may say so; of a link to nothing it is the link that is replaced.
fn followed(path: &Path) -> Result<PathBuf, FileFault> {
    match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() && ![0, geteuid().as_raw()].contains(&link.uid()) => {
            Err(FileFault::ForeignLink(link.uid()))
        }
        Ok(link) if link.is_symlink() => Ok(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
        _ => Ok(path.to_owned()),
    }
}

/// Gives a file that was just made to whom another belongs, as far as the system lets us.
pub fn give_to_owner_of(file: &File, other: &Path) {
    if let Ok(model) = fs::metadata(other) {
        give(file, &model);
    }
}

/// Refuses to put one file in the place of another that is somebody else's.
///
/// # Errors
/// It is, or one of them cannot be looked at. Where there is nothing to replace, nothing is refused.
pub fn expect_kept(made: &Path, before: &Path) -> Result<(), FileFault> {
    match fs::metadata(before) {
        Ok(before) => keep(&File::open(made)?, Some(&before)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a folder, and those that it is in, for their owner only. Each belongs to whom the one that it is in belongs.
///
/// # Errors
/// The system refuses it, or something else has that name.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    make_folders(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => return Ok(()),
        made => made?,
    }
    let made = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::DIRECTORY))
        .open(folder)?;
    if let Ok(model) = fs::metadata(parent) {
        give(&made, &model);
    }
    Ok(())
}

/// The folder that something of that name is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether both belong to one user.
#[must_use]
pub fn have_one_owner(one: &Path, other: &Path) -> bool {
    let owner = |path| fs::metadata(path).ok().map(|about| about.uid());
    owner(one).is_some_and(|uid| owner(other) == Some(uid))
}

/// Gives what was just made to whom `model` belongs, which only root can do, and only root need: who may not has nothing to
/// give away.
fn give(file: &File, model: &Metadata) {
    let is_its_own = file.metadata().is_ok_and(|made| (made.uid(), made.gid()) == (model.uid(), model.gid()));
    if !is_its_own {
        let _ = fchown(file, Some(model.uid()), Some(model.gid()));
    }
}

/// Refuses to take a file from its owner, or from a group that may read it.
fn keep(file: &File, before: Option<&Metadata>) -> Result<(), FileFault> {
    let Some(before) = before else { return Ok(()) };
    let made = file.metadata()?;
    let has_readers = before.mode() & 0o070 != 0;
    if made.uid() != before.uid() || (has_readers && made.gid() != before.gid()) {
        return Err(FileFault::Taken { uid: before.uid(), gid: before.gid() });
    }
    Ok(())
}

fn model(path: &Path, like: &[&Path]) -> Option<Metadata> {
    let mut models = like.iter().filter_map(|path| fs::metadata(path).ok());
    models.next().or_else(|| fs::metadata(folder_of(path)).ok())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, lchown, symlink};

    use super::*;

    /// Only root can try what is said of root.
    fn as_root() {
        assert!(
            geteuid().is_root(),
            "only root may give files to others; run this test as root: sudo -E scripts/test"
        );
    }

    fn whose(path: &Path) -> (u32, u32, u32) {
        let about = fs::metadata(path).unwrap();
        (about.uid(), about.gid(), about.mode() & 0o7777)
    }

    #[test]
    fn what_root_replaces_keeps_its_owner_group_and_mode() {
        as_root();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        for (uid, gid, mode) in [(4711, 4712, 0o600), (0, 4712, 0o440), (4711, 4711, 0o640)] {
            fs::write(&path, "before").unwrap();
            chown(&path, Some(uid), Some(gid)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            replace(&path, "draft", b"after").unwrap();
            assert_eq!((whose(&path), fs::read(&path).unwrap()), ((uid, gid, mode), b"after".to_vec()));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left over");
    }

    #[test]
    fn what_root_makes_belongs_to_whom_the_folder_belongs() {
        as_root();
        let dir = tempfile::tempdir().unwrap();
        chown(dir.path(), Some(4711), Some(4712)).unwrap();
        let path = |name: &str| dir.path().join(name);
        make(&path("new"), &[]).unwrap();
        open_lock(&path("lock"), &[]).unwrap();
        replace(&path("mark"), "draft", b"").unwrap();
        make_folders(&path("a/b")).unwrap();
        fs::write(path("left-behind"), "").unwrap();
        open_lock(&path("left-behind"), &[]).unwrap();
        for name in ["new", "lock", "mark", "left-behind"] {
            assert_eq!((whose(&path(name)).0, whose(&path(name)).1), (4711, 4712), "{name}");
        }
        assert_eq!([whose(&path("a")), whose(&path("a/b"))], [(4711, 4712, 0o700); 2]);
        chown(path("mark"), Some(4713), None).unwrap();
        make(&path("beside"), &[&path("none"), &path("mark")]).unwrap();
        assert_eq!(
            whose(&path("beside")),
            (4713, 4712, 0o600),
            "the file beside it counts before the folder"
        );
    }

    #[test]
    fn a_link_in_anothers_folder_leads_root_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("other"), "other").unwrap();
        symlink(path("other"), path("link")).unwrap();
        open_lock(&path("link"), &[]).unwrap_err();
        assert_eq!(make(&path("link"), &[]).unwrap_err().kind(), ErrorKind::AlreadyExists);
        symlink(path("other"), path("mark.draft")).unwrap();
        replace(&path("mark"), "draft", b"mark").unwrap();
        assert_eq!(fs::read(path("other")).unwrap(), b"other", "a draft is made anew");
    }

    #[test]
    fn root_wrote_over_any_file_that_a_link_of_the_service_led_to() {
        as_root();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("other"), "other").unwrap();
        symlink(path("other"), path("mark")).unwrap();
        lchown(path("mark"), Some(4711), Some(4711)).unwrap();
        let told = replace(&path("mark"), "draft", b"mark").unwrap_err().to_string();
        assert!(told.contains("belongs to user 4711"), "{told}");
        assert_eq!(fs::read(path("other")).unwrap(), b"other");
    }

    #[test]
    fn a_link_to_a_file_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("elsewhere")).unwrap();
        fs::write(path("elsewhere/keys.json"), "before").unwrap();
        symlink("elsewhere/keys.json", path("keys.json")).unwrap();
        replace(&path("keys.json"), "draft", b"after").unwrap();
        assert!(fs::symlink_metadata(path("keys.json")).unwrap().is_symlink());
        assert_eq!(fs::read(path("elsewhere/keys.json")).unwrap(), b"after");
    }

    #[test]
    fn a_file_of_somebody_elses_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        fs::write(&path, "").unwrap();
        let file = File::open(&path).unwrap();
        keep(&file, Some(&fs::metadata(&path).unwrap())).unwrap();
        let roots = fs::metadata("/proc/1").unwrap();
        if geteuid().is_root() {
            chown(&path, Some(4711), None).unwrap();
        }
        let told = keep(&file, Some(&roots)).unwrap_err().to_string();
        assert!(told.contains("belongs to user 0") && told.contains("run this as that user"), "{told}");
    }
}
