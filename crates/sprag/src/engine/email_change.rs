//! Another address: confirmed at the new one, told to the old one, and undone by whoever has that.
//!
//! The old address gets a link that is good for seven days, whatever becomes of the account meanwhile: it is bound to the account
//! and to the change, and to no epoch, for whoever took the account over has its password changed next.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::administration::Planned;
use super::grace::calling_off;
use super::letters::{TELLS_FOR, addressed, both, bound_to};
use super::one_time::{NewToken, Usable};
use super::{Caller, Letters, LinkTarget, Requester, tried_too_often};
use crate::account::{Account, Name, NameKind};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::letter::{Letter, LetterKind};
use crate::one_time::{OneTimeText, OneTimeToken, Purpose, hashed};
use crate::outbox::{Message, MessageKey};
use crate::password::Password;
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, EndCause};
use crate::store::{Commit, Committed, Expect, Step, Was};

/// A request to log in under another address from now on.
#[derive(Clone, Copy)]
pub struct EmailChangeRequest<'a> {
    /// The address, as typed.
    pub email: &'a str,
    /// The present password, as typed; not needed where they showed a moment ago who they are, and of no use where the account
    /// has a second factor.
    pub current_password: Option<&'a str>,
    /// Whether they did, as [`Factors::is_fresh`](super::Factors::is_fresh) says.
    pub is_fresh: bool,
    /// Whether the old address shall have no undo: only who showed a second factor may ask for that.
    pub closes_undo: bool,
}

/// Prints what a log may show: no password and no address.
impl fmt::Debug for EmailChangeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailChangeRequest")
    }
}

/// What the link to the new address does.
#[derive(Serialize, Deserialize)]
struct EmailChange {
    to: String,
    closes_undo: bool,
}

/// What the link to the old address does.
#[derive(Serialize, Deserialize)]
struct EmailUndo {
    from: String,
    to: String,
}

/// An undo that was done.
#[derive(Debug)]
pub struct Undone {
    /// The address that the account has again.
    pub address: String,
    /// By which its owner chooses a new password now.
    pub reset: OneTimeText,
    /// How many sessions ended.
    pub ended: u64,
}

