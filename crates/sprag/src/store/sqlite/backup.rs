//! A copy of the database while others write to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{connection, migration};
use crate::error::Fault;

const DOING: &str = "back the database up";

/// Copies the database as it stands at one moment. Readers and writers go on meanwhile; only the log cannot start afresh.
pub(super) fn back_up(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        return Err(taken(to));
    }
    let draft = draft(to);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    made.map_err(|error| Fault::unavailable(DOING, format!("cannot make {}: {error}", draft.display())))?;
    let done = copy(from, &draft).and_then(|()| put_in_place(&draft, to));
    // Half a backup is no backup. Where it is in place it has another name by now.
    let _ = fs::remove_file(&draft);
    done
}

fn copy(from: &Path, draft: &Path) -> Result<(), Fault> {
    let name = draft.to_str().ok_or_else(|| {
        Fault::unavailable(DOING, format!("{} is not written in UTF-8; choose another name", draft.display()))
    })?;
    connection::look(from, |connection| connection.execute("vacuum into ?1", [name]).map(drop))?;
    let found =
        connection::look(draft, |connection| Ok((flaw(connection)?, migration::history(connection)?)));
    let (flaw, history) = found?;
    if flaw != "ok" {
        let what = format!("{} is damaged, and so would its copy be: {flaw}", from.display());
        return Err(Fault::unavailable(DOING, what));
    }
    migration::expect_usable(&history)
}

/// What is wrong with a file; "ok" where nothing is.
fn flaw(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("pragma quick_check(1)", [], |row| row.get(0))
}

/// Gives the copy its name once it is on the disk, and takes no other file's name.
fn put_in_place(draft: &Path, to: &Path) -> Result<(), Fault> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let put = File::open(draft)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::hard_link(draft, to))
        .and_then(|()| File::open(folder)?.sync_all());
    put.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(to),
        _ => Fault::unavailable(DOING, format!("cannot make {}: {error}", to.display())),
    })
}

fn draft(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn taken(to: &Path) -> Fault {
    let what = format!(
        "there is something at {} already, and a backup overwrites nothing; choose another name",
        to.display()
    );
    Fault::unavailable(DOING, what)
}
