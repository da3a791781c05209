//! Names that somebody has in another system whose accounts come here one by one: nobody else registers with them, or their owner's
//! first log-in here would find them taken.

use std::time::Instant;

use tokio::join;
use tokio::time::timeout;

use super::letters::Letters;
use super::old_accounts::{ANSWERED_AFTER, PATIENCE};
use super::{Accounts, ClientPolicy, Confirmation, Engine, NewUser, Requester};
use crate::account::{Account, Name};
use crate::error::{Error, Fault, Refusal};
use crate::hooks::{OldAccount, OldAccounts};
use crate::random;
use crate::session::AccountId;
use crate::store::meant_by;

/// What is being done where nobody answers.
const ASKING: &str = "ask the old system whether somebody has a name";

/// Whose the names of an account are there that is to be made.
struct Theirs {
    username: Option<OldAccount>,
    email: Option<OldAccount>,
}

impl Accounts<'_> {
    /// Refuses names that somebody has in the client's old system and that never led to anybody here. Whoever registers by
    /// themselves is held to it, once their budgets had room.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`]; a [`Fault`], also where the old system does not answer.
    pub async fn expect_free_there(&self, client: &ClientPolicy, user: &NewUser<'_>) -> Result<(), Error> {
        let Some(old) = &client.hooks.old_accounts else { return Ok(()) };
        let Theirs { username, email } = self.0.names_there(old.as_ref(), user).await?;
        if username.is_some() || email.is_some() { Err(Refusal::NameTaken.into()) } else { Ok(()) }
    }
}

impl Letters<'_> {
    /// Makes an account whose address must be confirmed, as [`register`](Self::register) does. Where the client's old system has the
    /// address, its owner there is told by a letter, as an owner here is, and it goes on leading to nobody; that is answered at one
    /// moment, whoever has the address.
    ///
    /// # Errors
    /// As [`register`](Self::register); a [`Fault`] also where the old system does not answer, whoever has the address.
    pub async fn register_here_or_there(
        &self,
        client: &ClientPolicy,
        user: NewUser<'_>,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Self(engine) = self;
        let Some(old) = &client.hooks.old_accounts else { return self.register(user, requester).await };
        let came = Instant::now();
        let Theirs { username, email } = engine.names_there(old.as_ref(), &user).await?;
        if username.is_some() {
            return Err(Refusal::NameTaken.into());
        }
        let there = match email {
            Some(found) => Some(engine.owner_there(client, &found, &user).await?),
            None => None,
        };
        let registered = self.register_beside(there, user, requester).await;
        if registered.is_ok() {
            engine.hasher.wait_until(came + ANSWERED_AFTER).await;
        }
        registered
    }
}

impl Engine {
    /// Whose names these are in another system, but for those that lead to somebody here, or did once. Where nobody is to learn who has an
    /// address, it is asked about whether it led to anybody or not, so that no failure and no time tells.
    async fn names_there(&self, old: &dyn OldAccounts, user: &NewUser<'_>) -> Result<Theirs, Fault> {
        let hides_addresses = user.confirmation == Confirmation::Required;
        let (username, email) = join!(
            self.name_there(old, user.username, false),
            self.name_there(old, user.email, hides_addresses)
        );
        Ok(Theirs { username: username?, email: email? })
    }

    async fn name_there(
        &self,
        old: &dyn OldAccounts,
        typed: Option<&str>,
        is_always_asked: bool,
    ) -> Result<Option<OldAccount>, Fault> {
        let Some(typed) = typed.filter(|typed| !Name::meant_by(typed).is_empty()) else { return Ok(None) };
        // Whoever has it here is told of by the making of the account.
        let is_somebodys = meant_by(self.store.as_ref(), typed).await?.is_some();
        let counts = !is_somebodys && self.never_led_anywhere(typed).await?;
        if !counts && !is_always_asked {
            return Ok(None);
        }
        match timeout(PATIENCE, old.of_name(typed)).await {
            Ok(found) => Ok(found?.filter(|_| counts)),
            Err(_) => Err(Fault::unavailable(ASKING, "no answer in time")),
        }
    }

    /// The account as it would be here; one without an address, to which nobody writes, where what the old system says cannot be kept.
    async fn owner_there(
        &self,
        client: &ClientPolicy,
        found: &OldAccount,
        user: &NewUser<'_>,
    ) -> Result<Account, Fault> {
        let id = AccountId(random::id(self.random.as_ref(), self.now()));
        let made = self.to_be_made(client.profile, id, (found, user.email)).await?;
        Ok(made.map_or_else(|| Account::new(id, self.now()), |(account, _)| account))
    }
}
