//! Second factors: add, confirm, list and remove them; recovery codes.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Caller, ClientPolicy, Engine, Requester, tried_too_often};
use crate::account::Account;
use crate::audit::EventKind;
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Fault, Refusal};
use crate::factor::recovery::{CODES, RecoveryCode};
use crate::factor::totp::{KeptSeed, Seed};
use crate::factor::{Factor, FactorKind, Held, MAX_TOTP};
use crate::letter::LetterKind;
use crate::one_time::Purpose;
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, EndCause, SessionId};
use crate::store::{Commit, Committed, CredentialId, CredentialKind, Ending, Expect, Step, Was};
use std::time::Duration;

/// How long a seed waits for its first code.
const WAITS_FOR: Duration = Duration::from_secs(3600);

/// Second factors. From [`Engine::factors`].
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a>(pub(super) &'a Engine);

/// What an account has of second factors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FactorsHeld {
    /// The factors, in the order in which they were added.
    pub factors: Vec<Factor>,
    /// How many recovery codes are left.
    pub recovery_codes: usize,
}

/// What makes a factor of something that its owner has shown.
pub(super) struct Confirmed {
    pub(super) steps: Vec<Step>,
    pub(super) events: Vec<(EventKind, Option<String>)>,
    pub(super) codes: Vec<RecoveryCode>,
}

/// A seed that waits for its first code.
#[derive(Debug)]
pub struct NewTotp {
    /// Whose.
    pub account: AccountId,
    /// Which of the account's.
    pub id: Uuid,
    /// The seed, for its owner alone.
    pub seed: Seed,
}

impl NewTotp {
    /// The seed as people copy it.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        self.seed.base32()
    }
}

impl Engine {
    /// Second factors: list, add, confirm, remove.
    pub fn factors(&self) -> Factors<'_> {
        Factors(self)
    }
}

