//! One-time tokens as the engine makes them, looks at them, and spends them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Engine, Error};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::keys::KeyRing;
use crate::one_time::{Digest, OneTimeText, OneTimeToken, Parsed, Proof, Purpose, TokenId, hashed, sealed};
use crate::random;
use crate::session::{AccountId, Epoch};
use crate::store::Step;

/// A token to be made.
pub(super) struct NewToken<'a, P> {
    /// Whose it will be.
    pub(super) account: AccountId,
    /// What it is good for.
    pub(super) purpose: Purpose,
    /// What it is good for alone.
    pub(super) bound_to: Digest,
    /// The account's epoch, where it dies with that.
    pub(super) epoch: Option<Epoch>,
    /// What whoever spends it must know.
    pub(super) payload: &'a P,
}

/// A token that can be used, with whose it is: a look, by which nothing is spent.
pub(super) struct Usable {
    pub(super) account: Account,
    pub(super) token: OneTimeToken,
    parsed: Parsed,
}

impl Usable {
    /// Spends it by the secret of its text.
    pub(super) fn spend(&self, at: Timestamp) -> Step {
        Step::SpendToken {
            token: self.parsed.id,
            purpose: self.parsed.purpose,
            bound_to: self.token.bound_to,
            proof: Proof::Secret(self.parsed.secret_hash),
            at,
        }
    }

    /// What was sealed for whoever spends it.
    pub(super) fn payload<P: DeserializeOwned>(&self, keys: &KeyRing, now: Timestamp) -> Result<P, Refusal> {
        sealed::open(keys, now, &self.token).ok_or(Refusal::LinkInvalid)
    }
}

impl Engine {
    /// A token, and the text that its owner gets.
    pub(super) fn new_token<P: Serialize>(
        &self,
        new: &NewToken<'_, P>,
        now: Timestamp,
    ) -> (OneTimeToken, OneTimeText) {
        let (keys, random) = (self.keys.load(), self.random.as_ref());
        let NewToken { account, purpose, bound_to, epoch, payload } = *new;
        let (id, secret) = (TokenId(random::id(random, now)), random::bytes::<16>(random));
        let text = OneTimeText::write(&keys, now, (purpose, account, id), &secret);
        let token = OneTimeToken {
            account,
            id,
            purpose,
            bound_to,
            secret_hash: hashed(&secret),
            code_hash: None,
            solved_by: None,
            tries: 0,
            epoch,
            made_at: now,
            expires_at: now.plus(purpose.lives()),
            sealed: sealed::seal((&keys, random), now, (account, id), payload),
        };
        (token, text)
    }

    /// Whose a token is, and what it says, where it can be used; a look, by which nothing is spent. What it is bound to is for the
    /// caller to compare.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; a [`Fault`](crate::Fault).
    pub(super) async fn usable(&self, purpose: Purpose, text: &str) -> Result<Usable, Error> {
        let now = self.now();
        let parsed = Parsed::read(&self.keys.load(), now, purpose, text).ok_or(Refusal::LinkInvalid)?;
        let token = self.store.one_time_token(parsed.account, parsed.id).await?;
        let account = self.store.account(parsed.account).await?;
        let (Some(token), Some(account)) = (token, account) else { return Err(Refusal::LinkInvalid.into()) };
        let is_usable = token.is_for(purpose, &token.bound_to, now)
            && token.secret_hash == parsed.secret_hash
            && token.epoch.is_none_or(|epoch| epoch == account.epoch)
            && account.disabled_at.is_none();
        if is_usable { Ok(Usable { account, token, parsed }) } else { Err(Refusal::LinkInvalid.into()) }
    }
}
