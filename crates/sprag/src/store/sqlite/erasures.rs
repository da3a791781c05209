//! What the journal was made to forget of people.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::SqliteStore;
use super::cuts::newest_number;
use super::job::{Concerns, Outcome};
use super::journal::{add_checkpoint, chain_head, insert};
use super::outbox;
use super::rows::{self, bytes, integer};
use crate::audit::Erasure;
use crate::error::Fault;
use crate::security;
use crate::store::{Erasures, Forgetting, Slice};

#[async_trait]
impl Erasures for SqliteStore {
    /// Whoever may write to the file may change what is in it.
    async fn may_erase(&self) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn last_erasure(&self) -> Result<Option<Erasure>, Fault> {
        self.readers
            .read("read the last erasure of the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from journal_erasure
                     order by number desc
                     limit 1",
                )?;
                statement.query_row([], rows::erasure).optional()
            })
            .await
    }

    async fn erasures(&self, slice: Slice<u64>) -> Result<Vec<Erasure>, Fault> {
        self.readers
            .read("read the erasures of the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from journal_erasure
                     where number > ?1
                     order by number
                     limit ?2",
                )?;
                let after = slice.after.map(integer).transpose()?.unwrap_or(i64::MIN);
                let found = statement.query_map(params![after, slice.limit], rows::erasure)?;
                found.collect()
            })
            .await
    }

    async fn erase(&self, forgetting: Forgetting) -> Result<bool, Fault> {
        let told = [forgetting.last.event.clone()];
        let messages = self.along.messages(&told);
        let work = move |connection: &Connection| {
            if !overwritten(connection, || erase(connection, &forgetting))? {
                return Ok(Outcome::Undo(false));
            }
            messages.iter().try_for_each(|message| outbox::put(connection, message).map(drop))?;
            Ok(Outcome::Keep(true))
        };
        let doing = "erase what the journal tells of an account's owner";
        let is_done = self.writer.write_about(Concerns::Account(told[0].account), doing, work).await?;
        if is_done {
            security::journalled(&told);
        }
        Ok(is_done)
    }
}

/// Does what removes something, and has the file overwrite it instead of leaving it in what is free.
pub(super) fn overwritten<T>(connection: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    const SECURE_DELETE: &str = "secure_delete";
    let before: i64 = connection.pragma_query_value(None, SECURE_DELETE, |row| row.get(0))?;
    let set = |value: &str| connection.pragma_update_and_check(None, SECURE_DELETE, value, |_| Ok(()));
    set("on")?;
    let done = work();
    // It is told as a number, and understood by its name only: any number but 0 is "on".
    set(match before {
        0 => "off",
        2 => "fast",
        _ => "on",
    })?;
    done
}

fn erase(connection: &Connection, forgetting: &Forgetting) -> Result<bool> {
    let Forgetting { head, last, erasure, links, checkpoint, cut } = forgetting;
    let account = bytes(&head.account.0);
    if newest_number(connection, "journal_cut")? != integer(*cut)? {
        return Ok(false);
    }
    if chain_head(connection, head.account)?.as_ref() != Some(head) || !add(connection, erasure)? {
        return Ok(false);
    }
    if let Some(checkpoint) = checkpoint
        && !add_checkpoint(connection, checkpoint)?
    {
        return Ok(false);
    }
    let mut forget = connection.prepare_cached(
        "update event
         set ip = null,
             user_agent = null,
             note = null,
             salt = null
         where account_id = ?1
           and id <= ?2",
    )?;
    forget.execute(params![account, integer(head.number)?])?;
    let mut chain = connection.prepare_cached(
        "update event
         set particulars = ?3,
             previous = ?4,
             hash = ?5
         where account_id = ?1
           and id = ?2",
    )?;
    for link in links {
        if chain.execute(params![account, integer(link.number)?, link.mac, link.previous, link.hash])? == 0 {
            return Ok(false);
        }
    }
    insert(connection, last)?;
    Ok(true)
}

fn add(connection: &Connection, erasure: &Erasure) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into journal_erasure (
             number, at, account_id, last, chained_anew, old_head, new_head, checkpoint, previous, tag, key_id
         )
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         on conflict do nothing",
    )?;
    let stored = statement.execute(params![
        integer(erasure.number)?,
        erasure.at.0,
        bytes(&erasure.account.0),
        integer(erasure.last)?,
        integer(erasure.chained_anew)?,
        erasure.old_head,
        erasure.new_head,
        integer(erasure.checkpoint)?,
        erasure.previous,
        erasure.tag,
        erasure.key_id,
    ])?;
    Ok(stored > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_thoroughly_the_file_forgets_is_after_an_erasure_what_it_was_before() {
        let connection = Connection::open_in_memory().unwrap();
        let now =
            || connection.pragma_query_value(None, "secure_delete", |row| row.get::<_, i64>(0)).unwrap();
        for (name, value) in [("off", 0), ("on", 1), ("fast", 2)] {
            connection.pragma_update_and_check(None, "secure_delete", name, |_| Ok(())).unwrap();
            let within = overwritten(&connection, || Ok(now())).unwrap();
            assert_eq!((within, now()), (1, value), "{name}");
        }
    }
}
