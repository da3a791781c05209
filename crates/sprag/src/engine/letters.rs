//! What is settled by a letter: an address is confirmed, a forgotten password is set anew.
//!
//! Whoever asks for a letter learns nothing from how they are answered: where nobody has the address, as much is written as
//! where somebody has it.

use super::one_time::Usable;
use super::{Engine, Error, NewUser, Requester, tried_too_often};
use crate::account::{Account, Name};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::hooks::OldAccounts;
use crate::letter::{Letter, LetterKind};
use crate::one_time::{Digest, OneTimeText, OneTimeToken, Parsed, Proof, Purpose, TokenId, hashed};
use crate::outbox::{Message, MessageKey, MessageKind};
use crate::password::NewPassword;
use crate::proof_of_work::Solved;
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, EndCause, ProfileId};
use crate::store::{Commit, Committed, Expect, Step, Was, meant_by};
use std::time::Duration;

/// How long a letter that only tells something is tried to be sent.
pub(super) const TELLS_FOR: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long what takes the place of a letter to nobody is: about as long as one.
const NOTHING_BYTES: usize = 420;

/// Links by mail. From [`Engine::letters`].
#[derive(Clone, Copy, Debug)]
pub struct Letters<'a>(pub(super) &'a Engine);

/// What a link would do, for a page that asks before it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkTarget {
    /// The address that it was sent to.
    pub address: String,
    /// Whose account it is about.
    pub account: AccountId,
}

