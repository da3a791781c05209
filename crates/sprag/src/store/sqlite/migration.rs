//! Bringing the schema up to date, and refusing one that is not.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use refinery::{Migration, Runner};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::connection::{self, Role};
use crate::error::Fault;

/// All migrations, by file name and content. One that has been released is never edited.
const MIGRATIONS: &[(&str, &str)] =
    &[("V1__sessions", include_str!("../../../migrations/sqlite/V1__sessions.sql"))];

/// A migration that has been applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
}

/// A line of the schema's history.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Applied {
    version: i64,
    name: String,
    checksum: String,
}

#[derive(Debug, thiserror::Error)]
enum Mismatch {
    #[error("{0} holds tables, and nothing tells that they are Sprag's; choose another path")]
    Foreign(PathBuf),
    #[error("migration V{0}__{1} has not been applied; run `sprag migrate`")]
    Lacking(i64, String),
    #[error(
        "migration V{0}__{1} is not known to this build; run the newer build of sprag that applied it, or go \
         back to a backup from before"
    )]
    TooNew(i64, String),
    #[error(
        "migration V{0}__{1} was applied with other content than this build's; run the build that applied it"
    )]
    Differs(i64, String),
}

/// Applies what is lacking, in one transaction: a crash in the middle leaves nothing half done.
pub(super) fn migrate(path: &Path) -> Result<Vec<Migrated>, Fault> {
    const DOING: &str = "migrate the database";
    connection::create(path)?;
    refuse_foreign(path)?;
    connection::restrict(path)?;
    // refinery has no lock of its own: two processes would apply the same migration. Not a lock on the
    // database file itself, for closing that would drop SQLite's own locks.
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push("-migrating");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
    let lock = lock.and_then(|file| file.lock().map(|()| file)).map_err(|error| {
        Fault::unavailable(DOING, format!("cannot lock {}: {error}", Path::new(&lock_path).display()))
    })?;
    let role = Role::Writes { cache_kib: 2048, busy_timeout: Duration::from_secs(10) };
    let mut connection = connection::open(path, role)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    let before = schema(&connection).map_err(|error| connection::fault(DOING, error))?;
    refuse_newer(&before)?;
    let report =
        runner().set_grouped(true).run(&mut connection).map_err(|error| Fault::unavailable(DOING, error))?;
    drop(lock);
    let applied = report.applied_migrations().iter();
    Ok(applied.map(|m| Migrated { version: m.version().into(), name: m.name().to_owned() }).collect())
}

/// Refuses a file whose schema is not exactly this build's, before anything about it is changed.
pub(super) fn check(path: &Path) -> Result<(), Fault> {
    let connection = connection::open(path, Role::Reads { cache_kib: 64 })?;
    let schema = schema(&connection).map_err(|error| connection::fault("look at the schema", error))?;
    expect_current(&schema)
}

/// The schema's history; empty where there is none.
pub(super) fn schema(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
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
        Ok(tables > 0 && schema(connection)?.is_empty())
    })?;
    if is_foreign {
        return Err(Fault::unavailable("migrate the database", Mismatch::Foreign(path.to_owned())));
    }
    Ok(())
}

/// Refuses a schema that is not exactly this build's.
pub(super) fn expect_current(schema: &[Applied]) -> Result<(), Fault> {
    refuse_newer(schema)?;
    let expected = expected();
    match expected.iter().find(|migration| !schema.contains(migration)) {
        Some(Applied { version, name, .. }) => {
            Err(Fault::unavailable("use the database", Mismatch::Lacking(*version, name.clone())))
        }
        None => Ok(()),
    }
}

fn refuse_newer(schema: &[Applied]) -> Result<(), Fault> {
    let expected = expected();
    for Applied { version, name, checksum } in schema {
        let mismatch = match expected.iter().find(|migration| migration.version == *version) {
            None => Mismatch::TooNew(*version, name.clone()),
            Some(known) if known.checksum != *checksum => Mismatch::Differs(*version, name.clone()),
            Some(_) => continue,
        };
        return Err(Fault::unavailable("use the database", mismatch));
    }
    Ok(())
}

fn expected() -> Vec<Applied> {
    let migrations = runner().get_migrations().clone();
    let lines = migrations.iter().map(|migration| Applied {
        version: migration.version().into(),
        name: migration.name().to_owned(),
        checksum: migration.checksum().to_string(),
    });
    lines.collect()
}

fn runner() -> Runner {
    let migrations = MIGRATIONS.iter().map(|(name, sql)| {
        Migration::unapplied(name, sql).expect("the embedded migrations are named V<number>__<name>")
    });
    Runner::new(&migrations.collect::<Vec<_>>())
}
