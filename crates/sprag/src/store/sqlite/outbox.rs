//! The outbox.

use async_trait::async_trait;
use rusqlite::{Connection, Result, Row, params};

use super::SqliteStore;
use super::job::{Concerns, Outcome};
use super::rows::{self, START, bytes};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::outbox::{Message, MessageKey, MessageKind, Queued, Settled, Waiting};
use crate::session::AccountId;
use crate::store::{Outbox, Slice};

/// How many are forgotten in one transaction: few enough that no refresh notices.
const AT_ONCE: u64 = 200;

#[async_trait]
impl Outbox for SqliteStore {
    async fn due_messages(
        &self,
        kind: MessageKind,
        now: Timestamp,
        limit: u32,
    ) -> std::result::Result<Vec<Queued>, Fault> {
        self.readers
            .read("look what is to be sent", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select account_id, id, kind, sealed, made_at, gives_up_at, due_at, attempts, settled_at,
                            trouble
                     from outbox
                     where kind = ?1
                       and due_at <= ?2
                     order by due_at, account_id, id
                     limit ?3",
                )?;
                statement.query_map(params![kind.name(), now.0, limit], queued)?.collect()
            })
            .await
    }

    async fn waiting_messages(&self) -> std::result::Result<Vec<Waiting>, Fault> {
        self.readers
            .read("look how much is to be sent", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select kind, count(*) as messages, min(made_at) as oldest_at
                     from outbox
                     where due_at is not null
                     group by kind",
                )?;
                let waiting = |row: &Row<'_>| {
                    let kind: String = row.get("kind")?;
                    let kind = MessageKind::named(&kind).ok_or_else(|| rows::unknown("kind", &kind))?;
                    let messages: i64 = row.get("messages")?;
                    let oldest_at = Timestamp(row.get("oldest_at")?);
                    Ok(Waiting { kind, messages: messages.unsigned_abs(), oldest_at })
                };
                statement.query_map([], waiting)?.collect()
            })
            .await
    }

    async fn lease_message(
        &self,
        key: MessageKey,
        attempts: u32,
        until: Timestamp,
    ) -> std::result::Result<bool, Fault> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "update outbox
                 set attempts = attempts + 1,
                     due_at = ?4
                 where account_id = ?1
                   and id = ?2
                   and attempts = ?3
                   and due_at is not null",
            )?;
            let given = params![bytes(&key.account.0), bytes(&key.id), attempts, until.0];
            Ok(Outcome::Keep(statement.execute(given)? > 0))
        };
        self.writer.write_about(Concerns::Account(key.account), "take a message to send", work).await
    }

    async fn settle_message(
        &self,
        key: MessageKey,
        attempts: u32,
        settled: Settled,
    ) -> std::result::Result<bool, Fault> {
        let work =
            move |connection: &Connection| settle(connection, key, attempts, &settled).map(Outcome::Keep);
        self.writer.write_about(Concerns::Account(key.account), "note what became of a message", work).await
    }

    async fn revive_message(
        &self,
        key: MessageKey,
        due_at: Timestamp,
        gives_up_at: Timestamp,
    ) -> std::result::Result<bool, Fault> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "update outbox
                 set due_at = ?3,
                     gives_up_at = ?4,
                     settled_at = null
                 where account_id = ?1
                   and id = ?2
                   and due_at is null
                   and sealed is not null",
            )?;
            let given = params![bytes(&key.account.0), bytes(&key.id), due_at.0, gives_up_at.0];
            Ok(Outcome::Keep(statement.execute(given)? > 0))
        };
        self.writer.write_about(Concerns::Account(key.account), "have a message sent again", work).await
    }

    async fn messages(&self, slice: Slice<MessageKey>) -> std::result::Result<Vec<Queued>, Fault> {
        self.readers
            .read("list messages", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select account_id, id, kind, sealed, made_at, gives_up_at, due_at, attempts, settled_at,
                            trouble
                     from outbox
                     where (account_id, id) > (?1, ?2)
                     order by account_id, id
                     limit ?3",
                )?;
                let after = slice.after.as_ref();
                let after = after.map_or((START, START), |after| (bytes(&after.account.0), bytes(&after.id)));
                statement.query_map(params![after.0, after.1, slice.limit], queued)?.collect()
            })
            .await
    }

    async fn sweep_messages(&self, before: Timestamp) -> std::result::Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let work = move |connection: &Connection| forget(connection, before).map(Outcome::Keep);
            let found =
                self.writer.write_about(Concerns::Nobody, "forget messages that were sent", work).await?;
            forgotten += found;
            if found < AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}

pub(super) fn put(connection: &Connection, message: &Message) -> Result<bool> {
    put_due(connection, message, message.made_at)
}

/// Puts a message there that nobody sends before a moment.
pub(super) fn put_due(connection: &Connection, message: &Message, due_at: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into outbox (account_id, id, kind, sealed, made_at, gives_up_at, due_at, attempts)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)
         on conflict do nothing",
    )?;
    let made = statement.execute(params![
        bytes(&message.key.account.0),
        bytes(&message.key.id),
        message.kind.name(),
        message.sealed,
        message.made_at.0,
        message.gives_up_at.0,
        due_at.0,
    ])?;
    Ok(made > 0)
}

fn settle(connection: &Connection, key: MessageKey, attempts: u32, settled: &Settled) -> Result<bool> {
    const SENT: &str = "
        update outbox
        set due_at = null,
            settled_at = ?4,
            sealed = null,
            trouble = ?5
        where account_id = ?1
          and id = ?2
          and attempts = ?3
          and due_at is not null";
    const LATER: &str = "
        update outbox
        set due_at = ?4,
            trouble = ?5
        where account_id = ?1
          and id = ?2
          and attempts = ?3
          and due_at is not null";
    const GIVEN_UP: &str = "
        update outbox
        set due_at = null,
            settled_at = ?4,
            trouble = ?5
        where account_id = ?1
          and id = ?2
          and attempts = ?3
          and due_at is not null";
    let (sql, at, trouble) = match settled {
        Settled::Sent { at } => (SENT, at, None),
        Settled::Later { due_at, trouble } => (LATER, due_at, Some(trouble)),
        Settled::GivenUp { at, trouble } => (GIVEN_UP, at, Some(trouble)),
    };
    let given = params![bytes(&key.account.0), bytes(&key.id), attempts, at.0, trouble];
    Ok(connection.prepare_cached(sql)?.execute(given)? > 0)
}

fn forget(connection: &Connection, before: Timestamp) -> Result<u64> {
    let mut statement = connection.prepare_cached(
        "delete from outbox
         where (account_id, id) in (
             select account_id, id
             from outbox
             where settled_at < ?1
             limit ?2
         )",
    )?;
    Ok(statement.execute(params![before.0, rows::integer(AT_ONCE)?])? as u64)
}

fn queued(row: &Row<'_>) -> Result<Queued> {
    let kind: String = row.get("kind")?;
    Ok(Queued {
        key: MessageKey { account: AccountId(rows::id(row, "account_id")?), id: rows::id(row, "id")? },
        kind: MessageKind::named(&kind).ok_or_else(|| rows::unknown("kind", &kind))?,
        sealed: row.get("sealed")?,
        made_at: Timestamp(row.get("made_at")?),
        gives_up_at: Timestamp(row.get("gives_up_at")?),
        due_at: row.get::<_, Option<i64>>("due_at")?.map(Timestamp),
        attempts: row.get("attempts")?,
        settled_at: row.get::<_, Option<i64>>("settled_at")?.map(Timestamp),
        trouble: row.get("trouble")?,
    })
}
