//! Budgets: one conditional statement for each, on connections of their own.
//!
//! Where there are several, they are reserved in one transaction, in the order of their keys, so that no two wait for each
//! other; it is undone where one has no room. On spread tables each budget lies on a shard of its own, and a transaction over
//! several shards would cost two phases: there each statement stands alone, and what was reserved beside one without room is given
//! back. Either way no budget ever gives more than it holds.
//!
//! The table is not logged: after a crash of the server, and on a standby that takes over, all budgets are whole.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio_postgres::types::Type;

use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::pool::{Outcome, Pool};
use super::{Batching, PostgresStore};
use crate::clock::{Timestamp, millis};
use crate::error::Fault;
use crate::store::{BudgetKey, BudgetState, Budgets, Wanted};

/// The key, the present moment, the interval, and how long a full burst takes.
const RESERVE_OF_BUDGET: Sql = Sql {
    text: "
    insert into rate_limit as kept (key, due)
    values ($1, $2::bigint + $3::bigint)
    on conflict (key) do update
    set due = greatest(least(kept.due, $2 + $4), $2) + $3
    where greatest(least(kept.due, $2 + $4), $2) + $3 <= $2 + $4
    returning kept.due as due",
    types: &[Type::BYTEA, Type::INT8, Type::INT8, Type::INT8],
};

const DUE_OF_BUDGET: Sql = Sql { text: "select due from rate_limit where key = $1", types: &[Type::BYTEA] };

const GIVE_BACK_TO_BUDGET: Sql = Sql {
    text: "
    update rate_limit
    set due = due - $2
    where key = $1
      and due > $3",
    types: &[Type::BYTEA, Type::INT8, Type::INT8],
};

/// Brings a time of a clock that went back down to a full burst from now.
const BRING_DOWN_BUDGET: Sql = Sql {
    text: "
    update rate_limit
    set due = $2
    where key = $1
      and due > $2",
    types: &[Type::BYTEA, Type::INT8],
};

/// Goes to every shard, as a sweep may.
const WHOLE_BUDGETS: Sql = Sql {
    text: "
    select key
    from rate_limit
    where due <= $1
    limit $2",
    types: &[Type::INT8, Type::INT8],
};

const FORGET_BUDGETS: Sql = Sql {
    text: "
    delete from rate_limit
    where key = any ($1)
      and due <= $2",
    types: &[Type::BYTEA_ARRAY, Type::INT8],
};

/// How many are forgotten by one statement.
const SLICE: i64 = 1000;

const RESERVING: &str = "reserve of a budget";

type Given = (Vec<Wanted>, Timestamp);

/// How the budgets stand, and those whose time is later than it may be, with the latest it may be.
type Found = (Vec<BudgetState>, Vec<(BudgetKey, Timestamp)>);

#[async_trait]
impl Budgets for PostgresStore {
    async fn reserve(&self, wanted: Vec<Wanted>, now: Timestamp) -> Result<Vec<BudgetState>, Fault> {
        let stands_alone = wanted.len() == 1 || self.batching == Batching::Rows;
        // On a task of its own: a client that hangs up in the middle would have its connection closed, and there are only two.
        let reserving = tokio::spawn(reserve(self.budgets.clone(), (wanted, now), stands_alone));
        reserving.await.unwrap_or_else(|panic| Err(Fault::internal(RESERVING, panic)))
    }

    async fn give_back(&self, back: Vec<(BudgetKey, Duration)>, now: Timestamp) -> Result<(), Fault> {
        let given = (back, now);
        self.budgets
            .statement("give back to a budget", &given, |connection, (back, now)| {
                give_back(connection, back, *now).boxed()
            })
            .await
    }