impl Letters<'_> {
    /// Has a letter written to another address, by whose link the caller's account logs in under it from then on. Whether
    /// somebody else has it is told to nobody but them.
    ///
    /// # Errors
    /// [`Refusal::StepUpRequired`], [`Refusal::CurrentPasswordWrong`], [`Refusal::NameInvalid`], [`Refusal::RateLimited`]; a
    /// [`Fault`](crate::Fault).
    pub async fn ask_for_email_change(
        &self,
        caller: &Caller,
        request: EmailChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Self(engine) = self;
        let has_shown_a_factor = request.is_fresh && caller.state.session.methods.is_multi_factor();
        if request.closes_undo && !has_shown_a_factor {
            return Err(Refusal::StepUpRequired.into());
        }
        let name = Name::email(request.email)?;
        let why = "the current password, asked for to change the address, was wrong";
        engine.expect_owner(caller, (request.current_password, request.is_fresh), why, requester).await?;
        let known = engine.store.credential(&name).await?.map(|known| known.account);
        self.reserve_letter(known.as_ref(), request.email, None, requester).await?;
        let account = engine.accounts().get(caller.key.account).await?;
        let now = engine.now();
        let owner = known.filter(|known| known.id != account.id);
        let is_somebody_elses = owner.is_some();
        let to = request.email.trim();
        let (commit, key) = match owner.and_then(addressed) {
            Some((owner, address)) => {
                let letter = Letter::asked_for(LetterKind::ChangeEmailKnown, &address, requester, now);
                let message = self.to(&owner, letter, now.plus(Purpose::ChangeEmail.lives()));
                // As much is written as where nobody has it.
                let (token, _) = self.change_token(&owner, &address, false, now);
                let key = message.key;
                let token = OneTimeToken { secret_hash: random::bytes(engine.random.as_ref()), ..token };
                (both(owner.id, Expect::Anything, token, message), key)
            }
            None if is_somebody_elses => {
                self.with_nothing(Purpose::ChangeEmail, AccountId(random::id(engine.random.as_ref(), now)))
            }
            None => {
                let (token, text) = self.change_token(&account, to, request.closes_undo, now);
                let letter = Letter::asked_for(LetterKind::ChangeEmail, to, requester, now);
                let letter = letter.with_link(&text, token.expires_at);
                let message = self.to(&account, letter, token.expires_at);
                let key = message.key;
                (both(account.id, Expect::Standing(account.epoch), token, message), key)
            }
        };
        self.written(commit, key).await
    }

    /// Has the account log in under the address that a link was sent to; says whose it is. The old address is told, and how to
    /// undo it. Sessions go on.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; [`Refusal::NameTaken`] if somebody else has it by now; a [`Fault`](crate::Fault).
    pub async fn change_email(&self, text: &str, requester: &Requester) -> Result<LinkTarget, Error> {
        let Self(engine) = self;
        for _ in 0..=MAX_MISSES {
            let usable = engine.usable(Purpose::ChangeEmail, text).await?;
            let (account, now) = (&usable.account, engine.now());
            let change: EmailChange = usable.payload(&engine.keys.load(), now)?;
            let mut planned = Planned::default();
            engine.accounts().plan_name(&mut planned, account, NameKind::Email, &change.to).await?;
            let mut steps = vec![usable.spend(now), Step::EndTokens { purpose: Purpose::ChangeEmail }];
            steps.extend(planned.into_steps());
            steps.push(Step::ConfirmEmail { address: change.to.clone(), at: now });
            let (told, letter) = self.telling_old(account, &change.to, !change.closes_undo, requester, now);
            steps.extend(told);
            let note = Some("e-mail address, by a link that was sent to the new one".into());
            let event = requester.event_of_account(account.id, EventKind::AccountRenamed, now, note);
            let expect = Expect::Standing(account.epoch);
            let commit = Commit { account: account.id, expect, steps, events: vec![event] };
            if engine.store.commit(commit).await?.is_done() {
                letter.into_iter().for_each(|key| engine.letter_waits(key));
                return Ok(LinkTarget { address: change.to, account: account.id });
            }
        }
        Err(tried_too_often("change an address").into())
    }

    /// Undoes a change of address: the account has the old one back, every session ends, nobody logs in with the password that it
    /// had, and whoever did it chooses another. An account that took the address meanwhile, and whose owner has not confirmed it,
    /// loses it.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; [`Refusal::NameTaken`] if somebody has the old address by now and has confirmed it; a
    /// [`Fault`](crate::Fault).
    pub async fn undo_email_change(&self, text: &str, requester: &Requester) -> Result<Undone, Error> {
        let Self(engine) = self;
        let lost = Password::chosen(&BASE64URL_NOPAD.encode(&engine.random::<32>()))?;
        let _ = engine.usable(Purpose::UndoEmail, text).await?;
        let hash = engine.hasher.hash_from(requester.prefix(), lost, engine.random.as_ref()).await?;
        for _ in 0..=MAX_MISSES {
            let usable = engine.usable(Purpose::UndoEmail, text).await?;
            let (account, now) = (&usable.account, engine.now());
            let undo: EmailUndo = usable.payload(&engine.keys.load(), now)?;
            self.take_back(account, &undo.from, requester).await?;
            let mut planned = Planned::default();
            engine.accounts().plan_name(&mut planned, account, NameKind::Email, &undo.from).await?;
            let (reset, reset_text) = engine.new_token(
                &NewToken {
                    account: account.id,
                    purpose: Purpose::ResetPassword,
                    bound_to: bound_to(&undo.from),
                    epoch: Some(account.epoch.next()),
                    payload: &(),
                },
                now,
            );
            let mut steps = self.undoing(&usable, now);
            steps.extend(planned.into_steps());
            steps.extend(engine.factors().undoing(account.id, usable.token.made_at).await?);
            steps.extend([
                Step::ConfirmEmail { address: undo.from.clone(), at: now },
                Step::put_password(Was::Any, hash.clone(), now),
                Step::KeepDevices { most: 0 },
                Step::MoveEpoch,
                Step::EndSessions {
                    except: None,
                    with: None,
                    ending: requester.ending(EndCause::Revoked, now),
                },
                Step::PutToken(Box::new(reset)),
            ]);
            // Whoever took the account over may have wanted it gone.
            if account.erase_at.is_some() {
                steps.extend(calling_off());
            }
            let note =
                Some("the change of the e-mail address was undone, by a link that the old one had".into());
            let event = requester.event_of_account(account.id, EventKind::AccountRenamed, now, note);
            let expect = Expect::Standing(account.epoch);
            let commit = Commit { account: account.id, expect, steps, events: vec![event] };
            if let Committed::Done { ended } = engine.store.commit(commit).await? {
                return Ok(Undone { address: undo.from, reset: reset_text, ended });
            }
        }
        Err(tried_too_often("undo a change of address").into())
    }

    /// The address that an account has once the link was used.
    pub(super) fn address_after(&self, usable: &Usable) -> Result<String, Refusal> {
        let (keys, now) = (self.0.keys.load(), self.0.now());
        match usable.token.purpose {
            Purpose::UndoEmail => usable.payload(&keys, now).map(|undo: EmailUndo| undo.from),
            _ => usable.payload(&keys, now).map(|change: EmailChange| change.to),
        }
    }

    /// What is undone besides the address: whatever could be used to take the account over once more.
    fn undoing(&self, usable: &Usable, now: Timestamp) -> Vec<Step> {
        let since = usable.token.made_at;
        let for_good = [Purpose::ChangeEmail, Purpose::VerifyEmail, Purpose::ResetPassword, Purpose::LogIn];
        let ended = for_good.map(|purpose| Step::EndTokens { purpose });
        // Whoever changed the address again has an undo of that; one of an earlier change stays good.
        let later = Step::EndTokensSince { purpose: Purpose::UndoEmail, since };
        // What was told since went to the address that is the account's no more: its link would end the owner's sessions.
        let told = Step::EndTokensSince { purpose: Purpose::NotMe, since };
        std::iter::once(usable.spend(now)).chain(ended).chain([later, told]).collect()
    }

    /// Takes the old address from an account that has it by now and whose owner never confirmed it: it was made to keep others
    /// from having it.
    async fn take_back(&self, account: &Account, address: &str, requester: &Requester) -> Result<(), Error> {
        let Self(engine) = self;
        for (name, owner) in engine.store.alike(&Name::email(address)?).await? {
            if owner == account.id {
                continue;
            }
            let other = engine.accounts().get(owner).await?;
            if other.email_confirmed_at().is_some() {
                return Err(Refusal::NameTaken.into());
            }
            let note =
                Some("its e-mail address, which nobody had confirmed, went back to whose it was".into());
            let event = requester.event_of_account(owner, EventKind::AccountRenamed, engine.now(), note);
            let steps = vec![Step::DropName(name)];
            let commit = Commit { account: owner, expect: Expect::Anything, steps, events: vec![event] };
            let _ = engine.store.commit(commit).await?;
        }
        Ok(())
    }

    /// The steps that tell the old address of a change, by a letter whose link undoes it where it can be undone, and that letter;
    /// nothing where there was no address, or nobody sends letters.
    pub(super) fn telling_old(
        &self,
        account: &Account,
        to: &str,
        can_be_undone: bool,
        requester: &Requester,
        now: Timestamp,
    ) -> (Vec<Step>, Option<MessageKey>) {
        let Self(engine) = self;
        let Some((_, from)) = addressed(account.clone()).filter(|_| engine.sends_letters) else {
            return (Vec::new(), None);
        };
        let letter = Letter::asked_for(LetterKind::EmailChanged, &from, requester, now);
        if !can_be_undone {
            let message = self.to(account, letter, now.plus(TELLS_FOR));
            let key = message.key;
            return (vec![Step::PutMessage(Box::new(message))], Some(key));
        }
        let payload = EmailUndo { from: from.clone(), to: to.to_owned() };
        let (token, text) = engine.new_token(
            &NewToken {
                account: account.id,
                purpose: Purpose::UndoEmail,
                bound_to: hashed(format!("{from}\n{to}").as_bytes()),
                epoch: None,
                payload: &payload,
            },
            now,
        );
        let expires_at = token.expires_at;
        let message = self.to(account, letter.with_link(&text, expires_at), expires_at);
        let key = message.key;
        (vec![Step::PutToken(Box::new(token)), Step::PutMessage(Box::new(message))], Some(key))
    }

    fn change_token(
        &self,
        account: &Account,
        to: &str,
        closes_undo: bool,
        now: Timestamp,
    ) -> (OneTimeToken, OneTimeText) {
        let payload = EmailChange { to: to.to_owned(), closes_undo };
        let new = NewToken {
            account: account.id,
            purpose: Purpose::ChangeEmail,
            bound_to: bound_to(to),
            epoch: Some(account.epoch),
            payload: &payload,
        };
        self.0.new_token(&new, now)
    }

    /// A letter to the owner of an account, as it goes into the outbox.
    pub(super) fn to(&self, account: &Account, letter: Letter, gives_up_at: Timestamp) -> Message {
        let Self(engine) = self;
        letter.to_owner_of(account).sealed(
            account.id,
            (&engine.keys.load(), engine.random.as_ref()),
            gives_up_at,
        )
    }
}
