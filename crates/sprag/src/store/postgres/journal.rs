//! The journal: each account's chain, and the checkpoints over all of them.

use async_trait::async_trait;
use futures_util::future::try_join_all;
use futures_util::{FutureExt as _, join};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::pool::Outcome;
use super::rotate::integer;
use super::rows;
use crate::audit::{Checkpoint, Cover, Entry, Event, Hash, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::random::{self, SystemRandom};
use crate::session::{AccountId, Epoch, SessionKey};
use crate::store::steps::AccountState;
use crate::store::{Journal, Slice};

/// Has whoever adds to an account's chain wait for the one before, so that both find a number.
pub(super) const LOCK_ACCOUNT: Sql = Sql {
    text: "
    select epoch, disabled_at
    from account
    where id = $1
    for update",
    types: &[Type::UUID],
};

pub(super) const HEAD: Sql = Sql {
    text: "
    select account_id, id, at, hash
    from event
    where account_id = $1
    order by id desc
    limit 1",
    types: &[Type::UUID],
};

const COVERED_BEFORE: Sql = Sql {
    text: "
    select before
    from checkpoint
    order by number desc
    limit 1",
    types: &[],
};

/// Adds entries of one account's, all in one statement.
pub(super) const APPEND: Sql = Sql {
    text: "
    insert into event (
        account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
    )
    select $1, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
    from unnest($2::bigint[], $3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[])
         as entry (id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt)",
    types: &[
        Type::UUID,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};

/// Adds one entry. Citus carries out the other statement, which makes its rows by itself, as a copy of all that it comes to.
pub(super) const APPEND_ONE: Sql = Sql {
    text: "
    insert into event (
        account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    types: &[
        Type::UUID,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::UUID,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
    ],
};

/// The end of one account's chain, inside the transaction that adds to it, and with it the account's lock.
pub(super) struct Chain<'l> {
    connection: &'l Connection,
    head: Head,
    covered_before: Timestamp,
    account: Option<AccountState>,
    random: SystemRandom,
}

impl<'l> Chain<'l> {
    /// Locks the account, then looks for its chain's end. The three statements leave together and run in this order,
    /// each seeing what was committed when it began.
    pub(super) async fn of(connection: &'l Connection, account: AccountId) -> Result<Self, QueryError> {
        let id: &[&(dyn ToSql + Sync)] = &[&account.0];
        let (locked, head, covered) = join!(
            connection.optional(&LOCK_ACCOUNT, id),
            connection.optional(&HEAD, id),
            connection.optional(&COVERED_BEFORE, &[]),
        );
        // Of several that fail, the first tells why.
        let (locked, head, covered) = (locked?, head?, covered?);
        let locked = locked.map(|row| {
            let disabled_at: Option<i64> = row.try_get("disabled_at")?;
            let epoch = Epoch(row.try_get("epoch")?);
            Ok::<_, QueryError>(AccountState { epoch, is_disabled: disabled_at.is_some() })
        });
        let head = head.map(|row| rows::head(&row)).transpose()?;
        let covered = covered.map(|row| row.try_get::<_, i64>("before")).transpose()?;
        Ok(Self {
            connection,
            head: head.unwrap_or_else(|| Head::new(account)),
            covered_before: Timestamp(covered.unwrap_or(i64::MIN)),
            account: locked.transpose()?,
            random: SystemRandom::default(),
        })
    }

    /// The account as it stands, if there is one. So it stays until the transaction ends, but for what that changes.
    pub(super) fn account_state(&self) -> Option<AccountState> {
        self.account
    }

    pub(super) async fn append(&mut self, event: Event) -> Result<(), QueryError> {
        self.append_all(vec![event]).await
    }

    pub(super) async fn append_all(&mut self, events: Vec<Event>) -> Result<(), QueryError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut entries = Vec::with_capacity(events.len());
        for mut event in events {
            event.at = event.at.max(self.covered_before);
            let entry = self.head.add(event, random::bytes(&self.random));
            self.head = entry.head();
            entries.push(entry);
        }
        if self.connection.sends_rows() {
            // They leave together, in their order.
            let each = entries.iter().map(|entry| append_one(self.connection, entry));
            return try_join_all(each).await.map(drop);
        }
        fn column<'a, T>(entries: &'a [Entry], of: impl Fn(&'a Entry) -> T) -> Vec<T> {
            entries.iter().map(of).collect()
        }
        let parameters: [&(dyn ToSql + Sync); 13] = [
            &self.head.account.0,
            &column(&entries, |entry| integer(entry.number)),
            &column(&entries, |entry| entry.event.at.0),
            &column(&entries, |entry| entry.event.kind.name()),
            &column(&entries, |entry| entry.event.session.map(|session| session.0)),
            &column(&entries, |entry| entry.event.cause.map(|cause| cause.name())),
            &column(&entries, |entry| entry.event.ip.as_deref()),
            &column(&entries, |entry| entry.event.user_agent.as_deref()),
            &column(&entries, |entry| entry.event.note.as_deref()),
            &column(&entries, |entry| entry.previous.as_slice()),
            &column(&entries, |entry| entry.hash.as_slice()),
            &column(&entries, |entry| covered(&entry.cover).0),
            &column(&entries, |entry| covered(&entry.cover).1),
        ];
        self.connection.execute(&APPEND, &parameters).await.map(drop)
    }
}

pub(super) async fn append_one(connection: &Connection, entry: &Entry) -> Result<(), QueryError> {
    let Event { account, at, kind, session, cause, ip, user_agent, note } = &entry.event;
    let (mac, salt) = covered(&entry.cover);
    let parameters: [&(dyn ToSql + Sync); 13] = [
        &account.0,
        &integer(entry.number),
        &at.0,
        &kind.name(),
        &session.map(|session| session.0),
        &cause.map(|cause| cause.name()),
        ip,
        user_agent,
        note,
        &entry.previous.as_slice(),
        &entry.hash.as_slice(),
        &mac,
        &salt,
    ];
    connection.execute(&APPEND_ONE, &parameters).await.map(drop)
}

/// What covers what an entry tells of a person, as it stands in the columns.
fn covered(cover: &Cover) -> (Option<&[u8]>, Option<&[u8]>) {
    match cover {
        Cover::Plain => (None, None),
        Cover::Salted { mac, salt } => (Some(mac), salt.as_ref().map(Hash::as_slice)),
    }
}

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
        self.pool
            .statement("read the last checkpoint", &(), |connection, ()| {
                async move {
                    let found = connection.optional(&LAST_CHECKPOINT, &[]).await?;
                    found.map(|row| rows::checkpoint(&row)).transpose()
                }
                .boxed()
            })
            .await
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
        self.pool
            .statement(
                "read the checkpoints",
                &(slice.after.map_or(i64::MIN, integer), i64::from(slice.limit)),
                |connection, (after, limit)| {
                    async move {
                        let found = connection.query(&CHECKPOINTS, &[after, limit]).await?;
                        found.iter().map(rows::checkpoint).collect()
                    }
                    .boxed()
                },
            )
            .await
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
