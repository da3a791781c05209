//! Numbers that new accounts are known by.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::SqliteStore;
use super::job::Outcome;
use crate::error::Fault;
use crate::session::ProfileId;
use crate::store::numbers::{self, DOING, MAX_DIGITS, MAX_NUMBER};
use crate::store::{Numbering, Numbers};

#[async_trait]
impl Numbers for SqliteStore {
    async fn numbering(&self, profile: ProfileId) -> std::result::Result<Option<Numbering>, Fault> {
        self.readers
            .read("look how far a profile has numbered", move |connection| find(connection, profile))
            .await
    }

    async fn raise_floor(&self, profile: ProfileId, floor: u64) -> std::result::Result<Numbering, Fault> {
        let floor = numbers::stored(floor)?;
        let work = move |connection: &Connection| raise(connection, profile, floor).map(Outcome::Keep);
        self.writer.write("raise the floor of a profile's numbers", work).await
    }

    async fn next_number(&self, profile: ProfileId, floor: u64) -> std::result::Result<u64, Fault> {
        let floor = numbers::stored(floor)?;
        let work = move |connection: &Connection| next(connection, profile, floor).map(Outcome::Keep);
        self.writer.write(DOING, work).await?.ok_or_else(numbers::used_up)
    }

    async fn highest_number(&self, profile: ProfileId) -> std::result::Result<Option<u64>, Fault> {
        self.readers.read("look for the highest number", move |connection| highest(connection, profile)).await
    }
}

fn find(connection: &Connection, profile: ProfileId) -> Result<Option<Numbering>> {
    let mut statement = connection.prepare_cached(
        "select floor, last
         from next_id
         where profile = ?1",
    )?;
    statement.query_row([profile.0], numbering).optional()
}

fn raise(connection: &Connection, profile: ProfileId, floor: i64) -> Result<Numbering> {
    let mut statement = connection.prepare_cached(
        "insert into next_id (profile, floor, last)
         values (?1, ?2, ?2)
         on conflict (profile) do update
         set floor = max(next_id.floor, excluded.floor),
             last = max(next_id.last, excluded.floor)
         returning floor, last",
    )?;
    statement.query_row(params![profile.0, floor], numbering)
}

/// Nothing where there is no number left.
fn next(connection: &Connection, profile: ProfileId, floor: i64) -> Result<Option<u64>> {
    let mut statement = connection.prepare_cached(
        "insert into next_id (profile, floor, last)
         values (?1, ?2, ?2 + 1)
         on conflict (profile) do update
         set floor = max(next_id.floor, excluded.floor),
             last = max(next_id.last, excluded.floor) + 1
         where max(next_id.last, excluded.floor) < ?3
         returning last",
    )?;
    let given = params![profile.0, floor, MAX_NUMBER.cast_signed()];
    statement.query_row(given, |row| row.get("last").map(i64::cast_unsigned)).optional()
}

fn highest(connection: &Connection, profile: ProfileId) -> Result<Option<u64>> {
    let mut statement = connection.prepare(
        "select max(cast(substr(value, length(?1) + 1) as integer)) as highest
         from identity
         where kind = 'external'
           and substr(value, 1, length(?1)) = ?1
           and length(value) - length(?1) between 1 and ?2
           and substr(value, length(?1) + 1) not glob '*[^0-9]*'",
    )?;
    let given = params![format!("{}/", profile.0), MAX_DIGITS];
    statement.query_row(given, |row| Ok(row.get::<_, Option<i64>>("highest")?.map(i64::cast_unsigned)))
}

fn numbering(row: &Row<'_>) -> Result<Numbering> {
    let number = |column| row.get(column).map(i64::cast_unsigned);
    Ok(Numbering { floor: number("floor")?, last: number("last")? })
}
