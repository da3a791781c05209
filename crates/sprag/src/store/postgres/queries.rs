//! What is read of accounts and sessions.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::kept;
use super::rows;
use crate::account::{Account, Name};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, Session, SessionDetail, SessionId, SessionKey};
use crate::store::queries::{behind, the_one_meant};
use crate::store::{Credential, CredentialId, Kept, Queries, Slice};

pub(super) const CREDENTIAL_OF: Sql = Sql {
    text: "
    select a.id, a.epoch, a.disabled_at, a.is_admin, a.created_at, a.username, a.email,
           a.external_id, a.external_profile, a.role, a.name, a.given_name, a.family_name, a.language,
           a.confirmed_email, a.email_confirmed_at, a.erase_at, c.secret
    from account a
    left join credential c on c.account_id = a.id and c.kind = $2 and c.id = $3
    where a.id = $1",
    types: &[Type::UUID, Type::TEXT, Type::UUID],
};

const SECRET_OF: Sql = Sql {
    text: "
    select secret
    from credential
    where account_id = $1
      and kind = $2
      and id = $3",
    types: &[Type::UUID, Type::TEXT, Type::UUID],
};

/// Two statements, not a join: the name and the account stand on different shards.
pub(super) const IDENTITY: Sql = Sql {
    text: "
    select kind, value, account_id
    from identity
    where kind = $1
      and value = $2",
    types: &[Type::TEXT, Type::TEXT],
};

/// Names of earlier builds are found by their form on whichever shard they are; so only names that can be of one are
/// looked for so.
pub(super) const EARLIER_NAMES: Sql = Sql {
    text: "
    select kind, value, account_id
    from identity
    where kind = $1
      and form = $2",
    types: &[Type::TEXT, Type::TEXT],
};

/// A session with what people read of it.
pub(super) const SESSION: Sql = Sql {
    text: "
    select s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
           s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
           s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
           s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
           d.ip, d.user_agent, d.device, d.ended_ip
    from session s
    left join session_detail d on d.account_id = s.account_id and d.session_id = s.id
    where s.account_id = $1
      and s.id = $2",
    types: &[Type::UUID, Type::UUID],
};

/// Whose an imported session is. Two statements, not a join: this stands on one shard and the session on another.
pub(super) const IMPORTED_OWNER: Sql = Sql {
    text: "
    select account_id
    from imported_session
    where session_id = $1",
    types: &[Type::UUID],
};

