//! Bringing the schema up to date, and refusing one that is not.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use refinery_core::Runner;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::connection::{self, Role};
use super::obstacle;
use crate::account::{Name, NameKind};
use crate::error::Fault;
use crate::files;
use crate::store::schema::{self, Applied, Migrated, Migrations};

/// All migrations, by file name and content.
const MIGRATIONS: &Migrations = &[
    ("V1__sessions", include_str!("../../../migrations/sqlite/V1__sessions.sql")),
    ("V2__needs_1_key_ring", include_str!("../../../migrations/sqlite/V2__needs_1_key_ring.sql")),
    ("V3__needs_2_particulars", include_str!("../../../migrations/sqlite/V3__needs_2_particulars.sql")),
    (
        "V4__needs_4_ratchet_and_credentials",
        include_str!("../../../migrations/sqlite/V4__needs_4_ratchet_and_credentials.sql"),
    ),
    ("V5__needs_4_marks", include_str!("../../../migrations/sqlite/V5__needs_4_marks.sql")),
    ("V6__needs_6_names", include_str!("../../../migrations/sqlite/V6__needs_6_names.sql")),
    ("V7__needs_6_position", include_str!("../../../migrations/sqlite/V7__needs_6_position.sql")),
    (
        "V8__needs_6_imported_sessions",
        include_str!("../../../migrations/sqlite/V8__needs_6_imported_sessions.sql"),
    ),
    ("V9__needs_6_journal_cuts", include_str!("../../../migrations/sqlite/V9__needs_6_journal_cuts.sql")),
    ("V10__needs_6_next_ids", include_str!("../../../migrations/sqlite/V10__needs_6_next_ids.sql")),
    ("V11__needs_10_front_door", include_str!("../../../migrations/sqlite/V11__needs_10_front_door.sql")),
    ("V12__needs_10_erasure", include_str!("../../../migrations/sqlite/V12__needs_10_erasure.sql")),
    ("V13__needs_10_account_life", include_str!("../../../migrations/sqlite/V13__needs_10_account_life.sql")),
    ("V14__needs_10_language", include_str!("../../../migrations/sqlite/V14__needs_10_language.sql")),
];

/// After how many names it is told how far it is.
const TOLD_EVERY: u64 = 500_000;

/// Applies what is lacking, in one transaction: a crash in the middle leaves nothing half done.
pub(super) fn migrate(path: &Path) -> Result<Vec<Migrated>, Fault> {
    const DOING: &str = "migrate the database";
    connection::create(path, &[])?;
    refuse_foreign(path)?;
    connection::restrict(path)?;
    // refinery has no lock of its own: two processes would apply the same migration. Not a lock on the
    // database file itself, for closing that would drop SQLite's own locks.
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push("-migrating");
    let lock = files::open_lock(Path::new(&lock_path), &[path]);
    let lock = lock
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| Fault::unavailable(DOING, obstacle::told(path, Path::new(&lock_path), &error)))?;
    let role = Role::Writes { cache_kib: 2048, busy_timeout: Duration::from_secs(10) };
    let mut connection = connection::open(path, role)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    let before = history(&connection).map_err(|error| connection::fault_of(&connection, DOING, error))?;
    schema::refuse_newer(MIGRATIONS, &before)?;
    name_forms(&connection).map_err(|error| connection::fault(DOING, error))?;
    let report = Runner::new(&schema::read(MIGRATIONS))
        .set_grouped(true)
        .run(&mut connection)
        .map_err(|error| Fault::unavailable(DOING, error))?;
    drop(lock);
    let applied = report.applied_migrations().iter();
    Ok(applied.map(|m| Migrated { version: m.version().into(), name: m.name().to_owned() }).collect())
}

/// Lets migration V6 ask for the form of today of a name that an earlier build made.
fn name_forms(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let asked = AtomicU64::new(0);
    connection.create_scalar_function("sprag_form", 2, flags, move |given| {
        let seen = asked.fetch_add(1, Ordering::Relaxed) + 1;
        if seen.is_multiple_of(TOLD_EVERY) {
            tracing::info!(seen, "names are given their form of today");
        }
        let (kind, value): (String, String) = (given.get(0)?, given.get(1)?);
        Ok(NameKind::named(&kind).and_then(|kind| Name { kind, value }.form_today()))
    })
}

/// Refuses a file whose schema is not usable by this build, before anything about it is changed.
pub(super) fn check(path: &Path) -> Result<(), Fault> {
    let connection = connection::open(path, Role::Reads { cache_kib: 64 })?;
    let found = history(&connection)
        .map_err(|error| connection::fault_of(&connection, "look at the schema", error))?;
    expect_usable(&found)
}

/// The schema's history; empty where there is none.
pub(super) fn history(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let has_history = connection
        .query_row(
            "select 1
             from sqlite_schema
             where type = 'table' and name = 'refinery_schema_history'",
            [],
            |_| Ok(()),
        )
        .optional()?;
    if has_history.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(
        "select version, name, checksum
         from refinery_schema_history
         order by version",
    )?;
    let applied = statement.query_map([], |row| {
        Ok(Applied { version: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? })
    })?;
    applied.collect()
}

/// Whether nothing was ever made of a file, or there is none.
pub(super) fn is_new(path: &Path) -> Result<bool, Fault> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Ok(found) if found.is_file() && found.len() == 0 => return Ok(true),
        Ok(_) | Err(_) => {}
    }
    connection::look(path, |connection| {
        let tables: i64 =
            connection
                .query_row("select count(*) from sqlite_schema where type = 'table'", [], |row| row.get(0))?;
        Ok(tables == 0)
    })
}

/// Refuses a database of something else, before anything about it is changed. An empty history is no stranger: a
/// first start may have been cut short, or be under way beside us.
fn refuse_foreign(path: &Path) -> Result<(), Fault> {
    let is_foreign = connection::look(path, |connection| {
        let tables: i64 = connection.query_row(
            "select count(*)
             from sqlite_schema
             where type = 'table'
               and name <> 'refinery_schema_history'",
            [],
            |row| row.get(0),
        )?;
        Ok(tables > 0 && history(connection)?.is_empty())
    })?;
    if is_foreign {
        return Err(schema::foreign(path.display()));
    }
    Ok(())
}

/// Refuses a schema that this build cannot use.
pub(super) fn expect_usable(found: &[Applied]) -> Result<(), Fault> {
    schema::expect_usable(MIGRATIONS, found)
}
