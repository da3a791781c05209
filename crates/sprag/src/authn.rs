//! Showing who one is, apart from opening a session.
//!
//! Every way to authenticate ends in an [`Authenticated`], which only this module makes, and every session begins with
//! one: [`Engine::open_session`](crate::Engine::open_session) takes nothing else. [`password`] is the way that Sprag
//! offers itself. An application that knows its users already (a log-in of its own, an upstream provider, a client
//! certificate) [vouches](Authn::vouch_for) for them.

use crate::account::Account;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Refusal};
use crate::password::Hasher;
use crate::random::Random;
use crate::session::{AccountId, Epoch, Methods};
use crate::store::Store;

pub mod password;

/// Somebody who has shown who they are, good for one session.
///
/// It names the account's epoch at that moment. If the account is disabled or its password changed before the session is
/// opened, the epoch has moved and none is.
#[derive(Debug)]
#[must_use = "it opens a session, or nothing has come of it"]
pub struct Authenticated {
    account: Account,
    methods: Methods,
    at: Timestamp,
}

impl Authenticated {
    /// The account, as it was when they showed it.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account's epoch, under which what they showed was good.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.account.epoch
    }

    /// In which ways they showed it.
    #[must_use]
    pub fn methods(&self) -> Methods {
        self.methods
    }

    /// When they showed it.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Whoever made an account a moment ago, and chose its password where it has one.
    pub(crate) fn by_sign_up(account: Account, methods: Methods) -> Self {
        let at = account.created_at;
        Self { account, methods, at }
    }
}

/// The ways to authenticate, over what they need. An engine gives it: [`Engine::authn`](crate::Engine::authn).
#[derive(Clone, Copy)]
pub struct Authn<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a dyn Random,
    pub(crate) hasher: &'a Hasher,
}

impl Authn<'_> {
    /// Takes an embedder's word for it that this account's owner is here, and showed so by these methods.
    ///
    /// For applications that authenticate people by themselves. Nothing is asked or compared: call it only after your own
    /// log-in has succeeded, in the request that it succeeded in. The account is read here, with the epoch it stands in;
    /// what moves it afterwards (disabling, say) keeps the session from being opened.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::AccountDisabled`]; a [`Fault`](crate::Fault) if the store fails.
    pub async fn vouch_for(&self, account: AccountId, methods: Methods) -> Result<Authenticated, Error> {
        let at = self.clock.now();
        let account = self.store.account(account).await?.ok_or(Refusal::AccountUnknown)?;
        if account.disabled_at.is_some() {
            return Err(Refusal::AccountDisabled.into());
        }
        Ok(Authenticated { account, methods, at })
    }
}

impl std::fmt::Debug for Authn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authn")
    }
}