#[async_trait]
impl Queries for PostgresStore {
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        const ACCOUNT: Sql = Sql {
            text: "
            select id, epoch, disabled_at, is_admin, created_at, username, email,
                   external_id, external_profile, role, name, given_name, family_name, language,
                   confirmed_email, email_confirmed_at, erase_at
            from account
            where id = $1",
            types: &[Type::UUID],
        };
        self.pool
            .statement("find an account", &id, |connection, id| {
                async move {
                    let found = connection.optional(&ACCOUNT, &[&id.0]).await?;
                    found.map(|row| rows::account(&row)).transpose()
                }
                .boxed()
            })
            .await
    }

    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault> {
        self.pool
            .statement("find an account by its name", name, |connection, name| {
                async move {
                    match meant(connection, name).await? {
                        Some(id) => credential_of(connection, id).await,
                        None => Ok(None),
                    }
                }
                .boxed()
            })
            .await
    }

    async fn alike(&self, name: &Name) -> Result<Vec<(Name, AccountId)>, Fault> {
        self.pool
            .statement("find names alike", name, |connection, name| alike(connection, name).boxed())
            .await
    }

    async fn names_of_earlier_builds(&self, slice: Slice<Name>) -> Result<Vec<(Name, AccountId)>, Fault> {
        const NAMES_OF_EARLIER_BUILDS: Sql = Sql {
            text: "
            select kind, value, account_id
            from identity
            where form is not null
              and (kind, value) > ($1, $2)
            order by kind, value
            limit $3",
            types: &[Type::TEXT, Type::TEXT, Type::INT8],
        };
        self.pool
            .statement("list names of earlier builds", &slice, |connection, slice| {
                async move {
                    let after = slice.after.as_ref();
                    let (kind, value) = after.map_or(("", ""), |after| (after.kind.name(), &after.value));
                    let given: [&(dyn ToSql + Sync); 3] = [&kind, &value, &i64::from(slice.limit)];
                    let found = connection.query(&NAMES_OF_EARLIER_BUILDS, &given).await?;
                    found.iter().map(rows::name).collect()
                }
                .boxed()
            })
            .await
    }

    async fn names_beginning(
        &self,
        beginning: &Name,
        slice: Slice<String>,
    ) -> Result<Vec<(Name, AccountId)>, Fault> {
        // The order of bytes, which the index has; that of the database's language is another.
        const NAMES_BEGINNING: Sql = Sql {
            text: "
            select kind, value, account_id
            from identity
            where kind = $1
              and value ~>=~ $2
              and value ~>~ $3
              and value ~<~ $4
            order by value using ~<~
            limit $5",
            types: &[Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8],
        };
        let after = slice.after.unwrap_or_default();
        self.pool
            .statement(
                "list names that begin so",
                &(beginning, after, i64::from(slice.limit)),
                |connection, (beginning, after, limit)| {
                    async move {
                        let (kind, first) = (beginning.kind.name(), &beginning.value);
                        let behind = behind(first);
                        let given: [&(dyn ToSql + Sync); 5] = [&kind, first, after, &behind, limit];
                        let found = connection.query(&NAMES_BEGINNING, &given).await?;
                        found.iter().map(rows::name).collect()
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn accounts_among(&self, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault> {
        const ACCOUNTS_AMONG: Sql = Sql {
            text: "
            select id, epoch, disabled_at, is_admin, created_at, username, email,
                   external_id, external_profile, role, name, given_name, family_name, language,
                   confirmed_email, email_confirmed_at, erase_at
            from account
            where id = any ($1)",
            types: &[Type::UUID_ARRAY],
        };
        let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
        self.pool
            .statement("find accounts", &ids, |connection, ids| {
                async move {
                    let found = connection.query(&ACCOUNTS_AMONG, &[ids]).await?;
                    found.iter().map(rows::account).collect()
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

    async fn secret_of(&self, account: AccountId, id: CredentialId) -> Result<Option<Vec<u8>>, Fault> {
        self.pool
            .statement("find a credential", &(account, id), |connection, (account, id)| {
                async move {
                    let CredentialId { kind, id } = id;
                    let found = connection.optional(&SECRET_OF, &[&account.0, &kind.name(), id]).await?;
                    Ok(found.map(|row| row.try_get("secret")).transpose()?)
                }
                .boxed()
            })
            .await
    }

    async fn factors_of(&self, account: AccountId) -> Result<Vec<(CredentialId, Vec<u8>)>, Fault> {
        self.pool
            .statement("find second factors", &account, |connection, account| {
                super::factors::of(connection, *account).boxed()
            })
            .await
    }

    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>, Fault> {
        const ACCOUNTS: Sql = Sql {
            text: "
            select id, epoch, disabled_at, is_admin, created_at, username, email,
                   external_id, external_profile, role, name, given_name, family_name, language,
                   confirmed_email, email_confirmed_at, erase_at
            from account
            where id > $1
            order by id
            limit $2",
            types: &[Type::UUID, Type::INT8],
        };
        // No account has the first id there is.
        let after = slice.after.map_or(Uuid::nil(), |after| after.0);
        self.pool
            .statement("list accounts", &(after, i64::from(slice.limit)), |connection, (after, limit)| {
                async move {
                    let found = connection.query(&ACCOUNTS, &[after, limit]).await?;
                    found.iter().map(rows::account).collect()
                }
                .boxed()
            })
            .await
    }

    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault> {
        const WITHOUT_PASSWORD: Sql = Sql {
            text: "
            select a.id
            from account a
            where a.id between $1 and $2
              and not exists (
                  select 1
                  from credential c
                  where c.account_id = a.id
                    and c.kind = $3
                    and c.id = $4
              )
            order by a.id",
            types: &[Type::UUID, Type::UUID, Type::TEXT, Type::UUID],
        };
        self.pool
            .statement("look for accounts without a password", &(first, last), |connection, (first, last)| {
                async move {
                    let CredentialId { kind, id } = CredentialId::PASSWORD;
                    let found =
                        connection.query(&WITHOUT_PASSWORD, &[&first.0, &last.0, &kind.name(), &id]).await?;
                    found.iter().map(|row| Ok(AccountId(row.try_get("id")?))).collect()
                }
                .boxed()
            })
            .await
    }

    async fn erasures_due(&self, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Fault> {
        let doing = "look for accounts that are to be erased";
        self.pool
            .statement(doing, &(now, limit), |connection, (now, limit)| {
                kept::erasures_due(connection, *now, *limit).boxed()
            })
            .await
    }

    async fn kept(&self, account: AccountId) -> Result<Kept, Fault> {
        let doing = "look for what is kept of an account";
        self.pool
            .statement(doing, &account, |connection, account| kept::kept(connection, *account).boxed())
            .await
    }

    async fn of(
        &self,
        account: AccountId,
        slice: Slice<SessionId>,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault> {
        const OF: Sql = Sql {
            text: "
            select s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
                   s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
                   s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
                   s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
                   d.ip, d.user_agent, d.device, d.ended_ip
            from session s
            left join session_detail d on d.account_id = s.account_id and d.session_id = s.id
            where s.account_id = $1
              and s.id > $2
            order by s.id
            limit $3",
            types: &[Type::UUID, Type::UUID, Type::INT8],
        };
        // No session has the first id there is.
        let after = slice.after.map_or(Uuid::nil(), |after| after.0);
        self.pool
            .statement(
                "list an account's sessions",
                &(account, after, i64::from(slice.limit)),
                |connection, given| {
                    async move {
                        let found = connection.query(&OF, &[&given.0.0, &given.1, &given.2]).await?;
                        found.iter().map(both).collect()
                    }
                    .boxed()
                },
            )
            .await
    }

    async fn session(&self, key: SessionKey) -> Result<Option<(Session, SessionDetail)>, Fault> {
        self.pool
            .statement("find a session with its label", &key, |connection, key| {
                session(connection, *key).boxed()
            })
            .await
    }

    async fn named(&self, id: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault> {
        const NAMED: Sql = Sql {
            text: "
            select s.account_id, s.id, s.generation, s.epoch, s.created_at, s.rotated_at, s.idle_expires_at,
                   s.expires_at, s.streak_generation, s.ended_at, s.profile, s.retries, s.streak,
                   s.secret_hash, s.retry_hash, s.previous_retry_hash, s.instance_hash, s.other_instance_hash,
                   s.taken_generation, s.contested_generation, s.authenticated_at, s.methods, s.ended_cause,
                   d.ip, d.user_agent, d.device, d.ended_ip
            from session_detail d
            join session s on s.account_id = d.account_id and s.id = d.session_id
            where d.session_id = $1",
            types: &[Type::UUID],
        };
        self.pool
            .statement("find a session by its id", &id, |connection, id| {
                async move {
                    if connection.sends_rows() && id.is_imported() {
                        return imported(connection, *id).await;
                    }
                    connection.optional(&NAMED, &[&id.0]).await?.map(|row| both(&row)).transpose()
                }
                .boxed()
            })
            .await
    }
}

async fn session(
    connection: &Connection,
    key: SessionKey,
) -> Result<Option<(Session, SessionDetail)>, QueryError> {
    let found = connection.optional(&SESSION, &[&key.account.0, &key.session.0]).await?;
    found.map(|row| both(&row)).transpose()
}

async fn imported(
    connection: &Connection,
    id: SessionId,
) -> Result<Option<(Session, SessionDetail)>, QueryError> {
    let Some(owner) = connection.optional(&IMPORTED_OWNER, &[&id.0]).await? else { return Ok(None) };
    session(connection, SessionKey { account: AccountId(owner.try_get("account_id")?), session: id }).await
}

fn both(row: &Row) -> Result<(Session, SessionDetail), QueryError> {
    Ok((rows::session(row)?, rows::detail(row)?))
}

async fn credential_of(connection: &Connection, id: AccountId) -> Result<Option<Credential>, QueryError> {
    let CredentialId { kind, id: password } = CredentialId::PASSWORD;
    let found = connection.optional(&CREDENTIAL_OF, &[&id.0, &kind.name(), &password]).await?;
    found.map(|row| rows::credential(&row)).transpose()
}

/// The name itself, and those of earlier builds in its form, if it can be of one.
pub(super) async fn alike(
    connection: &Connection,
    name: &Name,
) -> Result<Vec<(Name, AccountId)>, QueryError> {
    let mut found = same(connection, name).await?;
    found.extend(earlier(connection, name).await?);
    Ok(found)
}

/// [`the_one_meant`]. Whose name it is needs no other: nearly every log-in asks one shard.
async fn meant(connection: &Connection, name: &Name) -> Result<Option<AccountId>, QueryError> {
    match the_one_meant(name, &same(connection, name).await?) {
        Some(id) => Ok(Some(id)),
        None => Ok(the_one_meant(name, &earlier(connection, name).await?)),
    }
}

async fn same(connection: &Connection, name: &Name) -> Result<Vec<(Name, AccountId)>, QueryError> {
    connection.query(&IDENTITY, &[&name.kind.name(), &name.value]).await?.iter().map(rows::name).collect()
}

async fn earlier(connection: &Connection, name: &Name) -> Result<Vec<(Name, AccountId)>, QueryError> {
    if !name.may_be_of_an_earlier_build() || name.form_today().is_some() {
        return Ok(Vec::new());
    }
    let found = connection.query(&EARLIER_NAMES, &[&name.kind.name(), &name.value]).await?;
    found.iter().map(rows::name).collect()
}
