//! The hot path: many rotations in one statement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::Batching;
use super::batcher::{Order, Outcome};
use super::connection::{Connection, Sql};
use super::error::{QueryError, Remedy};
use super::health::{Health, Unsure};
use super::rows;
use crate::clock::Timestamp;
use crate::ratchet::{Rotation, counts_from};
use crate::session::SessionKey;
use crate::store::Rotated;

/// Turns every row where [`Rotation::applies_to`] holds, account and all; answers with each one's place in the batch.
///
/// One array is unnested and the others are read by place: unnested together, the server would store each on its own first,
/// a twelfth of its work on a refresh. `offset 0` has a place read once, and not for every mention of its column.
pub(super) const ROTATE_MANY: Sql = Sql {
    text: "
    update session s
    set generation = b.to_generation,
        rotated_at = b.at,
        idle_expires_at = b.idle_expires_at,
        previous_retry_hash = s.retry_hash,
        retry_hash = b.retry_hash,
        taken_generation = case
            when s.instance_hash in (b.instance_hash, '\\x00000000000000000000000000000000'::bytea) or s.other_instance_hash = b.instance_hash then s.taken_generation
            else b.to_generation
        end,
        other_instance_hash = case
            when s.instance_hash in (b.instance_hash, '\\x00000000000000000000000000000000'::bytea) then s.other_instance_hash
            else s.instance_hash
        end,
        contested_generation = null,
        instance_hash = b.instance_hash,
        retries = 0
    from (
        select account_id,
               ($2::uuid[])[place] as id,
               ($3::int[])[place] as profile,
               ($4::bytea[])[place] as secret_hash,
               ($5::bigint[])[place] as from_generation,
               ($6::bigint[])[place] as to_generation,
               ($7::bigint[])[place] as at,
               ($8::bigint[])[place] as idle_expires_at,
               ($9::bytea[])[place] as retry_hash,
               ($10::bytea[])[place] as instance_hash,
               ($11::bigint[])[place] as turned_since,
               place
        from unnest($1::uuid[]) with ordinality as first (account_id, place)
        offset 0
    ) b
    join account a on a.id = b.account_id
    where s.account_id = b.account_id
      and s.id = b.id
      and s.profile = b.profile
      and s.secret_hash = b.secret_hash
      and s.generation = b.from_generation
      and s.ended_at is null
      and s.idle_expires_at > b.at
      and s.expires_at > b.at
      and a.disabled_at is null
      and a.epoch = s.epoch
      and (b.turned_since is null or s.generation = 0 or s.rotated_at < b.turned_since)
      and (s.contested_generation is distinct from b.to_generation - 1 or s.other_instance_hash = b.instance_hash)
    returning s.idle_expires_at, s.expires_at, coalesce(s.authenticated_at, s.created_at) as authenticated_at,
              s.methods, b.place",
    types: &[
        Type::UUID_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
    ],
};

/// Rotates one row, which a distributed engine sends to the one shard that has it.
pub(super) const ROTATE_ONE: Sql = Sql {
    text: "
    update session s
    set generation = $6,
        rotated_at = $7,
        idle_expires_at = $8,
        previous_retry_hash = s.retry_hash,
        retry_hash = $9,
        taken_generation = case
            when s.instance_hash in ($10, '\\x00000000000000000000000000000000'::bytea) or s.other_instance_hash = $10 then s.taken_generation
            else $6
        end,
        other_instance_hash = case
            when s.instance_hash in ($10, '\\x00000000000000000000000000000000'::bytea) then s.other_instance_hash
            else s.instance_hash
        end,
        contested_generation = null,
        instance_hash = $10,
        retries = 0
    from account a
    where s.account_id = $1
      and s.id = $2
      and a.id = s.account_id
      and s.profile = $3
      and s.secret_hash = $4
      and s.generation = $5
      and s.ended_at is null
      and s.idle_expires_at > $7
      and s.expires_at > $7
      and a.disabled_at is null
      and a.epoch = s.epoch
      and ($11::bigint is null or s.generation = 0 or s.rotated_at < $11)
      and (s.contested_generation is distinct from $6 - 1 or s.other_instance_hash = $10)
    returning s.idle_expires_at, s.expires_at, coalesce(s.authenticated_at, s.created_at) as authenticated_at,
              s.methods, s.account_id, s.id",
    types: &[
        Type::UUID,
        Type::UUID,
        Type::INT4,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA,
        Type::INT8,
    ],
};

