//! One-time tokens, and the address that spending one confirms.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::SqliteStore;
use super::job::{Concerns, Outcome};
use super::rows::{self, bytes};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::one_time::{MAX_TRIES, OneTimeToken, Proof, Purpose, TokenId};
use crate::session::{AccountId, Epoch};
use crate::store::steps::AccountState;
use crate::store::{OneTimeTokens, Step};

/// How many are forgotten in one transaction: few enough that no refresh notices.
const AT_ONCE: u64 = 500;

#[async_trait]
impl OneTimeTokens for SqliteStore {
    async fn one_time_token(
        &self,
        account: AccountId,
        id: TokenId,
    ) -> std::result::Result<Option<OneTimeToken>, Fault> {
        self.readers
            .read("find a one-time token", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select account_id, id, purpose, bound_to, secret_hash, code_hash, solved_by, tries, epoch,
                            made_at, expires_at, sealed
                     from one_time_token
                     where account_id = ?1
                       and id = ?2",
                )?;
                statement.query_row([bytes(&account.0), bytes(&id.0)], token).optional()
            })
            .await
    }

    async fn sweep_one_time_tokens(&self, now: Timestamp) -> std::result::Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let work = move |connection: &Connection| forget(connection, now).map(Outcome::Keep);
            let doing = "forget one-time tokens that have expired";
            let found = self.writer.write_about(Concerns::Nobody, doing, work).await?;
            forgotten += found;
            if found < AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}

fn forget(connection: &Connection, now: Timestamp) -> Result<u64> {
    let mut statement = connection.prepare_cached(
        "delete from one_time_token
         where (account_id, id) in (
             select account_id, id
             from one_time_token
             where expires_at <= ?1
             limit ?2
         )",
    )?;
    Ok(statement.execute(params![now.0, rows::integer(AT_ONCE)?])? as u64)
}

fn token(row: &Row<'_>) -> Result<OneTimeToken> {
    let purpose: String = row.get("purpose")?;
    Ok(OneTimeToken {
        account: AccountId(rows::id(row, "account_id")?),
        id: TokenId(rows::id(row, "id")?),
        purpose: Purpose::named(&purpose).ok_or_else(|| rows::unknown("purpose", &purpose))?,
        bound_to: row.get("bound_to")?,
        secret_hash: row.get("secret_hash")?,
        code_hash: row.get("code_hash")?,
        solved_by: row.get("solved_by")?,
        tries: row.get("tries")?,
        epoch: row.get::<_, Option<i64>>("epoch")?.map(Epoch),
        made_at: Timestamp(row.get("made_at")?),
        expires_at: Timestamp(row.get("expires_at")?),
        sealed: row.get("sealed")?,
    })
}

pub(super) fn confirm_email(
    connection: &Connection,
    account: AccountId,
    address: &str,
    at: Timestamp,
) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set confirmed_email = ?2,
             email_confirmed_at = ?3
         where id = ?1
           and email = ?2",
    )?;
    Ok(statement.execute(params![bytes(&account.0), address, at.0])? > 0)
}

pub(super) fn unconfirm_email(connection: &Connection, account: AccountId) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set confirmed_email = null,
             email_confirmed_at = null
         where id = ?1
           and confirmed_email = email",
    )?;
    Ok(statement.execute(params![bytes(&account.0)])? > 0)
}

pub(super) fn put(connection: &Connection, token: &OneTimeToken) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into one_time_token (
             account_id, id, purpose, bound_to, secret_hash, code_hash, solved_by, tries, epoch, made_at,
             expires_at, sealed
         )
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         on conflict do nothing",
    )?;
    let made = statement.execute(params![
        bytes(&token.account.0),
        bytes(&token.id.0),
        token.purpose.name(),
        token.bound_to,
        token.secret_hash,
        token.code_hash,
        token.solved_by,
        token.tries,
        token.epoch.map(|epoch| epoch.0),
        token.made_at.0,
        token.expires_at.0,
        token.sealed,
    ])?;
    Ok(made > 0)
}

/// What it sets is made of what was there before, so the comparison and the count are one.
pub(super) fn try_code(connection: &Connection, account: AccountId, step: &Step) -> Result<bool> {
    let Step::TryCode { token, purpose, bound_to, code_hash, solver, at } = step else { return Ok(false) };
    let mut statement = connection.prepare_cached(
        "update one_time_token
         set tries = tries + 1,
             solved_by = case when code_hash = ?5 then ?6 end
         where account_id = ?1
           and id = ?2
           and purpose = ?3
           and bound_to = ?4
           and code_hash is not null
           and expires_at > ?7
           and tries < ?8",
    )?;
    let tried = statement.execute(params![
        bytes(&account.0),
        bytes(&token.0),
        purpose.name(),
        bound_to,
        code_hash,
        solver,
        at.0,
        MAX_TRIES
    ])?;
    Ok(tried > 0)
}

pub(super) fn spend(
    connection: &Connection,
    account: AccountId,
    state: Option<AccountState>,
    step: &Step,
) -> Result<bool> {
    const BY_SECRET: &str = "
        delete from one_time_token
        where account_id = ?1
          and id = ?2
          and purpose = ?3
          and bound_to = ?4
          and secret_hash = ?5
          and expires_at > ?6
          and (epoch is null or epoch = ?7)";
    const BY_CODE: &str = "
        delete from one_time_token
        where account_id = ?1
          and id = ?2
          and purpose = ?3
          and bound_to = ?4
          and solved_by = ?5
          and expires_at > ?6
          and (epoch is null or epoch = ?7)";
    let Step::SpendToken { token, purpose, bound_to, proof, at } = step else { return Ok(false) };
    let (sql, proof) = match proof {
        Proof::Secret(hash) => (BY_SECRET, hash),
        Proof::Solved(by) => (BY_CODE, by),
    };
    let epoch = state.map(|state| state.epoch.0);
    let (account, token) = (bytes(&account.0), bytes(&token.0));
    let given = params![account, token, purpose.name(), bound_to, proof, at.0, epoch];
    Ok(connection.prepare_cached(sql)?.execute(given)? > 0)
}

pub(super) fn end(connection: &Connection, account: AccountId, purpose: Purpose) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "delete from one_time_token
         where account_id = ?1
           and purpose = ?2",
    )?;
    statement.execute(params![bytes(&account.0), purpose.name()]).map(drop)
}

pub(super) fn end_since(
    connection: &Connection,
    account: AccountId,
    purpose: Purpose,
    since: Timestamp,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "delete from one_time_token
         where account_id = ?1
           and purpose = ?2
           and made_at >= ?3",
    )?;
    statement.execute(params![bytes(&account.0), purpose.name(), since.0]).map(drop)
}