impl Letters<'_> {
    /// Has a letter written by which a forgotten password is set anew, to the address of whoever that name leads to. Nothing
    /// tells whether it leads to anybody.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`]; a [`Fault`](crate::Fault).
    pub async fn ask_for_reset(
        &self,
        typed: &str,
        solved: Option<Solved>,
        requester: &Requester,
    ) -> Result<(), Error> {
        self.ask_for_reset_from(None, typed, solved, requester).await
    }

    /// As [`ask_for_reset`](Self::ask_for_reset); a system that may know who is not known here is asked for that profile.
    pub(super) async fn ask_for_reset_from(
        &self,
        there: Option<(&dyn OldAccounts, ProfileId)>,
        typed: &str,
        solved: Option<Solved>,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Self(engine) = self;
        let found = meant_by(engine.store.as_ref(), typed).await?.map(|found| found.account);
        let is_known = found.is_some();
        let has_room = self.reserve_letter_by_name(found.as_ref(), typed, solved, requester).await?;
        let found = found.filter(|account| has_room && account.disabled_at.is_none());
        let (commit, key) = match found.and_then(addressed) {
            Some((account, address)) => {
                let letter = (LetterKind::ResetPassword, Purpose::ResetPassword);
                self.with_link(&account, &address, letter, requester)
            }
            None => {
                let nobody = AccountId(random::id(engine.random.as_ref(), engine.now()));
                let brought = match there.filter(|_| !is_known) {
                    Some(there) => Box::pin(self.addressed_there(there, typed, requester)).await?,
                    None => None,
                };
                brought.unwrap_or_else(|| self.with_nothing(Purpose::ResetPassword, nobody))
            }
        };
        self.written(commit, key).await
    }

    /// Has a letter written by which the owner of an account confirms their address; `false` where it has none, or has confirmed
    /// it.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::RateLimited`]; a [`Fault`](crate::Fault).
    pub async fn ask_for_verification(
        &self,
        account: AccountId,
        requester: &Requester,
    ) -> Result<bool, Error> {
        let account = self.0.accounts().get(account).await?;
        if account.email_confirmed_at().is_some() {
            return Ok(false);
        }
        let Some((account, address)) = addressed(account) else { return Ok(false) };
        self.reserve_letter(Some(&account), &address, None, requester).await?;
        let letter = (LetterKind::VerifyEmail, Purpose::VerifyEmail);
        // What is another's cannot be confirmed, and who has it is told to nobody.
        let (commit, key) = match self.is_somebody_elses(&address, account.id).await? {
            true => self.with_nothing(Purpose::VerifyEmail, account.id),
            false => self.with_link(&account, &address, letter, requester),
        };
        self.written(commit, key).await?;
        Ok(true)
    }

    /// Makes an account whose address must be confirmed before anybody logs in. Whether somebody has the address already is told
    /// to its owner alone, by a letter; that somebody has the user name is told at once.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`], [`Refusal::PasswordRejected`], [`Refusal::NameTaken`] of a user name,
    /// [`Refusal::RateLimited`], [`Refusal::LinkInvalid`] of an invitation that is no longer good; a [`Fault`](crate::Fault).
    pub async fn register(&self, user: NewUser<'_>, requester: &Requester) -> Result<(), Error> {
        self.register_beside(None, user, requester).await
    }

    /// As [`register`](Self::register), where another system may know the address as somebody's.
    pub(super) async fn register_beside(
        &self,
        there: Option<Account>,
        user: NewUser<'_>,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Self(engine) = self;
        let Some(email) = user.email else {
            return Err(Refusal::NameInvalid(
                "an account needs an e-mail address here, for it must be confirmed",
            )
            .into());
        };
        let address = Name::email(email)?;
        if let Some(username) = user.username
            && !engine.store.alike(&Name::username(username)?).await?.is_empty()
        {
            return Err(Refusal::NameTaken.into());
        }
        let known = engine.store.credential(&address).await?.map(|known| known.account);
        let mut owner = known.or(there);
        self.reserve_letter(owner.as_ref(), email, None, requester).await?;
        for _ in 0..=MAX_MISSES {
            match engine.accounts().make(user, owner.as_ref(), None, requester).await {
                Err(Error::Refused(Refusal::NameTaken)) => {}
                made => return made.map(drop),
            }
            // Somebody else has one of the names since: where that is the address, they are told.
            let known = engine.store.credential(&address).await?.map(|known| known.account);
            if owner.is_some() || known.is_none() {
                return Err(Refusal::NameTaken.into());
            }
            owner = known;
        }
        Err(tried_too_often("make an account").into())
    }

    /// A commit that makes an account to which its address does not lead, with a letter to whom the address leads. As much is
    /// written as by [`asking_to_confirm`](Self::asking_to_confirm), and nobody can tell from the account which of them made it.
    pub(super) fn telling_owner(
        &self,
        mut made: Commit,
        owner: &Account,
        requester: &Requester,
    ) -> (Commit, Option<MessageKey>) {
        let Self(engine) = self;
        let (now, keys, random) = (engine.now(), engine.keys.load(), engine.random.as_ref());
        let purpose = Purpose::VerifyEmail;
        let (nothing, mut key) = self.with_nothing(purpose, made.account);
        // In the place of the name that is not added.
        made.steps.push(Step::EndTokens { purpose });
        made.steps.extend(nothing.steps);
        if let Some((owner, to)) = addressed(owner.clone()) {
            let letter = Letter::asked_for(LetterKind::SignUpKnown, &to, requester, now);
            let message =
                letter.to_owner_of(&owner).sealed(made.account, (&keys, random), now.plus(TELLS_FOR));
            key = message.key;
            made.steps.pop();
            made.steps.push(Step::PutMessage(Box::new(message)));
        }
        (made, Some(key))
    }

    /// A commit that makes an account, with the letter that asks its owner to confirm the address.
    pub(super) fn asking_to_confirm(
        &self,
        mut made: Commit,
        account: &Account,
        address: &str,
        requester: &Requester,
    ) -> (Commit, Option<MessageKey>) {
        let letter = (LetterKind::VerifyEmail, Purpose::VerifyEmail);
        let (asking, key) = self.with_link(account, address, letter, requester);
        made.steps.extend(asking.steps);
        (made, Some(key))
    }

    /// What a link would do, if it can still be used. Nothing is spent by asking.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; a [`Fault`](crate::Fault).
    pub async fn link(&self, purpose: Purpose, text: &str) -> Result<LinkTarget, Error> {
        if let Some(link) = self.link_that_brings(purpose, text).await? {
            return Ok(link);
        }
        let usable = self.0.usable(purpose, text).await?;
        let address = match purpose {
            Purpose::ChangeEmail | Purpose::UndoEmail => self.address_after(&usable)?,
            _ => of_address(&usable)?,
        };
        Ok(LinkTarget { address, account: usable.account.id })
    }

    /// Confirms the address that a link was sent to; says whose it is.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; a [`Fault`](crate::Fault).
    pub async fn verify(&self, text: &str, requester: &Requester) -> Result<LinkTarget, Error> {
        let Self(engine) = self;
        let usable = engine.usable(Purpose::VerifyEmail, text).await?;
        let (account, address, now) = (&usable.account, of_address(&usable)?, engine.now());
        if self.is_somebody_elses(&address, account.id).await? {
            return Err(Refusal::LinkInvalid.into());
        }
        let steps = vec![
            usable.spend(now),
            Step::EndTokens { purpose: Purpose::VerifyEmail },
            Step::ConfirmEmail { address: address.clone(), at: now },
        ];
        let note = Some("e-mail address confirmed".into());
        let event = requester.event_of_account(account.id, EventKind::AccountChanged, now, note);
        let expect = Expect::Standing(account.epoch);
        let commit = Commit { account: account.id, expect, steps, events: vec![event] };
        match engine.store.commit(commit).await?.is_done() {
            true => Ok(LinkTarget { address, account: account.id }),
            false => Err(Refusal::LinkInvalid.into()),
        }
    }

    /// Sets the password of whoever a link was sent to: the account's epoch moves and every session ends. Says how many did.
    /// The address counts as confirmed by it.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`], [`Refusal::PasswordRejected`], and then the link can still be used; a [`Fault`](crate::Fault).
    pub async fn reset_password(
        &self,
        text: &str,
        password: impl Into<NewPassword<'_>>,
        requester: &Requester,
    ) -> Result<u64, Error> {
        let Self(engine) = self;
        let password = password.into();
        if self.bring_by_link(text, password, requester).await? {
            return Ok(0);
        }
        let usable = engine.usable(Purpose::ResetPassword, text).await?;
        let (account, address) = (&usable.account, of_address(&usable)?);
        let password = engine.chosen_for(password, account).await?;
        let hash = engine.hasher.hash_from(requester.prefix(), password, engine.random.as_ref()).await?;
        let now = engine.now();
        let steps = vec![
            usable.spend(now),
            Step::EndTokens { purpose: Purpose::ResetPassword },
            Step::put_password(Was::Any, hash, now),
            Step::KeepDevices { most: 0 },
            Step::MoveEpoch,
            Step::EndSessions {
                except: None,
                with: None,
                ending: requester.ending(EndCause::PasswordChanged, now),
            },
        ];
        let is_elses = self.is_somebody_elses(&address, account.id).await?;
        let confirms = (!is_elses).then_some(Step::ConfirmEmail { address, at: now });
        let steps = steps.into_iter().chain(confirms).chain(engine.news(account, requester, now)).collect();
        let note = Some("by a link that was sent to the account's address".into());
        let event = requester.event_of_account(account.id, EventKind::PasswordChanged, now, note);
        let expect = Expect::Standing(account.epoch);
        let commit = Commit { account: account.id, expect, steps, events: vec![event] };
        match engine.store.commit(commit).await? {
            Committed::Done { ended } => Ok(ended),
            Committed::AccountMoved | Committed::Missed { .. } => Err(Refusal::LinkInvalid.into()),
        }
    }

    /// Whose a link is, to which address it was sent, and what it says; a look, by which nothing is spent.
    pub(super) async fn usable(
        &self,
        purpose: Purpose,
        text: &str,
    ) -> Result<(Account, String, Parsed), Error> {
        let Self(engine) = self;
        let now = engine.now();
        let parsed = Parsed::read(&engine.keys.load(), now, purpose, text).ok_or(Refusal::LinkInvalid)?;
        let token = engine.store.one_time_token(parsed.account, parsed.id).await?;
        let account = engine.store.account(parsed.account).await?;
        let (Some(token), Some(account)) = (token, account) else { return Err(Refusal::LinkInvalid.into()) };
        let Some((account, address)) = addressed(account) else { return Err(Refusal::LinkInvalid.into()) };
        let is_usable = token.is_for(purpose, &bound_to(&address), now)
            && token.secret_hash == parsed.secret_hash
            && token.epoch.is_none_or(|epoch| epoch == account.epoch)
            && account.disabled_at.is_none();
        if is_usable { Ok((account, address, parsed)) } else { Err(Refusal::LinkInvalid.into()) }
    }

    /// A token, and the letter that its link stands in.
    pub(super) fn with_link(
        &self,
        account: &Account,
        address: &str,
        letter: (LetterKind, Purpose),
        requester: &Requester,
    ) -> (Commit, MessageKey) {
        self.with_link_in(None, account, address, letter, requester)
    }

    /// As [`with_link`](Self::with_link), in a message that has a key already.
    pub(super) fn with_link_in(
        &self,
        key: Option<MessageKey>,
        account: &Account,
        address: &str,
        (kind, purpose): (LetterKind, Purpose),
        requester: &Requester,
    ) -> (Commit, MessageKey) {
        let Self(engine) = self;
        let (now, keys, random) = (engine.now(), engine.keys.load(), engine.random.as_ref());
        let (id, secret) = (TokenId(random::id(random, now)), random::bytes::<16>(random));
        let text = OneTimeText::write(&keys, now, (purpose, account.id, id), &secret);
        let expires_at = now.plus(purpose.lives());
        let token = OneTimeToken {
            epoch: Some(account.epoch),
            bound_to: bound_to(address),
            ..token((account.id, id), purpose, hashed(&secret), now)
        };
        let letter = Letter::asked_for(kind, address, requester, now).with_link(&text, expires_at);
        let letter = letter.to_owner_of(account);
        let key = key.unwrap_or_else(|| MessageKey { account: account.id, id: random::id(random, now) });
        let message = letter.sealed_as(key, (&keys, random), expires_at);
        (both(account.id, Expect::Standing(account.epoch), token, message.clone()), message.key)
    }

    /// As much as a token and its letter, of an account that there is not, or that no letter is about.
    pub(super) fn with_nothing(&self, purpose: Purpose, account: AccountId) -> (Commit, MessageKey) {
        let Self(engine) = self;
        let (now, random) = (engine.now(), engine.random.as_ref());
        let id = TokenId(random::id(random, now));
        let message = self.nothing(account, purpose, now);
        let key = message.key;
        let token = token((account, id), purpose, random::bytes(random), now);
        (both(account, Expect::Anything, token, message), key)
    }

    /// What takes the place of a letter to nobody.
    pub(super) fn nothing(&self, account: AccountId, purpose: Purpose, now: Timestamp) -> Message {
        let Self(engine) = self;
        let (keys, random) = (engine.keys.load(), engine.random.as_ref());
        Message {
            key: MessageKey { account, id: random::id(random, now) },
            kind: MessageKind::Nothing,
            sealed: keys.seal(now, random, &[], &[0; NOTHING_BYTES]),
            made_at: now,
            gives_up_at: now.plus(purpose.lives()),
        }
    }

    pub(super) async fn written(&self, commit: Commit, key: MessageKey) -> Result<(), Error> {
        let Self(engine) = self;
        if !engine.sends_letters {
            return Ok(());
        }
        match engine.store.commit(commit).await? {
            Committed::Done { .. } => {
                engine.letter_waits(key);
                Ok(())
            }
            // Its password was changed meanwhile, or it was disabled: whoever asks is told no more than at any other time.
            Committed::AccountMoved => Ok(()),
            Committed::Missed { .. } => Err(tried_too_often("write a letter").into()),
        }
    }
}

