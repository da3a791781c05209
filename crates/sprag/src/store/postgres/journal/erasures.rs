//! What the journal was made to forget of people.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio_postgres::types::Type;

use super::super::PostgresStore;
use super::super::connection::{Connection, Sql};
use super::super::error::QueryError;
use super::super::numbered::newest_waited_for;
use super::super::outbox::put_all;
use super::super::pool::Outcome;
use super::super::rotate::integer;
use super::super::rows;
use super::add_checkpoint;
use super::chain::{HEAD, append_one};
use crate::audit::Erasure;
use crate::error::Fault;
use crate::security;
use crate::session::AccountId;
use crate::store::{ChainedAnew, Erasures, Forgetting, Slice};

/// How many entries are chained anew by one statement.
const SLICE: usize = 1000;

#[async_trait]
impl Erasures for PostgresStore {
    async fn may_erase(&self) -> Result<bool, Fault> {
        const MAY_ERASE: Sql = Sql {
            text: "select has_table_privilege('event', 'update') and has_table_privilege('journal_erasure', 'insert') as may_erase",
            types: &[],
        };
        self.pool
            .statement("ask who may erase from the journal", &(), |connection, ()| {
                async move {
                    let row = connection.optional(&MAY_ERASE, &[]).await?;
                    Ok(row.map(|row| row.try_get("may_erase")).transpose()?.unwrap_or(false))
                }
                .boxed()
            })
            .await
    }

    async fn last_erasure(&self) -> Result<Option<Erasure>, Fault> {
        const LAST_ERASURE: Sql = Sql {
            text: "
            select number, at, account_id, last, chained_anew, old_head, new_head, checkpoint, previous, tag, key_id
            from journal_erasure
            order by number desc
            limit 1",
            types: &[],
        };
        self.newest("read the last erasure of the journal", &LAST_ERASURE, rows::erasure).await
    }

    async fn erasures(&self, slice: Slice<u64>) -> Result<Vec<Erasure>, Fault> {
        const ERASURES: Sql = Sql {
            text: "
            select number, at, account_id, last, chained_anew, old_head, new_head, checkpoint, previous, tag, key_id
            from journal_erasure
            where number > $1
            order by number
            limit $2",
            types: &[Type::INT8, Type::INT8],
        };
        self.numbered("read the erasures of the journal", &ERASURES, slice, rows::erasure).await
    }

    async fn erase(&self, forgetting: Forgetting) -> Result<bool, Fault> {
        let doing = "erase what the journal tells of an account's owner";
        let messages = self.along.messages([&forgetting.last.event]);
        let given = (forgetting, messages);
        let is_done = self
            .pool
            .transaction(doing, &given, |connection, (forgetting, messages)| {
                async move {
                    if !erase(connection, forgetting).await? {
                        return Ok(Outcome::Undo(false));
                    }
                    put_all(connection, messages).await?;
                    Ok(Outcome::Keep(true))
                }
                .boxed()
            })
            .await?;
        if is_done {
            security::journalled(&[given.0.last.event]);
        }
        Ok(is_done)
    }
}

/// Whoever adds to the chain meanwhile finds the number taken that the last entry has, and begins again.
async fn erase(connection: &Connection, forgetting: &Forgetting) -> Result<bool, QueryError> {
    const FORGET: Sql = Sql {
        text: "
        update event
        set ip = null,
            user_agent = null,
            note = null,
            salt = null
        where account_id = $1
          and id <= $2",
        types: &[Type::UUID, Type::INT8],
    };
    const LAST_CUT_OFF: Sql = Sql {
        text: "
        select coalesce(max(number), 0) as newest
        from journal_cut",
        types: &[],
    };
    let Forgetting { head, last, erasure, links, checkpoint, cut } = forgetting;
    let account = head.account;
    if newest_waited_for(connection, &LAST_CUT_OFF).await? != integer(*cut) {
        return Ok(false);
    }
    let found = connection.optional(&HEAD, &[&account.0]).await?;
    let found = found.map(|row| rows::head(&row)).transpose()?;
    if found.as_ref() != Some(head) || !add(connection, erasure).await? {
        return Ok(false);
    }
    if let Some(checkpoint) = checkpoint
        && !add_checkpoint(connection, checkpoint).await?
    {
        return Ok(false);
    }
    append_one(connection, last).await?;
    connection.execute(&FORGET, &[&account.0, &integer(head.number)]).await?;
    for slice in links.chunks(SLICE) {
        if !chain_anew(connection, account, slice).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives entries another place in their chain; `false` where one of them is not there.
async fn chain_anew(
    connection: &Connection,
    account: AccountId,
    links: &[ChainedAnew],
) -> Result<bool, QueryError> {
    const CHAIN_ANEW: Sql = Sql {
        text: "
        update event
        set particulars = $3,
            previous = $4,
            hash = $5
        where account_id = $1
          and id = $2",
        types: &[Type::UUID, Type::INT8, Type::BYTEA, Type::BYTEA, Type::BYTEA],
    };
    let each = links.iter().map(|link| async move {
        let ChainedAnew { number, mac, previous, hash } = link;
        let place = (integer(*number), mac.as_slice(), previous.as_slice(), hash.as_slice());
        connection.execute(&CHAIN_ANEW, &[&account.0, &place.0, &place.1, &place.2, &place.3]).await
    });
    // They leave together, in their order.
    Ok(try_join_all(each).await?.iter().all(|changed| *changed > 0))
}

async fn add(connection: &Connection, erasure: &Erasure) -> Result<bool, QueryError> {
    const ADD_ERASURE: Sql = Sql {
        text: "
        insert into journal_erasure (
            number, at, account_id, last, chained_anew, old_head, new_head, checkpoint, previous, tag, key_id
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict do nothing",
        types: &[
            Type::INT8,
            Type::INT8,
            Type::UUID,
            Type::INT8,
            Type::INT8,
            Type::BYTEA,
            Type::BYTEA,
            Type::INT8,
            Type::BYTEA,
            Type::BYTEA,
            Type::INT2,
        ],
    };
    let stored = connection
        .execute(
            &ADD_ERASURE,
            &[
                &integer(erasure.number),
                &erasure.at.0,
                &erasure.account.0,
                &integer(erasure.last),
                &integer(erasure.chained_anew),
                &erasure.old_head.as_slice(),
                &erasure.new_head.as_slice(),
                &integer(erasure.checkpoint),
                &erasure.previous.as_slice(),
                &erasure.tag.as_slice(),
                &i16::from(erasure.key_id),
            ],
        )
        .await?;
    Ok(stored > 0)
}
