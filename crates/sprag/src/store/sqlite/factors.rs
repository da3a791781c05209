//! Second factors and what goes with them.

use rusqlite::{Connection, Result, params};

use super::rows::{self, bytes};
use crate::session::AccountId;
use crate::store::queries::kind_of_factor;
use crate::store::{CredentialId, CredentialKind};

pub(super) fn of(connection: &Connection, account: AccountId) -> Result<Vec<(CredentialId, Vec<u8>)>> {
    let mut statement = connection.prepare_cached(
        "select kind, id, secret
         from credential
         where account_id = ?1
           and kind in ('totp', 'waiting_totp', 'passkey', 'recovery_code', 'remembered')
         order by kind, id",
    )?;
    let found = statement.query_map([bytes(&account.0)], |row| {
        let name: String = row.get("kind")?;
        let kind = kind_of_factor(&name).ok_or_else(|| rows::unknown("kind of credential", &name))?;
        Ok((CredentialId { kind, id: rows::id(row, "id")? }, row.get("secret")?))
    })?;
    found.collect()
}

pub(super) fn forget(
    connection: &Connection,
    account: AccountId,
    CredentialId { kind, id }: CredentialId,
    was: Option<&[u8]>,
) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "delete from credential
         where account_id = ?1
           and kind = ?2
           and id = ?3
           and (?4 is null or secret = ?4)",
    )?;
    Ok(statement.execute(params![bytes(&account.0), kind.name(), bytes(&id), was])? > 0)
}

pub(super) fn forget_all(connection: &Connection, account: AccountId, kind: CredentialKind) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "delete from credential
         where account_id = ?1
           and kind = ?2",
    )?;
    statement.execute(params![bytes(&account.0), kind.name()]).map(drop)
}

pub(super) fn has_none(connection: &Connection, account: AccountId) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "select 1
         from credential
         where account_id = ?1
           and kind in ('totp', 'passkey')
         limit 1",
    )?;
    Ok(!statement.exists([bytes(&account.0)])?)
}
