//! The letter that asks to confirm an address, once more: to who typed the right password and was let in no further for want of that.
//!
//! Nothing that can be asked for tells whether there was one, for whoever signed up with somebody's address knows the password, and would
//! learn by it whether the address was free. So it takes nothing out of a budget that another call would find empty; one an hour is
//! what bounds it.

use std::time::Duration;

use aws_lc_rs::digest;
use uuid::Uuid;

use super::letters::addressed;
use super::{Error, Letters, Requester};
use crate::account::{Account, Name};
use crate::clock::millis;
use crate::error::Fault;
use crate::letter::LetterKind;
use crate::one_time::Purpose;
use crate::outbox::MessageKey;
use crate::seldom;
use crate::session::AccountId;

/// How long there is one letter of these.
const HOUR: Duration = Duration::from_secs(3600);

impl Letters<'_> {
    /// Asks the owner of an account once more to confirm their address, where it leads to the account. A failure is logged alone.
    pub(super) async fn ask_once_more(&self, account: &Account, requester: &Requester) {
        if let Err(error) = self.try_to_ask(account, requester).await
            && let Some(left_out) = seldom::left_out("ask once more to confirm an address")
        {
            tracing::warn!(%error, left_out, "somebody could not be asked once more to confirm their address");
        }
    }

    /// Whether an address, which an account has, leads to another account: somebody signed up with it, and nobody was told that it has
    /// an owner.
    pub(super) async fn is_somebody_elses(&self, address: &str, account: AccountId) -> Result<bool, Fault> {
        Ok(self.owner_of(address).await?.is_some_and(|owner| owner != account))
    }

    /// The account that an address leads to.
    async fn owner_of(&self, address: &str) -> Result<Option<AccountId>, Fault> {
        let Ok(name) = Name::email(address) else { return Ok(None) };
        Ok(self.0.store.credential(&name).await?.map(|known| known.account.id))
    }

    async fn try_to_ask(&self, account: &Account, requester: &Requester) -> Result<(), Error> {
        let Self(engine) = self;
        let standing = account.disabled_at.is_none() && engine.sends_letters;
        let Some((account, address)) = addressed(account.clone()).filter(|_| standing) else {
            return Ok(());
        };
        if self.owner_of(&address).await? != Some(account.id) {
            return Ok(());
        }
        let key = key_of(account.id, &address, engine.now().0.div_euclid(millis(HOUR)));
        let letter = (LetterKind::VerifyEmail, Purpose::VerifyEmail);
        let (commit, key) = self.with_link_in(Some(key), &account, &address, letter, requester);
        // It misses where there is one of this hour.
        if engine.store.commit(commit).await?.is_done() {
            engine.letter_waits(key);
        }
        Ok(())
    }
}

/// Which letter asks for an address in an hour.
fn key_of(account: AccountId, address: &str, hour: i64) -> MessageKey {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"confirm again\n");
    context.update(account.0.as_bytes());
    context.update(&hour.to_be_bytes());
    context.update(address.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    MessageKey { account, id: Uuid::from_bytes(id) }
}