/// Moves the moment rows turned, where nothing has turned them since and nobody has been answered. One that turned before
/// it was asked for here did so for somebody else, and keeps its date.
pub(super) const REDATE_MANY: Sql = Sql {
    text: "
    update session s
    set rotated_at = b.now
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
         with ordinality
         as b (account_id, id, generation, at, now, place)
    where s.account_id = b.account_id
      and s.id = b.id
      and s.generation = b.generation
      and s.rotated_at >= b.at
      and s.rotated_at < b.now
      and s.retries = 0
      and s.ended_at is null
    returning b.place",
    types: &[Type::UUID_ARRAY, Type::UUID_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY],
};

/// Which rotations can matter no more: the row has moved on, has ended or is gone.
pub(super) const OVER_MANY: Sql = Sql {
    text: "
    select b.place
    from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
         with ordinality
         as b (account_id, id, from_generation, to_generation, place)
    left join session s on s.account_id = b.account_id and s.id = b.id
    where s.id is null
       or s.generation not in (b.from_generation, b.to_generation)
       or s.ended_at is not null",
    types: &[Type::UUID_ARRAY, Type::UUID_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY],
};

/// [`REDATE_MANY`] for one row, on its one shard.
pub(super) const REDATE_ONE: Sql = Sql {
    text: "
    update session
    set rotated_at = $5
    where account_id = $1
      and id = $2
      and generation = $3
      and rotated_at >= $4
      and rotated_at < $5
      and retries = 0
      and ended_at is null",
    types: &[Type::UUID, Type::UUID, Type::INT8, Type::INT8, Type::INT8],
};

/// [`OVER_MANY`] for one row: it is there while the rotation can matter still.
pub(super) const MATTERS_ONE: Sql = Sql {
    text: "
    select id
    from session
    where account_id = $1
      and id = $2
      and generation in ($3, $4)
      and ended_at is null",
    types: &[Type::UUID, Type::UUID, Type::INT8, Type::INT8],
};

/// A rotation as it travels, with what tells the time of its answer.
#[derive(Clone, Debug)]
pub(super) struct RotateOrder {
    pub(super) rotation: Rotation,
    pub(super) restamp_after: Duration,
}

#[async_trait]
impl Order for RotateOrder {
    type Answer = Rotated;

    const DOING: &'static str = "rotate a session";
    const QUEUE: &'static str = "rotate";

    fn key(&self) -> SessionKey {
        self.rotation.key
    }

    async fn begin(connection: &Connection, health: &Health) -> Result<(), QueryError> {
        redate_watched(connection, health).await
    }

    /// Where the first has turned the row, nothing stands where the others expect it.
    fn follow(&self, first: &Self, outcome: &Option<Rotated>) -> Option<Option<Rotated>> {
        let is_lost = outcome.is_some() && first.rotation.from == self.rotation.from;
        is_lost.then_some(None)
    }

    async fn send(connection: &Connection, batching: Batching, orders: &[&Self]) -> Vec<Outcome<Rotated>> {
        if batching == Batching::Rows {
            // All are written before the first is answered.
            let one = orders.iter().map(|order| rotate_one(connection, &order.rotation));
            return join_all(one).await.into_iter().map(|outcome| outcome.map_err(Arc::new)).collect();
        }
        match rotate_many(connection, orders).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => {
                let error = Arc::new(error);
                orders.iter().map(|_| Err(Arc::clone(&error))).collect()
            }
        }
    }

    /// Dates those that took long from now: only from now on can a client have had its answer.
    async fn settle(
        connection: &Connection,
        done: &[(&Self, Instant)],
        now: Instant,
    ) -> Result<(), QueryError> {
        let late: Vec<_> = done
            .iter()
            .filter_map(|(order, queued)| {
                let took = now.saturating_duration_since(*queued);
                let from = counts_from(order.rotation.at, took, order.restamp_after)?;
                Some((Unsure::of(&order.rotation), from))
            })
            .collect();
        redate(connection, &late).await.map(drop)
    }

    fn lose(health: &Health, lost: &[(&Self, Instant)]) {
        if lost.is_empty() {
            return;
        }
        health.watch(lost.iter().map(|(order, queued)| (&order.rotation, *queued)));
    }
}

