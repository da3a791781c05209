//! A copy of the database while others write to it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rustix::fs::OFlags;

use super::{connection, migration};
use crate::error::Fault;
use crate::files;

const DOING: &str = "back the database up";

/// Copies the database as it stands at one moment. Readers and writers go on meanwhile; only the log cannot start afresh.
pub(super) fn back_up(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        return Err(taken(to));
    }
    let draft = draft(to);
    let lock = begin(&draft, from)?;
    let done = copy(from, &draft).and_then(|()| put_in_place(&draft, to));
    // Half a backup is no backup. Where it is in place it has another name by now.
    let _ = fs::remove_file(&draft);
    drop(lock);
    done
}

/// An empty file of nobody else's. One that is left of a backup that was cut short is taken over: nothing else has such a
/// name, and whoever is at work on it holds its lock.
///
/// In a folder of whoever owns the database it is theirs, too, so that they can restore it. Elsewhere it stays with whoever
/// makes it: the owner of that folder may be somebody who is not to read it.
fn begin(draft: &Path, from: &Path) -> Result<File, Fault> {
    let cannot = |error: &dyn std::fmt::Display| {
        Fault::unavailable(DOING, format!("cannot make {}: {error}", draft.display()))
    };
    let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    let made =
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(nofollow).open(draft);
    let file = made.map_err(|error| cannot(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(cannot(&"another backup is writing it")),
        Err(TryLockError::Error(error)) => return Err(cannot(&error)),
    }
    file.set_len(0).map_err(|error| cannot(&error))?;
    if files::have_one_owner(files::folder_of(draft), from) {
        files::give_to_owner_of(&file, from);
    }
    Ok(file)
}

fn copy(from: &Path, draft: &Path) -> Result<(), Fault> {
    let history = vacuum(from, draft)?;
    migration::expect_usable(&history)
}

/// Copies a backup into a file that is not there yet, mode 0600; one of an earlier build is a backup too.
/// It is to be whose the first of `like` is that is there.
pub(super) fn copy_usable(from: &Path, to: &Path, like: &[&Path]) -> Result<(), Fault> {
    if !from.is_file() {
        let what = format!("there is no file {}; name one that `sprag backup` made", from.display());
        return Err(Fault::unavailable("restore the database", what));
    }
    connection::create(to, like)?;
    if vacuum(from, to)?.is_empty() {
        let what =
            format!("{} holds no tables of Sprag's; name one that `sprag backup` made", from.display());
        return Err(Fault::unavailable("restore the database", what));
    }
    Ok(())
}

/// Copies a database into an empty file and looks through the copy; says which migrations it has.
fn vacuum(from: &Path, to: &Path) -> Result<Vec<crate::store::schema::Applied>, Fault> {
    let name = to.to_str().ok_or_else(|| {
        Fault::unavailable(DOING, format!("{} is not written in UTF-8; choose another name", to.display()))
    })?;
    connection::look(from, |connection| connection.execute("vacuum into ?1", [name]).map(drop))?;
    let found = connection::look(to, |connection| Ok((flaw(connection)?, migration::history(connection)?)));
    let (flaw, history) = found?;
    if flaw != "ok" {
        let what = format!("{} is damaged, and so would its copy be: {flaw}", from.display());
        return Err(Fault::unavailable(DOING, what));
    }
    Ok(history)
}

/// What is wrong with a file; "ok" where nothing is.
fn flaw(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("pragma quick_check(1)", [], |row| row.get(0))
}

/// Gives the copy its name once it is on the disk, and takes no other file's name.
fn put_in_place(draft: &Path, to: &Path) -> Result<(), Fault> {
    let put = File::open(draft)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::hard_link(draft, to))
        .and_then(|()| File::open(files::folder_of(to))?.sync_all());
    put.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(to),
        _ => Fault::unavailable(DOING, format!("cannot make {}: {error}", to.display())),
    })
}

fn draft(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".sprag-part");
    name.into()
}

fn taken(to: &Path) -> Fault {
    let what = format!(
        "there is something at {} already, and a backup overwrites nothing; choose another name",
        to.display()
    );
    Fault::unavailable(DOING, what)
}
