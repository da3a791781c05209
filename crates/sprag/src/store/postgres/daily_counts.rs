//! What is counted by the day. Each node writes rows of its own, so that none waits for another.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::pool::Outcome;
use crate::day::Day;
use crate::error::Fault;
use crate::store::{CountKey, DailyCount, DailyCounts, RunId, Slice};

/// All sums of a run at once: one statement, so that it is all of them or none.
const WRITE_COUNTS: Sql = Sql {
    text: "
    insert into daily_count (day, name, label, node, count, detail)
    select day, name, label, node, count, detail
    from unnest($1::int4[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::bytea[])
        as given (day, name, label, node, count, detail)
    on conflict (day, name, label, node) do update
    set count = excluded.count,
        detail = excluded.detail
    where excluded.count >= daily_count.count",
    types: &[
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::UUID_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};

const DAILY_COUNTS: Sql = Sql {
    text: "
    select day, name, label, node, count, detail
    from daily_count
    where (day, name, label, node) > ($1, $2, $3, $4)
      and day <= $5
    order by day, name, label, node
    limit $6",
    types: &[Type::INT4, Type::TEXT, Type::TEXT, Type::UUID, Type::INT4, Type::INT8],
};

const UNFOLDED: Sql = Sql {
    text: "
    select distinct day
    from daily_count
    where day <= $1
      and node <> $2
    order by day
    limit $3",
    types: &[Type::INT4, Type::UUID, Type::INT8],
};

const REMOVE_COUNT: Sql = Sql {
    text: "
    delete from daily_count
    where day = $1
      and name = $2
      and label = $3
      and node = $4
      and count = $5",
    types: &[Type::INT4, Type::TEXT, Type::TEXT, Type::UUID, Type::INT8],
};

#[async_trait]
impl DailyCounts for PostgresStore {
    /// No transaction of several statements: what is only counted does not move the store on.
    async fn write_counts(&self, counts: Vec<DailyCount>) -> Result<(), Fault> {
        self.pool
            .statement("write what was counted", &counts, |connection, counts| {
                write(connection, counts).boxed()
            })
            .await
    }

    async fn daily_counts(
        &self,
        days: RangeInclusive<Day>,
        slice: Slice<CountKey>,
    ) -> Result<Vec<DailyCount>, Fault> {
        self.pool
            .statement("look at what was counted", &(days, slice), |connection, (days, slice)| {
                read(connection, days, slice).boxed()
            })
            .await
    }

    async fn unfolded(&self, until: Day, limit: u32) -> Result<Vec<Day>, Fault> {
        let given = (until.0, i64::from(limit));
        self.pool
            .statement("look which days are to be folded", &given, |connection, (until, limit)| {
                async move {
                    let found = connection.query(&UNFOLDED, &[until, &RunId::FOLDED.0, limit]).await?;
                    found.iter().map(|row| Ok(Day(row.try_get("day")?))).collect()
                }
                .boxed()
            })
            .await
    }

    async fn replace_counts(&self, was: Vec<DailyCount>, to: Vec<DailyCount>) -> Result<bool, Fault> {
        self.pool
            .transaction("fold what was counted", &(was, to), |connection, (was, to)| {
                async move {
                    for DailyCount { key: CountKey { day, name, label, run }, count, .. } in was {
                        let given: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                            [&day.0, name, label, &run.0, &count.cast_signed()];
                        if connection.execute(&REMOVE_COUNT, &given).await? == 0 {
                            return Ok(Outcome::Undo(false));
                        }
                    }
                    write(connection, to).await?;
                    Ok(Outcome::Keep(true))
                }
                .boxed()
            })
            .await
    }
}

async fn write(connection: &Connection, counts: &[DailyCount]) -> Result<(), QueryError> {
    if counts.is_empty() {
        return Ok(());
    }
    let days: Vec<i32> = counts.iter().map(|count| count.key.day.0).collect();
    let names: Vec<&str> = counts.iter().map(|count| count.key.name.as_str()).collect();
    let labels: Vec<&str> = counts.iter().map(|count| count.key.label.as_str()).collect();
    let runs: Vec<Uuid> = counts.iter().map(|count| count.key.run.0).collect();
    let sums: Vec<i64> = counts.iter().map(|count| count.count.cast_signed()).collect();
    let details: Vec<Option<&[u8]>> = counts.iter().map(|count| count.detail.as_deref()).collect();
    connection.execute(&WRITE_COUNTS, &[&days, &names, &labels, &runs, &sums, &details]).await.map(drop)
}

async fn read(
    connection: &Connection,
    days: &RangeInclusive<Day>,
    slice: &Slice<CountKey>,
) -> Result<Vec<DailyCount>, QueryError> {
    // Nothing is counted under no name.
    let first =
        CountKey { day: *days.start(), name: String::new(), label: String::new(), run: RunId::FOLDED };
    let CountKey { day, name, label, run } = slice.after.as_ref().map_or(&first, |after| after.max(&first));
    let until = days.end().0;
    let limit = i64::from(slice.limit);
    let found = connection.query(&DAILY_COUNTS, &[&day.0, name, label, &run.0, &until, &limit]).await?;
    found.iter().map(count).collect()
}

fn count(row: &Row) -> Result<DailyCount, QueryError> {
    let key = CountKey {
        day: Day(row.try_get("day")?),
        name: row.try_get("name")?,
        label: row.try_get("label")?,
        run: RunId(row.try_get("node")?),
    };
    let count: i64 = row.try_get("count")?;
    Ok(DailyCount { key, count: count.cast_unsigned(), detail: row.try_get("detail")? })
}
