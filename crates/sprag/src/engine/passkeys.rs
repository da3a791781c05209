//! Passkeys: ask for one, and take it as a second factor, to step up, or instead of a name and a password.
//!
//! Whoever answers, the challenge goes first: it is spent before anything else is looked at. What was shown then comes with the
//! step that moves the passkey's counter on, and that goes into the commit which it buys.

use serde_json::Value;

use super::opening::{Opened, Spending};
use super::{Caller, ClientPolicy, Engine, OpenRequest, Requester, TokenPair, tried_too_often};
use crate::account::Account;
use crate::audit::{EventKind, NOBODY};
use crate::authn::{Authenticated, Code, Shown, ShownFactor};
use crate::budget::Budget;
use crate::error::{Error, Fault, Refusal};
use crate::factor::{FactorKind, Held};
use crate::limits::Whose;
use crate::one_time::{OneTimeToken, Proof, Purpose, sealed};
use crate::passkeys::{Answer, Asked, Ceremony, Challenge, Kept, KeptRow, Passkey, Passkeys, Verified};
use crate::session::{AccountId, Methods};
use crate::store::{Commit, CredentialId, CredentialKind, Expect, Step, Was};

/// Whose passkey is asked for.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum PasskeyOf<'a> {
    /// Whoever it is: their device offers those that it has for this site, also while they type a name (conditional UI).
    Anybody,
    /// Whoever's log-in waits for a second factor, by the token of the [`WaitingLogIn`](super::WaitingLogIn).
    Waiting(&'a str),
    /// Whoever uses this session, to step up.
    Caller(&'a Caller),
}

/// Prints what a log may show: no token.
impl std::fmt::Debug for PasskeyOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasskeyOf")
    }
}

/// An answer to an open challenge that names a passkey of an account. Whether it was signed by that is not known yet.
struct Claimed {
    account: Account,
    id: CredentialId,
    row: Vec<u8>,
    kept: Kept,
    answer: Answer,
    asked: Asked,
}

impl Engine {
    /// What a browser needs to show a passkey: `publicKey` of `navigator.credentials.get`. The challenge is good for one answer
    /// and five minutes. Of [anybody](PasskeyOf::Anybody) it tells nothing of any account.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::LogInLapsed`]; [`Refusal::FactorUnknown`] where whoever it is has none;
    /// [`Refusal::RateLimited`]; a [`Fault`].
    pub async fn passkey_request(
        &self,
        client: &ClientPolicy,
        whose: PasskeyOf<'_>,
        requester: &Requester,
    ) -> Result<Value, Error> {
        let site = self.passkeys()?.site();
        self.reserve_of_network(requester).await?;
        let account = match whose {
            PasskeyOf::Anybody => None,
            PasskeyOf::Caller(caller) => Some(caller.key.account),
            PasskeyOf::Waiting(token) => {
                let found = self.waiting(client, Purpose::SecondFactor, token, requester).await?;
                Some(found.account.id)
            }
        };
        let theirs = match account {
            Some(account) => self.passkeys_of(account, &self.authn().held(account).await?)?,
            None => Vec::new(),
        };
        if account.is_some() && theirs.is_empty() {
            return Err(Refusal::FactorUnknown.into());
        }
        let asks = site.ask(&theirs)?;
        self.keep_challenge(&asks.challenge, &Ceremony::Show(account, asks.state)).await?;
        Ok(asks.options)
    }

    /// The passkeys of an account, without what is kept beside them.
    pub(super) fn passkeys_of(&self, account: AccountId, held: &Held) -> Result<Vec<Passkey>, Fault> {
        let theirs = self.kept_passkeys(account, held)?;
        Ok(theirs.into_iter().map(|(_, kept)| kept.passkey).collect())
    }

