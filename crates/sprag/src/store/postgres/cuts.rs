//! What was cut off the beginnings of the journal's chains.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::journal::first_after;
use super::numbered::newest_waited_for;
use super::pool::Outcome;
use super::rotate::integer;
use super::rows;
use crate::audit::{Cut, Entry};
use crate::error::Fault;
use crate::session::AccountId;
use crate::store::{Cuts, Slice};

#[async_trait]
impl Cuts for PostgresStore {
    async fn may_cut(&self) -> Result<bool, Fault> {
        const MAY_CUT: Sql = Sql {
            text: "select has_table_privilege('event', 'delete') and has_table_privilege('journal_cut', 'insert') as may_cut",
            types: &[],
        };
        self.pool
            .statement("ask who may cut the journal", &(), |connection, ()| {
                async move {
                    let row = connection.optional(&MAY_CUT, &[]).await?;
                    Ok(row.map(|row| row.try_get("may_cut")).transpose()?.unwrap_or(false))
                }
                .boxed()
            })
            .await
    }

    async fn beginnings(&self, slice: Slice<AccountId>) -> Result<Vec<Entry>, Fault> {
        self.pool
            .statement("read the beginnings of the journal", &slice, |connection, slice| {
                beginnings(connection, slice.after, slice.limit).boxed()
            })
            .await
    }

    async fn last_cut(&self) -> Result<Option<Cut>, Fault> {
        const LAST_CUT: Sql = Sql {
            text: "
            select number, at, before, covered_before, chains, entries, root, previous, tag, key_id
            from journal_cut
            order by number desc
            limit 1",
            types: &[],
        };
        self.newest("read the last cut of the journal", &LAST_CUT, rows::cut).await
    }

    async fn cuts(&self, slice: Slice<u64>) -> Result<Vec<Cut>, Fault> {
        const CUTS: Sql = Sql {
            text: "
            select number, at, before, covered_before, chains, entries, root, previous, tag, key_id
            from journal_cut
            where number > $1
            order by number
            limit $2",
            types: &[Type::INT8, Type::INT8],
        };
        self.numbered("read the cuts of the journal", &CUTS, slice, rows::cut).await
    }

    async fn add_cut(&self, cut: Cut, erased: u64) -> Result<bool, Fault> {
        const LAST_ERASED: Sql = Sql {
            text: "
            select coalesce(max(number), 0) as newest
            from journal_erasure",
            types: &[],
        };
        self.pool
            .transaction("store a cut of the journal", &(cut, erased), |connection, (cut, erased)| {
                async move {
                    let is_as_seen = newest_waited_for(connection, &LAST_ERASED).await? == integer(*erased);
                    let is_added = is_as_seen && add_cut(connection, cut).await?;
                    Ok(if is_added { Outcome::Keep(true) } else { Outcome::Undo(false) })
                }
                .boxed()
            })
            .await
    }

    async fn cut_off(&self, ends: Vec<(AccountId, u64)>) -> Result<u64, Fault> {
        const CUT_OFF: Sql = Sql {
            text: "
            delete from event
            where account_id = $1
              and id <= $2",
            types: &[Type::UUID, Type::INT8],
        };
        self.pool
            .transaction("cut the journal", &ends, |connection, ends| {
                async move {
                    let each = ends.iter().map(|(account, end)| async move {
                        connection.execute(&CUT_OFF, &[&account.0, &integer(*end)]).await
                    });
                    Ok(Outcome::Keep(try_join_all(each).await?.into_iter().sum()))
                }
                .boxed()
            })
            .await
    }
}

async fn add_cut(connection: &Connection, cut: &Cut) -> Result<bool, QueryError> {
    const ADD_CUT: Sql = Sql {
        text: "
        insert into journal_cut (number, at, before, covered_before, chains, entries, root, previous, tag, key_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict do nothing",
        types: &[
            Type::INT8,
            Type::INT8,
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
            &ADD_CUT,
            &[
                &integer(cut.number),
                &cut.at.0,
                &cut.before.0,
                &cut.covered_before.0,
                &integer(cut.chains),
                &integer(cut.entries),
                &cut.root.as_slice(),
                &cut.previous.as_slice(),
                &cut.tag.as_slice(),
                &i16::from(cut.key_id),
            ],
        )
        .await?;
    Ok(stored > 0)
}

/// Hops from account to account, for a chain may be long, and only its beginning is wanted: in the server where it can, which
/// a distributed engine's cannot.
async fn beginnings(
    connection: &Connection,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Entry>, QueryError> {
    const BEGINNINGS: Sql = Sql {
        text: "
        with recursive chain (account_id) as (
            (select account_id from event where account_id >= $1 order by account_id limit 1)
            union all
            select (select e.account_id from event e where e.account_id > c.account_id order by e.account_id limit 1)
            from chain c
            where c.account_id is not null
        )
        select first.account_id, first.id, first.at, first.kind, first.session_id, first.cause, first.ip,
               first.user_agent, first.note, first.previous, first.hash, first.particulars, first.salt
        from chain
        cross join lateral (
            select account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
            from event
            where account_id = chain.account_id
            order by id
            limit 1
        ) first
        limit $2",
        types: &[Type::UUID, Type::INT8],
    };
    const BEGINNINGS_OF_SHARDS: Sql = Sql {
        text: "
        select account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
        from event chain
        where chain.account_id >= $1
          and not exists (select 1 from event e where e.account_id = chain.account_id and e.id < chain.id)
        order by account_id
        limit $2",
        types: &[Type::UUID, Type::INT8],
    };
    let sql = if connection.sends_rows() { &BEGINNINGS_OF_SHARDS } else { &BEGINNINGS };
    let found = connection.query(sql, &[&first_after(after), &i64::from(limit)]).await?;
    found.iter().map(rows::entry).collect()
}