    async fn sweep_budgets(&self, now: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let found = self
                .budgets
                .statement("forget budgets that are whole", &now, |connection, now| {
                    forget(connection, *now).boxed()
                })
                .await?;
            forgotten += found;
            if found < SLICE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

async fn reserve(budgets: Pool, given: Given, stands_alone: bool) -> Result<Vec<BudgetState>, Fault> {
    let (standings, late) = if stands_alone {
        budgets
            .statement(RESERVING, &given, |connection, given| reserve_each(connection, given).boxed())
            .await?
    } else {
        budgets
            .transaction(RESERVING, &given, |connection, given| reserve_all(connection, given).boxed())
            .await?
    };
    if !late.is_empty() {
        // A refusal undoes all that it wrote, so this comes after it.
        budgets.statement(RESERVING, &late, |connection, late| bring_down(connection, late).boxed()).await?;
    }
    Ok(standings)
}

/// Sends all in one flight, in the order of their keys; for each, what was reserved or else nothing.
async fn send(connection: &Connection, (wanted, now): &Given) -> Result<Vec<Option<Timestamp>>, QueryError> {
    let mut places: Vec<usize> = (0..wanted.len()).collect();
    places.sort_unstable_by_key(|place| wanted[*place].key);
    let flight = places.iter().map(|place| async {
        let Wanted { key, rate } = &wanted[*place];
        let (key, interval, span) = (&key.0[..], millis(rate.interval), millis(rate.span()));
        connection.optional(&RESERVE_OF_BUDGET, &[&key, &now.0, &interval, &span]).await
    });
    // Each answer is waited for, or the next to use the connection would share a flight with them.
    let answers = join_all(flight).await;
    let mut dues = vec![None; wanted.len()];
    for (place, answer) in places.into_iter().zip(answers) {
        dues[place] = answer?.map(|row| row.try_get("due").map(Timestamp)).transpose()?;
    }
    Ok(dues)
}

/// How the budgets stand. Where not all had room, what was reserved of the others is as good as given back.
async fn standings(
    connection: &Connection,
    (wanted, now): &Given,
    dues: &[Option<Timestamp>],
) -> Result<Found, QueryError> {
    let is_short = dues.iter().any(Option::is_none);
    let looks = wanted.iter().zip(dues).map(|(Wanted { key, rate }, due)| async {
        if let Some(due) = *due {
            let due = if is_short { due.minus(rate.interval).max(*now) } else { due };
            return Ok((BudgetState { had_room: true, due }, None));
        }
        let found = connection.optional(&DUE_OF_BUDGET, &[&&key.0[..]]).await?;
        let due = found.map(|row| row.try_get("due").map(Timestamp)).transpose()?;
        let full = now.plus(rate.span());
        let late = due.filter(|due| *due > full).map(|_| (*key, full));
        // Where it has come back since, or was swept away, the next try will have it.
        Ok((BudgetState { had_room: false, due: due.unwrap_or(full).clamp(*now, full) }, late))
    });
    let found: Vec<_> = join_all(looks).await.into_iter().collect::<Result<_, QueryError>>()?;
    let (standings, late): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    Ok((standings, late.into_iter().flatten().collect()))
}

async fn reserve_all(connection: &Connection, given: &Given) -> Result<Outcome<Found>, QueryError> {
    let dues = send(connection, given).await?;
    let found = standings(connection, given, &dues).await?;
    let has_all = dues.iter().all(Option::is_some);
    Ok(if has_all { Outcome::Keep(found) } else { Outcome::Undo(found) })
}

async fn reserve_each(connection: &Connection, given: &Given) -> Result<Found, QueryError> {
    let dues = send(connection, given).await?;
    let (wanted, now) = given;
    if dues.iter().any(Option::is_none) {
        let reserved = wanted.iter().zip(&dues).filter(|(_, due)| due.is_some());
        let back: Vec<_> = reserved.map(|(Wanted { key, rate }, _)| (*key, rate.interval)).collect();
        give_back(connection, &back, *now).await?;
    }
    standings(connection, given, &dues).await
}

async fn bring_down(connection: &Connection, late: &[(BudgetKey, Timestamp)]) -> Result<(), QueryError> {
    let flight = late.iter().map(|(key, full)| async move {
        connection.execute(&BRING_DOWN_BUDGET, &[&&key.0[..], &full.0]).await.map(drop)
    });
    join_all(flight).await.into_iter().collect()
}

async fn give_back(
    connection: &Connection,
    back: &[(BudgetKey, Duration)],
    now: Timestamp,
) -> Result<(), QueryError> {
    let flight = back.iter().map(|(key, time)| async move {
        connection.execute(&GIVE_BACK_TO_BUDGET, &[&&key.0[..], &millis(*time), &now.0]).await.map(drop)
    });
    join_all(flight).await.into_iter().collect()
}

async fn forget(connection: &Connection, now: Timestamp) -> Result<u64, QueryError> {
    let found = connection.query(&WHOLE_BUDGETS, &[&now.0, &SLICE]).await?;
    let keys: Vec<Vec<u8>> = found.iter().map(|row| row.try_get("key")).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Ok(0);
    }
    connection.execute(&FORGET_BUDGETS, &[&keys, &now.0]).await?;
    Ok(keys.len() as u64)
}
