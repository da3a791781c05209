//! Adding a passkey to an account.

use serde_json::Value;
use uuid::Uuid;

use super::factors::Confirmed;
use super::{Caller, Factors, Requester, tried_too_often};
use crate::account::Account;
use crate::error::{Error, Refusal};
use crate::factor::recovery::RecoveryCode;
use crate::factor::{FactorKind, Held};
use crate::passkeys::{Ceremony, Kept, MAX_PASSKEYS, Passkey};
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, SessionId};
use crate::store::{CredentialId, CredentialKind, Step, Was};

/// A passkey that was added.
#[derive(Debug)]
pub struct NewPasskey {
    /// Which of the account's.
    pub id: Uuid,
    /// Recovery codes, at the account's first factor: nobody can be told them again.
    pub recovery_codes: Vec<RecoveryCode>,
}

impl Factors<'_> {
    /// What a browser needs to make a passkey: `publicKey` of `navigator.credentials.create`. The challenge is good for one
    /// answer of this account and five minutes. Only offer it to a caller that [is fresh](Self::is_fresh).
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::FactorsFull`]; a [`Fault`](crate::Fault).
    pub async fn passkey_options(&self, account: AccountId) -> Result<Value, Error> {
        let Self(engine) = self;
        let site = engine.passkeys()?.site();
        let owner = engine.accounts().get(account).await?;
        let held = engine.authn().held(account).await?;
        if held.of(CredentialKind::Passkey).count() >= MAX_PASSKEYS {
            return Err(Refusal::FactorsFull.into());
        }
        let id = account.to_string();
        let name = owner.username.as_deref().or(owner.email.as_deref()).unwrap_or(&id);
        let called = owner.particulars.name.as_deref().filter(|called| !called.is_empty()).unwrap_or(name);
        let known = engine.passkeys_of(account, &held)?;
        let asks = site.register(account, (name, called), &known)?;
        engine.keep_challenge(&asks.challenge, &Ceremony::Add(account, asks.state)).await?;
        Ok(asks.options)
    }

    /// Adds the passkey that a browser has made. At the account's first factor its other sessions end, and recovery codes are made.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::PasskeyWrong`]; [`Refusal::FactorsFull`]; [`Refusal::RateLimited`];
    /// [`Refusal::SessionEnded`] where the session that asks ended meanwhile; a [`Fault`](crate::Fault).
    pub async fn add_passkey(
        &self,
        caller: &Caller,
        credential: &Value,
        label: Option<&str>,
        requester: &Requester,
    ) -> Result<NewPasskey, Error> {
        let kept = self.made_passkey(caller.key.account, (credential, label), requester).await?;
        for _ in 0..=MAX_MISSES {
            if let Some(new) = self.put_passkey(caller, &kept, requester).await? {
                return Ok(new);
            }
            self.expect_live(caller).await?;
        }
        Err(tried_too_often("add a passkey").into())
    }

    /// The passkey that a browser has made for this account, with what its owner calls it. What is none costs a try.
    pub(super) async fn made_passkey(
        &self,
        account: AccountId,
        (credential, label): (&Value, Option<&str>),
        requester: &Requester,
    ) -> Result<Kept, Error> {
        let Self(engine) = self;
        engine.passkeys()?;
        let reserved = engine.authn().reserve_code(account, requester).await?;
        let Some(passkey) = self.made(account, credential).await? else {
            return Err(engine.refuse_passkey(account, requester).await?);
        };
        engine.authn().give_code_back(&reserved).await;
        Ok(Kept { label: label.map(str::to_owned), passkey })
    }

    /// The passkey that an answer brings, where it answers an open challenge of this account and is of this site. Its challenge is
    /// spent by that.
    async fn made(&self, account: AccountId, credential: &Value) -> Result<Option<Passkey>, Error> {
        let Self(engine) = self;
        let Some(Ceremony::Add(whose, state)) = engine.answered(credential).await? else { return Ok(None) };
        if whose != account {
            return Ok(None);
        }
        Ok(engine.passkeys()?.site().registered(credential, &state))
    }

    /// Tries to put a passkey among an account's factors; `None` where those, or the session that asks, moved meanwhile.
    async fn put_passkey(
        &self,
        caller: &Caller,
        kept: &Kept,
        requester: &Requester,
    ) -> Result<Option<NewPasskey>, Error> {
        let Self(engine) = self;
        let account = caller.key.account;
        let held = engine.authn().held(account).await?;
        let owner = engine.accounts().get(account).await?;
        let own = Some(caller.key.session);
        let (id, confirmed) = self.adding_passkey((&owner, own), &held, kept, requester)?;
        let Confirmed { steps, events, codes } = confirmed;
        let is_done = self.commit_by(caller, steps, events, requester).await?;
        Ok(is_done.then_some(NewPasskey { id, recovery_codes: codes }))
    }

    /// What puts a passkey among an account's factors, and which of them it will be. Where it is the first, all sessions end but the
    /// one that asks.
    pub(super) fn adding_passkey(
        &self,
        (owner, own): (&Account, Option<SessionId>),
        held: &Held,
        kept: &Kept,
        requester: &Requester,
    ) -> Result<(Uuid, Confirmed), Error> {
        let Self(engine) = self;
        let now = engine.now();
        if held.of(CredentialKind::Passkey).count() >= MAX_PASSKEYS {
            return Err(Refusal::FactorsFull.into());
        }
        let (keys, random) = (engine.keys.load(), engine.random.as_ref());
        let id = random::id(random, now);
        let to = kept.row((&keys, random), (owner.id, id), (now, None), now)?;
        let credential = CredentialId { kind: CredentialKind::Passkey, id };
        let puts = vec![Step::PutCredential { id: credential, was: Was::Missing, to, at: now }];
        Ok((id, self.adding(owner, held, (FactorKind::Passkey, puts), own, requester)))
    }
}
