//! A table of a SQLite file, read in one transaction.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ffi};
use serde_json::Value;
use sprag::store::sqlite::obstacle_at;
use sprag::text::sql_name;

use super::reader::{Item, MAX_RECORD_BYTES, Sender, TOO_LONG};
use super::record::{Position, Record};
use super::source_error::SourceError;
use super::value;

/// What every SQLite file begins with.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long another process may keep the file locked.
const PATIENCE: Duration = Duration::from_secs(5);

/// A table that has been found.
pub(super) struct Table {
    path: PathBuf,
    connection: Connection,
    name: String,
    pub(super) columns: Vec<String>,
    pub(super) count: u64,
}

impl Table {
    pub(super) fn open(path: &Path, name: &str) -> Result<Self, SourceError> {
        let unreadable = |error: rusqlite::Error| SourceError::Unreadable(explained(path, error));
        let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, access).map_err(unreadable)?;
        connection.busy_timeout(PATIENCE).map_err(unreadable)?;
        connection.pragma_update(None, "trusted_schema", false).map_err(unreadable)?;
        connection.execute_batch("begin").map_err(unreadable)?;
        let tables = tables(&connection).map_err(unreadable)?;
        if !tables.iter().any(|table| table.eq_ignore_ascii_case(name)) {
            return Err(SourceError::NoTable { name: name.to_owned(), tables });
        }
        let name = sql_name(name);
        let statement = connection.prepare(&format!("select * from {name}")).map_err(unreadable)?;
        let columns = statement.column_names().map(str::to_owned).collect();
        drop(statement);
        let count =
            connection.query_row(&format!("select count(*) from {name}"), [], |row| row.get::<_, i64>(0));
        let count = u64::try_from(count.map_err(unreadable)?).unwrap_or(0);
        Ok(Self { path: path.to_owned(), connection, name, columns, count })
    }

    /// Sends those columns of every row, until the end or until nobody listens.
    pub(super) fn read(self, columns: &[String], feed: &Sender) -> anyhow::Result<()> {
        let names: Vec<_> = columns.iter().map(|column| sql_name(column)).collect();
        let text = format!("select {} from {}", names.join(", "), self.name);
        let mut number = 0;
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&text)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                number += 1;
                let record = record(row, columns)?;
                if feed.send(Item { position: Position::row(number), done: number, record }).is_err() {
                    break;
                }
            }
            Ok(())
        };
        read()
            .map_err(|error| explained(&self.path, error))
            .with_context(|| format!("could not read on in {}", self.path.display()))
    }
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let text = "select name from sqlite_schema
                where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\'
                order by name";
    connection.prepare(text)?.query_map([], |row| row.get(0))?.collect()
}

fn record(row: &Row<'_>, columns: &[String]) -> rusqlite::Result<Result<Record, Cow<'static, str>>> {
    let mut record = Record::new();
    let mut bytes = 0;
    for (index, column) in columns.iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => {
                bytes += text.len();
                let Ok(text) = str::from_utf8(text) else { return Ok(Err("it is not UTF-8".into())) };
                text.into()
            }
            // Ids and hashes are kept so.
            ValueRef::Blob(blob) => {
                bytes += blob.len();
                if bytes > MAX_RECORD_BYTES {
                    return Ok(Err(TOO_LONG.into()));
                }
                value::bytes(blob).into()
            }
        };
        if bytes > MAX_RECORD_BYTES {
            return Ok(Err(TOO_LONG.into()));
        }
        record.insert(column.clone(), value);
    }
    Ok(Ok(record))
}

/// What SQLite says where the old service still runs or was killed helps nobody who does not know SQLite.
fn explained(path: &Path, error: rusqlite::Error) -> anyhow::Error {
    let codes = error.sqlite_error().map(|error| (error.code, error.extended_code));
    let way_out = match codes {
        Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => {
            "another process has it locked, most likely the old service; stop that service, and import again"
        }
        Some((_, ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY)) => {
            "whoever wrote it last was interrupted and left changes in a file beside it, which must be taken back first, and \
             nothing is written here; start the old service and stop it in an orderly way, or copy the file together with the \
             one that ends in -journal or -wal, open the copy once with: sqlite3 COPY 'select 1 from sqlite_schema', and \
             import that"
        }
        Some((ErrorCode::ReadOnly, _)) => {
            "it keeps its latest changes in a file beside it that ends in -wal, and that can be read only in a folder where \
             this process may write; copy both into one, and import the copy"
        }
        Some((ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::SystemIoFailure, _)) => {
            let missing = || "there is no such file; look whether its path is right".to_owned();
            let why = obstacle_at(path).or_else(|| (!path.exists()).then(missing));
            return match why {
                Some(why) => anyhow!("{error}; {why}"),
                None => error.into(),
            };
        }
        _ => return error.into(),
    };
    anyhow!(way_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_old_service_left_is_explained() {
        let told = |code| {
            explained(Path::new("app.db"), rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
                .to_string()
        };
        assert!(told(ffi::SQLITE_BUSY).contains("stop that service"));
        assert!(told(ffi::SQLITE_LOCKED_SHAREDCACHE).contains("stop that service"));
        assert!(
            told(ffi::SQLITE_READONLY_ROLLBACK)
                .contains("start the old service and stop it in an orderly way")
        );
        assert!(told(ffi::SQLITE_READONLY_DIRECTORY).contains("copy both into one, and import the copy"));
        assert!(told(ffi::SQLITE_CORRUPT).contains("malformed"));
    }
}
