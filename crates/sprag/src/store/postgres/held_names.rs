//! Names that led to somebody once, each as a keyed hash.

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::connection::{Connection, Sql};
use super::error::QueryError;
use crate::account::{Name, NameKind};
use crate::error::Fault;
use crate::session::AccountId;
use crate::store::{Along, HeldNames, NameHash, Step};

const WAS_HELD: Sql = Sql {
    text: "
    select hash
    from held_name
    where hash = $1",
    types: &[Type::BYTEA],
};

const HOLD_NAME: Sql = Sql {
    text: "
    insert into held_name (hash)
    values ($1)
    on conflict do nothing",
    types: &[Type::BYTEA],
};

/// A name is found by its text everywhere else; where an account is erased, all of them are looked through.
const NAMES_OF: Sql = Sql {
    text: "
    select kind, value
    from identity
    where account_id = $1",
    types: &[Type::UUID],
};

#[async_trait]
impl HeldNames for PostgresStore {
    async fn was_held(&self, hashes: Vec<NameHash>) -> Result<bool, Fault> {
        self.pool
            .statement("look whether a name was held", &hashes, |connection, hashes| {
                async move {
                    let each = hashes
                        .iter()
                        .map(|hash| async move { connection.optional(&WAS_HELD, &[&hash.as_slice()]).await });
                    Ok(try_join_all(each).await?.iter().any(Option::is_some))
                }
                .boxed()
            })
            .await
    }
}

/// Remembers the names that steps are about to have lead to nobody.
pub(super) async fn remember(
    connection: &Connection,
    account: AccountId,
    steps: &[Step],
    along: &dyn Along,
) -> Result<(), QueryError> {
    let mut hashes = Vec::new();
    for step in steps {
        match step {
            Step::DropName(name) | Step::Rename { from: name, .. } => hashes.push(along.held(name)),
            Step::EraseAccount => {
                let names = names_of(connection, account).await?;
                hashes.extend(names.iter().map(|name| along.held(name)));
            }
            _ => {}
        }
    }
    // In one order, or two commits that forget the same names could wait for each other.
    hashes.sort_unstable();
    for hash in &hashes {
        connection.execute(&HOLD_NAME, &[&hash.as_slice()]).await?;
    }
    Ok(())
}

async fn names_of(connection: &Connection, account: AccountId) -> Result<Vec<Name>, QueryError> {
    let mut names = Vec::new();
    for row in connection.query(&NAMES_OF, &[&account.0]).await? {
        if let Some(kind) = NameKind::named(row.try_get("kind")?) {
            names.push(Name { kind, value: row.try_get("value")? });
        }
    }
    Ok(names)
}
