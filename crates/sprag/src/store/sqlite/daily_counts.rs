//! What is counted by the day.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use rusqlite::{Connection, Result, Row, params};
use uuid::Uuid;

use super::SqliteStore;
use super::job::{Concerns, Outcome};
use super::rows::integer;
use crate::day::Day;
use crate::error::Fault;
use crate::store::{CountKey, DailyCount, DailyCounts, RunId, Slice};

#[async_trait]
impl DailyCounts for SqliteStore {
    async fn write_counts(&self, counts: Vec<DailyCount>) -> std::result::Result<(), Fault> {
        let work = move |connection: &Connection| write(connection, &counts).map(Outcome::Keep);
        self.writer.write_about(Concerns::Nobody, "write what was counted", work).await
    }

    async fn daily_counts(
        &self,
        days: RangeInclusive<Day>,
        slice: Slice<CountKey>,
    ) -> std::result::Result<Vec<DailyCount>, Fault> {
        self.readers.read("look at what was counted", move |connection| read(connection, &days, &slice)).await
    }

    async fn unfolded(&self, until: Day, limit: u32) -> std::result::Result<Vec<Day>, Fault> {
        self.readers
            .read("look which days are to be folded", move |connection| unfolded(connection, until, limit))
            .await
    }

    async fn replace_counts(
        &self,
        was: Vec<DailyCount>,
        to: Vec<DailyCount>,
    ) -> std::result::Result<bool, Fault> {
        let work = move |connection: &Connection| {
            for DailyCount { key, count, .. } in &was {
                if !remove(connection, key, *count)? {
                    return Ok(Outcome::Undo(false));
                }
            }
            write(connection, &to)?;
            Ok(Outcome::Keep(true))
        };
        self.writer.write_about(Concerns::Nobody, "fold what was counted", work).await
    }
}

fn write(connection: &Connection, counts: &[DailyCount]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "insert into daily_count (day, name, label, node, count, detail)
         values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (day, name, label, node) do update
         set count = excluded.count,
             detail = excluded.detail
         where excluded.count >= daily_count.count",
    )?;
    for DailyCount { key, count, detail } in counts {
        let CountKey { day, name, label, run } = key;
        statement.execute(params![day.0, name, label, run.0.as_bytes(), integer(*count)?, detail])?;
    }
    Ok(())
}

fn read(
    connection: &Connection,
    days: &RangeInclusive<Day>,
    slice: &Slice<CountKey>,
) -> Result<Vec<DailyCount>> {
    let mut statement = connection.prepare_cached(
        "select day, name, label, node, count, detail
         from daily_count
         where (day, name, label, node) > (?1, ?2, ?3, ?4)
           and day <= ?5
         order by day, name, label, node
         limit ?6",
    )?;
    // Nothing is counted under no name.
    let first =
        CountKey { day: *days.start(), name: String::new(), label: String::new(), run: RunId::FOLDED };
    let CountKey { day, name, label, run } = slice.after.as_ref().map_or(&first, |after| after.max(&first));
    let given = params![day.0, name, label, run.0.as_bytes(), days.end().0, slice.limit];
    let found = statement.query_map(given, count)?;
    found.collect()
}

fn unfolded(connection: &Connection, until: Day, limit: u32) -> Result<Vec<Day>> {
    let mut statement = connection.prepare_cached(
        "select distinct day
         from daily_count
         where day <= ?1
           and node <> ?2
         order by day
         limit ?3",
    )?;
    let found = statement
        .query_map(params![until.0, RunId::FOLDED.0.as_bytes(), limit], |row| row.get(0).map(Day))?;
    found.collect()
}

fn remove(connection: &Connection, key: &CountKey, count: u64) -> Result<bool> {
    let CountKey { day, name, label, run } = key;
    let mut statement = connection.prepare_cached(
        "delete from daily_count
         where day = ?1
           and name = ?2
           and label = ?3
           and node = ?4
           and count = ?5",
    )?;
    Ok(statement.execute(params![day.0, name, label, run.0.as_bytes(), integer(count)?])? > 0)
}

fn count(row: &Row<'_>) -> Result<DailyCount> {
    let key = CountKey {
        day: Day(row.get("day")?),
        name: row.get("name")?,
        label: row.get("label")?,
        run: RunId(Uuid::from_bytes(row.get("node")?)),
    };
    let count: i64 = row.get("count")?;
    Ok(DailyCount { key, count: count.cast_unsigned(), detail: row.get("detail")? })
}
