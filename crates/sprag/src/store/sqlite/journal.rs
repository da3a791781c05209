//! The journal: each account's chain, and the checkpoints over all of them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::SqliteStore;
use super::job::{Outcome, Told};
use super::outbox;
use super::rows::{self, START, bytes, integer};
use crate::audit::{Checkpoint, Cover, Entry, Event, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::random::{self, SystemRandom};
use crate::session::{AccountId, SessionKey};
use crate::store::{Journal, Slice};

/// The end of one account's chain, inside the transaction that adds to it.
pub(super) struct Chain<'c> {
    connection: &'c Connection,
    head: Head,
    covered_before: Timestamp,
    random: SystemRandom,
}

impl<'c> Chain<'c> {
    pub(super) fn of(connection: &'c Connection, account: AccountId) -> Result<Self> {
        let head = chain_head(connection, account)?;
        let mut statement = connection.prepare_cached(
            "select before
             from checkpoint
             order by number desc
             limit 1",
        )?;
        let covered_before = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(Self {
            connection,
            head: head.unwrap_or_else(|| Head::new(account)),
            covered_before: Timestamp(covered_before.unwrap_or(i64::MIN)),
            random: SystemRandom::default(),
        })
    }

    pub(super) fn append(&mut self, mut event: Event) -> Result<()> {
        event.at = event.at.max(self.covered_before);
        let entry = self.head.add(event, random::bytes(&self.random));
        insert(self.connection, &entry)?;
        self.head = entry.head();
        Ok(())
    }
}

/// Tells the journal, and puts into the outbox what is told to others, in the open transaction.
pub(super) fn tell(connection: &Connection, told: &Told) -> Result<()> {
    Chain::of(connection, told.event.account)?.append(told.event.clone())?;
    told.messages.iter().try_for_each(|message| outbox::put(connection, message).map(drop))
}

/// Adds an entry at the end of its chain.
pub(super) fn insert(connection: &Connection, entry: &Entry) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "insert into event (
             account_id, id, at, kind, session_id, cause, ip, user_agent, note, previous, hash, particulars, salt
         )
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let event = &entry.event;
    let (mac, salt) = match entry.cover {
        Cover::Plain => (None, None),
        Cover::Salted { mac, salt } => (Some(mac), salt),
    };
    statement.execute(params![
        bytes(&event.account.0),
        integer(entry.number)?,
        event.at.0,
        event.kind.name(),
        event.session.as_ref().map(|session| bytes(&session.0)),
        event.cause.map(|cause| cause.name()),
        event.ip,
        event.user_agent,
        event.note,
        entry.previous,
        entry.hash,
        mac,
        salt,
    ])?;
    Ok(())
}

