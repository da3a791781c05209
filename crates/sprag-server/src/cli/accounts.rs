//! How commands find accounts, and what they call them.

use anyhow::bail;
use sprag::account::Account;
use sprag::text::shown;
use sprag::{Engine, Error, Refusal};

use super::on_node::plainly;

/// How many accounts are read at a time.
pub(super) const SLICE: u32 = 200;

/// The account that somebody means.
pub(super) async fn find(engine: &Engine, who: &str) -> anyhow::Result<Account> {
    match engine.accounts().find(who).await {
        Err(Error::Refused(Refusal::AccountUnknown)) => {
            bail!("there is no account {:?}; `sprag user list` shows all there are", shown(who))
        }
        found => found.map_err(plainly),
    }
}

/// What people call an account.
pub(super) fn called(account: &Account) -> String {
    let name = account.username.as_ref().or(account.email.as_ref());
    name.map_or_else(|| account.id.to_string(), |name| shown(name))
}
