//! What was cut off the beginnings of the journal's chains.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::SqliteStore;
use super::job::Outcome;
use super::rows::{self, START, bytes, integer};
use crate::audit::{Cut, Entry};
use crate::error::Fault;
use crate::session::AccountId;
use crate::store::{Cuts, Slice};

#[async_trait]
impl Cuts for SqliteStore {
    /// Whoever may write to the file may remove from it.
    async fn may_cut(&self) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn beginnings(&self, slice: Slice<AccountId>) -> Result<Vec<Entry>, Fault> {
        self.readers
            .read("read the beginnings of the journal", move |connection| {
                beginnings(connection, slice.after, slice.limit as usize)
            })
            .await
    }

    async fn last_cut(&self) -> Result<Option<Cut>, Fault> {
        self.readers
            .read("read the last cut of the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from journal_cut
                     order by number desc
                     limit 1",
                )?;
                statement.query_row([], rows::cut).optional()
            })
            .await
    }

    async fn cuts(&self, slice: Slice<u64>) -> Result<Vec<Cut>, Fault> {
        self.readers
            .read("read the cuts of the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from journal_cut
                     where number > ?1
                     order by number
                     limit ?2",
                )?;
                let after = slice.after.map(integer).transpose()?.unwrap_or(i64::MIN);
                let found = statement.query_map(params![after, slice.limit], rows::cut)?;
                found.collect()
            })
            .await
    }

    async fn add_cut(&self, cut: Cut, erased: u64) -> Result<bool, Fault> {
        let work = move |connection: &Connection| {
            if newest_number(connection, "journal_erasure")? != integer(erased)? {
                return Ok(Outcome::Undo(false));
            }
            let mut statement = connection.prepare_cached(
                "insert into journal_cut (
                     number, at, before, covered_before, chains, entries, root, previous, tag, key_id
                 )
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 on conflict do nothing",
            )?;
            let stored = statement.execute(params![
                integer(cut.number)?,
                cut.at.0,
                cut.before.0,
                cut.covered_before.0,
                integer(cut.chains)?,
                integer(cut.entries)?,
                cut.root,
                cut.previous,
                cut.tag,
                cut.key_id,
            ])?;
            Ok(Outcome::Keep(stored > 0))
        };
        self.writer.write("store a cut of the journal", work).await
    }

    async fn cut_off(&self, ends: Vec<(AccountId, u64)>) -> Result<u64, Fault> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "delete from event
                 where account_id = ?1
                   and id <= ?2",
            )?;
            let mut removed = 0;
            for (account, end) in &ends {
                removed += statement.execute(params![bytes(&account.0), integer(*end)?])?;
            }
            Ok(Outcome::Keep(removed as u64))
        };
        self.writer.write("cut the journal", work).await
    }
}

/// Hops from account to account: a chain may be long, and only its beginning is wanted.
fn beginnings(connection: &Connection, after: Option<AccountId>, limit: usize) -> Result<Vec<Entry>> {
    let mut next = connection.prepare_cached(
        "select *
         from event
         where account_id > ?1
         order by account_id, id
         limit 1",
    )?;
    let (mut found, mut account) = (Vec::new(), after);
    while found.len() < limit {
        let start = account.as_ref().map_or(START, |account| bytes(&account.0));
        let Some(first) = next.query_row([start], rows::entry).optional()? else { break };
        account = Some(first.event.account);
        found.push(first);
    }
    Ok(found)
}

/// The highest number in one of the journal's tables; 0 where it is empty.
pub(super) fn newest_number(connection: &Connection, table: &'static str) -> Result<i64> {
    let mut statement =
        connection.prepare_cached(&format!("select coalesce(max(number), 0) as newest from {table}"))?;
    statement.query_row([], |row| row.get("newest"))
}
