//! Moving a whole SQLite store into an empty PostgreSQL database, in one transaction: all of it arrives, or nothing.
//!
//! Both schemas have the same tables and columns under the same names, so no table is named here: the tables are the
//! source's, their columns and types the target's, and any difference is refused. Rows travel in slices of bounded
//! size, read on a thread of their own; the source is locked meanwhile, so that no session can turn behind our back.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use rusqlite::types::ValueRef;
use rusqlite::{Connection as SqliteConnection, ErrorCode, OpenFlags};
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::Settings;
use super::connection::{Connection, Connector, Sql};
use super::error::QueryError;
use super::migration;
use crate::error::Fault;
use crate::keys::Fingerprint;
use crate::text::sql_name;

/// How many rows travel together.
const SLICE_ROWS: usize = 500;

/// How many slices may be on their way: while one is written, the next ones are read.
const SLICES: usize = 4;

/// How long the source may be in use for a moment, as by a command that only looks.
const SOURCE_PATIENCE: Duration = Duration::from_millis(500);

const HISTORY: &str = "refinery_schema_history";

const DOING: &str = "import the store";

/// How many rows each table has, in the order in which they were moved; here as there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts {
    /// A table's name and its rows.
    pub tables: Vec<(String, u64)>,
}

/// What stands in the way. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    #[error(
        "there is no file {0}; name the SQLite file of the old server, which is <data-dir>/sprag.db unless told otherwise"
    )]
    Missing(PathBuf),
    #[error(
        "{0} is no store of Sprag's: it has no tables of its own and no history of migrations; name the file of the old server"
    )]
    Foreign(PathBuf),
    #[error("{0} is in use; stop the server and every command that works on it, and import again")]
    InUse(PathBuf),
    #[error("{path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: rusqlite::Error },
    #[error(
        "{path} has the migrations {source_has} and the target has {target_has}; bring both to those of this build: sprag \
         migrate --database-url sqlite:{path}, and sprag migrate on the target"
    )]
    OtherSchema { path: PathBuf, source_has: String, target_has: String },
    #[error(
        "the key ring in use shares no key with the one that the tokens in {0} were made with, so everybody would be \
         refused; use the keys.json of the old server"
    )]
    OtherRing(PathBuf),
    #[error(
        "the database is behind a connection pooler, which lends a connection for one transaction only; give the URL of \
         the server itself for the import"
    )]
    Pooled,
    #[error(
        "the target is not empty: its table {0} has rows; import into an empty database, made with: sprag migrate --create"
    )]
    NotEmpty(String),
    #[error("another transaction is writing to the target; stop every server on it, and import again")]
    TargetInUse,
    #[error("table {table} has the columns {here} here and {there} there")]
    OtherColumns { table: String, here: String, there: String },
    #[error("table {table}: column {column} holds {found}, which does not fit {wanted}")]
    OddValue { table: String, column: String, found: String, wanted: Type },
    #[error("table {table} has {here} rows here, of which {there} arrived; nothing was kept")]
    Miscounted { table: String, here: u64, there: u64 },
}

/// Moves everything in the SQLite file `from` into the empty, migrated database of `settings`; says of each table how
/// many rows were moved. `ring` are the keys of whoever will serve it. `progress` hears a table's name, how many of its rows are there, and how many it has.
///
/// The source is left as it is, but for its log, which is copied into the file. It must not be served again: its
/// sessions live on in the target.
///
/// # Errors
/// A [`Fault`] that says what stands in the way; then the target is as empty as before.
pub async fn import(
    from: &Path,
    settings: &Settings,
    ring: &[Fingerprint],
    progress: impl Fn(&str, u64, u64),
) -> Result<Counts, Fault> {
    let path = from.to_owned();
    let source = in_background(move || Source::lock(path)).await?;
    let connector = Connector::new(&settings.server, settings.connect_timeout)?;
    let connection = connector
        .connect_to_primary()
        .await
        .map_err(|error| error.fault("reach the database to import into"))?;
    migration::check(&connection).await?;
    if !connection.is_ours() {
        return Err(obstacle(Obstacle::Pooled));
    }
    expect_same_schema(&source, &connection).await?;
    source.expect_ring(ring)?;
    prepare(&connection, &source.tables).await?;
    let (mut source, tables) = planned(source, &connection).await?;
    for table in &tables {
        source = move_table(source, &connection, table, &progress).await?;
    }
    let there = counts(&connection, &source.tables).await.map_err(|error| error.fault(DOING))?;
    for (Planned { name, rows, .. }, there) in tables.iter().zip(there) {
        if there != *rows {
            return Err(obstacle(Obstacle::Miscounted { table: name.clone(), here: *rows, there }));
        }
    }
    let counts = Counts { tables: tables.into_iter().map(|table| (table.name, table.rows)).collect() };
    connection.run("commit").await.map_err(|error| {
        error.fault(
            "hear whether the import was kept; import again: if it was, that says that the target is not empty",
        )
    })?;
    drop(source);
    look_over(&connection, &counts).await;
    Ok(counts)
}