impl Factors<'_> {
    /// What an account has of second factors. Nothing of it is secret.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn of(&self, account: AccountId) -> Result<FactorsHeld, Fault> {
        let Self(engine) = self;
        let held = engine.authn().held(account).await?;
        let mut factors = held.listed(&engine.keys.load(), account)?;
        factors.sort_by_key(|factor| (factor.added_at, factor.id));
        Ok(FactorsHeld { factors, recovery_codes: held.recovery_codes() })
    }

    /// Whether a caller has shown a moment ago who they are: at most so long ago, and by a factor where the account has one.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn is_fresh(&self, caller: &Caller, fresh_for: Duration) -> Result<bool, Fault> {
        let Self(engine) = self;
        if !caller.is_fresh(engine.now(), fresh_for) {
            return Ok(false);
        }
        let has_shown = caller.state.session.methods.has_factor();
        Ok(has_shown || !engine.authn().held(caller.key.account).await?.has_factor())
    }

    /// Begins to add a seed of time-based codes. It is no factor before its owner has [confirmed](Self::confirm_totp) that they
    /// have it, within an hour; one that was begun before and not confirmed gives way.
    ///
    /// # Errors
    /// [`Refusal::FactorsFull`]; a [`Fault`].
    pub async fn add_totp(&self, account: AccountId, label: Option<&str>) -> Result<NewTotp, Error> {
        let Self(engine) = self;
        let held = engine.authn().held(account).await?;
        if held.of(CredentialKind::Totp).count() >= MAX_TOTP {
            return Err(Refusal::FactorsFull.into());
        }
        let (now, keys, random) = (engine.now(), engine.keys.load(), engine.random.as_ref());
        let seed = Seed::fresh(random, label.map(str::to_owned));
        let id = random::id(random, now);
        let credential = CredentialId { kind: CredentialKind::WaitingTotp, id };
        let to = seed.kept((&keys, random), (account, id), (now, 0), now);
        let steps = vec![
            Step::ForgetCredentials(CredentialKind::WaitingTotp),
            Step::PutCredential { id: credential, was: Was::Missing, to, at: now },
        ];
        let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
        match engine.store.commit(commit).await? {
            Committed::Done { .. } => Ok(NewTotp { account, id, seed }),
            Committed::Missed { .. } | Committed::AccountMoved => Err(Refusal::AccountUnknown.into()),
        }
    }

    /// Makes a factor of a seed, by its first code. At the account's first factor its other sessions end, and recovery codes are
    /// made: nobody can be told them again.
    ///
    /// # Errors
    /// [`Refusal::FactorUnknown`]; [`Refusal::CodeWrong`]; [`Refusal::RateLimited`]; [`Refusal::SessionEnded`] where the session
    /// that asks ended meanwhile; a [`Fault`].
    pub async fn confirm_totp(
        &self,
        caller: &Caller,
        id: Uuid,
        code: &str,
        requester: &Requester,
    ) -> Result<Vec<RecoveryCode>, Error> {
        let Self(engine) = self;
        let (authn, account) = (engine.authn(), caller.key.account);
        let reserved = authn.reserve_code(account, requester).await?;
        for _ in 0..=MAX_MISSES {
            let held = authn.held(account).await?;
            let owner = engine.accounts().get(account).await?;
            let own = Some(caller.key.session);
            let confirmed = self.confirming(&owner, &held, (id, code), own, requester)?;
            let Confirmed { steps, events, codes } = confirmed;
            if self.commit_by(caller, steps, events, requester).await? {
                authn.give_code_back(&reserved).await;
                return Ok(codes);
            }
            self.expect_live(caller).await?;
        }
        Err(tried_too_often("add a second factor").into())
    }

    /// What makes a factor of a seed by its first code, and ends all of the account's sessions but the one that asks, where it is its
    /// first factor.
    pub(super) fn confirming(
        &self,
        owner: &Account,
        held: &Held,
        (id, code): (Uuid, &str),
        own: Option<SessionId>,
        requester: &Requester,
    ) -> Result<Confirmed, Error> {
        let Self(engine) = self;
        let now = engine.now();
        let row = held.of(CredentialKind::WaitingTotp).find(|(waiting, _)| waiting.id == id);
        let row = row.ok_or(Refusal::FactorUnknown)?;
        if now.millis_since(KeptSeed::read(row.1)?.made_at) > millis(WAITS_FOR) {
            return Err(Refusal::FactorUnknown.into());
        }
        if held.of(CredentialKind::Totp).count() >= MAX_TOTP {
            return Err(Refusal::FactorsFull.into());
        }
        let Some(confirms) = engine.authn().confirms(owner.id, row, code)? else {
            return Err(Refusal::CodeWrong.into());
        };
        Ok(self.adding(owner, held, (FactorKind::Totp, confirms.to_vec()), own, requester))
    }

    /// What goes with the steps that add a factor: a letter, and no device that was remembered before, for what was shown there is no
    /// longer all that may be asked for. At the first factor all of the account's sessions end but the one that asks, and recovery
    /// codes are made.
    pub(super) fn adding(
        &self,
        owner: &Account,
        held: &Held,
        (kind, mut steps): (FactorKind, Vec<Step>),
        own: Option<SessionId>,
        requester: &Requester,
    ) -> Confirmed {
        let Self(engine) = self;
        let (now, mut codes) = (engine.now(), Vec::new());
        let mut events = vec![(EventKind::FactorAdded, Some(kind.name().to_owned()))];
        let count = factors_of(held).count();
        steps.extend(engine.tells_owner(owner, (LetterKind::FactorAdded, count), requester, now));
        steps.push(Step::ForgetCredentials(CredentialKind::Remembered));
        if !held.has_factor() {
            steps.insert(0, Step::ExpectNoFactor);
            steps.extend(self.ends_others(own, requester, now, "a second factor was added"));
            // It was asked for without the factor, by whoever had a session.
            steps.push(Step::EndTokens { purpose: Purpose::ChangeEmail });
            let (put, made) = self.makes_codes(now);
            steps.extend(put);
            codes = made;
            events.push((EventKind::RecoveryCodesMade, None));
        }
        Confirmed { steps, events, codes }
    }

    /// Removes one of the caller's factors, or a seed that waits for its first code. With the last factor its recovery codes go,
    /// and the account's other sessions end; the caller's, too, where the client's profile wants a factor of the account.
    ///
    /// # Errors
    /// [`Refusal::FactorUnknown`]; [`Refusal::SessionEnded`] where the session that asks ended meanwhile; a [`Fault`].
    pub async fn remove(
        &self,
        client: &ClientPolicy,
        caller: &Caller,
        id: Uuid,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Self(engine) = self;
        let account = caller.key.account;
        for _ in 0..=MAX_MISSES {
            let (held, now) = (engine.authn().held(account).await?, engine.now());
            let kinds = [CredentialKind::Totp, CredentialKind::Passkey, CredentialKind::WaitingTotp];
            let found = kinds.into_iter().flat_map(|kind| held.of(kind)).find(|(found, _)| found.id == id);
            let (credential, row) = found.ok_or(Refusal::FactorUnknown)?;
            let mut steps = vec![Step::ForgetCredential { id: credential, was: Some(row.to_vec()) }];
            let mut events = Vec::new();
            let owner = engine.accounts().get(account).await?;
            if credential.kind != CredentialKind::WaitingTotp {
                let told = (LetterKind::FactorRemoved, factors_of(&held).count());
                steps.extend(engine.tells_owner(&owner, told, requester, now));
                events.push((EventKind::FactorRemoved, Some(credential.kind.name().to_owned())));
                steps.push(Step::ForgetCredentials(CredentialKind::Remembered));
            }
            let mut others = factors_of(&held).filter(|(id, _)| *id != credential);
            match others.next() {
                _ if !CredentialKind::FACTORS.contains(&credential.kind) => {}
                // Somebody who removes that one at the same moment would take the last one away as if it were not.
                Some(other) => steps.push(stays(other, now)),
                None => {
                    steps.push(Step::ExpectNoFactor);
                    steps.push(Step::ForgetCredentials(CredentialKind::RecoveryCode));
                    let why = "the last second factor was removed";
                    // Who must have one goes on with none: their next log-in has them add it.
                    let own = (!client.second_factor.is_asked_of(&owner)).then_some(caller.key.session);
                    steps.extend(self.ends_others(own, requester, now, why));
                }
            }
            if self.commit_by(caller, steps, events, requester).await? {
                return Ok(());
            }
            self.expect_live(caller).await?;
        }
        Err(tried_too_often("remove a second factor").into())
    }

    /// Makes recovery codes in the place of those that there are, and tells the owner.
    ///
    /// # Errors
    /// [`Refusal::FactorUnknown`] where the account has no second factor that they could stand in for; [`Refusal::SessionEnded`] where
    /// the session that asks ended meanwhile; a [`Fault`].
    pub async fn new_recovery_codes(
        &self,
        caller: &Caller,
        requester: &Requester,
    ) -> Result<Vec<RecoveryCode>, Error> {
        let Self(engine) = self;
        let account = caller.key.account;
        for _ in 0..=MAX_MISSES {
            let (held, now) = (engine.authn().held(account).await?, engine.now());
            let factor = factors_of(&held).next().ok_or(Refusal::FactorUnknown)?;
            let (put, codes) = self.makes_codes(now);
            let owner = engine.accounts().get(account).await?;
            let mut steps = vec![stays(factor, now)];
            steps.extend(put);
            steps.push(Step::ForgetCredentials(CredentialKind::Remembered));
            let told = (LetterKind::RecoveryCodesMade, held.recovery_codes());
            steps.extend(engine.tells_owner(&owner, told, requester, now));
            let events = vec![(EventKind::RecoveryCodesMade, None)];
            if self.commit_by(caller, steps, events, requester).await? {
                return Ok(codes);
            }
            self.expect_live(caller).await?;
        }
        Err(tried_too_often("make recovery codes").into())
    }

    /// Takes all second factors from an account, and what goes with them: for an administrator, when its owner has lost them. Its
    /// sessions end, and whatever was handed out before is good no longer. Says how many sessions ended.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; [`Refusal::FactorUnknown`] where it has none; a [`Fault`].
    pub async fn reset(&self, account: AccountId, requester: &Requester) -> Result<u64, Error> {
        let Self(engine) = self;
        let owner = engine.accounts().get(account).await?;
        let held = engine.authn().held(account).await?;
        if !held.has_factor() && held.recovery_codes() == 0 {
            return Err(Refusal::FactorUnknown.into());
        }
        let now = engine.now();
        let ending = requester.ending(EndCause::Admin, now);
        let steps = CredentialKind::OF_FACTORS.into_iter().map(Step::ForgetCredentials);
        let steps = steps.chain([
            Step::EndTokens { purpose: Purpose::SecondFactor },
            Step::EndTokens { purpose: Purpose::Enrolment },
            Step::MoveEpoch,
            Step::EndSessions { except: None, with: None, ending },
        ]);
        // Told also where its owner removed as many themselves in the same hour.
        let told = (LetterKind::FactorRemoved, usize::MAX);
        let steps = steps.chain(engine.tells_owner(&owner, told, requester, now));
        let note = Some("all of them".to_owned());
        let event = requester.event_of_account(account, EventKind::FactorRemoved, now, note);
        let commit =
            Commit { account, expect: Expect::Anything, steps: steps.collect(), events: vec![event] };
        match engine.store.commit(commit).await? {
            Committed::Done { ended } => {
                engine.letters_wait.notify_one();
                Ok(ended)
            }
            Committed::Missed { .. } | Committed::AccountMoved => Err(Refusal::AccountUnknown.into()),
        }
    }

    /// What takes away the second factors and recovery codes that an account was given since a moment: whoever took it over then
    /// may have added them, and would keep its owner out by them. One that is added at the same moment has the commit miss.
    pub(super) async fn undoing(&self, account: AccountId, since: Timestamp) -> Result<Vec<Step>, Fault> {
        let Self(engine) = self;
        let held = engine.authn().held(account).await?;
        let listed = held.listed(&engine.keys.load(), account)?;
        let (added, before): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|factor| factor.added_at >= since);
        let is_added = |id: &Uuid| added.iter().any(|factor| factor.id == *id);
        let factors = factors_of(&held).map(|(id, _)| id).filter(|id| is_added(&id.id));
        let codes = held.of(CredentialKind::RecoveryCode).map(|(id, _)| id);
        let codes = codes.filter(|id| random::made_at(id.id) >= since);
        let forgotten = factors.chain(codes).map(|id| Step::ForgetCredential { id, was: None });
        let mut steps: Vec<Step> = forgotten.collect();
        steps.push(Step::ForgetCredentials(CredentialKind::WaitingTotp));
        if before.is_empty() {
            steps.push(Step::ExpectNoFactor);
            steps.push(Step::ForgetCredentials(CredentialKind::RecoveryCode));
        }
        Ok(steps)
    }

    /// Commits what a caller changes of their factors; `false` where the account, its factors or the session that asks are no longer
    /// as they were.
    pub(super) async fn commit_by(
        &self,
        caller: &Caller,
        mut steps: Vec<Step>,
        events: Vec<(EventKind, Option<String>)>,
        requester: &Requester,
    ) -> Result<bool, Fault> {
        let Self(engine) = self;
        let (account, now) = (caller.key.account, engine.now());
        // "Log out everywhere" moves no epoch, and a session that it ended changes nothing any more.
        steps.insert(0, Step::ExpectSession(caller.key.session));
        let events = events.into_iter();
        let events = events.map(|(kind, note)| requester.event_of_account(account, kind, now, note));
        let expect = Expect::Standing(caller.state.epoch);
        let commit = Commit { account, expect, steps, events: events.collect() };
        let is_done = engine.store.commit(commit).await?.is_done();
        if is_done {
            engine.letters_wait.notify_one();
        }
        Ok(is_done)
    }

    pub(super) async fn expect_live(&self, caller: &Caller) -> Result<(), Error> {
        let Self(engine) = self;
        let state = engine.store.find(caller.key).await?.ok_or(Refusal::SessionEnded(None))?;
        if let Some(denial) = crate::ratchet::access(&state, engine.now()) {
            return Err(Refusal::from(denial).into());
        }
        if state.epoch != caller.state.epoch {
            return Err(Refusal::SessionEnded(None).into());
        }
        Ok(())
    }

    /// Ends all sessions but the one that asks, and what remembers devices.
    pub(super) fn ends_others(
        &self,
        except: Option<SessionId>,
        requester: &Requester,
        now: Timestamp,
        why: &str,
    ) -> [Step; 2] {
        let ending = Ending { note: Some(why.to_owned()), ..requester.ending(EndCause::Revoked, now) };
        [
            Step::ForgetCredentials(CredentialKind::Remembered),
            Step::EndSessions { except, with: None, ending },
        ]
    }

    /// Ten codes, in the place of those that there are.
    pub(super) fn makes_codes(&self, now: Timestamp) -> (Vec<Step>, Vec<RecoveryCode>) {
        let Self(engine) = self;
        let random = engine.random.as_ref();
        let codes: Vec<RecoveryCode> = (0..CODES).map(|_| RecoveryCode::fresh(random)).collect();
        let put = codes.iter().map(|code| Step::PutCredential {
            id: CredentialId { kind: CredentialKind::RecoveryCode, id: random::id(random, now) },
            was: Was::Missing,
            to: code.hash().to_vec(),
            at: now,
        });
        let forget = Step::ForgetCredentials(CredentialKind::RecoveryCode);
        (std::iter::once(forget).chain(put).collect(), codes)
    }
}

/// The account's factors, with their rows.
fn factors_of(held: &Held) -> impl Iterator<Item = (CredentialId, &[u8])> {
    CredentialKind::FACTORS.into_iter().flat_map(|kind| held.of(kind))
}

/// Applies where a factor is as it was, and changes nothing.
fn stays((id, row): (CredentialId, &[u8]), at: Timestamp) -> Step {
    Step::PutCredential { id, was: Was::This(row.to_vec()), to: row.to_vec(), at }
}
