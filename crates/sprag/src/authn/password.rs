//! A name and a password.
//!
//! An unknown name and a wrong password take the same path: the same work, the same entry in the journal, the same
//! answer.

use std::time::Instant;

use super::{Authenticated, Authn};
use crate::account::Name;
use crate::audit::{EventKind, NOBODY};
use crate::error::{Error, Refusal};
use crate::password::{Match, Password};
use crate::prefix::Prefix;
use crate::requester::Requester;
use crate::session::{AccountId, Methods};
use crate::store::{Commit, Expect, Step, Was};

impl Authn<'_> {
    /// Says who knows the password of the account that a user name or e-mail address leads to, both as typed.
    ///
    /// # Errors
    /// [`Refusal::CredentialsInvalid`], [`Refusal::AccountDisabled`] (only to who knows the password),
    /// [`Refusal::PasswordRejected`] for a password nobody can have; a [`Fault`](crate::Fault), busy if too many log in
    /// at once.
    pub async fn password(
        &self,
        name: &str,
        password: &str,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let (came, from) = (Instant::now(), requester.prefix());
        let password = Password::typed(password)?;
        let credential = match Name::either(name) {
            Ok(name) => self.store.credential(&name).await?,
            Err(_) => None,
        };
        let stored = credential.as_ref().and_then(|credential| credential.password_hash.clone());
        let compared = self.hasher.verify_from(from, password.clone(), stored).await?;
        let matched = compared.outcome;
        let account = credential.as_ref().map_or(NOBODY, |credential| credential.account.id);
        let Some(credential) = credential.filter(|_| matched != Match::No) else {
            // On the account's chain, or on nobody's: both cost one write, so that time does not tell them apart.
            // The name that was typed is not recorded, for people type passwords there.
            self.note_failure(account, requester, "unknown name or wrong password").await?;
            self.hasher.wait_to_refuse(came, &compared, self.random).await;
            return Err(Refusal::CredentialsInvalid.into());
        };
        let account = credential.account;
        if account.disabled_at.is_some() {
            self.note_failure(account.id, requester, "the account is disabled").await?;
            self.hasher.wait_to_refuse(came, &compared, self.random).await;
            return Err(Refusal::AccountDisabled.into());
        }
        if let Some(old) = credential.password_hash.filter(|_| matched == Match::Outdated) {
            self.renew(account.id, password, old, from).await;
        }
        Ok(Authenticated { account, methods: Methods::PASSWORD, at: self.clock.now() })
    }

    /// Says that whoever uses a session of this account knows its password too.
    ///
    /// # Errors
    /// [`Refusal::CurrentPasswordWrong`], [`Refusal::AccountUnknown`]; a [`Fault`](crate::Fault).
    pub(crate) async fn current_password(
        &self,
        account: AccountId,
        current: Password,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let (came, from) = (Instant::now(), requester.prefix());
        let credential = self.store.credential_of(account).await?.ok_or(Refusal::AccountUnknown)?;
        let compared = self.hasher.verify_from(from, current, credential.password_hash).await?;
        if compared.outcome == Match::No {
            let why = "the current password, asked for to change it, was wrong";
            self.note_failure(account, requester, why).await?;
            self.hasher.wait_to_refuse(came, &compared, self.random).await;
            return Err(Refusal::CurrentPasswordWrong.into());
        }
        let (account, at) = (credential.account, self.clock.now());
        Ok(Authenticated { account, methods: Methods::PASSWORD, at })
    }

    /// Hashes a password anew with today's parameters. If that fails, the next log-in tries again.
    async fn renew(&self, account: AccountId, password: Password, old: String, from: Prefix) {
        let renewed = match self.hasher.hash_from(from, password, self.random).await {
            Ok(newer) => {
                let was = Was::This(old.into_bytes());
                let steps = vec![Step::put_password(was, newer, self.clock.now())];
                let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
                self.store.commit(commit).await.map(drop)
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = renewed {
            tracing::warn!(%fault, %account, "an outdated password hash was not renewed");
        }
    }

    async fn note_failure(&self, account: AccountId, requester: &Requester, why: &str) -> Result<(), Error> {
        let (kind, now) = (EventKind::LoginFailed, self.clock.now());
        let event = requester.event_of_account(account, kind, now, Some(why.to_owned()));
        Ok(self.store.record(event).await?)
    }
}