/// The planner knows nothing of tables that have just been filled. Not in the transaction that fills them: Citus refuses that
/// once it has written to a table that stands on every server.
async fn look_over(connection: &Connection, counts: &Counts) {
    let analyse = |table: &str| format!("analyze {}", sql_name(table));
    let each = counts.tables.iter().map(|(table, _)| async move {
        if let Err(error) = connection.run(&analyse(table)).await {
            tracing::warn!(
                "everything was moved, but the table {table} could not be analysed: {error}; until autovacuum has done so, some \
                 statements may be slow"
            );
        }
    });
    join_all(each).await;
}

/// The SQLite file, locked against everybody else.
struct Source {
    path: PathBuf,
    connection: SqliteConnection,
    tables: Vec<String>,
    migrations: Vec<(i64, String)>,
}

impl Source {
    fn lock(path: PathBuf) -> Result<Self, Fault> {
        if !path.is_file() {
            return Err(obstacle(Obstacle::Missing(path)));
        }
        match Self::locked(&path) {
            Ok(source) if source.tables.is_empty() || source.migrations.is_empty() => {
                Err(obstacle(Obstacle::Foreign(path)))
            }
            Ok(source) => Ok(source),
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    /// In this locking mode a file with a write-ahead log is locked even against those who only have it open; in no
    /// other does an idle server show.
    fn locked(path: &Path) -> rusqlite::Result<Self> {
        let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = SqliteConnection::open_with_flags(path, access)?;
        connection.busy_timeout(SOURCE_PATIENCE)?;
        connection.pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.execute_batch("begin exclusive")?;
        let tables = connection
            .prepare(
                "select name
                 from sqlite_schema
                 where type = 'table'
                   and name not in (?1, 'store_position')
                   and name not like 'sqlite\\_%' escape '\\'
                 order by name",
            )?
            .query_map([HISTORY], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let has_history = connection
            .prepare("select 1 from sqlite_schema where type = 'table' and name = ?1")?
            .exists([HISTORY])?;
        let migrations = if has_history {
            connection
                .prepare("select version, name from refinery_schema_history order by version")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?
        } else {
            Vec::new()
        };
        Ok(Self { path: path.to_owned(), connection, tables, migrations })
    }

    /// Refuses a key ring that shares no key with the one that the tokens were made with.
    fn expect_ring(&self, ring: &[Fingerprint]) -> Result<(), Fault> {
        let read = || -> rusqlite::Result<Vec<Fingerprint>> {
            let mut statement = self.connection.prepare("select fingerprint from key_ring")?;
            statement.query_map([], |row| row.get(0).map(Fingerprint))?.collect()
        };
        let known = read().map_err(|error| unreadable(&self.path, error))?;
        if known.is_empty() || ring.iter().any(|fingerprint| known.contains(fingerprint)) {
            return Ok(());
        }
        Err(obstacle(Obstacle::OtherRing(self.path.clone())))
    }

    /// Refuses a table that has other columns here than there; says how many rows it has.
    fn expect_columns(&self, table: &str, wanted: &[(String, Type)]) -> Result<u64, Fault> {
        let broken = |error| unreadable(&self.path, error);
        let statement =
            self.connection.prepare(&format!("select * from {}", sql_name(table))).map_err(broken)?;
        let mut here: Vec<_> = statement.column_names().collect();
        here.sort_unstable();
        let there: Vec<_> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        if here != there {
            let (table, here, there) = (table.to_owned(), here.join(", "), there.join(", "));
            return Err(obstacle(Obstacle::OtherColumns { table, here, there }));
        }
        let text = format!("select count(*) from {}", sql_name(table));
        let count = self.connection.query_row(&text, [], |row| row.get::<_, i64>(0)).map_err(broken)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Sends all rows of a table, slice by slice, until the other end wants no more.
    fn read(
        &self,
        table: &str,
        columns: &[(String, Type)],
        slices: &mpsc::Sender<Vec<Vec<Cell>>>,
    ) -> Result<(), Fault> {
        let names: Vec<_> = columns.iter().map(|(name, _)| sql_name(name)).collect();
        let text = format!("select {} from {}", names.join(", "), sql_name(table));
        let broken = |error| unreadable(&self.path, error);
        let mut statement = self.connection.prepare(&text).map_err(broken)?;
        let mut rows = statement.query([]).map_err(broken)?;
        let mut slice = Vec::with_capacity(SLICE_ROWS);
        while let Some(row) = rows.next().map_err(broken)? {
            let mut cells = Vec::with_capacity(columns.len());
            for (index, (column, wanted)) in columns.iter().enumerate() {
                let value = row.get_ref(index).map_err(broken)?;
                let cell = cell(value, wanted).ok_or_else(|| {
                    obstacle(Obstacle::OddValue {
                        table: table.to_owned(),
                        column: column.clone(),
                        found: format!("{} value", value.data_type()),
                        wanted: wanted.clone(),
                    })
                })?;
                cells.push(cell);
            }
            slice.push(cells);
            let is_full = slice.len() == SLICE_ROWS;
            if is_full && slices.blocking_send(std::mem::take(&mut slice)).is_err() {
                return Ok(());
            }
        }
        // Whoever wants no more has its own reason, which it tells.
        let _ = slices.blocking_send(slice);
        Ok(())
    }
}

/// A value on its way.
type Cell = Box<dyn ToSql + Sync + Send>;

/// The value as the target's type; `None` where it does not fit.
fn cell(value: ValueRef<'_>, wanted: &Type) -> Option<Cell> {
    fn boxed<T: ToSql + Sync + Send + 'static>(value: Option<T>) -> Option<Cell> {
        Some(Box::new(value))
    }
    let integer = match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number),
        _ if [Type::INT8, Type::INT4, Type::INT2, Type::BOOL].contains(wanted) => return None,
        _ => None,
    };
    match (wanted, value) {
        (&Type::INT8, _) => boxed(integer),
        (&Type::INT4, _) => boxed(integer.map(i32::try_from).transpose().ok()?),
        (&Type::INT2, _) => boxed(integer.map(i16::try_from).transpose().ok()?),
        (&Type::BOOL, ValueRef::Integer(0 | 1) | ValueRef::Null) => boxed(integer.map(|number| number == 1)),
        (&Type::TEXT, ValueRef::Null) => boxed(None::<String>),
        (&Type::TEXT, ValueRef::Text(text)) => boxed(Some(str::from_utf8(text).ok()?.to_owned())),
        (&Type::BYTEA, ValueRef::Null) => boxed(None::<Vec<u8>>),
        (&Type::BYTEA, ValueRef::Blob(bytes)) => boxed(Some(bytes.to_vec())),
        (&Type::UUID, ValueRef::Null) => boxed(None::<Uuid>),
        (&Type::UUID, ValueRef::Blob(bytes)) => boxed(Some(Uuid::from_slice(bytes).ok()?)),
        _ => None,
    }
}

async fn expect_same_schema(source: &Source, connection: &Connection) -> Result<(), Fault> {
    let there = migration::schema(connection).await.map_err(|error| error.fault(DOING))?;
    let there: Vec<_> = there.into_iter().map(|applied| (applied.version, applied.name)).collect();
    if there == source.migrations {
        return Ok(());
    }
    let told = |migrations: &[(i64, String)]| {
        let names: Vec<_> = migrations.iter().map(|(version, name)| format!("V{version}__{name}")).collect();
        names.join(", ")
    };
    Err(obstacle(Obstacle::OtherSchema {
        path: source.path.clone(),
        source_has: told(&source.migrations),
        target_has: told(&there),
    }))
}

/// Begins the transaction, and sees to it that nobody else writes until it ends and that nobody has before.
async fn prepare(connection: &Connection, tables: &[String]) -> Result<(), Fault> {
    // A move takes as long as it takes. Plans that look through whole tables are right here, for once.
    const UNHURRIED: Sql = Sql {
        text: "
        select set_config(name, case name when 'lock_timeout' then '5s' when 'enable_seqscan' then 'on' else '0' end, true)
        from pg_settings
        where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',
                       'lock_timeout', 'enable_seqscan')",
        types: &[],
    };
    let all: Vec<_> = tables.iter().map(|table| sql_name(table)).collect();
    let locked = async {
        connection.run("begin isolation level read committed").await?;
        connection.query(&UNHURRIED, &[]).await?;
        connection.run(&format!("lock table {} in exclusive mode", all.join(", "))).await
    };
    match locked.await {
        Err(QueryError::Database(error)) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            return Err(obstacle(Obstacle::TargetInUse));
        }
        locked => locked.map_err(|error| error.fault(DOING))?,
    }
    let there = counts(connection, tables).await.map_err(|error| error.fault(DOING))?;
    let full = tables.iter().zip(there).find(|(_, rows)| *rows > 0);
    full.map_or(Ok(()), |(table, _)| Err(obstacle(Obstacle::NotEmpty(table.clone()))))
}

