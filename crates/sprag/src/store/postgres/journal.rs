//! The journal: each account's chain, and the checkpoints over all of them.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::pool::Outcome;
use super::rotate::integer;
use super::rows;
use crate::audit::{Checkpoint, Entry, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, SessionKey};
use crate::store::{Journal, Slice};

mod chain;
mod erasures;

pub(super) use chain::Chain;

#[async_trait]
impl Journal for PostgresStore {
    async fn entries_of(&self, account: AccountId, slice: Slice<u64>) -> Result<Vec<Entry>, Fault> {
        const ENTRIES_OF: Sql = Sql {
            text: "
            select account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
            from event
            where account_id = $1
              and id < $2
            order by id desc
            limit $3",
            types: &[Type::UUID, Type::INT8, Type::INT8],
        };
        let after = slice.after.map_or(i64::MAX, integer);
        self.pool
            .statement(
                "read an account's journal",
                &(account, after, i64::from(slice.limit)),
                |connection, (account, after, limit)| {
                    async move {
                        let found = connection.query(&ENTRIES_OF, &[&account.0, after, limit]).await?;
                        found.iter().map(rows::entry).collect()
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn mentions(&self, session: SessionKey, until: u64) -> Result<bool, Fault> {
        const MENTIONS: Sql = Sql {
            text: "
            select id
            from event
            where account_id = $1
              and id <= $3
              and session_id = $2
            limit 1",
            types: &[Type::UUID, Type::UUID, Type::INT8],
        };
        let given = (session.account.0, session.session.0, integer(until));
        self.pool
            .statement("look for a session in the journal", &given, |connection, (account, session, until)| {
                async move { Ok(connection.optional(&MENTIONS, &[account, session, until]).await?.is_some()) }
                    .boxed()
            })
            .await
    }

    async fn entries(&self, slice: Slice<(AccountId, u64)>) -> Result<Vec<Entry>, Fault> {
        const ENTRIES: Sql = Sql {
            text: "
            select account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
            from event
            where (account_id, id) > ($1, $2)
            order by account_id, id
            limit $3",
            types: &[Type::UUID, Type::INT8, Type::INT8],
        };
        // No number is below 1, so this is before the first entry of all.
        let (account, number) = slice.after.unwrap_or((AccountId(Uuid::nil()), 0));
        self.pool
            .statement(
                "read the journal",
                &(account, number, i64::from(slice.limit)),
                |connection, (account, number, limit)| {
                    async move {
                        let found =
                            connection.query(&ENTRIES, &[&account.0, &integer(*number), limit]).await?;
                        found.iter().map(rows::entry).collect()
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn recent(
        &self,
        since: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault> {
        const RECENT: Sql = Sql {
            text: "
            select account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
            from event
            where at >= $1
              and (at, account_id, id) < ($2, $3, $4)
            order by at desc, account_id desc, id desc
            limit $5",
            types: &[Type::INT8, Type::INT8, Type::UUID, Type::INT8, Type::INT8],
        };
        let last = (Timestamp(i64::MAX), AccountId(Uuid::max()), u64::MAX);
        let (at, account, number) = slice.after.unwrap_or(last);
        self.pool
            .statement(
                "read the newest of the journal",
                &(since.0, at.0, account.0, integer(number), i64::from(slice.limit)),
                |connection, (since, at, account, number, limit)| {
                    async move {
                        let found = connection.query(&RECENT, &[since, at, account, number, limit]).await?;
                        found.iter().map(rows::entry).collect()
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn by_time(
        &self,
        before: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault> {
        self.pool
            .statement("read the journal by time", &(before, slice), |connection, given| {
                let (before, Slice { after, limit }) = *given;
                by_time(connection, before, after, limit).boxed()
            })
            .await
    }

    async fn heads(&self, before: Timestamp, slice: Slice<AccountId>) -> Result<Vec<Head>, Fault> {
        self.pool
            .statement("read the heads of the journal", &(before, slice), |connection, given| {
                let (before, Slice { after, limit }) = *given;
                heads(connection, before, after, limit).boxed()
            })
            .await
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        const LAST_CHECKPOINT: Sql = Sql {
            text: "
            select number, before, chains, entries, root, previous, tag, key_id
            from checkpoint
            order by number desc
            limit 1",
            types: &[],
        };
        self.newest("read the last checkpoint", &LAST_CHECKPOINT, rows::checkpoint).await
    }

    async fn checkpoints(&self, slice: Slice<u64>) -> Result<Vec<Checkpoint>, Fault> {
        const CHECKPOINTS: Sql = Sql {
            text: "
            select number, before, chains, entries, root, previous, tag, key_id
            from checkpoint
            where number > $1
            order by number
            limit $2",
            types: &[Type::INT8, Type::INT8],
        };
        self.numbered("read the checkpoints", &CHECKPOINTS, slice, rows::checkpoint).await
    }

    async fn add_checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, Fault> {
        self.pool
            .transaction("store a checkpoint", &checkpoint, |connection, checkpoint| {
                async move { Ok(Outcome::Keep(add_checkpoint(connection, checkpoint).await?)) }.boxed()
            })
            .await
    }
}

pub(super) async fn add_checkpoint(
    connection: &Connection,
    checkpoint: &Checkpoint,
) -> Result<bool, QueryError> {
    const ADD_CHECKPOINT: Sql = Sql {
        text: "
        insert into checkpoint (number, before, chains, entries, root, previous, tag, key_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict do nothing",
        types: &[
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::BYTEA,
            Type::BYTEA,
            Type::BYTEA,
            Type::INT2,
        ],
    };
    let stored = connection
        .execute(
            &ADD_CHECKPOINT,
            &[
                &integer(checkpoint.number),
                &checkpoint.before.0,
                &integer(checkpoint.chains),
                &integer(checkpoint.entries),
                &checkpoint.root.as_slice(),
                &checkpoint.previous.as_slice(),
                &checkpoint.tag.as_slice(),
                &i16::from(checkpoint.key_id),
            ],
        )
        .await?;
    Ok(stored > 0)
}

async fn by_time(
    connection: &Connection,
    before: Timestamp,
    after: Option<(Timestamp, AccountId, u64)>,
    limit: u32,
) -> Result<Vec<Entry>, QueryError> {
    const BY_TIME: Sql = Sql {
        text: "
        select account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
        from event
        where at < $1
          and (at, account_id, id) > ($2, $3, $4)
        order by at, account_id, id
        limit $5",
        types: &[Type::INT8, Type::INT8, Type::UUID, Type::INT8, Type::INT8],
    };
    // No number is below 1, so this is before the first entry of all.
    let (at, account, number) = after.unwrap_or((Timestamp(i64::MIN), AccountId(Uuid::nil()), 0));
    let given: [&(dyn ToSql + Sync); 5] = [&before.0, &at.0, &account.0, &integer(number), &i64::from(limit)];
    let found = connection.query(&BY_TIME, &given).await?;
    found.iter().map(rows::entry).collect()
}

/// Hops from account to account, for a chain may be long, and only its end is wanted: in the server where it can, which
/// a distributed engine's cannot. There every shard begins with its chains' first entries, all at the same time.
async fn heads(
    connection: &Connection,
    before: Timestamp,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Head>, QueryError> {
    const HEADS: Sql = Sql {
        text: "
        with recursive chain (account_id) as (
            (select account_id from event where account_id >= $1 order by account_id limit 1)
            union all
            select (select e.account_id from event e where e.account_id > c.account_id order by e.account_id limit 1)
            from chain c
            where c.account_id is not null
        )
        select head.account_id, head.id, head.at, head.hash
        from chain
        cross join lateral (
            select account_id, id, at, hash
            from event
            where account_id = chain.account_id
              and at < $2
            order by id desc
            limit 1
        ) head
        limit $3",
        types: &[Type::UUID, Type::INT8, Type::INT8],
    };
    const HEADS_OF_SHARDS: Sql = Sql {
        text: "
        select chain.account_id, head.id, head.at, head.hash
        from event chain
        cross join lateral (
            select e.id, e.at, e.hash
            from event e
            where e.account_id = chain.account_id
              and e.at < $2
            order by e.id desc
            limit 1
        ) head
        where chain.account_id >= $1
          and not exists (select 1 from event e where e.account_id = chain.account_id and e.id < chain.id)
        order by chain.account_id
        limit $3",
        types: &[Type::UUID, Type::INT8, Type::INT8],
    };
    let heads = if connection.sends_rows() { &HEADS_OF_SHARDS } else { &HEADS };
    let found = connection.query(heads, &[&first_after(after), &before.0, &i64::from(limit)]).await?;
    found.iter().map(rows::head).collect()
}

/// The first id there may be after an account's; the first of all after none. (Nobody's own chain has that one.)
pub(super) fn first_after(account: Option<AccountId>) -> Uuid {
    account.map_or(Uuid::nil(), |account| Uuid::from_u128(account.0.as_u128().saturating_add(1)))
}
