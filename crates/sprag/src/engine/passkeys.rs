//! Passkeys: add one, and show one as a second factor or instead of a password.

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError};

use super::opening::{Opened, Spending};
use super::{Caller, ClientPolicy, Engine, Factors, OpenRequest, Requester, TokenPair, tried_too_often};
use crate::account::Account;
use crate::audit::EventKind;
use crate::authn::{Authenticated, Shown, ShownFactor};
use crate::budget::Budget;
use crate::error::{Error, Fault, Refusal};
use crate::factor::recovery::RecoveryCode;
use crate::factor::{FactorKind, Held};
use crate::letter::LetterKind;
use crate::limits::Whose;
use crate::one_time::{OneTimeToken, Proof, Purpose};
use crate::passkeys::{Ceremony, Challenge, Kept, KeptRow, MAX_PASSKEYS, Passkeys};
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, Methods};
use crate::store::{Commit, CredentialId, CredentialKind, Expect, Step, Was};

/// A passkey that was added.
#[derive(Debug)]
pub struct NewPasskey {
    /// Which of the account's.
    pub id: Uuid,
    /// Recovery codes, at the account's first factor: nobody can be told them again.
    pub recovery_codes: Vec<RecoveryCode>,
}

/// A passkey that was shown, and whose it is.
struct Asserted {
    account: Account,
    held: Held,
    factor: ShownFactor,
}

impl Factors<'_> {
    /// What a browser needs to make a passkey (`publicKey` of `navigator.credentials.create`).
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::FactorsFull`]; a [`Fault`].
    pub async fn passkey_options(&self, account: AccountId) -> Result<Value, Error> {
        let Self(engine) = self;
        let passkeys = engine.passkeys()?;
        let owner = engine.accounts().get(account).await?;
        let held = engine.authn().held(account).await?;
        if held.of(CredentialKind::Passkey).count() >= MAX_PASSKEYS {
            return Err(Refusal::FactorsFull.into());
        }
        let id = account.to_string();
        let name = owner.username.as_deref().or(owner.email.as_deref()).unwrap_or(&id);
        let called = owner.particulars.name.as_deref().unwrap_or(name);
        let theirs = engine.kept_passkeys(account, &held)?;
        let known = theirs.iter().map(|(_, kept)| kept.passkey.cred_id().clone()).collect();
        let begun = passkeys.site().start_passkey_registration(account.0, name, called, Some(known));
        let (options, state) = begun.map_err(|error| Fault::internal("begin to add a passkey", error))?;
        let mut options = written("begin to add a passkey", &options)?;
        // So that it can be used without a name, too, where the device has room for that.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = "preferred".into();
        engine.keeps_challenge(&options, &Ceremony::Add(account, state)).await?;
        Ok(options)
    }

    /// Adds the passkey that a browser has made. At the account's first factor its other sessions end, and recovery codes are made.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::PasskeyWrong`]; [`Refusal::FactorsFull`]; [`Refusal::SessionEnded`] where the
    /// session that asks ended meanwhile; a [`Fault`].
    pub async fn add_passkey(
        &self,
        caller: &Caller,
        credential: &Value,
        label: Option<&str>,
        requester: &Requester,
    ) -> Result<NewPasskey, Error> {
        let Self(engine) = self;
        let (passkeys, account) = (engine.passkeys()?, caller.key.account);
        let Ceremony::Add(whose, state) = engine.answered(credential).await? else {
            return Err(Refusal::PasskeyWrong.into());
        };
        let answer: Option<RegisterPublicKeyCredential> = serde_json::from_value(credential.clone()).ok();
        let made = answer.filter(|_| whose == account);
        let made = made.and_then(|answer| passkeys.site().finish_passkey_registration(&answer, &state).ok());
        let Some(passkey) = made else {
            engine.authn().note_wrong_code(account, requester).await?;
            return Err(Refusal::PasskeyWrong.into());
        };
        let kept = Kept { label: label.map(str::to_owned), passkey };
        for _ in 0..=MAX_MISSES {
            let (held, now) = (engine.authn().held(account).await?, engine.now());
            if held.of(CredentialKind::Passkey).count() >= MAX_PASSKEYS {
                return Err(Refusal::FactorsFull.into());
            }
            let (keys, random) = (engine.keys.load(), engine.random.as_ref());
            let id = random::id(random, now);
            let to = kept.row((&keys, random), (account, id), (now, None), now)?;
            let credential = CredentialId { kind: CredentialKind::Passkey, id };
            let mut steps = vec![Step::PutCredential { id: credential, was: Was::Missing, to, at: now }];
            let owner = engine.accounts().get(account).await?;
            steps.extend(engine.tells_owner(&owner, LetterKind::FactorAdded, requester, now));
            let mut events = vec![(EventKind::FactorAdded, Some(FactorKind::Passkey.name().to_owned()))];
            let mut recovery_codes = Vec::new();
            if !held.has_factor() {
                steps.insert(0, Step::ExpectNoFactor);
                let why = "a second factor was added";
                steps.extend(self.ends_others(caller.key.session, requester, now, why));
                let (put, made) = self.makes_codes(now);
                steps.extend(put);
                recovery_codes = made;
                events.push((EventKind::RecoveryCodesMade, None));
            }
            let expect = Expect::Standing(caller.state.epoch);
            if self.commit_of(account, expect, steps, events, requester).await? {
                return Ok(NewPasskey { id, recovery_codes });
            }
            self.expect_live(caller).await?;
        }
        Err(tried_too_often("add a passkey").into())
    }
}

