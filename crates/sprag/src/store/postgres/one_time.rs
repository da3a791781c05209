//! One-time tokens, and the address that spending one confirms.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rows::{bytes, optional_bytes, small, unknown};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::one_time::{MAX_TRIES, OneTimeToken, Proof, Purpose, TokenId};
use crate::session::{AccountId, Epoch};
use crate::store::steps::AccountState;
use crate::store::{OneTimeTokens, Step};

/// How many are forgotten by one statement.
const AT_ONCE: i64 = 1000;

const FIND_TOKEN: Sql = Sql {
    text: "
    select account_id, id, purpose, bound_to, secret_hash, code_hash, solved_by, tries, epoch, made_at, expires_at,
           sealed
    from one_time_token
    where account_id = $1
      and id = $2",
    types: &[Type::UUID, Type::UUID],
};

const PUT_TOKEN: Sql = Sql {
    text: "
    insert into one_time_token (
        account_id, id, purpose, bound_to, secret_hash, code_hash, solved_by, tries, epoch, made_at, expires_at,
        sealed
    )
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    on conflict do nothing",
    types: &[
        Type::UUID,
        Type::UUID,
        Type::TEXT,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::INT2,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
    ],
};

/// What it sets is made of what was there before, so the comparison and the count are one.
const TRY_CODE: Sql = Sql {
    text: "
    update one_time_token
    set tries = tries + 1,
        solved_by = case when code_hash = $5 then $6::bytea end
    where account_id = $1
      and id = $2
      and purpose = $3
      and bound_to = $4
      and code_hash is not null
      and expires_at > $7
      and tries < $8",
    types: &[
        Type::UUID,
        Type::UUID,
        Type::TEXT,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::INT8,
        Type::INT2,
    ],
};

const SPEND_BY_SECRET: Sql = Sql {
    text: "
    delete from one_time_token
    where account_id = $1
      and id = $2
      and purpose = $3
      and bound_to = $4
      and secret_hash = $5
      and expires_at > $6
      and (epoch is null or epoch = $7)",
    types: &[Type::UUID, Type::UUID, Type::TEXT, Type::BYTEA, Type::BYTEA, Type::INT8, Type::INT8],
};

const SPEND_BY_CODE: Sql = Sql {
    text: "
    delete from one_time_token
    where account_id = $1
      and id = $2
      and purpose = $3
      and bound_to = $4
      and solved_by = $5
      and expires_at > $6
      and (epoch is null or epoch = $7)",
    types: &[Type::UUID, Type::UUID, Type::TEXT, Type::BYTEA, Type::BYTEA, Type::INT8, Type::INT8],
};

const END_TOKENS: Sql = Sql {
    text: "
    delete from one_time_token
    where account_id = $1
      and purpose = $2",
    types: &[Type::UUID, Type::TEXT],
};

const END_TOKENS_SINCE: Sql = Sql {
    text: "
    delete from one_time_token
    where account_id = $1
      and purpose = $2
      and made_at >= $3",
    types: &[Type::UUID, Type::TEXT, Type::INT8],
};

const CONFIRM_EMAIL: Sql = Sql {
    text: "
    update account
    set confirmed_email = $2,
        email_confirmed_at = $3
    where id = $1
      and email = $2",
    types: &[Type::UUID, Type::TEXT, Type::INT8],
};

const UNCONFIRM_EMAIL: Sql = Sql {
    text: "
    update account
    set confirmed_email = null,
        email_confirmed_at = null
    where id = $1
      and confirmed_email = email",
    types: &[Type::UUID],
};

/// Goes to every shard, as a sweep may.
const EXPIRED_TOKENS: Sql = Sql {
    text: "
    select account_id, id
    from one_time_token
    where expires_at <= $1
    limit $2",
    types: &[Type::INT8, Type::INT8],
};

const FORGET_EXPIRED: Sql = Sql {
    text: "
    delete from one_time_token
    where account_id = any ($1)
      and id = any ($2)
      and expires_at <= $3",
    types: &[Type::UUID_ARRAY, Type::UUID_ARRAY, Type::INT8],
};

#[async_trait]
impl OneTimeTokens for PostgresStore {
    async fn one_time_token(&self, account: AccountId, id: TokenId) -> Result<Option<OneTimeToken>, Fault> {
        self.pool
            .statement("find a one-time token", &(account, id), |connection, (account, id)| {
                async move {
                    let found = connection.optional(&FIND_TOKEN, &[&account.0, &id.0]).await?;
                    found.as_ref().map(token).transpose()
                }
                .boxed()
            })
            .await
    }

