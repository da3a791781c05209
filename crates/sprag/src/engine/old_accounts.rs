//! Accounts that come from another system one by one, as their owners log in or ask for a new password.
//!
//! Only for a name that never led to anybody here is the old system asked, once the try has been reserved. So nobody who was
//! renamed, deleted or erased here comes back by it, and what was changed here is what counts. Every failure is answered at one
//! moment, whoever was asked.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::commits::NewAccount;
use super::import::{BroughtFactors, Imported, ImportedUser};
use super::letters::Letters;
use super::{ClientPolicy, Engine, LinkTarget, NewUser, Requester};
use crate::account::{Account, ConfirmedEmail, Name};
use crate::audit::EventKind;
use crate::authn::password::{Elsewhere, Typed, UNCONFIRMED};
use crate::authn::{Authenticated, Shown};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::hooks::{OldAccount, OldAccounts};
use crate::letter::LetterKind;
use crate::one_time::{OneTimeToken, Parsed, Proof, Purpose, hashed};
use crate::outbox::MessageKey;
use crate::password::{NewPassword, Password};
use crate::random;
use crate::seldom;
use crate::session::{AccountId, ProfileId};
use crate::store::{Commit, Expect, Step};

/// How long the old system may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

/// How long after it came an attempt is answered that came to nothing, and every wish for a letter.
pub(super) const ANSWERED_AFTER: Duration = Duration::from_millis(2000);

/// How often a log-in is tried anew where another one of the same owner has brought the account meanwhile.
const TRIES: u32 = 2;

/// An account that a link makes.
struct Brought {
    account: Account,
    names: Vec<Name>,
    address: String,
    parsed: Parsed,
    factors: Vec<Step>,
}

impl Engine {
    /// Says who knows the password of the account that a name leads to, as [`Authn::password_on`](crate::authn::Authn::password_on)
    /// does; where the client has an old system asked, and the name never led to anybody here, the account may be made by that.
    ///
    /// # Errors
    /// As [`Authn::password_on`](crate::authn::Authn::password_on).
    pub async fn password_on(
        &self,
        client: &ClientPolicy,
        shown: &Shown,
        (name, password): (&str, &str),
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let Some(old) = &client.hooks.old_accounts else {
            let typed = self.authn().typed(None, shown, name, password, requester).await?;
            return self.somebody_here(typed, requester).await;
        };
        let came = Instant::now();
        let found =
            self.here_or_there(old.as_ref(), client.profile, shown, (name, password), requester).await;
        if let Err(Error::Refused(Refusal::CredentialsInvalid | Refusal::AccountDisabled)) = &found {
            self.hasher.wait_until(came + ANSWERED_AFTER).await;
        }
        found
    }

    /// Whoever they are, if they are somebody's here; whose address must be confirmed first is written to, and told nothing.
    async fn somebody_here(&self, typed: Typed, requester: &Requester) -> Result<Authenticated, Error> {
        match typed {
            Typed::Here(somebody) => Ok(*somebody),
            Typed::Elsewhere(_) => Err(Refusal::CredentialsInvalid.into()),
            Typed::Unconfirmed(account, wrong) => {
                self.letters().ask_once_more(&account, requester).await;
                self.authn().refuse(wrong, UNCONFIRMED, requester).await?;
                Err(Refusal::CredentialsInvalid.into())
            }
        }
    }

    async fn here_or_there(
        &self,
        old: &dyn OldAccounts,
        profile: ProfileId,
        shown: &Shown,
        (name, password): (&str, &str),
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        for _ in 0..TRIES {
            let elsewhere =
                Elsewhere { old, may_be_asked: self.never_led_anywhere(name).await?, patience: PATIENCE };
            let found = match self.authn().typed(Some(elsewhere), shown, name, password, requester).await? {
                Typed::Elsewhere(found) => found,
                here => return self.somebody_here(here, requester).await,
            };
            match self.bring(profile, (&found, name), Password::typed(password)?, requester).await {
                // Another request of theirs has brought it: they are known here now.
                Err(Error::Refused(Refusal::NameTaken)) => {}
                Ok(somebody) if shown.hides_unconfirmed && somebody.account().is_unconfirmed() => {
                    self.letters().ask_once_more(somebody.account(), requester).await;
                    return Err(Refusal::CredentialsInvalid.into());
                }
                brought => return brought,
            }
        }
        Err(Refusal::CredentialsInvalid.into())
    }

    /// Makes the account here that the old system has, with the password that was right there.
    async fn bring(
        &self,
        profile: ProfileId,
        (found, typed): (&OldAccount, &str),
        password: Password,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let id = AccountId(random::id(self.random.as_ref(), self.now()));
        let Some((account, names)) = self.to_be_made(profile, id, (found, Some(typed))).await? else {
            return Err(Refusal::CredentialsInvalid.into());
        };
        let hash = self.hasher.hash_from(requester.prefix(), password.clone(), self.random.as_ref()).await?;
        let note = Some("brought from the old system at a log-in".to_owned());
        let event = requester.event_of_account(id, EventKind::AccountImported, account.created_at, note);
        let new = NewAccount { account: account.clone(), names, password_hash: Some(hash.clone()), event };
        let mut commit = new.commit();
        commit.steps.extend(self.factors_there(id, found).unwrap_or_default());
        if NewAccount::is_made(self.store.commit(commit).await?)? {
            return Ok(Authenticated::by_sign_up(account, Some((password, hash))));
        }
        Err(Refusal::NameTaken.into())
    }