/// How many rows each table has there. All are asked at once, for the database may be far away.
async fn counts(connection: &Connection, tables: &[String]) -> Result<Vec<u64>, QueryError> {
    let each = tables.iter().map(|table| async move {
        let text = format!("select count(*) as count from {}", sql_name(table));
        let rows = connection.client().query_typed(&text, &[]).await?;
        let count = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>("count"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    });
    try_join_all(each).await
}

/// A table that is to be moved.
struct Planned {
    name: String,
    /// The columns by name, with the types that they have there.
    columns: Vec<(String, Type)>,
    rows: u64,
}

/// What is to be moved. Every table is asked about at once, before any row leaves.
async fn planned(source: Source, connection: &Connection) -> Result<(Source, Vec<Planned>), Fault> {
    let shapes = source.tables.iter().map(|table| async move {
        connection.client().prepare(&format!("select * from {}", sql_name(table))).await
    });
    let shapes = try_join_all(shapes).await.map_err(|error| QueryError::from(error).fault(DOING))?;
    let columns = shapes.iter().map(|shape| {
        let mut columns: Vec<_> =
            shape.columns().iter().map(|column| (column.name().to_owned(), column.type_().clone())).collect();
        columns.sort_by(|(a, _), (b, _)| a.cmp(b));
        columns
    });
    let columns: Vec<_> = columns.collect();
    in_background(move || {
        let each = source.tables.iter().zip(columns).map(|(name, columns)| {
            let rows = source.expect_columns(name, &columns)?;
            Ok(Planned { name: name.clone(), columns, rows })
        });
        let tables = each.collect::<Result<_, Fault>>()?;
        Ok((source, tables))
    })
    .await
}

/// Moves one table; gives the source back.
async fn move_table(
    source: Source,
    connection: &Connection,
    table: &Planned,
    progress: &impl Fn(&str, u64, u64),
) -> Result<Source, Fault> {
    progress(&table.name, 0, table.rows);
    if table.rows == 0 {
        return Ok(source);
    }
    let broken = |error: tokio_postgres::Error| QueryError::from(error).fault(DOING);
    let names: Vec<_> = table.columns.iter().map(|(name, _)| sql_name(name)).collect();
    let types: Vec<_> = table.columns.iter().map(|(_, kind)| kind.clone()).collect();
    let (send, mut receive) = mpsc::channel(SLICES);
    let (owned_table, owned_columns) = (table.name.clone(), table.columns.clone());
    let reading = spawn_blocking(move || {
        source.read(&owned_table, &owned_columns, &send)?;
        Ok(source)
    });
    let text = format!("copy {} ({}) from stdin (format binary)", sql_name(&table.name), names.join(", "));
    let sink = connection.client().copy_in(&text).await.map_err(broken)?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    let mut done = 0;
    while let Some(slice) = receive.recv().await {
        done += slice.len() as u64;
        for row in slice {
            writer.as_mut().write_raw(row).await.map_err(broken)?;
        }
        progress(&table.name, done, table.rows);
    }
    let source = joined(reading.await)?;
    writer.finish().await.map_err(broken)?;
    Ok(source)
}

fn obstacle(obstacle: Obstacle) -> Fault {
    Fault::unavailable(DOING, obstacle)
}

fn unreadable(path: &Path, error: rusqlite::Error) -> Fault {
    let path = path.to_owned();
    obstacle(match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Obstacle::InUse(path),
        Some(ErrorCode::NotADatabase) => Obstacle::Foreign(path),
        _ => Obstacle::Unreadable { path, error },
    })
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    joined(spawn_blocking(work).await)
}

fn joined<T>(done: Result<Result<T, Fault>, JoinError>) -> Result<T, Fault> {
    done.unwrap_or_else(|panic| Err(Fault::internal(DOING, panic)))
}