impl Engine {
    /// Links by mail.
    #[must_use]
    pub fn letters(&self) -> Letters<'_> {
        Letters(self)
    }

    /// Says that a letter is due, so that whoever sends them need not wait until they look.
    pub(super) fn letter_waits(&self, _: MessageKey) {
        self.letters_wait.notify_one();
    }

    /// Waits until a letter was written here.
    pub async fn letter_was_written(&self) {
        self.letters_wait.notified().await;
    }
}

pub(super) fn token(
    (account, id): (AccountId, TokenId),
    purpose: Purpose,
    secret_hash: Digest,
    now: Timestamp,
) -> OneTimeToken {
    OneTimeToken {
        account,
        id,
        purpose,
        bound_to: secret_hash,
        secret_hash,
        code_hash: None,
        solved_by: None,
        tries: 0,
        epoch: None,
        made_at: now,
        expires_at: now.plus(purpose.lives()),
        sealed: Vec::new(),
    }
}

pub(super) fn both(account: AccountId, expect: Expect, token: OneTimeToken, message: Message) -> Commit {
    let steps = vec![Step::PutToken(Box::new(token)), Step::PutMessage(Box::new(message))];
    Commit { account, expect, steps, events: Vec::new() }
}

/// The address that a link was sent to, which must be the one that the account has.
fn of_address(usable: &Usable) -> Result<String, Refusal> {
    let address = usable.account.email.as_ref().filter(|address| bound_to(address) == usable.token.bound_to);
    address.cloned().ok_or(Refusal::LinkInvalid)
}

pub(super) fn spend(parsed: &Parsed, address: &str, at: Timestamp) -> Step {
    Step::SpendToken {
        token: parsed.id,
        purpose: parsed.purpose,
        bound_to: bound_to(address),
        proof: Proof::Secret(parsed.secret_hash),
        at,
    }
}

/// An account with the address that letters to it go to, if it has one.
pub(super) fn addressed(account: Account) -> Option<(Account, String)> {
    let address = account.email.clone()?;
    // An import may have brought what no mail server takes.
    Name::email(&address).ok()?;
    Some((account, address))
}

/// What a link is bound to: the address that it was sent to, as it stands in the account.
pub(super) fn bound_to(address: &str) -> Digest {
    hashed(address.as_bytes())
}
