//! Looking at rows: many at once, as they are turned.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_postgres::types::Type;

use super::Batching;
use super::batcher::{Order, Outcome};
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rotate::{expect_about, place};
use super::rows;
use crate::ratchet::SessionState;
use crate::session::SessionKey;

/// Finds rows together with the state of their accounts.
pub(super) const FIND_MANY: Sql = Sql {
    text: "
    select b.place,
           s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
           s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
           s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
           s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
           a.epoch as account_epoch,
           a.id is null or a.disabled_at is not null as is_disabled
    from unnest($1::uuid[], $2::uuid[]) with ordinality as b (account_id, id, place)
    join session s on s.account_id = b.account_id and s.id = b.id
    left join account a on a.id = b.account_id",
    types: &[Type::UUID_ARRAY, Type::UUID_ARRAY],
};

/// Finds one row, which a distributed engine asks the one shard for that has it.
pub(super) const FIND_ONE: Sql = Sql {
    text: "
    select s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
           s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
           s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
           s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
           a.epoch as account_epoch,
           a.id is null or a.disabled_at is not null as is_disabled
    from session s
    left join account a on a.id = s.account_id
    where s.account_id = $1
      and s.id = $2",
    types: &[Type::UUID, Type::UUID],
};

/// The row to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct FindOrder(pub(super) SessionKey);

#[async_trait]
impl Order for FindOrder {
    type Answer = SessionState;

    const DOING: &'static str = "find a session";
    const QUEUE: &'static str = "find";

    fn key(&self) -> SessionKey {
        self.0
    }

    /// Who looks at the same row sees the same.
    fn follow(&self, _: &Self, outcome: &Option<SessionState>) -> Option<Option<SessionState>> {
        Some(outcome.clone())
    }

    async fn send(
        connection: &Connection,
        batching: Batching,
        orders: &[&Self],
    ) -> Vec<Outcome<SessionState>> {
        if batching == Batching::Rows {
            let one = orders.iter().map(|order| find_one(connection, order.0));
            let found = join_all(one).await;
            return found.into_iter().map(|outcome| outcome.map_err(Arc::new)).collect();
        }
        match find_many(connection, orders).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => {
                let error = Arc::new(error);
                orders.iter().map(|_| Err(Arc::clone(&error))).collect()
            }
        }
    }
}

pub(super) async fn find_one(
    connection: &Connection,
    key: SessionKey,
) -> Result<Option<SessionState>, QueryError> {
    let row = connection.optional(&FIND_ONE, &[&key.account.0, &key.session.0]).await?;
    let Some(state) = row.map(|row| rows::state(&row)).transpose()? else { return Ok(None) };
    expect_about(key, state.session.key)?;
    Ok(Some(state))
}

async fn find_many(
    connection: &Connection,
    orders: &[&FindOrder],
) -> Result<Vec<Option<SessionState>>, QueryError> {
    let accounts: Vec<_> = orders.iter().map(|order| order.0.account.0).collect();
    let sessions: Vec<_> = orders.iter().map(|order| order.0.session.0).collect();
    let mut found = vec![None; orders.len()];
    for row in connection.query(&FIND_MANY, &[&accounts, &sessions]).await? {
        if let Some(found) = found.get_mut(place(&row)?) {
            *found = Some(rows::state(&row)?);
        }
    }
    Ok(found)
}
