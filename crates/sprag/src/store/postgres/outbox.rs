//! The outbox. Whoever sends looks at what is due on every shard, and then takes each message by its key, so that two nodes never
//! have one at once and no lock is held while a mail server takes its time.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rows::{small, unknown};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::outbox::{Message, MessageKey, MessageKind, Queued, Settled, Waiting};
use crate::session::AccountId;
use crate::store::{Outbox, Slice};

/// How many are forgotten by one statement.
const AT_ONCE: i64 = 1000;

const PUT_MESSAGE: Sql = Sql {
    text: "
    insert into outbox (account_id, id, kind, sealed, made_at, gives_up_at, due_at, attempts)
    values ($1, $2, $3, $4, $5, $6, $7, 0)
    on conflict do nothing",
    types: &[Type::UUID, Type::UUID, Type::TEXT, Type::BYTEA, Type::INT8, Type::INT8, Type::INT8],
};

const DUE_MESSAGES: Sql = Sql {
    text: "
    select account_id, id, kind, sealed, made_at, gives_up_at, due_at, attempts, settled_at, trouble
    from outbox
    where kind = $1
      and due_at <= $2
    order by due_at, account_id, id
    limit $3",
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};

/// Goes to every shard, once in a while.
const WAITING_MESSAGES: Sql = Sql {
    text: "
    select kind, count(*) as messages, min(made_at) as oldest_at
    from outbox
    where due_at is not null
    group by kind",
    types: &[],
};

const LEASE_MESSAGE: Sql = Sql {
    text: "
    update outbox
    set attempts = attempts + 1,
        due_at = $4
    where account_id = $1
      and id = $2
      and attempts = $3
      and due_at is not null",
    types: &[Type::UUID, Type::UUID, Type::INT4, Type::INT8],
};

const SENT_MESSAGE: Sql = Sql {
    text: "
    update outbox
    set due_at = null,
        settled_at = $4,
        sealed = null,
        trouble = $5
    where account_id = $1
      and id = $2
      and attempts = $3
      and due_at is not null",
    types: &[Type::UUID, Type::UUID, Type::INT4, Type::INT8, Type::TEXT],
};

const SEND_LATER: Sql = Sql {
    text: "
    update outbox
    set due_at = $4,
        trouble = $5
    where account_id = $1
      and id = $2
      and attempts = $3
      and due_at is not null",
    types: &[Type::UUID, Type::UUID, Type::INT4, Type::INT8, Type::TEXT],
};

const GIVE_UP_MESSAGE: Sql = Sql {
    text: "
    update outbox
    set due_at = null,
        settled_at = $4,
        trouble = $5
    where account_id = $1
      and id = $2
      and attempts = $3
      and due_at is not null",
    types: &[Type::UUID, Type::UUID, Type::INT4, Type::INT8, Type::TEXT],
};

const REVIVE_MESSAGE: Sql = Sql {
    text: "
    update outbox
    set due_at = $3,
        gives_up_at = $4,
        settled_at = null
    where account_id = $1
      and id = $2
      and due_at is null
      and sealed is not null",
    types: &[Type::UUID, Type::UUID, Type::INT8, Type::INT8],
};

const MESSAGES: Sql = Sql {
    text: "
    select account_id, id, kind, sealed, made_at, gives_up_at, due_at, attempts, settled_at, trouble
    from outbox
    where (account_id, id) > ($1, $2) or $3
    order by account_id, id
    limit $4",
    types: &[Type::UUID, Type::UUID, Type::BOOL, Type::INT8],
};

/// Goes to every shard, as a sweep may.
const SETTLED_MESSAGES: Sql = Sql {
    text: "
    select account_id, id
    from outbox
    where settled_at < $1
    limit $2",
    types: &[Type::INT8, Type::INT8],
};

const FORGET_SETTLED: Sql = Sql {
    text: "
    delete from outbox
    where account_id = any ($1)
      and id = any ($2)
      and settled_at < $3",
    types: &[Type::UUID_ARRAY, Type::UUID_ARRAY, Type::INT8],
};

