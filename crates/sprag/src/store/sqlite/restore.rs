//! A backup in the place of the store, without anything of the store that was there.
//!
//! The log of the one before goes first: left beside the new file, it would be taken for its own. Every file is moved whole, so
//! that a crash leaves the store before without the end of its log, none at all, or the new one; the first two are refused by
//! whoever opens the store, and the same command goes on from there.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Settings, SqliteStore, backup, connection, in_use, position};
use crate::audit::Event;
use crate::error::Fault;
use crate::files;
use crate::high_water::Progress;
use crate::keys::Fingerprint;
use crate::store::{Commits as _, Rings as _, Store as _};

const DOING: &str = "restore the database";

/// How many stores that were replaced are kept under one name.
const MAX_ASIDE: u32 = 1000;

/// What becomes of a backup that is put in the store's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoreOrder {
    /// The keys of whoever will serve it. A backup that knows none of them would refuse everybody.
    pub ring: Vec<Fingerprint>,
    /// It counts on beyond this position.
    pub seen: u64,
    /// What its journal says of it.
    pub event: Event,
}

/// What a restore came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// How far the store has come now.
    pub progress: Progress,
    /// Where the store that was there is now, with its log beside it.
    pub aside: Option<PathBuf>,
}

pub(super) async fn restore(from: &Path, path: &Path, order: RestoreOrder) -> Result<Restored, Fault> {
    let is_itself =
        fs::canonicalize(from).ok().is_some_and(|from| fs::canonicalize(path).is_ok_and(|to| from == to));
    if is_itself {
        return Err(refused(format!("{} is the database itself; name a backup of it", from.display())));
    }
    let Some(alone) = in_use::alone(path)? else {
        return Err(refused(format!(
            "{} is in use; stop the server and whatever command runs beside it, and restore again",
            path.display()
        )));
    };
    let draft = beside(path, ".restoring");
    remove_draft(&draft)?;
    let made = prepare(from, &draft, path, order).await;
    let placed = made.and_then(|progress| Ok(Restored { progress, aside: put_in_place(&draft, path)? }));
    if placed.is_err() {
        // What was wrong is told already; half a draft is of no use, and the next restore would remove it too.
        let _ = remove_draft(&draft);
    }
    drop(alone);
    placed
}

/// A copy of the backup that this build can use, which counts on beyond what was seen of the store.
async fn prepare(from: &Path, draft: &Path, path: &Path, order: RestoreOrder) -> Result<Progress, Fault> {
    // Where a restore was cut short there is no database, and the lock still says whose it was.
    backup::copy_usable(from, draft, &[path, &beside(path, "-in-use")])?;
    files::expect_kept(draft, path)
        .map_err(|fault| refused(format!("{} cannot be replaced: {fault}", path.display())))?;
    SqliteStore::migrate(draft)?;
    let store = SqliteStore::open(draft, Settings::default())?;
    if !store.admit(order.ring, order.event.at).await? {
        return Err(refused(format!(
            "the tokens of {} were made with another key ring than the configured one, so everybody would be refused; put that \
             ring back first",
            from.display()
        )));
    }
    store.record(order.event).await?;
    store.count_on(order.seen, None).await?;
    drop(store);
    let progress = connection::look(draft, position::read)?;
    File::open(draft).and_then(|file| file.sync_all()).map_err(|error| at(draft, &error))?;
    // The log is copied when the last connection closes.
    let log = beside(draft, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(refused(format!(
            "{} could not be copied into its file; look at the disk",
            log.display()
        )));
    }
    remove(&beside(draft, "-wal"))?;
    remove(&beside(draft, "-shm"))?;
    progress.ok_or_else(|| refused(format!("{} does not say which store it is", from.display())))
}

/// Sets the store that is there aside, log first, and gives the draft its name.
fn put_in_place(draft: &Path, path: &Path) -> Result<Option<PathBuf>, Fault> {
    let aside = free_name(path)?;
    let mut has_moved = false;
    // What is in neither is of no use, and an empty log must not take the place of one that was set aside before.
    remove(&beside(path, "-shm"))?;
    if !position::has_log(path) {
        remove(&beside(path, "-wal"))?;
    }
    for suffix in ["-wal", ""] {
        let (from, to) = (beside(path, suffix), beside(&aside, suffix));
        match fs::rename(&from, &to) {
            Ok(()) => has_moved = true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(at(&from, &error)),
        }
        settle(path)?;
    }
    fs::rename(draft, path).map_err(|error| at(path, &error))?;
    settle(path)?;
    remove_draft(draft)?;
    Ok((has_moved || aside.exists()).then_some(aside))
}

/// A name under which no database is kept. Where a log is kept under it, a restore that was cut short has moved that, and the
/// database follows.
fn free_name(path: &Path) -> Result<PathBuf, Fault> {
    let has_log = position::has_log(path);
    let is_taken = |name: &PathBuf| name.exists() || (has_log && beside(name, "-wal").exists());
    let mut names = (1..=MAX_ASIDE).map(|number| beside(path, &format!(".replaced-{number}")));
    names.find(|name| !is_taken(name)).ok_or_else(|| {
        refused(format!(
            "{MAX_ASIDE} stores that were replaced are kept beside {} already; move them away",
            path.display()
        ))
    })
}

fn remove_draft(draft: &Path) -> Result<(), Fault> {
    ["", "-wal", "-shm", "-migrating", "-in-use"].iter().try_for_each(|suffix| remove(&beside(draft, suffix)))
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

/// Has the folder's entries reach the disk, so that what follows is never there without what came before.
fn settle(path: &Path) -> Result<(), Fault> {
    let folder = files::folder_of(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| at(folder, &error))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn at(path: &Path, error: &io::Error) -> Fault {
    refused(format!("{}: {error}", path.display()))
}

fn refused(what: String) -> Fault {
    Fault::unavailable(DOING, what)
}
