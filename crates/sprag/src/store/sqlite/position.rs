//! Which database this is, and how far it has come: counted by the writer in the transaction that it counts.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Result, Row};
use uuid::Uuid;

use super::connection;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::high_water::{Progress, StoreId};

/// Counts one more commit, which costs it one more frame of the log.
pub(super) fn count(connection: &Connection) -> Result<Option<Progress>> {
    connection.prepare_cached("update store_position set position = position + 1")?.execute([])?;
    connection.prepare_cached(READ)?.query_row([], of_row).optional()
}

const READ: &str = "select store, position, went_back_at from store_position";

pub(super) const COUNT_ON: &str = "
    update store_position
    set position = max(position, ?1) + 1,
        went_back_at = ?2
    returning store, position, went_back_at";

pub(super) fn of_row(row: &Row<'_>) -> Result<Progress> {
    let position: i64 = row.get("position")?;
    Ok(Progress {
        store: StoreId(Uuid::from_bytes(row.get("store")?)),
        position: position.max(0).unsigned_abs(),
        copied: 0,
        went_back_at: row.get::<_, Option<i64>>("went_back_at")?.map(Timestamp),
        has_lost: false,
    })
}

/// What the database says; `None` in one from before it counted.
pub(super) fn read(connection: &Connection) -> Result<Option<Progress>> {
    let counts = connection
        .prepare("select 1 from sqlite_schema where type = 'table' and name = 'store_position'")?
        .exists([])?;
    if !counts {
        return Ok(None);
    }
    connection.query_row(READ, [], of_row).optional()
}

/// What the database says, before anything about it is changed. `None` where it is no longer one, or from before it counted.
pub(super) fn look(path: &Path) -> std::result::Result<Option<Progress>, Fault> {
    connection::look(path, read)
}

/// The position in the database's own file, whatever its log says. Only where nobody has the store open: what is being copied
/// into the file meanwhile would be read in part.
pub(super) fn look_without_log(path: &Path) -> Option<u64> {
    let name: String = path
        .to_str()?
        .chars()
        .map(|letter| match letter {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            letter => letter.to_string(),
        })
        .collect();
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{name}?immutable=1"), flags).ok()?;
    // A file whose tables all stand in the log has not come far.
    Some(read(&connection).ok()?.map_or(0, |progress| progress.position))
}

/// Whether anything may stand in the log that is not in the file.
pub(super) fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}
