//! What is read of accounts and sessions, on the threads that read.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::SqliteStore;
use super::kept;
use super::rows::{self, START, bytes};
use crate::account::{Account, Name};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, Session, SessionDetail, SessionId, SessionKey};
use crate::store::queries::{behind, the_one_meant};
use crate::store::{Credential, CredentialId, Kept, Queries, Slice};

const ACCOUNT: &str = "
    select id, epoch, disabled_at, is_admin, created_at, username, email,
           external_id, external_profile, role, name, given_name, family_name, language,
           confirmed_email, email_confirmed_at, erase_at
    from account
    where id = ?1";

#[async_trait]
impl Queries for SqliteStore {
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        self.readers
            .read("find an account", move |connection| {
                let mut statement = connection.prepare_cached(ACCOUNT)?;
                statement.query_row([bytes(&id.0)], rows::account).optional()
            })
            .await
    }

    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault> {
        let name = name.clone();
        self.readers
            .read("find an account by its name", move |connection| {
                let Some(id) = the_one_meant(&name, &alike(connection, &name)?) else { return Ok(None) };
                credential_of(connection, id)
            })
            .await
    }

    async fn alike(&self, name: &Name) -> Result<Vec<(Name, AccountId)>, Fault> {
        let name = name.clone();
        self.readers.read("find names alike", move |connection| alike(connection, &name)).await
    }

    async fn names_of_earlier_builds(&self, slice: Slice<Name>) -> Result<Vec<(Name, AccountId)>, Fault> {
        self.readers
            .read("list names of earlier builds", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select kind, value, account_id
                     from identity
                     where form is not null and (kind, value) > (?1, ?2)
                     order by kind, value
                     limit ?3",
                )?;
                let after = slice.after.as_ref().map_or(("", ""), |after| (after.kind.name(), &after.value));
                let found = statement.query_map(params![after.0, after.1, slice.limit], rows::name)?;
                found.collect()
            })
            .await
    }

    async fn names_beginning(
        &self,
        beginning: &Name,
        slice: Slice<String>,
    ) -> Result<Vec<(Name, AccountId)>, Fault> {
        let (kind, first) = (beginning.kind.name(), beginning.value.clone());
        self.readers
            .read("list names that begin so", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select kind, value, account_id
                     from identity
                     where kind = ?1 and value >= ?2 and value > ?3 and value < ?4
                     order by value
                     limit ?5",
                )?;
                let given = params![
                    kind,
                    first,
                    slice.after.as_deref().unwrap_or_default(),
                    behind(&first),
                    slice.limit
                ];
                statement.query_map(given, rows::name)?.collect()
            })
            .await
    }

    async fn accounts_among(&self, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault> {
        self.readers
            .read("find accounts", move |connection| {
                let mut statement = connection.prepare_cached(ACCOUNT)?;
                let mut found = Vec::with_capacity(ids.len());
                for id in ids {
                    found.extend(statement.query_row([bytes(&id.0)], rows::account).optional()?);
                }
                Ok(found)
            })
            .await
    }

    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault> {
        self.readers
            .read("find an account's password hash", move |connection| credential_of(connection, id))
            .await
    }

    async fn secret_of(&self, account: AccountId, id: CredentialId) -> Result<Option<Vec<u8>>, Fault> {
        self.readers
            .read("find a credential", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select secret
                     from credential
                     where account_id = ?1
                       and kind = ?2
                       and id = ?3",
                )?;
                let CredentialId { kind, id } = id;
                let given = params![bytes(&account.0), kind.name(), bytes(&id)];
                statement.query_row(given, |row| row.get("secret")).optional()
            })
            .await
    }

    async fn factors_of(&self, account: AccountId) -> Result<Vec<(CredentialId, Vec<u8>)>, Fault> {
        self.readers
            .read("find second factors", move |connection| super::factors::of(connection, account))
            .await
    }

    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>, Fault> {
        self.readers
            .read("list accounts", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select id, epoch, disabled_at, is_admin, created_at, username, email,
                            external_id, external_profile, role, name, given_name, family_name, language,
                            confirmed_email, email_confirmed_at, erase_at
                     from account
                     where id > ?1
                     order by id
                     limit ?2",
                )?;
                let after = slice.after.as_ref().map_or(START, |after| bytes(&after.0));
                let found = statement.query_map(params![after, slice.limit], rows::account)?;
                found.collect()
            })
            .await
    }

    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault> {
        self.readers
            .read("look for accounts without a password", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select id
                     from account a
                     where id between ?1 and ?2
                       and not exists (
                           select 1
                           from credential
                           where account_id = a.id
                             and kind = ?3
                             and id = ?4
                       )
                     order by id",
                )?;
                let CredentialId { kind, id } = CredentialId::PASSWORD;
                let given = params![bytes(&first.0), bytes(&last.0), kind.name(), bytes(&id)];
                let found = statement.query_map(given, |row| rows::id(row, "id").map(AccountId))?;
                found.collect()
            })
            .await
    }

    async fn erasures_due(&self, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Fault> {
        let doing = "look for accounts that are to be erased";
        self.readers.read(doing, move |connection| kept::erasures_due(connection, now, limit)).await
    }

    async fn kept(&self, account: AccountId) -> Result<Kept, Fault> {
        let doing = "look for what is kept of an account";
        self.readers.read(doing, move |connection| kept::kept(connection, account)).await
    }

    async fn of(
        &self,
        account: AccountId,
        slice: Slice<SessionId>,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault> {
        self.readers
            .read("list an account's sessions", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select s.*, d.ip, d.user_agent, d.device, d.ended_ip
                     from session s
                     left join session_detail d on d.account_id = s.account_id and d.session_id = s.id
                     where s.account_id = ?1 and s.id > ?2
                     order by s.id
                     limit ?3",
                )?;
                let after = slice.after.as_ref().map_or(START, |after| bytes(&after.0));
                let found = statement.query_map(params![bytes(&account.0), after, slice.limit], both)?;
                found.collect()
            })
            .await
    }

    async fn session(&self, key: SessionKey) -> Result<Option<(Session, SessionDetail)>, Fault> {
        self.readers
            .read("find a session with its label", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select s.*, d.ip, d.user_agent, d.device, d.ended_ip
                     from session s
                     left join session_detail d on d.account_id = s.account_id and d.session_id = s.id
                     where s.account_id = ?1 and s.id = ?2",
                )?;
                statement.query_row([bytes(&key.account.0), bytes(&key.session.0)], both).optional()
            })
            .await
    }

    async fn named(&self, session: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault> {
        self.readers
            .read("find a session by its id", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select s.*, d.ip, d.user_agent, d.device, d.ended_ip
                     from session_detail d
                     join session s on s.account_id = d.account_id and s.id = d.session_id
                     where d.session_id = ?1",
                )?;
                statement.query_row([bytes(&session.0)], both).optional()
            })
            .await
    }
}