    /// Opens a session for whoever shows a passkey, without a name or a password: the device has asked them for a PIN or a
    /// fingerprint, so that these are two factors.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::PasskeyWrong`]; [`Refusal::AccountDisabled`]; [`Refusal::RateLimited`]; what
    /// [`open_session`](Self::open_session) refuses; a [`Fault`].
    pub async fn log_in_by_passkey(
        &self,
        client: &ClientPolicy,
        credential: &Value,
        open: OpenRequest<'_>,
        shown: &Shown,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        self.passkeys()?;
        self.reserve_of_network(requester).await?;
        let authn = self.authn();
        let claimed = match self.claimed(None, credential).await? {
            Ok(claimed) => claimed,
            Err(account) => return Err(self.refuse_passkey(account, requester).await?),
        };
        let account = claimed.account.clone();
        // What a key has signed is no guess, so that it is looked at however many codes were wrong: nobody is kept from their passkey by
        // whoever knows the password.
        let Some(factor) = self.verified(*claimed, requester).await? else {
            let _ = authn.reserve_code(account.id, requester).await?;
            return Err(self.refuse_passkey(account.id, requester).await?);
        };
        if account.disabled_at.is_some() {
            authn.note_disabled(account.id, requester).await?;
            return Err(Refusal::AccountDisabled.into());
        }
        let known = authn.known(account.id, shown).await?;
        let somebody = Authenticated::by_factor(account, factor.methods, self.now(), known);
        let risk = self.before_opening(&somebody, open, requester, somebody.at()).await?;
        let spending = Spending { steps: vec![factor.spends], events: Vec::new(), risk };
        match self.open(client, somebody, Some(spending), open, requester).await? {
            Opened::Session(pair) => Ok(*pair),
            // It was used or removed at the same moment, or the account moved on; another challenge shows which.
            Opened::Spent | Opened::Waits(..) => Err(Refusal::PasskeyWrong.into()),
        }
    }

    /// The passkey that was shown as a second factor of this account.
    pub(super) async fn passkey_of(
        &self,
        account: AccountId,
        credential: &Value,
        requester: &Requester,
    ) -> Result<Code, Error> {
        self.passkeys()?;
        let verified = match self.claimed(Some(account), credential).await? {
            Ok(claimed) => self.verified(*claimed, requester).await?,
            Err(_) => None,
        };
        Ok(verified.map_or(Code::Wrong, Code::Right))
    }

    /// Notes that a passkey was not taken, and says so.
    pub(super) async fn refuse_passkey(
        &self,
        account: AccountId,
        requester: &Requester,
    ) -> Result<Error, Error> {
        self.authn().note_wrong_passkey(account, requester).await?;
        Ok(Refusal::PasskeyWrong.into())
    }

    /// Reads an answer, and spends its challenge, whatever comes of it. `expected` is the account whose passkey it must be; where
    /// there is none, the device says whose it is. `Err` has the account at which a failure is noted.
    async fn claimed(
        &self,
        expected: Option<AccountId>,
        credential: &Value,
    ) -> Result<Result<Box<Claimed>, AccountId>, Error> {
        let nobodys = Ok(Err(expected.unwrap_or(NOBODY)));
        let Some(Ceremony::Show(asked_of, asked)) = self.answered(credential).await? else { return nobodys };
        let Some(answer) = Answer::read(credential) else { return nobodys };
        let site = self.passkeys()?.site();
        let account = asked_of.or(expected).or_else(|| site.holder(&answer));
        let account = account.filter(|account| expected.is_none_or(|expected| expected == *account));
        let found = match account {
            Some(account) => self.store.account(account).await?,
            None => None,
        };
        let Some(account) = found else { return nobodys };
        let held = self.authn().held(account.id).await?;
        let theirs = self.kept_passkeys(account.id, &held)?;
        let shown = theirs.into_iter().find(|(_, kept)| answer.is_of(&kept.passkey));
        let Some((id, kept)) = shown else { return Ok(Err(account.id)) };
        let row = held.of(CredentialKind::Passkey).find(|(held, _)| *held == id).map(|(_, row)| row.to_vec());
        let Some(row) = row else { return Ok(Err(account.id)) };
        Ok(Ok(Box::new(Claimed { account, id, row, kept, answer, asked })))
    }

