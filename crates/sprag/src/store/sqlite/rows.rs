//! Rows into values, and values into columns.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Result, Row};
use uuid::Uuid;

use crate::account::{Account, ConfirmedEmail, External, Name, NameKind, Particulars};
use crate::audit::{Checkpoint, Cover, Cut, Entry, Erasure, Event, EventKind, Hash, Head};
use crate::clock::Timestamp;
use crate::session::{
    AccountId, EndCause, Ended, Epoch, Generation, Methods, ProfileId, Session, SessionDetail, SessionId,
    SessionKey,
};
use crate::store::Credential;

/// What precedes every id, where a walk over keys begins.
pub(super) const START: &[u8] = &[];

/// An id as it stands in a column.
pub(super) fn bytes(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

/// A count as it stands in a column.
pub(super) fn integer(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn session(row: &Row<'_>) -> Result<Session> {
    let ended_at: Option<i64> = row.get("ended_at")?;
    let ended = match ended_at {
        Some(at) => {
            let cause = cause(row, "ended_cause")?.ok_or_else(|| unknown("ended_cause", "null"))?;
            Some(Ended { at: Timestamp(at), cause })
        }
        None => None,
    };
    Ok(Session {
        key: SessionKey { account: AccountId(id(row, "account_id")?), session: SessionId(id(row, "id")?) },
        profile: ProfileId(row.get("profile")?),
        generation: Generation(count(row, "generation")?),
        secret_hash: row.get("secret_hash")?,
        epoch: Epoch(row.get("epoch")?),
        created_at: Timestamp(row.get("created_at")?),
        rotated_at: Timestamp(row.get("rotated_at")?),
        idle_expires_at: Timestamp(row.get("idle_expires_at")?),
        expires_at: Timestamp(row.get("expires_at")?),
        authenticated_at: Timestamp(match row.get("authenticated_at")? {
            Some(at) => at,
            None => row.get("created_at")?,
        }),
        methods: Methods::from_bits(row.get("methods")?),
        retry_hash: row.get("retry_hash")?,
        previous_retry_hash: row.get("previous_retry_hash")?,
        instance_hash: row.get("instance_hash")?,
        other_instance_hash: row.get("other_instance_hash")?,
        taken_generation: optional_count(row, "taken_generation")?.map(Generation),
        contested_generation: optional_count(row, "contested_generation")?.map(Generation),
        retries: row.get("retries")?,
        streak: row.get("streak")?,
        streak_generation: optional_count(row, "streak_generation")?.map(Generation),
        ended,
    })
}

pub(super) fn detail(row: &Row<'_>) -> Result<SessionDetail> {
    Ok(SessionDetail {
        ip: row.get("ip")?,
        user_agent: row.get("user_agent")?,
        device: row.get("device")?,
        ended_ip: row.get("ended_ip")?,
    })
}

pub(super) fn account(row: &Row<'_>) -> Result<Account> {
    Ok(Account {
        id: AccountId(id(row, "id")?),
        username: row.get("username")?,
        email: row.get("email")?,
        is_admin: row.get("is_admin")?,
        disabled_at: row.get::<_, Option<i64>>("disabled_at")?.map(Timestamp),
        epoch: Epoch(row.get("epoch")?),
        created_at: Timestamp(row.get("created_at")?),
        confirmed: confirmed(row)?,
        erase_at: row.get::<_, Option<i64>>("erase_at")?.map(Timestamp),
        particulars: Particulars {
            external: external(row)?,
            role: row.get("role")?,
            name: row.get("name")?,
            given_name: row.get("given_name")?,
            family_name: row.get("family_name")?,
            language: row.get("language")?,
        },
    })
}

fn confirmed(row: &Row<'_>) -> Result<Option<ConfirmedEmail>> {
    let address: Option<String> = row.get("confirmed_email")?;
    let at: Option<i64> = row.get("email_confirmed_at")?;
    Ok(address.zip(at).map(|(address, at)| ConfirmedEmail { address, at: Timestamp(at) }))
}

fn external(row: &Row<'_>) -> Result<Option<External>> {
    let profile: Option<u16> = row.get("external_profile")?;
    let id: Option<String> = row.get("external_id")?;
    Ok(profile.zip(id).map(|(profile, id)| External { profile: ProfileId(profile), id }))
}

pub(super) fn credential(row: &Row<'_>) -> Result<Credential> {
    let secret: Option<Vec<u8>> = row.get("secret")?;
    let password_hash = secret.map(String::from_utf8).transpose();
    let password_hash =
        password_hash.map_err(|error| Error::FromSqlConversionFailure(0, Type::Blob, error.into()))?;
    Ok(Credential { account: account(row)?, password_hash })
}

pub(super) fn name(row: &Row<'_>) -> Result<(Name, AccountId)> {
    let kind: String = row.get("kind")?;
    let Some(kind) = NameKind::named(&kind) else {
        let odd = format!("a name is of the kind {kind:?}, which this build does not know");
        return Err(Error::FromSqlConversionFailure(0, Type::Text, odd.into()));
    };
    Ok((Name { kind, value: row.get("value")? }, AccountId(id(row, "account_id")?)))
}

pub(super) fn entry(row: &Row<'_>) -> Result<Entry> {
    let account = AccountId(id(row, "account_id")?);
    let number = count(row, "id")?;
    whole_entry(row, account, number).map_err(|error| {
        let message = format!("account {account}, entry {number} cannot be read: {error}");
        Error::FromSqlConversionFailure(0, Type::Null, message.into())
    })
}

fn whole_entry(row: &Row<'_>, account: AccountId, number: u64) -> Result<Entry> {
    let kind: String = row.get("kind")?;
    let event = Event {
        account,
        at: Timestamp(row.get("at")?),
        kind: EventKind::named(&kind).ok_or_else(|| unknown("kind", &kind))?,
        session: row.get::<_, Option<[u8; 16]>>("session_id")?.map(|id| SessionId(Uuid::from_bytes(id))),
        cause: cause(row, "cause")?,
        ip: row.get("ip")?,
        user_agent: row.get("user_agent")?,
        note: row.get("note")?,
    };
    let (mac, salt) = (row.get::<_, Option<Hash>>("particulars")?, row.get("salt")?);
    let cover = mac.map_or(Cover::Plain, |mac| Cover::Salted { mac, salt });
    Ok(Entry { number, event, previous: row.get("previous")?, hash: row.get("hash")?, cover })
}

pub(super) fn head(row: &Row<'_>) -> Result<Head> {
    Ok(Head {
        account: AccountId(id(row, "account_id")?),
        number: count(row, "id")?,
        at: Timestamp(row.get("at")?),
        hash: row.get("hash")?,
    })
}

pub(super) fn checkpoint(row: &Row<'_>) -> Result<Checkpoint> {
    Ok(Checkpoint {
        number: count(row, "number")?,
        before: Timestamp(row.get("before")?),
        chains: count(row, "chains")?,
        entries: count(row, "entries")?,
        root: row.get("root")?,
        previous: row.get("previous")?,
        tag: row.get("tag")?,
        key_id: row.get("key_id")?,
    })
}

pub(super) fn cut(row: &Row<'_>) -> Result<Cut> {
    Ok(Cut {
        number: count(row, "number")?,
        at: Timestamp(row.get("at")?),
        before: Timestamp(row.get("before")?),
        covered_before: Timestamp(row.get("covered_before")?),
        chains: count(row, "chains")?,
        entries: count(row, "entries")?,
        root: row.get("root")?,
        previous: row.get("previous")?,
        tag: row.get("tag")?,
        key_id: row.get("key_id")?,
    })
}

pub(super) fn erasure(row: &Row<'_>) -> Result<Erasure> {
    Ok(Erasure {
        number: count(row, "number")?,
        at: Timestamp(row.get("at")?),
        account: AccountId(id(row, "account_id")?),
        last: count(row, "last")?,
        chained_anew: count(row, "chained_anew")?,
        old_head: row.get("old_head")?,
        new_head: row.get("new_head")?,
        checkpoint: count(row, "checkpoint")?,
        previous: row.get("previous")?,
        tag: row.get("tag")?,
        key_id: row.get("key_id")?,
    })
}

pub(super) fn id(row: &Row<'_>, column: &str) -> Result<Uuid> {
    Ok(Uuid::from_bytes(row.get(column)?))
}

fn count(row: &Row<'_>, column: &'static str) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(0, value))
}

fn optional_count(row: &Row<'_>, column: &'static str) -> Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|value| u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(0, value))).transpose()
}

fn cause(row: &Row<'_>, column: &'static str) -> Result<Option<EndCause>> {
    let name: Option<String> = row.get(column)?;
    name.map(|name| EndCause::named(&name).ok_or_else(|| unknown(column, &name))).transpose()
}

/// A name in the database that this build does not know: a newer build wrote it, or somebody else.
pub(super) fn unknown(column: &str, name: &str) -> Error {
    let message = format!("column {column} holds {name:?}, which this build does not know");
    Error::FromSqlConversionFailure(0, Type::Text, FromSqlError::Other(message.into()).into())
}
