//! Names that led to somebody once, each as a keyed hash.

use async_trait::async_trait;
use rusqlite::{Connection, Result, params};

use super::SqliteStore;
use super::rows::bytes;
use crate::account::{Name, NameKind};
use crate::error::Fault;
use crate::session::AccountId;
use crate::store::{Along, HeldNames, NameHash, Step};

#[async_trait]
impl HeldNames for SqliteStore {
    async fn was_held(&self, hashes: Vec<NameHash>) -> std::result::Result<bool, Fault> {
        self.readers
            .read("look whether a name was held", move |connection| {
                let mut statement = connection.prepare_cached(
                    "select 1
                     from held_name
                     where hash = ?1",
                )?;
                for hash in &hashes {
                    if statement.exists(params![hash])? {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }
}

/// Remembers the names that a step is about to have lead to nobody.
pub(super) fn remember(
    connection: &Connection,
    account: AccountId,
    step: &Step,
    along: &dyn Along,
) -> Result<()> {
    let names = match step {
        Step::DropName(name) | Step::Rename { from: name, .. } => vec![name.clone()],
        Step::EraseAccount => names_of(connection, account)?,
        _ => return Ok(()),
    };
    let mut statement = connection.prepare_cached(
        "insert into held_name (hash)
         values (?1)
         on conflict do nothing",
    )?;
    names.iter().try_for_each(|name| statement.execute(params![along.held(name)]).map(drop))
}

fn names_of(connection: &Connection, account: AccountId) -> Result<Vec<Name>> {
    let mut statement = connection.prepare_cached(
        "select kind, value
         from identity
         where account_id = ?1",
    )?;
    let found = statement.query_map([bytes(&account.0)], |row| {
        let kind: String = row.get("kind")?;
        Ok(NameKind::named(&kind).map(|kind| (kind, row.get::<_, String>("value"))))
    })?;
    let mut names = Vec::new();
    for found in found {
        if let Some((kind, value)) = found? {
            names.push(Name { kind, value: value? });
        }
    }
    Ok(names)
}
