//! Which database this is, and how far it has come: counted beside the commits, at most once a second, so that no refresh
//! waits for it. One row is all nodes'; each takes a moment of it.

use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rotate::integer;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::high_water::{Progress, StoreId};

const POSITION: Sql = Sql {
    text: "
    select store, position, went_back_at
    from store_position",
    types: &[],
};

const COUNT: Sql = Sql {
    text: "
    update store_position
    set position = position + 1
    returning store, position, went_back_at",
    types: &[],
};

const COUNT_ON: Sql = Sql {
    text: "
    update store_position
    set position = greatest(position, $1) + 1,
        went_back_at = $2
    returning store, position, went_back_at",
    types: &[Type::INT8, Type::INT8],
};

pub(super) async fn read(connection: &Connection) -> Result<Progress, QueryError> {
    of_row(&connection.one(&POSITION, &[]).await?)
}

pub(super) async fn look(store: &PostgresStore) -> Result<Progress, Fault> {
    store
        .pool
        .statement("look how far the store has come", &(), |connection, ()| read(connection).boxed())
        .await
}

/// Counts what was committed since, if anything was.
pub(super) async fn count(store: &PostgresStore) -> Result<(), Fault> {
    if !store.health.take_committed() {
        return Ok(());
    }
    let counted = store
        .marks
        .statement("count how far the store has come", &(), |connection, ()| {
            async move { of_row(&connection.one(&COUNT, &[]).await?) }.boxed()
        })
        .await;
    match counted {
        Ok(progress) => {
            store.progress.send_replace(progress);
            Ok(())
        }
        Err(fault) => {
            store.health.has_committed();
            Err(fault)
        }
    }
}

pub(super) async fn count_on(
    store: &PostgresStore,
    seen: u64,
    went_back_at: Option<Timestamp>,
) -> Result<(), Fault> {
    let given = (integer(seen), went_back_at.map(|at| at.0));
    let counted = store
        .marks
        .statement("count on from where the store was", &given, |connection, (seen, at)| {
            async move { of_row(&connection.one(&COUNT_ON, &[seen, at]).await?) }.boxed()
        })
        .await?;
    store.progress.send_replace(counted);
    Ok(())
}

fn of_row(row: &Row) -> Result<Progress, QueryError> {
    Ok(Progress {
        store: StoreId(row.try_get("store")?),
        position: row.try_get::<_, i64>("position")?.max(0).unsigned_abs(),
        copied: 0,
        went_back_at: row.try_get::<_, Option<i64>>("went_back_at")?.map(Timestamp),
    })
}
