//! An account's owner has it erased: it is planned, and done once some time has passed in which they may come to think otherwise.

use std::time::Duration;

use super::grace::{called_off, calling_off};
use super::letters::{addressed, bound_to, spend, token};
use super::{AccountErasure, Accounts, Caller, Error, Letters, LinkTarget, Requester};
use crate::account::{Account, Name};
use crate::audit::EventKind;
use crate::budget::Budget;
use crate::clock::Timestamp;
use crate::error::{Fault, Refusal};
use crate::letter::{Letter, LetterKind};
use crate::limits::Whose;
use crate::one_time::{OneTimeText, OneTimeToken, Purpose, TokenId, hashed};
use crate::outbox::Message;
use crate::random;
use crate::session::{AccountId, EndCause};
use crate::store::{Commit, Committed, Expect, Step};

/// How many accounts are looked for at once.
const AT_ONCE: u32 = 100;

/// What the journal says of a wrong password.
const WRONG: &str = "the current password, asked for to delete the account, was wrong";

impl Accounts<'_> {
    /// Says that whoever calls is the account's owner: they showed it a moment ago, as
    /// [`is_fresh`](super::Factors::is_fresh) says, or know its password where it has no second factor.
    ///
    /// # Errors
    /// [`Refusal::StepUpRequired`], [`Refusal::CurrentPasswordWrong`], [`Refusal::PasswordRejected`], [`Refusal::RateLimited`] if
    /// too many were tried; a [`Fault`].
    pub async fn expect_owner(
        &self,
        caller: &Caller,
        current: Option<&str>,
        is_fresh: bool,
        requester: &Requester,
    ) -> Result<(), Error> {
        self.0.expect_owner(caller, (current, is_fresh), WRONG, requester).await
    }

    /// Has an account erased once `grace` has passed, and no earlier than the last undo of a change of its address ends: whoever took
    /// it over would have it erased before its owner can undo that. Says when that is. Every session ends, and its owner gets a
    /// letter with a link by which it is kept, unless as many as may go to their address have gone there. A log-in before calls it
    /// off, too.
    ///
    /// # Errors
    /// [`Refusal::SessionEnded`] where the account moved on meanwhile; a [`Fault`].
    pub async fn plan_erasure(
        &self,
        caller: &Caller,
        grace: Duration,
        requester: &Requester,
    ) -> Result<Timestamp, Error> {
        let Self(engine) = self;
        let account = self.get(caller.key.account).await?;
        let now = engine.now();
        let undone_until = self.undoes_until(account.id).await?;
        let at = now.plus(grace).max(undone_until.unwrap_or(now));
        let mut steps = vec![
            Step::PlanErasure { at },
            Step::EndTokens { purpose: Purpose::KeepAccount },
            Step::MoveEpoch,
            Step::EndSessions {
                except: None,
                with: Some(caller.key.session),
                ending: requester.ending(EndCause::LogoutAll, now),
            },
        ];
        let letter = self.telling_of_deletion(&account, at, requester, now).await?;
        let key = letter.as_ref().map(|(_, message)| message.key);
        steps.extend(letter.into_iter().flat_map(|(token, message)| {
            [Step::PutToken(Box::new(token)), Step::PutMessage(Box::new(message))]
        }));
        let events = vec![requester.event_of_account(account.id, EventKind::DeletionAsked, now, None)];
        let expect = Expect::Standing(caller.state.epoch);
        let commit = Commit { account: account.id, expect, steps, events };
        match engine.store.commit(commit).await? {
            Committed::Done { .. } => {
                key.into_iter().for_each(|key| engine.letter_waits(key));
                Ok(at)
            }
            Committed::AccountMoved | Committed::Missed { .. } => Err(Refusal::SessionEnded(None).into()),
        }
    }

    /// When the last open undo of a change of the account's address ends, if there is one.
    async fn undoes_until(&self, account: AccountId) -> Result<Option<Timestamp>, Fault> {
        let kept = self.0.store.kept(account).await?;
        let undos = kept.tokens.into_iter().filter(|token| token.purpose == Purpose::UndoEmail);
        Ok(undos.map(|token| token.expires_at).max())
    }

    /// The letter that tells of a deletion, and the token of its link; nothing where nobody sends letters, there is no address, or as
    /// many as may go there have gone: an account with somebody else's address would fill their letter box.
    async fn telling_of_deletion(
        &self,
        account: &Account,
        at: Timestamp,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<Option<(OneTimeToken, Message)>, Fault> {
        let Self(engine) = self;
        let addressed = addressed(account.clone()).filter(|_| engine.sends_letters);
        let Some((_, address)) = addressed else { return Ok(None) };
        let (store, keys, random) = (engine.store.as_ref(), engine.keys.load(), engine.random.as_ref());
        let Ok(name) = Name::email(&address) else { return Ok(None) };
        let wanted = [(Budget::MailAddress, Whose::Name(&name))];
        if engine.gate.reserve(store, &keys, (&wanted, 1), now).await?.is_err() {
            return Ok(None);
        }
        let (id, secret) = (TokenId(random::id(random, now)), random::bytes::<16>(random));
        let purpose = Purpose::KeepAccount;
        let text = OneTimeText::write(&keys, now, (purpose, account.id, id), &secret);
        let token = OneTimeToken {
            epoch: Some(account.epoch.next()),
            bound_to: bound_to(&address),
            expires_at: at,
            ..token((account.id, id), purpose, hashed(&secret), now)
        };
        let letter = Letter::asked_for(LetterKind::AccountDeletion, &address, requester, now);
        let letter = letter.to_owner_of(account).with_link(&text, at);
        Ok(Some((token, letter.sealed(account.id, (&keys, random), at))))
    }

    /// Erases accounts whose owners asked for that, and whose time has come, as [`erase`](Self::erase) does. `told` hears of each
    /// what came of it; where this role may not change the journal, nothing is begun.
    ///
    /// # Errors
    /// A [`Fault`]; whoever repeats it goes on from there.
    pub async fn erase_due(&self, mut told: impl FnMut(AccountId, &AccountErasure)) -> Result<u64, Fault> {
        let Self(engine) = self;
        let mut erased = 0;
        loop {
            let now = engine.now();
            let due = engine.store.erasures_due(now, AT_ONCE).await?;
            let are_more = due.len() == AT_ONCE as usize;
            for account in due {
                match self.erase_if_due(account, now).await {
                    Ok(outcome) => {
                        told(account, &outcome);
                        if outcome == AccountErasure::NotAllowed {
                            return Ok(erased);
                        }
                        erased += 1;
                    }
                    // Its owner logged in, or another node was here before.
                    Err(Error::Refused(_)) => {}
                    Err(Error::Failed(fault)) => return Err(fault),
                }
            }
            if !are_more {
                return Ok(erased);
            }
        }
    }
}

impl Letters<'_> {
    /// Keeps an account that its owner wanted erased, by the link of the letter that told of it; says whose it is.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`]; a [`Fault`].
    pub async fn keep_account(&self, text: &str, requester: &Requester) -> Result<LinkTarget, Error> {
        let Self(engine) = self;
        let (account, address, parsed) = self.usable(Purpose::KeepAccount, text).await?;
        let now = engine.now();
        let mut steps = vec![spend(&parsed, &address, now)];
        steps.extend(calling_off());
        let events = vec![called_off(requester, account.id, now)];
        let expect = Expect::Standing(account.epoch);
        let commit = Commit { account: account.id, expect, steps, events };
        match engine.store.commit(commit).await?.is_done() {
            true => Ok(LinkTarget { address, account: account.id }),
            false => Err(Refusal::LinkInvalid.into()),
        }
    }
}
