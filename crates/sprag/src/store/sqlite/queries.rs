//! What is read of accounts and sessions, on the threads that read.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Result, Row, params};

use super::SqliteStore;
use super::rows::{self, START, bytes};
use crate::account::{Account, Name};
use crate::error::Fault;
use crate::session::{AccountId, Session, SessionDetail, SessionId};
use crate::store::{Credential, CredentialId, Queries, Slice};

#[async_trait]
impl Queries for SqliteStore {
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        self.readers
            .read("find an account", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select id, epoch, disabled_at, is_admin, created_at, username, email,
                            external_id, external_profile, role, name, given_name, family_name
                     from account
                     where id = ?1",
                )?;
                statement.query_row([bytes(&id.0)], rows::account).optional()
            })
            .await
    }

    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault> {
        let Name { kind, value } = name.clone();
        self.readers
            .read("find an account by its name", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select a.*, c.secret
                     from identity i
                     join account a on a.id = i.account_id
                     left join credential c on c.account_id = a.id and c.kind = ?3 and c.id = ?4
                     where i.kind = ?1 and i.value = ?2",
                )?;
                let CredentialId { kind: password, id } = CredentialId::PASSWORD;
                let given = params![kind.name(), value, password.name(), bytes(&id)];
                statement.query_row(given, rows::credential).optional()
            })
            .await
    }

    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault> {
        self.readers
            .read("find an account's password hash", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select a.*, c.secret
                     from account a
                     left join credential c on c.account_id = a.id and c.kind = ?2 and c.id = ?3
                     where a.id = ?1",
                )?;
                let CredentialId { kind, id: password } = CredentialId::PASSWORD;
                let given = params![bytes(&id.0), kind.name(), bytes(&password)];
                statement.query_row(given, rows::credential).optional()
            })
            .await
    }

    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>, Fault> {
        self.readers
            .read("list accounts", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select id, epoch, disabled_at, is_admin, created_at, username, email,
                            external_id, external_profile, role, name, given_name, family_name
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
