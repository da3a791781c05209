//! Rows into values.

use tokio_postgres::Row;
use uuid::Uuid;

use super::error::QueryError;
use crate::account::{Account, ConfirmedEmail, External, Name, NameKind, Particulars};
use crate::audit::{Checkpoint, Cover, Cut, Entry, Erasure, Event, EventKind, Head};
use crate::clock::Timestamp;
use crate::ratchet::SessionState;
use crate::session::{
    AccountId, EndCause, Ended, Epoch, Generation, Methods, ProfileId, Session, SessionDetail, SessionId,
    SessionKey,
};
use crate::store::{Credential, Rotated};

type Result<T> = std::result::Result<T, QueryError>;

pub(super) fn state(row: &Row) -> Result<SessionState> {
    let epoch: Option<i64> = row.try_get("account_epoch")?;
    Ok(SessionState {
        session: session(row)?,
        is_disabled: row.try_get("is_disabled")?,
        epoch: Epoch(epoch.unwrap_or_default()),
    })
}

pub(super) fn session(row: &Row) -> Result<Session> {
    let ended_at: Option<i64> = row.try_get("ended_at")?;
    let ended = match ended_at {
        Some(at) => {
            let cause = cause(row, "ended_cause")?.ok_or_else(|| unknown("ended_cause", "null"))?;
            Some(Ended { at: Timestamp(at), cause })
        }
        None => None,
    };
    Ok(Session {
        key: SessionKey {
            account: AccountId(row.try_get("account_id")?),
            session: SessionId(row.try_get("id")?),
        },
        profile: ProfileId(small(row.try_get::<_, i32>("profile")?, "profile")?),
        generation: Generation(count(row, "generation")?),
        secret_hash: bytes(row, "secret_hash")?,
        epoch: Epoch(row.try_get("epoch")?),
        created_at: Timestamp(row.try_get("created_at")?),
        rotated_at: Timestamp(row.try_get("rotated_at")?),
        idle_expires_at: Timestamp(row.try_get("idle_expires_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
        authenticated_at: Timestamp(match row.try_get("authenticated_at")? {
            Some(at) => at,
            None => row.try_get("created_at")?,
        }),
        methods: methods(row.try_get("methods")?)?,
        retry_hash: optional_bytes(row, "retry_hash")?,
        previous_retry_hash: optional_bytes(row, "previous_retry_hash")?,
        instance_hash: bytes(row, "instance_hash")?,
        other_instance_hash: optional_bytes(row, "other_instance_hash")?,
        taken_generation: optional_count(row, "taken_generation")?.map(Generation),
        contested_generation: optional_count(row, "contested_generation")?.map(Generation),
        retries: small(row.try_get::<_, i16>("retries")?, "retries")?,
        streak: small(row.try_get::<_, i16>("streak")?, "streak")?,
        streak_generation: optional_count(row, "streak_generation")?.map(Generation),
        ended,
    })
}

/// What a write to a row leaves for the answer: its first four columns, found by their place, for every refresh reads them.
pub(super) fn rotated(row: &Row) -> Result<Rotated> {
    Ok(Rotated {
        idle_expires_at: Timestamp(row.try_get(0)?),
        expires_at: Timestamp(row.try_get(1)?),
        authenticated_at: Timestamp(row.try_get(2)?),
        methods: methods(row.try_get(3)?)?,
    })
}

fn methods(bits: i16) -> Result<Methods> {
    small(bits, "methods").map(Methods::from_bits)
}

/// A set of methods as it stands in a column: its highest bit is never used.
pub(super) fn smallint(methods: Methods) -> i16 {
    methods.bits().cast_signed()
}

pub(super) fn detail(row: &Row) -> Result<SessionDetail> {
    Ok(SessionDetail {
        ip: row.try_get("ip")?,
        user_agent: row.try_get("user_agent")?,
        device: row.try_get("device")?,
        ended_ip: row.try_get("ended_ip")?,
    })
}

pub(super) fn account(row: &Row) -> Result<Account> {
    Ok(Account {
        id: AccountId(row.try_get("id")?),
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        is_admin: row.try_get("is_admin")?,
        disabled_at: row.try_get::<_, Option<i64>>("disabled_at")?.map(Timestamp),
        epoch: Epoch(row.try_get("epoch")?),
        created_at: Timestamp(row.try_get("created_at")?),
        confirmed: confirmed(row)?,
        erase_at: row.try_get::<_, Option<i64>>("erase_at")?.map(Timestamp),
        particulars: Particulars {
            external: external(row)?,
            role: row.try_get("role")?,
            name: row.try_get("name")?,
            given_name: row.try_get("given_name")?,
            family_name: row.try_get("family_name")?,
            language: row.try_get("language")?,
        },
    })
}

fn confirmed(row: &Row) -> Result<Option<ConfirmedEmail>> {
    let address: Option<String> = row.try_get("confirmed_email")?;
    let at: Option<i64> = row.try_get("email_confirmed_at")?;
    Ok(address.zip(at).map(|(address, at)| ConfirmedEmail { address, at: Timestamp(at) }))
}

fn external(row: &Row) -> Result<Option<External>> {
    let profile: Option<i32> = row.try_get("external_profile")?;
    let profile = profile.map(|profile| small(profile, "external_profile").map(ProfileId)).transpose()?;
    let id: Option<String> = row.try_get("external_id")?;
    Ok(profile.zip(id).map(|(profile, id)| External { profile, id }))
}

pub(super) fn credential(row: &Row) -> Result<Credential> {
    let secret: Option<Vec<u8>> = row.try_get("secret")?;
    let password_hash = secret.map(String::from_utf8).transpose();
    let password_hash =
        password_hash.map_err(|error| QueryError::Unreadable(format!("column secret: {error}")))?;
    Ok(Credential { account: account(row)?, password_hash })
}

pub(super) fn name(row: &Row) -> Result<(Name, AccountId)> {
    let kind: &str = row.try_get("kind")?;
    let Some(kind) = NameKind::named(kind) else {
        return Err(QueryError::Unreadable(format!(
            "a name is of the kind {kind:?}, which this build does not know"
        )));
    };
    Ok((Name { kind, value: row.try_get("value")? }, AccountId(row.try_get("account_id")?)))
}

pub(super) fn entry(row: &Row) -> Result<Entry> {
    let account = AccountId(row.try_get("account_id")?);
    let number = count(row, "id")?;
    whole_entry(row, account, number).map_err(|error| {
        QueryError::Unreadable(format!("account {account}, entry {number} cannot be read: {error}"))
    })
}

fn whole_entry(row: &Row, account: AccountId, number: u64) -> Result<Entry> {
    let kind: &str = row.try_get("kind")?;
    let event = Event {
        account,
        at: Timestamp(row.try_get("at")?),
        kind: EventKind::named(kind).ok_or_else(|| unknown("kind", kind))?,
        session: row.try_get::<_, Option<Uuid>>("session_id")?.map(SessionId),
        cause: cause(row, "cause")?,
        ip: row.try_get("ip")?,
        user_agent: row.try_get("user_agent")?,
        note: row.try_get("note")?,
    };
    let cover = match row.try_get::<_, Option<&[u8]>>("particulars")? {
        None => Cover::Plain,
        Some(_) => Cover::Salted { mac: bytes(row, "particulars")?, salt: optional_bytes(row, "salt")? },
    };
    Ok(Entry { number, event, previous: bytes(row, "previous")?, hash: bytes(row, "hash")?, cover })
}

pub(super) fn head(row: &Row) -> Result<Head> {
    Ok(Head {
        account: AccountId(row.try_get("account_id")?),
        number: count(row, "id")?,
        at: Timestamp(row.try_get("at")?),
        hash: bytes(row, "hash")?,
    })
}

pub(super) fn checkpoint(row: &Row) -> Result<Checkpoint> {
    Ok(Checkpoint {
        number: count(row, "number")?,
        before: Timestamp(row.try_get("before")?),
        chains: count(row, "chains")?,
        entries: count(row, "entries")?,
        root: bytes(row, "root")?,
        previous: bytes(row, "previous")?,
        tag: bytes(row, "tag")?,
        key_id: small(row.try_get::<_, i16>("key_id")?, "key_id")?,
    })
}

pub(super) fn cut(row: &Row) -> Result<Cut> {
    Ok(Cut {
        number: count(row, "number")?,
        at: Timestamp(row.try_get("at")?),
        before: Timestamp(row.try_get("before")?),
        covered_before: Timestamp(row.try_get("covered_before")?),
        chains: count(row, "chains")?,
        entries: count(row, "entries")?,
        root: bytes(row, "root")?,
        previous: bytes(row, "previous")?,
        tag: bytes(row, "tag")?,
        key_id: small(row.try_get::<_, i16>("key_id")?, "key_id")?,
    })
}

pub(super) fn erasure(row: &Row) -> Result<Erasure> {
    Ok(Erasure {
        number: count(row, "number")?,
        at: Timestamp(row.try_get("at")?),
        account: AccountId(row.try_get("account_id")?),
        last: count(row, "last")?,
        chained_anew: count(row, "chained_anew")?,
        old_head: bytes(row, "old_head")?,
        new_head: bytes(row, "new_head")?,
        checkpoint: count(row, "checkpoint")?,
        previous: bytes(row, "previous")?,
        tag: bytes(row, "tag")?,
        key_id: small(row.try_get::<_, i16>("key_id")?, "key_id")?,
    })
}

pub(super) fn key(row: &Row) -> Result<SessionKey> {
    Ok(SessionKey { account: AccountId(row.try_get("account_id")?), session: SessionId(row.try_get("id")?) })
}

pub(super) fn bytes<const N: usize>(row: &Row, column: &str) -> Result<[u8; N]> {
    let found: &[u8] = row.try_get(column)?;
    found.try_into().map_err(|_| wrong_length(column, found.len(), N))
}

pub(super) fn optional_bytes<const N: usize>(row: &Row, column: &str) -> Result<Option<[u8; N]>> {
    let found: Option<&[u8]> = row.try_get(column)?;
    found.map(|found| found.try_into().map_err(|_| wrong_length(column, found.len(), N))).transpose()
}

fn wrong_length(column: &str, found: usize, expected: usize) -> QueryError {
    QueryError::Unreadable(format!("column {column} holds {found} bytes, not {expected}"))
}

fn count(row: &Row, column: &str) -> Result<u64> {
    non_negative(row.try_get(column)?, column)
}

fn optional_count(row: &Row, column: &str) -> Result<Option<u64>> {
    row.try_get::<_, Option<i64>>(column)?.map(|value| non_negative(value, column)).transpose()
}

fn non_negative(value: i64, column: &str) -> Result<u64> {
    u64::try_from(value).map_err(|_| QueryError::Unreadable(format!("column {column} holds {value}")))
}

pub(super) fn small<T: TryFrom<S>, S: Copy + std::fmt::Display>(value: S, column: &str) -> Result<T> {
    T::try_from(value).map_err(|_| QueryError::Unreadable(format!("column {column} holds {value}")))
}

fn cause(row: &Row, column: &str) -> Result<Option<EndCause>> {
    let name: Option<&str> = row.try_get(column)?;
    name.map(|name| EndCause::named(name).ok_or_else(|| unknown(column, name))).transpose()
}

/// A name in the database that this build does not know: a newer build wrote it, or somebody else.
pub(super) fn unknown(column: &str, name: &str) -> QueryError {
    QueryError::Unreadable(format!("column {column} holds {name:?}, which this build does not know"))
}