fn both(row: &Row<'_>) -> Result<(Session, SessionDetail)> {
    Ok((rows::session(row)?, rows::detail(row)?))
}

fn credential_of(connection: &Connection, id: AccountId) -> Result<Option<Credential>> {
    let mut statement = connection.prepare_cached(
        "select a.*, c.secret
         from account a
         left join credential c on c.account_id = a.id and c.kind = ?2 and c.id = ?3
         where a.id = ?1",
    )?;
    let CredentialId { kind, id: password } = CredentialId::PASSWORD;
    let given = params![bytes(&id.0), kind.name(), bytes(&password)];
    statement.query_row(given, rows::credential).optional()
}

/// The name itself, and those of earlier builds in its form, if it can be of one.
pub(super) fn alike(connection: &Connection, name: &Name) -> Result<Vec<(Name, AccountId)>> {
    let mut same = connection.prepare_cached(
        "select kind, value, account_id
         from identity
         where kind = ?1 and value = ?2",
    )?;
    let mut found: Vec<_> =
        same.query_map(params![name.kind.name(), name.value], rows::name)?.collect::<Result<_>>()?;
    if name.may_be_of_an_earlier_build() && name.form_today().is_none() {
        let mut earlier = connection.prepare_cached(
            "select kind, value, account_id
             from identity
             where kind = ?1 and form = ?2
             order by value",
        )?;
        for row in earlier.query_map(params![name.kind.name(), name.value], rows::name)? {
            found.push(row?);
        }
    }
    Ok(found)
}