/// A count as it stands in a column. Generations end at 2^53 - 1, far below where this would matter.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The moment a row must have turned before, where row 13 applies.
fn turned_since(rotation: &Rotation) -> Option<i64> {
    rotation.unless_turned_since.map(|since| since.0)
}

/// Turns a row where the rotation applies.
pub(super) async fn rotate_one(
    connection: &Connection,
    rotation: &Rotation,
) -> Result<Option<Rotated>, QueryError> {
    let row = connection
        .optional(
            &ROTATE_ONE,
            &[
                &rotation.key.account.0,
                &rotation.key.session.0,
                &i32::from(rotation.profile.0),
                &rotation.secret_hash.as_slice(),
                &integer(rotation.from.0),
                &integer(rotation.to.0),
                &rotation.at.0,
                &rotation.idle_expires_at.0,
                &rotation.retry_hash.as_ref().map(<[u8; 16]>::as_slice),
                &rotation.instance_hash.as_slice(),
                &turned_since(rotation),
            ],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    expect_about(rotation.key, rows::key(&row)?)?;
    rotated(&row).map(Some)
}

/// Refuses an answer to somebody else's question, which a pooler may have let go astray.
pub(super) fn expect_about(asked: SessionKey, told: SessionKey) -> Result<(), QueryError> {
    if asked == told { Ok(()) } else { Err(QueryError::Astray) }
}

pub(super) fn rotated(row: &Row) -> Result<Rotated, QueryError> {
    rows::rotated(row)
}

async fn rotate_many(
    connection: &Connection,
    orders: &[&RotateOrder],
) -> Result<Vec<Option<Rotated>>, QueryError> {
    fn column<'a, T>(orders: &'a [&RotateOrder], of: impl Fn(&'a Rotation) -> T) -> Vec<T> {
        orders.iter().map(|order| of(&order.rotation)).collect()
    }
    let parameters: [&(dyn ToSql + Sync); 11] = [
        &column(orders, |rotation| rotation.key.account.0),
        &column(orders, |rotation| rotation.key.session.0),
        &column(orders, |rotation| i32::from(rotation.profile.0)),
        &column(orders, |rotation| rotation.secret_hash.as_slice()),
        &column(orders, |rotation| integer(rotation.from.0)),
        &column(orders, |rotation| integer(rotation.to.0)),
        &column(orders, |rotation| rotation.at.0),
        &column(orders, |rotation| rotation.idle_expires_at.0),
        &column(orders, |rotation| rotation.retry_hash.as_ref().map(<[u8; 16]>::as_slice)),
        &column(orders, |rotation| rotation.instance_hash.as_slice()),
        &column(orders, turned_since),
    ];
    let mut found = vec![None; orders.len()];
    for row in connection.query(&ROTATE_MANY, &parameters).await? {
        if let Some(found) = found.get_mut(place_from(row.try_get(4)?)?) {
            *found = Some(rotated(&row)?);
        }
    }
    Ok(found)
}

/// Where a row stands in the batch that was sent.
pub(super) fn place(row: &Row) -> Result<usize, QueryError> {
    place_from(row.try_get("place")?)
}

fn place_from(place: i64) -> Result<usize, QueryError> {
    usize::try_from(place - 1).map_err(|_| QueryError::Unreadable(format!("place {place} in a batch")))
}

/// Has rotations count from another moment, those of them that happened; says which.
async fn redate(connection: &Connection, late: &[(Unsure, Timestamp)]) -> Result<Vec<Unsure>, QueryError> {
    if late.is_empty() {
        return Ok(Vec::new());
    }
    if connection.sends_rows() {
        return singly(late, |(unsure, from)| redate_one(connection, unsure, *from)).await;
    }
    let parameters: [&(dyn ToSql + Sync); 5] = [
        &late.iter().map(|(unsure, _)| unsure.key.account.0).collect::<Vec<_>>(),
        &late.iter().map(|(unsure, _)| unsure.key.session.0).collect::<Vec<_>>(),
        &late.iter().map(|(unsure, _)| integer(unsure.to.0)).collect::<Vec<_>>(),
        &late.iter().map(|(unsure, _)| unsure.at.0).collect::<Vec<_>>(),
        &late.iter().map(|(_, from)| from.0).collect::<Vec<_>>(),
    ];
    named(late, &connection.query(&REDATE_MANY, &parameters).await?)
}

/// Dates those of the watched rotations that turn out to have happened from now, and forgets those that can matter no
/// more. One that has not happened may be waiting in the server still.
pub(super) async fn redate_watched(connection: &Connection, health: &Health) -> Result<(), QueryError> {
    let watched = health.watched();
    if watched.is_empty() {
        return Ok(());
    }
    // Nobody has been answered for any of them, however short a time it took.
    let late = watched
        .iter()
        .filter_map(|(unsure, took)| Some((*unsure, counts_from(unsure.at, *took, Duration::ZERO)?)));
    let found = redate(connection, &late.collect::<Vec<_>>()).await?;
    let over = over(connection, &watched).await?;
    health.settle(&watched, &found, &over);
    Ok(())
}

/// Those that can matter no more.
async fn over(connection: &Connection, watched: &[(Unsure, Duration)]) -> Result<Vec<Unsure>, QueryError> {
    if connection.sends_rows() {
        return singly(watched, |(unsure, _)| is_over(connection, unsure)).await;
    }
    let parameters: [&(dyn ToSql + Sync); 4] = [
        &watched.iter().map(|(unsure, _)| unsure.key.account.0).collect::<Vec<_>>(),
        &watched.iter().map(|(unsure, _)| unsure.key.session.0).collect::<Vec<_>>(),
        &watched.iter().map(|(unsure, _)| integer(unsure.from.0)).collect::<Vec<_>>(),
        &watched.iter().map(|(unsure, _)| integer(unsure.to.0)).collect::<Vec<_>>(),
    ];
    named(watched, &connection.query(&OVER_MANY, &parameters).await?)
}

/// Those of which a statement of its own says so. All leave together. Where one's shard is gone the others are told of all
/// the same, and it is looked for again with the next heartbeat.
async fn singly<'s, T, F>(
    sent: &'s [(Unsure, T)],
    ask: impl Fn(&'s (Unsure, T)) -> F,
) -> Result<Vec<Unsure>, QueryError>
where
    F: Future<Output = Result<bool, QueryError>>,
{
    let mut found = Vec::with_capacity(sent.len());
    for ((unsure, _), said) in sent.iter().zip(join_all(sent.iter().map(ask)).await) {
        match said {
            Ok(true) => found.push(*unsure),
            Ok(false) => {}
            Err(error) if error.remedy() == Remedy::Part => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn redate_one(connection: &Connection, unsure: &Unsure, from: Timestamp) -> Result<bool, QueryError> {
    let SessionKey { account, session } = unsure.key;
    let given: [&(dyn ToSql + Sync); 5] =
        [&account.0, &session.0, &integer(unsure.to.0), &unsure.at.0, &from.0];
    Ok(connection.execute(&REDATE_ONE, &given).await? > 0)
}

async fn is_over(connection: &Connection, unsure: &Unsure) -> Result<bool, QueryError> {
    let SessionKey { account, session } = unsure.key;
    let given: [&(dyn ToSql + Sync); 4] =
        [&account.0, &session.0, &integer(unsure.from.0), &integer(unsure.to.0)];
    Ok(connection.optional(&MATTERS_ONE, &given).await?.is_none())
}

/// Those whose places in the batch came back.
fn named<T>(sent: &[(Unsure, T)], rows: &[Row]) -> Result<Vec<Unsure>, QueryError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(sent.get(place(row)?).map(|(unsure, _)| *unsure));
    }
    Ok(found)
}
