//! What is kept of an account besides its own row, and which accounts are to be erased.

use futures_util::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rows::unknown;
use crate::clock::Timestamp;
use crate::one_time::Purpose;
use crate::outbox::MessageKind;
use crate::session::AccountId;
use crate::store::{Kept, KeptMessage, KeptToken};

const PLAN_ERASURE: Sql = Sql {
    text: "
    update account
    set erase_at = $2
    where id = $1
      and erase_at is null",
    types: &[Type::UUID, Type::INT8],
};

const CALL_OFF_ERASURE: Sql = Sql {
    text: "
    update account
    set erase_at = null
    where id = $1",
    types: &[Type::UUID],
};

const IS_ERASURE_DUE: Sql = Sql {
    text: "
    select id
    from account
    where id = $1
      and erase_at <= $2",
    types: &[Type::UUID, Type::INT8],
};

/// Goes to every shard, as a sweep may.
const ERASURES_DUE: Sql = Sql {
    text: "
    select id
    from account
    where erase_at <= $1
    order by erase_at, id
    limit $2",
    types: &[Type::INT8, Type::INT8],
};

const CREDENTIALS_KEPT: Sql = Sql {
    text: "
    select kind
    from credential
    where account_id = $1
    order by kind",
    types: &[Type::UUID],
};

const TOKENS_KEPT: Sql = Sql {
    text: "
    select purpose, made_at, expires_at
    from one_time_token
    where account_id = $1",
    types: &[Type::UUID],
};

const MESSAGES_KEPT: Sql = Sql {
    text: "
    select kind, made_at, settled_at
    from outbox
    where account_id = $1",
    types: &[Type::UUID],
};

pub(super) async fn plan_erasure(
    connection: &Connection,
    account: AccountId,
    at: Timestamp,
) -> Result<bool, QueryError> {
    Ok(connection.execute(&PLAN_ERASURE, &[&account.0, &at.0]).await? > 0)
}

pub(super) async fn call_off_erasure(
    connection: &Connection,
    account: AccountId,
) -> Result<bool, QueryError> {
    Ok(connection.execute(&CALL_OFF_ERASURE, &[&account.0]).await? > 0)
}

pub(super) async fn is_erasure_due(
    connection: &Connection,
    account: AccountId,
    at: Timestamp,
) -> Result<bool, QueryError> {
    Ok(connection.optional(&IS_ERASURE_DUE, &[&account.0, &at.0]).await?.is_some())
}

pub(super) async fn erasures_due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<AccountId>, QueryError> {
    let found = connection.query(&ERASURES_DUE, &[&now.0, &i64::from(limit)]).await?;
    found.iter().map(|row| Ok(AccountId(row.try_get("id")?))).collect()
}

pub(super) async fn kept(connection: &Connection, account: AccountId) -> Result<Kept, QueryError> {
    let of: [&(dyn ToSql + Sync); 1] = [&account.0];
    let (credentials, tokens, messages) = try_join!(
        connection.query(&CREDENTIALS_KEPT, &of),
        connection.query(&TOKENS_KEPT, &of),
        connection.query(&MESSAGES_KEPT, &of),
    )?;
    let mut kept = Kept {
        credentials: credentials.iter().map(|row| row.try_get("kind")).collect::<Result<_, _>>()?,
        tokens: tokens.iter().map(token).collect::<Result<_, _>>()?,
        messages: messages.iter().map(message).collect::<Result<_, _>>()?,
    };
    // The database sorts text as it is set up to.
    kept.credentials.sort_unstable();
    kept.tokens.sort_unstable();
    kept.messages.sort_unstable();
    Ok(kept)
}

fn token(row: &Row) -> Result<KeptToken, QueryError> {
    let purpose: &str = row.try_get("purpose")?;
    Ok(KeptToken {
        made_at: Timestamp(row.try_get("made_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
        purpose: Purpose::named(purpose).ok_or_else(|| unknown("purpose", purpose))?,
    })
}

fn message(row: &Row) -> Result<KeptMessage, QueryError> {
    let kind: &str = row.try_get("kind")?;
    Ok(KeptMessage {
        made_at: Timestamp(row.try_get("made_at")?),
        settled_at: row.try_get::<_, Option<i64>>("settled_at")?.map(Timestamp),
        kind: MessageKind::named(kind).ok_or_else(|| unknown("kind", kind))?,
    })
}