    async fn sweep_one_time_tokens(&self, now: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let found = self
                .pool
                .statement("forget one-time tokens that have expired", &now, |connection, now| {
                    forget(connection, *now).boxed()
                })
                .await?;
            forgotten += found;
            if found < AT_ONCE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

async fn forget(connection: &Connection, now: Timestamp) -> Result<u64, QueryError> {
    let found = connection.query(&EXPIRED_TOKENS, &[&now.0, &AT_ONCE]).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let ids = |column| found.iter().map(|row| row.try_get(column)).collect::<Result<Vec<Uuid>, _>>();
    connection.execute(&FORGET_EXPIRED, &[&ids("account_id")?, &ids("id")?, &now.0]).await?;
    Ok(found.len() as u64)
}

fn token(row: &Row) -> Result<OneTimeToken, QueryError> {
    let purpose: &str = row.try_get("purpose")?;
    Ok(OneTimeToken {
        account: AccountId(row.try_get("account_id")?),
        id: TokenId(row.try_get("id")?),
        purpose: Purpose::named(purpose).ok_or_else(|| unknown("purpose", purpose))?,
        bound_to: bytes(row, "bound_to")?,
        secret_hash: bytes(row, "secret_hash")?,
        code_hash: optional_bytes(row, "code_hash")?,
        solved_by: optional_bytes(row, "solved_by")?,
        tries: small(row.try_get::<_, i16>("tries")?, "tries")?,
        epoch: row.try_get::<_, Option<i64>>("epoch")?.map(Epoch),
        made_at: Timestamp(row.try_get("made_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
        sealed: row.try_get("sealed")?,
    })
}

pub(super) async fn confirm_email(
    connection: &Connection,
    account: AccountId,
    address: &str,
    at: Timestamp,
) -> Result<bool, QueryError> {
    Ok(connection.execute(&CONFIRM_EMAIL, &[&account.0, &address, &at.0]).await? > 0)
}

pub(super) async fn unconfirm_email(connection: &Connection, account: AccountId) -> Result<bool, QueryError> {
    Ok(connection.execute(&UNCONFIRM_EMAIL, &[&account.0]).await? > 0)
}

pub(super) async fn put(connection: &Connection, token: &OneTimeToken) -> Result<bool, QueryError> {
    let given: [&(dyn ToSql + Sync); 12] = [
        &token.account.0,
        &token.id.0,
        &token.purpose.name(),
        &token.bound_to.as_slice(),
        &token.secret_hash.as_slice(),
        &token.code_hash.as_ref().map(|hash| hash.as_slice()),
        &token.solved_by.as_ref().map(|hash| hash.as_slice()),
        &token.tries.cast_signed(),
        &token.epoch.map(|epoch| epoch.0),
        &token.made_at.0,
        &token.expires_at.0,
        &token.sealed,
    ];
    Ok(connection.execute(&PUT_TOKEN, &given).await? > 0)
}

pub(super) async fn try_code(
    connection: &Connection,
    account: AccountId,
    step: &Step,
) -> Result<bool, QueryError> {
    let Step::TryCode { token, purpose, bound_to, code_hash, solver, at } = step else { return Ok(false) };
    let given: [&(dyn ToSql + Sync); 8] = [
        &account.0,
        &token.0,
        &purpose.name(),
        &bound_to.as_slice(),
        &code_hash.as_slice(),
        &solver.as_slice(),
        &at.0,
        &MAX_TRIES.cast_signed(),
    ];
    Ok(connection.execute(&TRY_CODE, &given).await? > 0)
}

pub(super) async fn spend(
    connection: &Connection,
    account: AccountId,
    state: Option<AccountState>,
    step: &Step,
) -> Result<bool, QueryError> {
    let Step::SpendToken { token, purpose, bound_to, proof, at } = step else { return Ok(false) };
    let (sql, proof) = match proof {
        Proof::Secret(hash) => (&SPEND_BY_SECRET, hash),
        Proof::Solved(by) => (&SPEND_BY_CODE, by),
    };
    let given: [&(dyn ToSql + Sync); 7] = [
        &account.0,
        &token.0,
        &purpose.name(),
        &bound_to.as_slice(),
        &proof.as_slice(),
        &at.0,
        &state.map(|state| state.epoch.0),
    ];
    Ok(connection.execute(sql, &given).await? > 0)
}

pub(super) async fn end(
    connection: &Connection,
    account: AccountId,
    purpose: Purpose,
) -> Result<(), QueryError> {
    connection.execute(&END_TOKENS, &[&account.0, &purpose.name()]).await.map(drop)
}

pub(super) async fn end_since(
    connection: &Connection,
    account: AccountId,
    purpose: Purpose,
    since: Timestamp,
) -> Result<(), QueryError> {
    let given: [&(dyn ToSql + Sync); 3] = [&account.0, &purpose.name(), &since.0];
    connection.execute(&END_TOKENS_SINCE, &given).await.map(drop)
}
