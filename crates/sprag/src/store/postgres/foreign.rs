//! A look at a table of another system's database: reading only, row by row, as everything stood at one moment.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_postgres::RowStream;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::Server;
use super::connection::{Connection, Connector};
use super::error::QueryError;
use crate::error::Fault;
use crate::text::sql_name;

const DOING: &str = "read the source database";

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many names are listed where one is not found.
const MAX_NAMES: i64 = 200;

/// A table of a database that need not be ours: a standby will do. One transaction that cannot write sees it all.
pub struct ForeignTable {
    connection: Connection,
    name: String,
    columns: Vec<String>,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// There is no table of that name; the others are listed.
    #[error("there is no such table")]
    NoTable(Vec<String>),
    /// Something else.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<QueryError> for Unreadable {
    fn from(error: QueryError) -> Self {
        Self::Fault(error.fault(DOING))
    }
}

impl From<tokio_postgres::Error> for Unreadable {
    fn from(error: tokio_postgres::Error) -> Self {
        QueryError::from(error).into()
    }
}

impl ForeignTable {
    /// Connects and looks at the table's columns. A dot in the name stands between schema and table.
    ///
    /// # Errors
    /// There is no such table, or a [`Fault`] if the server cannot be reached.
    pub async fn open(server: &Server, name: &str) -> Result<Self, Unreadable> {
        let connection = Connector::new(server, PATIENCE)?.connect_to_any().await?;
        connection.run("begin isolation level repeatable read, read only").await?;
        // Reading a large table takes as long as it takes.
        connection
            .run("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0")
            .await?;
        let quoted = name.split('.').map(sql_name).collect::<Vec<_>>().join(".");
        let shape = connection.client().prepare(&format!("select * from {quoted} limit 0")).await;
        let columns = match shape {
            Ok(shape) => shape.columns().iter().map(|column| column.name().to_owned()).collect(),
            Err(error) if is_about_the_name(&error) => {
                connection.run("rollback").await?;
                return Err(Unreadable::NoTable(tables(&connection).await?));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { connection, name: quoted, columns })
    }

    /// The table's columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows it has.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn count(&self) -> Result<u64, Fault> {
        let text = format!("select count(*) from {}", self.name);
        let row = self.connection.client().query_one(&text, &[]).await;
        let count = row.and_then(|row| row.try_get::<_, i64>(0));
        let count = count.map_err(|error| QueryError::from(error).fault(DOING))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Begins to read those of the columns, row by row.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn rows(self, columns: &[String]) -> Result<ForeignRows, Fault> {
        let columns: Vec<_> = columns.iter().map(|column| sql_name(column)).collect();
        let text = format!(
            "select row_to_json(wanted)::text from (select {} from {}) as wanted",
            columns.join(", "),
            self.name
        );
        let none: [&(dyn ToSql + Sync); 0] = [];
        let stream = self.connection.client().query_raw(&text, none).await;
        let stream = stream.map_err(|error| QueryError::from(error).fault(DOING))?;
        Ok(ForeignRows { stream: Box::pin(stream), _connection: self.connection })
    }
}

impl fmt::Debug for ForeignTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignTable").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The rows of a table, each a JSON object. What nobody has asked for yet waits at the server.
pub struct ForeignRows {
    stream: Pin<Box<RowStream>>,
    _connection: Connection,
}

impl ForeignRows {
    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// A [`Fault`] if the connection broke.
    pub async fn next(&mut self) -> Result<Option<String>, Fault> {
        let Some(row) = self.stream.next().await else { return Ok(None) };
        let text = row.and_then(|row| row.try_get::<_, String>(0));
        text.map(Some).map_err(|error| QueryError::from(error).fault(DOING))
    }
}

impl fmt::Debug for ForeignRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignRows")
    }
}

fn is_about_the_name(error: &tokio_postgres::Error) -> bool {
    let about = [
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_SCHEMA,
        SqlState::SYNTAX_ERROR,
        // "cross-database references are not implemented": a name with too many dots.
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    error.code().is_some_and(|code| about.contains(code))
}

async fn tables(connection: &Connection) -> Result<Vec<String>, QueryError> {
    const TABLES: &str = "
        select case when table_schema = current_schema() then table_name::text
                    else table_schema || '.' || table_name end as name
        from information_schema.tables
        where table_schema not in ('pg_catalog', 'information_schema')
        order by table_schema <> current_schema(), 1
        limit $1";
    let rows = connection.client().query(TABLES, &[&MAX_NAMES]).await?;
    Ok(rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?)
}