    /// Whether an answer was signed by the passkey that it names, for this site, just now, and by a device that has verified its
    /// holder; and what moves that passkey on.
    async fn verified(&self, claimed: Claimed, requester: &Requester) -> Result<Option<ShownFactor>, Error> {
        let Claimed { account, id, row, mut kept, answer, asked } = claimed;
        let site = self.passkeys()?.site();
        let now = self.now();
        match site.verify(&answer, asked, &mut kept.passkey) {
            Verified::Yes => {}
            Verified::WentBack => {
                let note = Some(format!("passkey {}", id.id));
                let event = requester.event_of_account(account.id, EventKind::PasskeyWentBack, now, note);
                self.store.record(event).await?;
                return Ok(None);
            }
            Verified::No => return Ok(None),
        }
        let (keys, random) = (self.keys.load(), self.random.as_ref());
        let made_at = KeptRow::read(&row)?.made_at;
        let to = kept.row((&keys, random), (account.id, id.id), (made_at, Some(now)), now)?;
        Ok(Some(ShownFactor {
            kind: FactorKind::Passkey,
            methods: Methods::KEY | Methods::USER_VERIFIED,
            spends: Step::PutCredential { id, was: Was::This(row), to, at: now },
        }))
    }

    /// The origins of pages that may use passkeys, for `/.well-known/webauthn`; `None` where there are no passkeys.
    #[must_use]
    pub fn passkey_origins(&self) -> Option<&[String]> {
        self.passkeys.as_ref().map(Passkeys::origins)
    }

    pub(super) fn passkeys(&self) -> Result<&Passkeys, Refusal> {
        self.passkeys.as_ref().ok_or(Refusal::PasskeysUnavailable)
    }

    fn kept_passkeys(&self, account: AccountId, held: &Held) -> Result<Vec<(CredentialId, Kept)>, Fault> {
        let keys = self.keys.load();
        let theirs = held.of(CredentialKind::Passkey);
        theirs.map(|(id, row)| Ok((id, KeptRow::read(row)?.open(&keys, account, id.id)?))).collect()
    }

    async fn reserve_of_network(&self, requester: &Requester) -> Result<(), Error> {
        let wanted = [(Budget::LoginPrefix, Whose::NetworkOf(requester))];
        let (store, keys, now) = (self.store.as_ref(), self.keys.load(), self.now());
        match self.gate.reserve(store, &keys, (&wanted, 1), now).await? {
            Ok(_) => Ok(()),
            Err(spent) => Err(spent.into()),
        }
    }

    /// Keeps what a challenge is for until it is answered.
    pub(super) async fn keep_challenge(&self, challenge: &[u8], ceremony: &Ceremony) -> Result<(), Error> {
        let Challenge { account, id, secret_hash } = Challenge::of(challenge);
        let (now, keys, random) = (self.now(), self.keys.load(), self.random.as_ref());
        let token = OneTimeToken {
            account,
            id,
            purpose: Purpose::Passkey,
            bound_to: secret_hash,
            secret_hash,
            code_hash: None,
            solved_by: None,
            tries: 0,
            epoch: None,
            made_at: now,
            expires_at: now.plus(Purpose::Passkey.lives()),
            sealed: sealed::seal((&keys, random), now, (account, id), ceremony),
        };
        let steps = vec![Step::PutToken(Box::new(token))];
        let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
        match self.store.commit(commit).await?.is_done() {
            true => Ok(()),
            false => Err(tried_too_often("keep a challenge").into()),
        }
    }

    /// What the challenge was for that a browser has answered, if one is open; nobody can answer it again.
    pub(super) async fn answered(&self, credential: &Value) -> Result<Option<Ceremony>, Fault> {
        let Some(challenge) = Challenge::answered(credential) else { return Ok(None) };
        let Challenge { account, id, secret_hash } = challenge;
        let now = self.now();
        let Some(token) = self.store.one_time_token(account, id).await? else { return Ok(None) };
        let spend = Step::SpendToken {
            token: id,
            purpose: Purpose::Passkey,
            bound_to: secret_hash,
            proof: Proof::Secret(secret_hash),
            at: now,
        };
        let commit = Commit { account, expect: Expect::Anything, steps: vec![spend], events: Vec::new() };
        if !self.store.commit(commit).await?.is_done() {
            return Ok(None);
        }
        Ok(sealed::open(&self.keys.load(), now, &token))
    }
}
