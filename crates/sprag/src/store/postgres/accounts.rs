//! Accounts and the names that lead to them.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::journal::Chain;
use super::pool::Outcome;
use super::rows;
use super::sessions::{end, insert, lock_live};
use super::sweep::thin_out;
use crate::account::{Account, Name};
use crate::audit::Event;
use crate::error::Fault;
use crate::password::NO_PASSWORD;
use crate::session::{AccountId, EndCause, Session};
use crate::store::{Accounts, Credential, Ending, NewAccount, PasswordChange, PasswordChanged};

pub(super) const CREDENTIAL_OF: Sql = Sql {
    text: "
    select id, epoch, disabled_at, is_admin, created_at, username, email, password_hash,
           external_id, external_profile, role, name, given_name, family_name
    from account
    where id = $1",
    types: &[Type::UUID],
};

/// Two statements, not a join: the name and the account stand on different shards.
pub(super) const IDENTITY: Sql = Sql {
    text: "
    select account_id
    from identity
    where kind = $1
      and value = $2",
    types: &[Type::TEXT, Type::TEXT],
};

pub(super) const MOVE_ACCOUNT: Sql = Sql {
    text: "
    update account
    set password_hash = $2,
        epoch = $3
    where id = $1",
    types: &[Type::UUID, Type::TEXT, Type::INT8],
};

pub(super) const DISABLE: Sql = Sql {
    text: "
    update account
    set disabled_at = $2,
        epoch = epoch + 1
    where id = $1
      and disabled_at is null",
    types: &[Type::UUID, Type::INT8],
};

pub(super) const ENABLE: Sql = Sql {
    text: "
    update account
    set disabled_at = null
    where id = $1
      and disabled_at is not null",
    types: &[Type::UUID],
};

pub(super) const REHASH: Sql = Sql {
    text: "
    update account
    set password_hash = $3
    where id = $1
      and password_hash = $2",
    types: &[Type::UUID, Type::TEXT, Type::TEXT],
};

#[async_trait]
impl Accounts for PostgresStore {
    async fn create(&self, new: NewAccount) -> Result<bool, Fault> {
        self.pool
            .transaction("create an account", &new, |connection, new| create(connection, new).boxed())
            .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        let found = self
            .pool
            .statement("find an account", &id, |connection, id| credential_of(connection, *id).boxed())
            .await?;
        Ok(found.map(|credential| credential.account))
    }

    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault> {
        self.pool
            .statement("find an account by its name", name, |connection, name| {
                async move {
                    let Some(row) = connection.optional(&IDENTITY, &[&name.kind.name(), &name.value]).await?
                    else {
                        return Ok(None);
                    };
                    credential_of(connection, AccountId(row.try_get("account_id")?)).await
                }
                .boxed()
            })
            .await
    }

    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault> {
        self.pool
            .statement("find an account's password hash", &id, |connection, id| {
                credential_of(connection, *id).boxed()
            })
            .await
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Fault> {
        const ACCOUNTS: Sql = Sql {
            text: "
            select id, epoch, disabled_at, is_admin, created_at, username, email,
                   external_id, external_profile, role, name, given_name, family_name
            from account
            where id > $1
            order by id
            limit $2",
            types: &[Type::UUID, Type::INT8],
        };
        // No account has the first id there is.
        let after = after.map_or(Uuid::nil(), |after| after.0);
        self.pool
            .statement("list accounts", &(after, i64::from(limit)), |connection, (after, limit)| {
                async move {
                    let found = connection.query(&ACCOUNTS, &[after, limit]).await?;
                    found.iter().map(rows::account).collect()
                }
                .boxed()
            })
            .await
    }

    async fn disable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        self.pool
            .transaction("disable an account", &(account, event), |connection, (account, event)| {
                disable(connection, *account, event).boxed()
            })
            .await
    }

    async fn enable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        self.pool
            .transaction("enable an account", &(account, event), |connection, (account, event)| {
                async move {
                    let mut chain = Chain::of(connection, event.account).await?;
                    let is_enabled = connection.execute(&ENABLE, &[&account.0]).await? > 0;
                    if is_enabled {
                        chain.append(event.clone()).await?;
                    }
                    Ok(Outcome::Keep(is_enabled))
                }
                .boxed()
            })
            .await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<PasswordChanged, Fault> {
        self.pool
            .transaction("change a password", &change, |connection, change| {
                change_password(connection, change).boxed()
            })
            .await
    }

