//! What is kept of an account besides its own row, and which accounts are to be erased.

use rusqlite::{Connection, Result, Row, params};

use super::rows::{self, bytes};
use crate::clock::Timestamp;
use crate::one_time::Purpose;
use crate::outbox::MessageKind;
use crate::session::AccountId;
use crate::store::{Kept, KeptMessage, KeptToken};

pub(super) fn plan_erasure(connection: &Connection, account: AccountId, at: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set erase_at = ?2
         where id = ?1
           and erase_at is null",
    )?;
    Ok(statement.execute(params![bytes(&account.0), at.0])? > 0)
}

pub(super) fn call_off_erasure(connection: &Connection, account: AccountId) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "update account
         set erase_at = null
         where id = ?1",
    )?;
    Ok(statement.execute(params![bytes(&account.0)])? > 0)
}

pub(super) fn is_erasure_due(connection: &Connection, account: AccountId, at: Timestamp) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "select 1
         from account
         where id = ?1
           and erase_at <= ?2",
    )?;
    statement.exists(params![bytes(&account.0), at.0])
}

pub(super) fn erasures_due(connection: &Connection, now: Timestamp, limit: u32) -> Result<Vec<AccountId>> {
    let mut statement = connection.prepare_cached(
        "select id
         from account
         where erase_at <= ?1
         order by erase_at, id
         limit ?2",
    )?;
    let found = statement.query_map(params![now.0, limit], |row| rows::id(row, "id").map(AccountId))?;
    found.collect()
}

pub(super) fn kept(connection: &Connection, account: AccountId) -> Result<Kept> {
    let mut credentials = connection.prepare_cached(
        "select kind
         from credential
         where account_id = ?1
         order by kind",
    )?;
    let mut tokens = connection.prepare_cached(
        "select purpose, made_at, expires_at
         from one_time_token
         where account_id = ?1",
    )?;
    let mut messages = connection.prepare_cached(
        "select kind, made_at, settled_at
         from outbox
         where account_id = ?1",
    )?;
    let of = [bytes(&account.0)];
    let mut kept = Kept {
        credentials: credentials.query_map(of, |row| row.get("kind"))?.collect::<Result<_>>()?,
        tokens: tokens.query_map(of, token)?.collect::<Result<_>>()?,
        messages: messages.query_map(of, message)?.collect::<Result<_>>()?,
    };
    kept.tokens.sort_unstable();
    kept.messages.sort_unstable();
    Ok(kept)
}

fn token(row: &Row<'_>) -> Result<KeptToken> {
    let purpose: String = row.get("purpose")?;
    Ok(KeptToken {
        made_at: Timestamp(row.get("made_at")?),
        expires_at: Timestamp(row.get("expires_at")?),
        purpose: Purpose::named(&purpose).ok_or_else(|| rows::unknown("purpose", &purpose))?,
    })
}

fn message(row: &Row<'_>) -> Result<KeptMessage> {
    let kind: String = row.get("kind")?;
    Ok(KeptMessage {
        made_at: Timestamp(row.get("made_at")?),
        settled_at: row.get::<_, Option<i64>>("settled_at")?.map(Timestamp),
        kind: MessageKind::named(&kind).ok_or_else(|| rows::unknown("kind", &kind))?,
    })
}
