//! Second factors and what goes with them.

use tokio_postgres::types::Type;

use super::connection::{Connection, Sql};
use super::error::QueryError;
use super::rows;
use crate::session::AccountId;
use crate::store::queries::kind_of_factor;
use crate::store::{CredentialId, CredentialKind};

const FACTORS_OF: Sql = Sql {
    text: "
    select kind, id, secret
    from credential
    where account_id = $1
      and kind in ('totp', 'waiting_totp', 'passkey', 'recovery_code', 'remembered')
    order by kind collate \"C\", id",
    types: &[Type::UUID],
};

const FORGET_CREDENTIAL: Sql = Sql {
    text: "
    delete from credential
    where account_id = $1
      and kind = $2
      and id = $3
      and ($4::bytea is null or secret = $4)",
    types: &[Type::UUID, Type::TEXT, Type::UUID, Type::BYTEA],
};

const FORGET_KIND: Sql = Sql {
    text: "
    delete from credential
    where account_id = $1
      and kind = $2",
    types: &[Type::UUID, Type::TEXT],
};

const A_FACTOR: Sql = Sql {
    text: "
    select id
    from credential
    where account_id = $1
      and kind in ('totp', 'passkey')
    limit 1",
    types: &[Type::UUID],
};

pub(super) async fn of(
    connection: &Connection,
    account: AccountId,
) -> Result<Vec<(CredentialId, Vec<u8>)>, QueryError> {
    let found = connection.query(&FACTORS_OF, &[&account.0]).await?;
    let credential = |row: &tokio_postgres::Row| {
        let name: String = row.try_get("kind")?;
        let kind = kind_of_factor(&name).ok_or_else(|| rows::unknown("kind of credential", &name))?;
        Ok((CredentialId { kind, id: row.try_get("id")? }, row.try_get("secret")?))
    };
    found.iter().map(credential).collect()
}

pub(super) async fn forget(
    connection: &Connection,
    account: AccountId,
    CredentialId { kind, id }: CredentialId,
    was: Option<&[u8]>,
) -> Result<bool, QueryError> {
    Ok(connection.execute(&FORGET_CREDENTIAL, &[&account.0, &kind.name(), &id, &was]).await? > 0)
}

pub(super) async fn forget_all(
    connection: &Connection,
    account: AccountId,
    kind: CredentialKind,
) -> Result<(), QueryError> {
    connection.execute(&FORGET_KIND, &[&account.0, &kind.name()]).await.map(drop)
}

pub(super) async fn has_none(connection: &Connection, account: AccountId) -> Result<bool, QueryError> {
    Ok(connection.optional(&A_FACTOR, &[&account.0]).await?.is_none())
}