impl Engine {
    /// What a browser needs to show a passkey (`publicKey` of `navigator.credentials.get`): those of whoever's log-in waits, or
    /// whichever it finds, also while a name is typed (conditional UI).
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::LogInLapsed`]; [`Refusal::RateLimited`]; a [`Fault`].
    pub async fn passkey_request(
        &self,
        client: &ClientPolicy,
        waiting: Option<&str>,
        requester: &Requester,
    ) -> Result<Value, Error> {
        const DOING: &str = "ask for a passkey";
        let passkeys = self.passkeys()?;
        let wanted = [(Budget::LoginPrefix, Whose::NetworkOf(requester))];
        let (store, keys, now) = (self.store.as_ref(), self.keys.load(), self.now());
        if let Err(spent) = self.gate.reserve(store, &keys, &wanted, now).await? {
            return Err(spent.into());
        }
        let (options, ceremony) = match waiting {
            Some(token) => {
                let account = self.account_waiting(client, token, requester).await?;
                let held = self.authn().held(account).await?;
                let kept = self.kept_passkeys(account, &held)?;
                let theirs: Vec<_> = kept.into_iter().map(|(_, kept)| kept.passkey).collect();
                if theirs.is_empty() {
                    return Err(Refusal::FactorUnknown.into());
                }
                let begun = passkeys.site().start_passkey_authentication(&theirs);
                let (options, state) = begun.map_err(|error| Fault::internal(DOING, error))?;
                (written(DOING, &options)?, Ceremony::Show(account, state))
            }
            None => {
                let begun = passkeys.site().start_discoverable_authentication();
                let (options, state) = begun.map_err(|error| Fault::internal(DOING, error))?;
                (written(DOING, &options)?, Ceremony::ShowAny(state))
            }
        };
        self.keeps_challenge(&options, &ceremony).await?;
        Ok(options)
    }

    /// Opens a session for whoever shows a passkey, without a password or a name: the device has asked them for a PIN or a
    /// fingerprint.
    ///
    /// # Errors
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::PasskeyWrong`]; [`Refusal::AccountDisabled`]; what
    /// [`open_session`](Self::open_session) refuses; a [`Fault`].
    pub async fn log_in_by_passkey(
        &self,
        client: &ClientPolicy,
        credential: &Value,
        open: OpenRequest<'_>,
        shown: &Shown,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let Asserted { account, factor, .. } = self.asserted(credential, None, requester).await?;
        if account.disabled_at.is_some() {
            return Err(Refusal::AccountDisabled.into());
        }
        let known = self.authn().known(account.id, shown).await?;
        let spending = Spending { steps: vec![factor.spends], events: Vec::new() };
        let somebody = Authenticated::by_factor(account, factor.methods, self.now(), known);
        match self.open(client, somebody, Some(spending), open, requester).await? {
            Opened::Session(pair) => Ok(*pair),
            Opened::Spent | Opened::Waits(..) => Err(Refusal::PasskeyWrong.into()),
        }
    }

    /// The passkey that was shown for this account.
    pub(super) async fn passkey_of(
        &self,
        account: AccountId,
        credential: &Value,
        requester: &Requester,
    ) -> Result<(Held, ShownFactor), Error> {
        let Asserted { held, factor, .. } = self.asserted(credential, Some(account), requester).await?;
        Ok((held, factor))
    }

    /// Verifies the answer of a browser. Its challenge is spent by that, whatever comes of it.
    async fn asserted(
        &self,
        credential: &Value,
        expected: Option<AccountId>,
        requester: &Requester,
    ) -> Result<Asserted, Error> {
        let passkeys = self.passkeys()?;
        let ceremony = self.answered(credential).await?;
        let answer: PublicKeyCredential =
            serde_json::from_value(credential.clone()).map_err(|_| Refusal::PasskeyWrong)?;
        let account = match &ceremony {
            Ceremony::Add(..) => None,
            Ceremony::Show(account, _) => Some(*account),
            Ceremony::ShowAny(_) => {
                let named = passkeys.site().identify_discoverable_authentication(&answer);
                named.ok().map(|(id, _)| AccountId(id))
            }
        };
        let account = account.filter(|account| expected.is_none_or(|expected| expected == *account));
        let found = match account {
            Some(account) => self.store.account(account).await?,
            None => None,
        };
        let Some(account) = found else {
            self.authn().note_wrong_code(expected.unwrap_or(crate::audit::NOBODY), requester).await?;
            return Err(Refusal::PasskeyWrong.into());
        };
        let held = self.authn().held(account.id).await?;
        let kept = self.kept_passkeys(account.id, &held)?;
        let shown = kept.into_iter().find(|(_, kept)| {
            let id: &[u8] = kept.passkey.cred_id().as_ref();
            id == answer.raw_id.as_ref() as &[u8]
        });
        let verified = match (&shown, ceremony) {
            (Some(_), Ceremony::Show(_, state)) => {
                passkeys.site().finish_passkey_authentication(&answer, &state)
            }
            (Some((_, kept)), Ceremony::ShowAny(state)) => {
                passkeys.site().finish_discoverable_authentication_v2(&answer, state, &kept.passkey)
            }
            _ => Err(WebauthnError::CredentialNotFound),
        };
        let (verified, (id, mut kept)) = match (verified, shown) {
            (Ok(verified), Some(shown)) if verified.user_verified() => (verified, shown),
            (Err(WebauthnError::CredentialPossibleCompromise), Some((id, _))) => {
                let note = Some(format!("passkey {}", id.id));
                let event =
                    requester.event_of_account(account.id, EventKind::PasskeyWentBack, self.now(), note);
                self.store.record(event).await?;
                return Err(Refusal::PasskeyWrong.into());
            }
            _ => {
                self.authn().note_wrong_code(account.id, requester).await?;
                return Err(Refusal::PasskeyWrong.into());
            }
        };
        kept.passkey.update_credential(&verified);
        let row = held.of(CredentialKind::Passkey).find(|(held, _)| *held == id).map(|(_, row)| row.to_vec());
        let row = row.ok_or(Refusal::PasskeyWrong)?;
        let (keys, random, now) = (self.keys.load(), self.random.as_ref(), self.now());
        let made_at = KeptRow::read(&row)?.made_at;
        let to = kept.row((&keys, random), (account.id, id.id), (made_at, Some(now)), now)?;
        let factor = ShownFactor {
            kind: FactorKind::Passkey,
            methods: Methods::KEY | Methods::USER_VERIFIED,
            spends: Step::PutCredential { id, was: Was::This(row), to, at: now },
        };
        Ok(Asserted { account, held, factor })
    }

    fn passkeys(&self) -> Result<&Passkeys, Refusal> {
        self.passkeys.as_ref().ok_or(Refusal::PasskeysUnavailable)
    }

    fn kept_passkeys(&self, account: AccountId, held: &Held) -> Result<Vec<(CredentialId, Kept)>, Fault> {
        let keys = self.keys.load();
        let theirs = held.of(CredentialKind::Passkey);
        theirs.map(|(id, row)| Ok((id, KeptRow::read(row)?.open(&keys, account, id.id)?))).collect()
    }

    /// Keeps what a challenge is for until it is answered.
    async fn keeps_challenge(&self, options: &Value, ceremony: &Ceremony) -> Result<(), Error> {
        const DOING: &str = "keep a challenge";
        let challenge = options["publicKey"]["challenge"].as_str().unwrap_or_default();
        let challenge = data_encoding::BASE64URL_NOPAD
            .decode(challenge.as_bytes())
            .map_err(|error| Fault::internal(DOING, error))?;
        let Challenge { account, id, secret_hash } = Challenge::of(&challenge);
        let (now, keys, random) = (self.now(), self.keys.load(), self.random.as_ref());
        let plain = serde_json::to_vec(ceremony).map_err(|error| Fault::internal(DOING, error))?;
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
            sealed: keys.seal(now, random, &bound_to(&account, id.0.as_bytes()), &plain),
        };
        let steps = vec![Step::PutToken(Box::new(token))];
        let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
        match self.store.commit(commit).await?.is_done() {
            true => Ok(()),
            false => Err(tried_too_often(DOING).into()),
        }
    }

    /// What the challenge was for that a browser has answered; nobody can answer it again.
    async fn answered(&self, credential: &Value) -> Result<Ceremony, Error> {
        let wrong = Refusal::PasskeyWrong;
        let Challenge { account, id, secret_hash } = Challenge::answered(credential).ok_or(wrong)?;
        let now = self.now();
        let token = self.store.one_time_token(account, id).await?.ok_or(wrong)?;
        let spend = Step::SpendToken {
            token: id,
            purpose: Purpose::Passkey,
            bound_to: secret_hash,
            proof: Proof::Secret(secret_hash),
            at: now,
        };
        let commit = Commit { account, expect: Expect::Anything, steps: vec![spend], events: Vec::new() };
        if !self.store.commit(commit).await?.is_done() {
            return Err(wrong.into());
        }
        let plain = self.keys.load().open(now, &bound_to(&account, id.0.as_bytes()), &token.sealed);
        let ceremony = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        Ok(ceremony.ok_or(wrong)?)
    }
}

fn written(doing: &'static str, options: &impl serde::Serialize) -> Result<Value, Fault> {
    serde_json::to_value(options).map_err(|error| Fault::internal(doing, error))
}

fn bound_to<'a>(account: &'a AccountId, id: &'a [u8]) -> [&'a [u8]; 4] {
    [b"one_time_token", account.0.as_bytes(), b"passkey", id]
}
