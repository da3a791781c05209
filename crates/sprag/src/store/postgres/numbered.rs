//! Rows that have a number, from 1 on: checkpoints, cuts, erasures.

use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rotate::integer;
use crate::error::Fault;
use crate::store::Slice;

impl PostgresStore {
    /// Those after a number, in their order; the statement takes the number, and how many.
    pub(super) async fn numbered<T: Send + 'static>(
        &self,
        doing: &'static str,
        statement: &'static Sql,
        slice: Slice<u64>,
        row: fn(&Row) -> Result<T, QueryError>,
    ) -> Result<Vec<T>, Fault> {
        let given = (slice.after.map_or(i64::MIN, integer), i64::from(slice.limit));
        self.pool
            .statement(doing, &given, move |connection, (after, limit)| {
                async move {
                    let found = connection.query(statement, &[after, limit]).await?;
                    found.iter().map(row).collect()
                }
                .boxed()
            })
            .await
    }

    /// The one that has the highest number, if there is any; the statement takes nothing.
    pub(super) async fn newest<T: Send + 'static>(
        &self,
        doing: &'static str,
        statement: &'static Sql,
        row: fn(&Row) -> Result<T, QueryError>,
    ) -> Result<Option<T>, Fault> {
        self.pool
            .statement(doing, &(), move |connection, ()| {
                async move {
                    let found = connection.optional(statement, &[]).await?;
                    found.as_ref().map(row).transpose()
                }
                .boxed()
            })
            .await
    }
}

/// What a statement finds as `newest` once nobody else cuts or erases: each looks for what the other has done, and then does its
/// own.
pub(super) async fn newest_waited_for(connection: &Connection, newest: &Sql) -> Result<i64, QueryError> {
    const WAIT_FOR_JOURNAL: Sql = Sql { text: "select pg_advisory_xact_lock($1)", types: &[Type::INT8] };
    // A number that nothing else locks by.
    const JOURNAL: i64 = 0x7370_7261_676a_726e;
    connection.query(&WAIT_FOR_JOURNAL, &[&JOURNAL]).await?;
    let found = connection.optional(newest, &[]).await?;
    Ok(found.map(|row| row.try_get("newest")).transpose()?.unwrap_or(0))
}
