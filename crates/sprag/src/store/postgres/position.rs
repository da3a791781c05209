//! Which database this is, and how far it has come: counted beside the commits, at most once a second, so that no refresh
//! waits for it. One row is all nodes'; each takes a moment of it.
//!
//! Where only the last count or two were lost, the counts that follow hide it: the row is soon as far as it was seen to be.
//! So each process also leaves behind when it counted last (a `lease` of the kind `count`), and misses that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rotate::integer;
use crate::clock::{Clock as _, Timestamp, millis};
use crate::error::Fault;
use crate::high_water::{Progress, StoreId};
use crate::random::{SystemRandom, id};

/// For how long what a process left behind is kept once it counts no more.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A process that last counted longer ago does not miss what it left behind: it may have been cleared away.
const MISSED_FOR: Duration = Duration::from_secs(24 * 3600);

const POSITION: Sql = Sql {
    text: "
    select store, position, went_back_at
    from store_position",
    types: &[],
};

const COUNT: Sql = Sql {
    text: "
    with before as (
        select moved_at
        from lease
        where kind = 'count' and id = $1
    ), own as (
        insert into lease (kind, id, place, moved_at)
        values ('count', $1, '', $2)
        on conflict (kind, id) do update
        set moved_at = excluded.moved_at
    )
    update store_position
    set position = position + 1
    returning store, position, went_back_at, (select moved_at from before) as counted_before",
    types: &[Type::UUID, Type::INT8],
};

const FORGET_COUNTS: Sql =
    Sql { text: "delete from lease where kind = 'count' and moved_at < $1", types: &[Type::INT8] };

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

/// When this process counted.
#[derive(Debug)]
pub(super) struct OwnCounts {
    run: Uuid,
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// The last that was acknowledged.
    last: Option<Timestamp>,
    /// One that was sent, and may have happened. It is sent again until it is acknowledged.
    sent: Option<Timestamp>,
}

impl OwnCounts {
    pub(super) fn none_at(now: Timestamp) -> Self {
        Self { run: id(&SystemRandom::default(), now), counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment to leave behind now; whether it is the first.
    fn sends(&self, now: Timestamp) -> (Timestamp, bool) {
        let mut counts = self.counts();
        let after_last = counts.last.map_or(now, |last| now.max(Timestamp(last.0.saturating_add(1))));
        let sent = *counts.sent.get_or_insert(after_last);
        (sent, counts.last.is_none())
    }

    /// That it was acknowledged; says whether what the store had of this process before is older than it should be.
    fn acknowledged(&self, before: Option<Timestamp>) -> bool {
        let mut counts = self.counts();
        let Counts { last, sent } = *counts;
        *counts = Counts { last: sent.or(last), sent: None };
        let is_missed = |last: Timestamp| sent.is_some_and(|sent| sent.minus(MISSED_FOR) < last);
        match (last, before) {
            (Some(last), None) => is_missed(last),
            (Some(last), Some(before)) => before < last,
            (None, _) => false,
        }
    }
}

/// Counts what was committed since, if anything was.
pub(super) async fn count(store: &PostgresStore) -> Result<(), Fault> {
    if !store.health.take_committed() {
        return Ok(());
    }
    let (now, is_first) = store.counts.sends(store.clock.now());
    let given = (store.counts.run, now.0, is_first.then(|| now.0.saturating_sub(millis(KEPT))));
    let counted = store
        .marks
        .statement("count how far the store has come", &given, |connection, (run, now, forgets_before)| {
            async move {
                let row = connection.one(&COUNT, &[run, now]).await?;
                if let Some(before) = forgets_before {
                    connection.execute(&FORGET_COUNTS, &[before]).await?;
                }
                let before = row.try_get::<_, Option<i64>>("counted_before")?.map(Timestamp);
                Ok((of_row(&row)?, before))
            }
            .boxed()
        })
        .await;
    match counted {
        Ok((mut progress, before)) => {
            let has_lost = store.counts.acknowledged(before);
            store.progress.send_modify(|known| {
                progress.has_lost = has_lost || known.has_lost;
                *known = progress;
            });
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
        has_lost: false,
        went_back_at: row.try_get::<_, Option<i64>>("went_back_at")?.map(Timestamp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1000;

    /// Counts at that second where the store has `before`; says whether something is missed.
    fn misses(own: &OwnCounts, second: i64, before: Option<i64>) -> bool {
        own.sends(Timestamp(second * SECOND));
        own.acknowledged(before.map(|second| Timestamp(second * SECOND)))
    }

    #[test]
    fn a_process_misses_its_own_last_count_whoever_counts_on() {
        let own = OwnCounts::none_at(Timestamp(0));
        assert!(!misses(&own, 1, None), "it has left nothing behind yet");
        assert!(!misses(&own, 2, Some(1)));
        assert!(misses(&own, 3, Some(1)), "the second is lost");
        assert!(!misses(&own, 4, Some(3)), "and that is told once");
        assert!(misses(&own, 5, None), "all of them");
    }

    #[test]
    fn a_count_whose_answer_was_lost_may_have_happened_or_not() {
        for has_happened in [false, true] {
            let own = OwnCounts::none_at(Timestamp(0));
            assert!(!misses(&own, 1, None));
            let (sent, _) = own.sends(Timestamp(2 * SECOND));
            assert_eq!(own.sends(Timestamp(9 * SECOND)).0, sent, "it is sent again as it was");
            assert!(!own.acknowledged(Some(if has_happened { sent } else { Timestamp(SECOND) })));
            assert!(misses(&own, 10, Some(1)));
        }
    }

    #[test]
    fn a_clock_that_goes_back_and_a_row_that_was_cleared_away_are_no_loss() {
        let own = OwnCounts::none_at(Timestamp(0));
        assert!(!misses(&own, 10, None));
        let (sent, _) = own.sends(Timestamp(3 * SECOND));
        assert_eq!(sent, Timestamp(10 * SECOND + 1));
        assert!(!own.acknowledged(Some(Timestamp(10 * SECOND))));
        assert!(!misses(&own, 40 * 24 * 3600, None));
    }
}
