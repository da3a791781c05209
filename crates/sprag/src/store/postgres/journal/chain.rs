//! The end of an account's chain in the journal, and adding to it.

use futures_util::future::try_join_all;
use futures_util::join;
use tokio_postgres::types::{ToSql, Type};

use super::super::connection::{Connection, Sql};
use super::super::error::QueryError;
use super::super::rotate::integer;
use super::super::rows;
use crate::audit::{Cover, Entry, Event, Hash, Head};
use crate::clock::Timestamp;
use crate::random::{self, SystemRandom};
use crate::session::{AccountId, Epoch};
use crate::store::steps::AccountState;

/// Has whoever adds to an account's chain wait for the one before, so that both find a number.
pub(in crate::store::postgres) const LOCK_ACCOUNT: Sql = Sql {
    text: "
    select epoch, disabled_at
    from account
    where id = $1
    for update",
    types: &[Type::UUID],
};

pub(in crate::store::postgres) const HEAD: Sql = Sql {
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
pub(in crate::store::postgres) const APPEND: Sql = Sql {
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
pub(in crate::store::postgres) const APPEND_ONE: Sql = Sql {
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
pub(in crate::store::postgres) struct Chain<'l> {
    connection: &'l Connection,
    head: Head,
    covered_before: Timestamp,
    account: Option<AccountState>,
    random: SystemRandom,
}

impl<'l> Chain<'l> {
    /// Locks the account, then looks for its chain's end. The three statements leave together and run in this order,
    /// each seeing what was committed when it began.
    pub(in crate::store::postgres) async fn of(
        connection: &'l Connection,
        account: AccountId,
    ) -> Result<Self, QueryError> {
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
    pub(in crate::store::postgres) fn account_state(&self) -> Option<AccountState> {
        self.account
    }

    pub(in crate::store::postgres) async fn append(&mut self, event: Event) -> Result<(), QueryError> {
        self.append_all(vec![event]).await
    }

    pub(in crate::store::postgres) async fn append_all(
        &mut self,
        events: Vec<Event>,
    ) -> Result<(), QueryError> {
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

pub(in crate::store::postgres) async fn append_one(
    connection: &Connection,
    entry: &Entry,
) -> Result<(), QueryError> {
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