#[async_trait]
impl Journal for SqliteStore {
    async fn entries_of(&self, account: AccountId, slice: Slice<u64>) -> Result<Vec<Entry>, Fault> {
        self.readers
            .read("read an account's journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from event
                     where account_id = ?1
                       and id < ?2
                     order by id desc
                     limit ?3",
                )?;
                let after = slice.after.map(integer).transpose()?.unwrap_or(i64::MAX);
                let found =
                    statement.query_map(params![bytes(&account.0), after, slice.limit], rows::entry)?;
                found.collect()
            })
            .await
    }

    async fn mentions(&self, session: SessionKey, until: u64) -> Result<bool, Fault> {
        self.readers
            .read("look for a session in the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select 1
                     from event
                     where account_id = ?1
                       and id <= ?3
                       and session_id = ?2",
                )?;
                let until = integer(until)?;
                statement.exists(params![bytes(&session.account.0), bytes(&session.session.0), until])
            })
            .await
    }

    async fn entries(&self, slice: Slice<(AccountId, u64)>) -> Result<Vec<Entry>, Fault> {
        let Slice { after, limit } = slice;
        self.readers
            .read("read the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from event
                     where (account_id, id) > (?1, ?2)
                     order by account_id, id
                     limit ?3",
                )?;
                let (account, number) =
                    after.as_ref().map_or((START, 0), |(account, number)| (bytes(&account.0), *number));
                let found = statement.query_map(params![account, integer(number)?, limit], rows::entry)?;
                found.collect()
            })
            .await
    }

    async fn recent(
        &self,
        since: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault> {
        let Slice { after, limit } = slice;
        self.readers
            .read("read the newest of the journal", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from event
                     where at >= ?1
                       and (at, account_id, id) < (?2, ?3, ?4)
                     order by at desc, account_id desc, id desc
                     limit ?5",
                )?;
                let (at, account, number) = after.map_or((i64::MAX, [u8::MAX; 16], i64::MAX), |after| {
                    let (at, account, number) = after;
                    (at.0, *account.0.as_bytes(), i64::try_from(number).unwrap_or(i64::MAX))
                });
                let found = statement
                    .query_map(params![since.0, at, account.as_slice(), number, limit], rows::entry)?;
                found.collect()
            })
            .await
    }

    async fn by_time(
        &self,
        before: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault> {
        let Slice { after, limit } = slice;
        self.readers
            .read("read the journal by time", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from event
                     where at < ?1
                       and (at, account_id, id) > (?2, ?3, ?4)
                     order by at, account_id, id
                     limit ?5",
                )?;
                let (at, account, number) = after.map_or((i64::MIN, [0; 16], 0), |after| {
                    let (at, account, number) = after;
                    (at.0, *account.0.as_bytes(), i64::try_from(number).unwrap_or(i64::MAX))
                });
                let found = statement
                    .query_map(params![before.0, at, account.as_slice(), number, limit], rows::entry)?;
                found.collect()
            })
            .await
    }

    async fn heads(&self, before: Timestamp, slice: Slice<AccountId>) -> Result<Vec<Head>, Fault> {
        self.readers
            .read("read the heads of the journal", move |connection| {
                heads(connection, before, slice.after, slice.limit as usize)
            })
            .await
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        self.readers
            .read("read the last checkpoint", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from checkpoint
                     order by number desc
                     limit 1",
                )?;
                statement.query_row([], rows::checkpoint).optional()
            })
            .await
    }

    async fn checkpoints(&self, slice: Slice<u64>) -> Result<Vec<Checkpoint>, Fault> {
        self.readers
            .read("read the checkpoints", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from checkpoint
                     where number > ?1
                     order by number
                     limit ?2",
                )?;
                let after = slice.after.map(integer).transpose()?.unwrap_or(i64::MIN);
                let found = statement.query_map(params![after, slice.limit], rows::checkpoint)?;
                found.collect()
            })
            .await
    }

    async fn add_checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, Fault> {
        let work = move |connection: &Connection| Ok(Outcome::Keep(add_checkpoint(connection, &checkpoint)?));
        self.writer.write("store a checkpoint", work).await
    }
}

/// Stores a checkpoint; `false` if its number is taken.
pub(super) fn add_checkpoint(connection: &Connection, checkpoint: &Checkpoint) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "insert into checkpoint (number, before, chains, entries, root, previous, tag, key_id)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         on conflict do nothing",
    )?;
    let stored = statement.execute(params![
        integer(checkpoint.number)?,
        checkpoint.before.0,
        integer(checkpoint.chains)?,
        integer(checkpoint.entries)?,
        checkpoint.root,
        checkpoint.previous,
        checkpoint.tag,
        checkpoint.key_id,
    ])?;
    Ok(stored > 0)
}

/// The end of an account's chain, if it has one.
pub(super) fn chain_head(connection: &Connection, account: AccountId) -> Result<Option<Head>> {
    let mut statement = connection.prepare_cached(
        "select account_id, id, at, hash
         from event
         where account_id = ?1
         order by id desc
         limit 1",
    )?;
    statement.query_row([bytes(&account.0)], rows::head).optional()
}

/// Hops from account to account: a chain may be long, and only its end is wanted.
fn heads(
    connection: &Connection,
    before: Timestamp,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<Head>> {
    let mut next = connection.prepare_cached(
        "select account_id
         from event
         where account_id > ?1
         order by account_id
         limit 1",
    )?;
    let mut last = connection.prepare_cached(
        "select account_id, id, at, hash
         from event
         where account_id = ?1
           and at < ?2
         order by id desc
         limit 1",
    )?;
    let mut heads = Vec::new();
    let mut account = after;
    while heads.len() < limit {
        let start = account.as_ref().map_or(START, |account| bytes(&account.0));
        let found = next.query_row([start], |row| rows::id(row, "account_id").map(AccountId)).optional()?;
        let Some(found) = found else { break };
        heads.extend(last.query_row(params![bytes(&found.0), before.0], rows::head).optional()?);
        account = Some(found);
    }
    Ok(heads)
}