    /// The account as it would be made here, and the names that would lead to it; `None` where the old system's answer cannot
    /// be taken.
    pub(super) async fn to_be_made(
        &self,
        profile: ProfileId,
        id: AccountId,
        (found, typed): (&OldAccount, Option<&str>),
    ) -> Result<Option<(Account, Vec<Name>)>, Fault> {
        let user = NewUser {
            username: found.username.as_deref(),
            email: found.email.as_deref(),
            external_id: Some((profile, &found.id)),
            name: found.name.as_deref(),
            given_name: found.given_name.as_deref(),
            family_name: found.family_name.as_deref(),
            language: found.language.as_deref(),
            ..NewUser::default()
        };
        let now = self.now();
        let (names, account) = match (user.names(), user.account(id, now)) {
            (Ok(names), Ok(account)) => (names, account),
            (Err(refusal), _) | (_, Err(refusal)) => {
                told_odd(&format!("what it says of an account cannot be kept: {refusal}"));
                return Ok(None);
            }
        };
        if typed.is_some_and(|typed| !Name::meant_by(typed).iter().any(|name| names.contains(name))) {
            told_odd(
                "the account that it names has another user name and another address than was asked for",
            );
            return Ok(None);
        }
        if self.factors_there(id, found).is_none() {
            return Ok(None);
        }
        for name in [&found.username, &found.email].into_iter().flatten() {
            if self.was_held(name).await? {
                return Ok(None);
            }
        }
        // Whoever was erased here goes by other names there now, and is known there by the same key.
        let external: Vec<Name> = Name::external(profile, &found.id).into_iter().collect();
        if self.were_held(&external).await? {
            return Ok(None);
        }
        let confirmed = account.email.clone().map(|address| ConfirmedEmail { address, at: now });
        Ok(Some((Account { confirmed, ..account }, names)))
    }

    /// What gives an account the second factor that it has there; `None` where it has one that cannot be taken, for without it the password
    /// alone would log in.
    fn factors_there(&self, id: AccountId, found: &OldAccount) -> Option<Vec<Step>> {
        let user = ImportedUser {
            totp_secret: found.totp_secret.as_deref(),
            recovery_codes: &found.recovery_codes,
            ..ImportedUser::default()
        };
        match BroughtFactors::of(&user) {
            Ok(Some(brought)) => Some(self.imports().bringing(id, &brought)),
            Ok(None) if found.has_second_factor => {
                told_odd("it has a second factor there, and its totp_secret does not come with it");
                None
            }
            Ok(None) => Some(Vec::new()),
            Err(Imported::Refused(why)) => {
                told_odd(&why);
                None
            }
            Err(_) => None,
        }
    }

    /// Whether the old system may be asked about a name: it could be one, and never led to anybody here.
    pub(super) async fn never_led_anywhere(&self, typed: &str) -> Result<bool, Fault> {
        Ok(!Name::meant_by(typed).is_empty() && !self.was_held(typed).await?)
    }
}

