//! Accounts and the names that lead to them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::SqliteStore;
use super::journal::Chain;
use super::rows::{self, START, bytes};
use super::sessions::{end_all, insert};
use super::sweep::thin_out;
use super::writer::Outcome;
use crate::account::{Account, Name};
use crate::audit::Event;
use crate::error::Fault;
use crate::password::NO_PASSWORD;
use crate::session::{AccountId, EndCause, Epoch, Session};
use crate::store::{Accounts, Credential, Ending, NewAccount, PasswordChange, PasswordChanged};

#[async_trait]
impl Accounts for SqliteStore {
    async fn create(&self, new: NewAccount) -> Result<bool, Fault> {
        self.writer.write("create an account", move |connection| create(connection, new)).await
    }

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
                    "select a.*
                     from identity i
                     join account a on a.id = i.account_id
                     where i.kind = ?1 and i.value = ?2",
                )?;
                statement.query_row(params![kind.name(), value], rows::credential).optional()
            })
            .await
    }

    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault> {
        self.readers
            .read("find an account's password hash", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select *
                     from account
                     where id = ?1",
                )?;
                statement.query_row([bytes(&id.0)], rows::credential).optional()
            })
            .await
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Fault> {
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
                let after = after.as_ref().map_or(START, |after| bytes(&after.0));
                let found = statement.query_map(params![after, limit], rows::account)?;
                found.collect()
            })
            .await
    }

    async fn disable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        self.writer.write("disable an account", move |connection| disable(connection, account, event)).await
    }

    async fn enable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "update account
                 set disabled_at = null
                 where id = ?1
                   and disabled_at is not null",
            )?;
            let is_enabled = statement.execute([bytes(&account.0)])? > 0;
            if is_enabled {
                Chain::of(connection, event.account)?.append(event)?;
            }
            Ok(Outcome::Keep(is_enabled))
        };
        self.writer.write("enable an account", work).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<PasswordChanged, Fault> {
        self.writer.write("change a password", move |connection| change_password(connection, change)).await
    }

    async fn rehash(
        &self,
        account: AccountId,
        old: &str,
        new: &str,
        event: Option<Event>,
    ) -> Result<bool, Fault> {
        let (old, new) = (old.to_owned(), new.to_owned());
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "update account
                 set password_hash = ?3
                 where id = ?1
                   and password_hash = ?2",
            )?;
            let is_replaced = statement.execute(params![bytes(&account.0), old, new])? > 0;
            if let Some(event) = event.filter(|_| is_replaced) {
                Chain::of(connection, event.account)?.append(event)?;
            }
            Ok(Outcome::Keep(is_replaced))
        };
        self.writer.write("rehash a password", work).await
    }

    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault> {
        self.readers
            .read("look for accounts without a password", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select id
                     from account
                     where id between ?1 and ?2
                       and password_hash = ?3
                     order by id",
                )?;
                let given = params![bytes(&first.0), bytes(&last.0), NO_PASSWORD];
                let found = statement.query_map(given, |row| rows::id(row, "id").map(AccountId))?;
                found.collect()
            })
            .await
    }
}

/// Whether an account may log in and is in that epoch.
pub(super) fn stands(connection: &Connection, account: AccountId, epoch: Epoch) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "select 1
         from account
         where id = ?1
           and epoch = ?2
           and disabled_at is null",
    )?;
    statement.exists(params![bytes(&account.0), epoch.0])
}

fn create(connection: &Connection, new: NewAccount) -> Result<Outcome<bool>> {
    let NewAccount { account, names, password_hash, event } = new;
    let mut statement = connection.prepare_cached(
        "insert into identity (kind, value, account_id)
         values (?1, ?2, ?3)
         on conflict do nothing",
    )?;
    for name in &names {
        if statement.execute(params![name.kind.name(), name.value, bytes(&account.id.0)])? == 0 {
            return Ok(Outcome::Undo(false));
        }
    }
    let mut statement = connection.prepare_cached(
        "insert into account (
             id, epoch, disabled_at, is_admin, created_at, username, email, password_hash,
             external_id, external_profile, role, name, given_name, family_name
         )
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    let external = account.particulars.external.as_ref();
    statement.execute(params![
        bytes(&account.id.0),
        account.epoch.0,
        account.disabled_at.map(|at| at.0),
        account.is_admin,
        account.created_at.0,
        account.username,
        account.email,
        password_hash,
        external.map(|external| &external.id),
        external.map(|external| external.profile.0),
        account.particulars.role,
        account.particulars.name,
        account.particulars.given_name,
        account.particulars.family_name,
    ])?;
    Chain::of(connection, event.account)?.append(event)?;
    Ok(Outcome::Keep(true))
}

fn disable(connection: &Connection, account: AccountId, event: Event) -> Result<Outcome<bool>> {
    let mut statement = connection.prepare_cached(
        "update account
         set disabled_at = ?2,
             epoch = epoch + 1
         where id = ?1
           and disabled_at is null",
    )?;
    if statement.execute(params![bytes(&account.0), event.at.0])? == 0 {
        return Ok(Outcome::Keep(false));
    }
    let ending = Ending::along_with(&event, EndCause::Disabled);
    let mut chain = Chain::of(connection, account)?;
    chain.append(event)?;
    end_all(connection, &mut chain, None, &ending)?;
    Ok(Outcome::Keep(true))
}

/// Undone where the account or the session has moved on.
fn change_password(connection: &Connection, change: PasswordChange) -> Result<Outcome<PasswordChanged>> {
    let PasswordChange { account, verified_under, password_hash, replaced, successor, detail, ending, event } =
        change;
    let mut statement = connection.prepare_cached(
        "select 1
         from session
         where account_id = ?1
           and id = ?2
           and ended_at is null",
    )?;
    let is_there = statement.exists([bytes(&account.0), bytes(&replaced.0)])?;
    if !is_there || !stands(connection, account, verified_under)? {
        return Ok(Outcome::Undo(PasswordChanged::Moved));
    }
    let epoch = verified_under.next();
    let mut statement = connection.prepare_cached(
        "update account
         set password_hash = ?2,
             epoch = ?3
         where id = ?1",
    )?;
    statement.execute(params![bytes(&account.0), password_hash, epoch.0])?;
    let mut chain = Chain::of(connection, account)?;
    chain.append(event)?;
    end_all(connection, &mut chain, None, &ending)?;
    insert(connection, &Session { epoch, ..*successor }, &detail)?;
    thin_out(connection, account)?;
    Ok(Outcome::Keep(PasswordChanged::Done))
}