#[async_trait]
impl Outbox for PostgresStore {
    async fn due_messages(
        &self,
        kind: MessageKind,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Queued>, Fault> {
        let given = (kind.name(), now.0, i64::from(limit));
        self.pool
            .statement("look what is to be sent", &given, |connection, (kind, now, limit)| {
                async move {
                    connection.query(&DUE_MESSAGES, &[kind, now, limit]).await?.iter().map(queued).collect()
                }
                .boxed()
            })
            .await
    }

    async fn waiting_messages(&self) -> Result<Vec<Waiting>, Fault> {
        self.pool
            .statement("look how much is to be sent", &(), |connection, ()| {
                async move { connection.query(&WAITING_MESSAGES, &[]).await?.iter().map(waiting).collect() }
                    .boxed()
            })
            .await
    }

    async fn lease_message(&self, key: MessageKey, attempts: u32, until: Timestamp) -> Result<bool, Fault> {
        let given = (key, attempts.cast_signed(), until.0);
        self.pool
            .statement("take a message to send", &given, |connection, (key, attempts, until)| {
                async move {
                    let given: [&(dyn ToSql + Sync); 4] = [&key.account.0, &key.id, attempts, until];
                    Ok(connection.execute(&LEASE_MESSAGE, &given).await? > 0)
                }
                .boxed()
            })
            .await
    }

    async fn settle_message(&self, key: MessageKey, attempts: u32, settled: Settled) -> Result<bool, Fault> {
        let given = (key, attempts.cast_signed(), settled);
        self.pool
            .statement("note what became of a message", &given, |connection, (key, attempts, settled)| {
                async move {
                    let (sql, at, trouble) = match settled {
                        Settled::Sent { at } => (&SENT_MESSAGE, at, None),
                        Settled::Later { due_at, trouble } => (&SEND_LATER, due_at, Some(trouble)),
                        Settled::GivenUp { at, trouble } => (&GIVE_UP_MESSAGE, at, Some(trouble)),
                    };
                    let given: [&(dyn ToSql + Sync); 5] =
                        [&key.account.0, &key.id, attempts, &at.0, &trouble];
                    Ok(connection.execute(sql, &given).await? > 0)
                }
                .boxed()
            })
            .await
    }

    async fn revive_message(
        &self,
        key: MessageKey,
        due_at: Timestamp,
        gives_up_at: Timestamp,
    ) -> Result<bool, Fault> {
        let given = (key, due_at.0, gives_up_at.0);
        self.pool
            .statement("have a message sent again", &given, |connection, (key, due_at, gives_up_at)| {
                async move {
                    let given: [&(dyn ToSql + Sync); 4] = [&key.account.0, &key.id, due_at, gives_up_at];
                    Ok(connection.execute(&REVIVE_MESSAGE, &given).await? > 0)
                }
                .boxed()
            })
            .await
    }

    async fn messages(&self, slice: Slice<MessageKey>) -> Result<Vec<Queued>, Fault> {
        self.pool
            .statement("list messages", &slice, |connection, slice| {
                async move {
                    let after = slice.after.map_or((Uuid::nil(), Uuid::nil()), |key| (key.account.0, key.id));
                    let (is_first, limit) = (slice.after.is_none(), i64::from(slice.limit));
                    let given: [&(dyn ToSql + Sync); 4] = [&after.0, &after.1, &is_first, &limit];
                    connection.query(&MESSAGES, &given).await?.iter().map(queued).collect()
                }
                .boxed()
            })
            .await
    }

    async fn sweep_messages(&self, before: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let found = self
                .pool
                .statement("forget messages that were sent", &before, |connection, before| {
                    forget(connection, *before).boxed()
                })
                .await?;
            forgotten += found;
            if found < AT_ONCE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

pub(super) async fn put(connection: &Connection, message: &Message) -> Result<bool, QueryError> {
    put_due(connection, message, message.made_at).await
}

/// Puts a message there that nobody sends before a moment.
pub(super) async fn put_due(
    connection: &Connection,
    message: &Message,
    due_at: Timestamp,
) -> Result<bool, QueryError> {
    let given: [&(dyn ToSql + Sync); 7] = [
        &message.key.account.0,
        &message.key.id,
        &message.kind.name(),
        &message.sealed,
        &message.made_at.0,
        &message.gives_up_at.0,
        &due_at.0,
    ];
    Ok(connection.execute(&PUT_MESSAGE, &given).await? > 0)
}

pub(super) async fn put_all(connection: &Connection, messages: &[Message]) -> Result<(), QueryError> {
    for message in messages {
        put(connection, message).await?;
    }
    Ok(())
}

async fn forget(connection: &Connection, before: Timestamp) -> Result<u64, QueryError> {
    let found = connection.query(&SETTLED_MESSAGES, &[&before.0, &AT_ONCE]).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let ids = |column| found.iter().map(|row| row.try_get(column)).collect::<Result<Vec<Uuid>, _>>();
    connection.execute(&FORGET_SETTLED, &[&ids("account_id")?, &ids("id")?, &before.0]).await?;
    Ok(found.len() as u64)
}

fn waiting(row: &Row) -> Result<Waiting, QueryError> {
    let kind: &str = row.try_get("kind")?;
    let messages: i64 = row.try_get("messages")?;
    Ok(Waiting {
        kind: MessageKind::named(kind).ok_or_else(|| unknown("kind", kind))?,
        messages: messages.unsigned_abs(),
        oldest_at: Timestamp(row.try_get("oldest_at")?),
    })
}

fn queued(row: &Row) -> Result<Queued, QueryError> {
    let kind: &str = row.try_get("kind")?;
    Ok(Queued {
        key: MessageKey { account: AccountId(row.try_get("account_id")?), id: row.try_get("id")? },
        kind: MessageKind::named(kind).ok_or_else(|| unknown("kind", kind))?,
        sealed: row.try_get("sealed")?,
        made_at: Timestamp(row.try_get("made_at")?),
        gives_up_at: Timestamp(row.try_get("gives_up_at")?),
        due_at: row.try_get::<_, Option<i64>>("due_at")?.map(Timestamp),
        attempts: small(row.try_get::<_, i32>("attempts")?, "attempts")?,
        settled_at: row.try_get::<_, Option<i64>>("settled_at")?.map(Timestamp),
        trouble: row.try_get("trouble")?,
    })
}
