//! What stands in the database file, looked at in a copy and without the server's code.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::binary::checker::{Disk, Row};
use crate::binary::token::Id;

/// Reads the files that a server left behind; they must be nobody's at the moment.
pub fn look(data: &Path) -> Disk {
    let copy = tempfile::tempdir().expect("a folder can be made");
    for name in ["sprag.db", "sprag.db-wal"] {
        let from = data.join(name);
        if from.exists() {
            fs::copy(&from, copy.path().join(name)).expect("the database can be copied");
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let database = Connection::open_with_flags(copy.path().join("sprag.db"), flags);
    read(&database.expect("the copy can be opened")).expect("the copy can be read")
}

fn read(database: &Connection) -> rusqlite::Result<Disk> {
    let integrity = database.query_row("pragma integrity_check", [], |row| row.get(0))?;
    let mut sessions = database.prepare("select id, generation, ended_cause from session")?;
    let rows = sessions.query_map([], |row| {
        let session: Id = row.get(0)?;
        let generation = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(u64::MAX);
        Ok((session, Row { generation, ended: row.get(2)? }))
    })?;
    let mut journal =
        database.prepare("select kind, session_id, cause from event order by account_id, id")?;
    let events = journal.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Disk { rows: rows.collect::<Result<_, _>>()?, integrity, events: events.collect::<Result<_, _>>()? })
}