    async fn rehash(
        &self,
        account: AccountId,
        old: &str,
        new: &str,
        event: Option<Event>,
    ) -> Result<bool, Fault> {
        const DOING: &str = "rehash a password";
        let given = (account, old.to_owned(), new.to_owned());
        let Some(event) = event else {
            return self
                .pool
                .statement(DOING, &given, |connection, (account, old, new)| {
                    async move { Ok(connection.execute(&REHASH, &[&account.0, old, new]).await? > 0) }.boxed()
                })
                .await;
        };
        self.pool
            .transaction(DOING, &(given, event), |connection, ((account, old, new), event)| {
                async move {
                    let mut chain = Chain::of(connection, event.account).await?;
                    let is_replaced = connection.execute(&REHASH, &[&account.0, old, new]).await? > 0;
                    if is_replaced {
                        chain.append(event.clone()).await?;
                    }
                    Ok(Outcome::Keep(is_replaced))
                }
                .boxed()
            })
            .await
    }

    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault> {
        const WITHOUT_PASSWORD: Sql = Sql {
            text: "
            select id
            from account
            where id between $1 and $2
              and password_hash = $3
            order by id",
            types: &[Type::UUID, Type::UUID, Type::TEXT],
        };
        self.pool
            .statement("look for accounts without a password", &(first, last), |connection, (first, last)| {
                async move {
                    let found =
                        connection.query(&WITHOUT_PASSWORD, &[&first.0, &last.0, &NO_PASSWORD]).await?;
                    found.iter().map(|row| Ok(AccountId(row.try_get("id")?))).collect()
                }
                .boxed()
            })
            .await
    }
}

async fn credential_of(connection: &Connection, id: AccountId) -> Result<Option<Credential>, QueryError> {
    let found = connection.optional(&CREDENTIAL_OF, &[&id.0]).await?;
    found.map(|row| rows::credential(&row)).transpose()
}

async fn create(connection: &Connection, new: &NewAccount) -> Result<Outcome<bool>, QueryError> {
    const INSERT_NAME: Sql = Sql {
        text: "
        insert into identity (kind, value, account_id)
        values ($1, $2, $3)
        on conflict do nothing",
        types: &[Type::TEXT, Type::TEXT, Type::UUID],
    };
    const INSERT_ACCOUNT: Sql = Sql {
        text: "
        insert into account (
            id, epoch, disabled_at, is_admin, created_at, username, email, password_hash,
            external_id, external_profile, role, name, given_name, family_name
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        types: &[
            Type::UUID,
            Type::INT8,
            Type::INT8,
            Type::BOOL,
            Type::INT8,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::INT4,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
        ],
    };
    let NewAccount { account, names, password_hash, event } = new;
    for name in names {
        if connection.execute(&INSERT_NAME, &[&name.kind.name(), &name.value, &account.id.0]).await? == 0 {
            return Ok(Outcome::Undo(false));
        }
    }
    let external = account.particulars.external.as_ref();
    connection
        .execute(
            &INSERT_ACCOUNT,
            &[
                &account.id.0,
                &account.epoch.0,
                &account.disabled_at.map(|at| at.0),
                &account.is_admin,
                &account.created_at.0,
                &account.username,
                &account.email,
                password_hash,
                &external.map(|external| &external.id),
                &external.map(|external| i32::from(external.profile.0)),
                &account.particulars.role,
                &account.particulars.name,
                &account.particulars.given_name,
                &account.particulars.family_name,
            ],
        )
        .await?;
    Chain::of(connection, event.account).await?.append(event.clone()).await?;
    Ok(Outcome::Keep(true))
}

async fn disable(
    connection: &Connection,
    account: AccountId,
    event: &Event,
) -> Result<Outcome<bool>, QueryError> {
    let mut chain = Chain::of(connection, account).await?;
    if connection.execute(&DISABLE, &[&account.0, &event.at.0]).await? == 0 {
        return Ok(Outcome::Keep(false));
    }
    chain.append(event.clone()).await?;
    let live = lock_live(connection, account).await?;
    end(connection, &mut chain, &live, &Ending::along_with(event, EndCause::Disabled)).await?;
    Ok(Outcome::Keep(true))
}

/// Undone where the account or the session has moved on.
async fn change_password(
    connection: &Connection,
    change: &PasswordChange,
) -> Result<Outcome<PasswordChanged>, QueryError> {
    let account = change.account;
    let mut chain = Chain::of(connection, account).await?;
    if !chain.stands(change.verified_under) {
        return Ok(Outcome::Undo(PasswordChanged::Moved));
    }
    let live = lock_live(connection, account).await?;
    if !live.contains(&change.replaced) {
        return Ok(Outcome::Undo(PasswordChanged::Moved));
    }
    let epoch = change.verified_under.next();
    connection.execute(&MOVE_ACCOUNT, &[&account.0, &change.password_hash, &epoch.0]).await?;
    chain.append(change.event.clone()).await?;
    end(connection, &mut chain, &live, &change.ending).await?;
    let successor = Session { epoch, ..(*change.successor).clone() };
    insert(connection, &successor, &change.detail).await?;
    thin_out(connection, account).await?;
    Ok(Outcome::Keep(PasswordChanged::Done))
}