impl Letters<'_> {
    /// Has a letter written by which a forgotten password is set anew, as [`ask_for_reset`](Self::ask_for_reset) does; where the
    /// client has an old system asked, and the name never led to anybody here, to the address that it has. The account is made
    /// once the link is used.
    ///
    /// # Errors
    /// As [`ask_for_reset`](Self::ask_for_reset).
    pub async fn ask_for_reset_here_or_there(
        &self,
        client: &ClientPolicy,
        typed: &str,
        solved: Option<crate::proof_of_work::Solved>,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Some(old) = &client.hooks.old_accounts else {
            return self.ask_for_reset(typed, solved, requester).await;
        };
        let came = Instant::now();
        let there = (old.as_ref(), client.profile);
        let written = self.ask_for_reset_from(Some(there), typed, solved, requester).await;
        if written.is_ok() {
            self.0.hasher.wait_until(came + ANSWERED_AFTER).await;
        }
        written
    }

    /// A letter to the address that the old system has for a name, with a link that makes the account; `None` where it has none.
    pub(super) async fn addressed_there(
        &self,
        (old, profile): (&dyn OldAccounts, ProfileId),
        typed: &str,
        requester: &Requester,
    ) -> Result<Option<(Commit, MessageKey)>, Fault> {
        let Self(engine) = self;
        if !engine.never_led_anywhere(typed).await? {
            return Ok(None);
        }
        let found = match timeout(PATIENCE, old.of_name(typed)).await {
            Ok(Ok(found)) => found,
            Ok(Err(fault)) => {
                return Ok(told_away(&fault.source.map(|why| why.to_string()).unwrap_or_default()));
            }
            Err(_) => return Ok(told_away("no answer in time")),
        };
        let Some(found) = found else { return Ok(None) };
        let (now, keys, random) = (engine.now(), engine.keys.load(), engine.random.as_ref());
        let id = AccountId(random::id(random, now));
        let Some((account, _)) = engine.to_be_made(profile, id, (&found, Some(typed))).await? else {
            return Ok(None);
        };
        let Some(address) = account.email.clone() else { return Ok(None) };
        let letter = (LetterKind::ResetPassword, Purpose::ResetPassword);
        let (mut commit, key) = self.with_link(&account, &address, letter, requester);
        commit.expect = Expect::Anything;
        let text = serde_json::to_vec(&(profile.0, &found)).unwrap_or_default();
        for step in &mut commit.steps {
            if let Step::PutToken(token) = step {
                token.epoch = None;
                token.sealed = keys.seal(now, random, &bound_to(token), &text);
            }
        }
        Ok(Some((commit, key)))
    }

    /// What a link would do that makes an account, if it is one.
    pub(super) async fn link_that_brings(
        &self,
        purpose: Purpose,
        text: &str,
    ) -> Result<Option<LinkTarget>, Error> {
        let found = self.brought_by(purpose, text).await?;
        Ok(found.map(|brought| LinkTarget { address: brought.address, account: brought.account.id }))
    }

    /// Makes the account that a link brings, with the password that its owner chose; `false` where the link brings none.
    ///
    /// # Errors
    /// [`Refusal::PasswordRejected`], and then the link can still be used; [`Refusal::LinkInvalid`]; a [`Fault`].
    pub(super) async fn bring_by_link(
        &self,
        text: &str,
        password: NewPassword<'_>,
        requester: &Requester,
    ) -> Result<bool, Error> {
        let Self(engine) = self;
        let brought = self.brought_by(Purpose::ResetPassword, text).await?;
        let Some(Brought { account, names, address, parsed, factors }) = brought else { return Ok(false) };
        let password = engine.chosen_for(password, &account).await?;
        let hash = engine.hasher.hash_from(requester.prefix(), password, engine.random.as_ref()).await?;
        let (id, at) = (account.id, account.created_at);
        let note =
            Some("brought from the old system by a link that was sent to the account's address".to_owned());
        let event = requester.event_of_account(id, EventKind::AccountImported, at, note);
        let mut commit = NewAccount { account, names, password_hash: Some(hash), event }.commit();
        commit.steps.extend(factors);
        commit.steps.push(Step::SpendToken {
            token: parsed.id,
            purpose: Purpose::ResetPassword,
            bound_to: hashed(address.as_bytes()),
            proof: Proof::Secret(parsed.secret_hash),
            at,
        });
        match engine.store.commit(commit).await?.is_done() {
            true => Ok(true),
            false => Err(Refusal::LinkInvalid.into()),
        }
    }

    /// The account that a link would make, if it is such a one and can still be used.
    async fn brought_by(&self, purpose: Purpose, text: &str) -> Result<Option<Brought>, Fault> {
        let Self(engine) = self;
        let now = engine.now();
        let Some(parsed) = Parsed::read(&engine.keys.load(), now, purpose, text) else { return Ok(None) };
        let token = engine.store.one_time_token(parsed.account, parsed.id).await?;
        let Some(token) = token.filter(|token| !token.sealed.is_empty() && token.epoch.is_none()) else {
            return Ok(None);
        };
        let Some((profile, found)) = self.opened(&token, now) else { return Ok(None) };
        let made = engine.to_be_made(profile, parsed.account, (&found, None)).await?;
        let Some((account, names)) = made else { return Ok(None) };
        let Some(address) = account.email.clone() else { return Ok(None) };
        let is_usable = token.is_for(purpose, &hashed(address.as_bytes()), now)
            && token.secret_hash == parsed.secret_hash;
        let factors = engine.factors_there(account.id, &found).unwrap_or_default();
        Ok(is_usable.then_some(Brought { account, names, address, parsed, factors }))
    }

    fn opened(&self, token: &OneTimeToken, now: Timestamp) -> Option<(ProfileId, OldAccount)> {
        let opened = self.0.keys.load().open(now, &bound_to(token), &token.sealed)?;
        let (profile, found): (u16, OldAccount) = serde_json::from_slice(&opened).ok()?;
        Some((ProfileId(profile), found))
    }
}

fn bound_to(token: &OneTimeToken) -> [&[u8]; 3] {
    [b"one_time_token", token.account.0.as_bytes(), token.id.0.as_bytes()]
}

fn told_odd(what: &str) {
    if let Some(left_out) = seldom::left_out("bring an account") {
        tracing::warn!(left_out, "the old system was asked, and its account does not come here: {what}");
    }
}

/// Tells that nobody answered, without a word of whom it was about.
pub(crate) fn told_away<T>(why: &str) -> Option<T> {
    if let Some(left_out) = seldom::left_out("ask the old system") {
        tracing::warn!(
            left_out,
            "the old system did not answer, so nobody is let in whom only it knows: {why}"
        );
    }
    None
}
