//! A link or a code that was sent to the account's address.
//!
//! Of a code, each try is counted by the step that compares it, and is noted before anybody looks at what came of it. What lets
//! somebody in is spent in the commit that opens their session, unless the account was a stranger's until then.

use std::time::Instant;

use super::devices::Shown;
use super::unproven::{TAKEN_OVER, forgetting_credentials, may_be_a_strangers};
use super::{Authenticated, Authn, Proof};
use crate::account::{Account, ConfirmedEmail, Name};
use crate::audit::{EventKind, NOBODY};
use crate::budget::Budget;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::limits::{Reserved, Whose};
use crate::one_time::login::{LogIn, LoginId, typed_code};
use crate::one_time::{self, Digest, OneTimeToken, Parsed, Purpose, sealed};
use crate::proof_of_work::Solved;
use crate::random;
use crate::requester::Requester;
use crate::session::{AccountId, EndCause, Methods, ProfileId};
use crate::store::{Commit, Credential, Expect, Step};

/// What the journal says of a code that lets nobody in.
pub(super) const WRONG_CODE: &str = "a code by mail was wrong, or good no longer";

impl Authn<'_> {
    /// Whoever typed the code of a letter, in the browser that asked for it.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`], whatever is wrong; [`Refusal::RateLimited`]; a [`Fault`](crate::Fault).
    pub async fn code(
        &self,
        shown: &Shown,
        profile: ProfileId,
        (login_id, code): (&str, &str),
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let (came, now) = (Instant::now(), self.clock.now());
        let login = LoginId::read(&self.keys.load(), now, login_id).ok_or(Refusal::LinkInvalid)?;
        let code = typed_code(code).ok_or(Refusal::LinkInvalid)?;
        let reserved = self.reserve_code_by_mail(&login, login_id, shown.solved, requester).await?;
        let solver: Digest = one_time::hashed(&random::bytes::<32>(self.random));
        let step = Step::TryCode {
            token: login.token,
            purpose: Purpose::LogIn,
            bound_to: login.bound_to(),
            code_hash: login.code_hash(&code),
            solver,
            at: now,
        };
        let tried = Commit {
            account: login.account,
            expect: Expect::Anything,
            steps: vec![step],
            events: Vec::new(),
        };
        let is_counted = self.store.commit(tried).await?.is_done();
        let token = self.store.one_time_token(login.account, login.token).await?;
        let credential = self.store.credential_of(login.account).await?;
        let known = credential.as_ref().map_or(NOBODY, |credential| credential.account.id);
        let token = token.filter(|token| is_counted && token.solved_by == Some(solver));
        let somebody = match (token, credential) {
            (Some(token), Some(credential)) => {
                let proof = one_time::Proof::Solved(solver);
                self.by_token((&token, proof), credential, profile, shown, requester).await?
            }
            _ => None,
        };
        match somebody {
            Some(somebody) => {
                let is_of = |budget| budget == Budget::FactorAccount;
                self.gate.give_back(self.store.as_ref(), &reserved, is_of, self.clock.now()).await;
                Ok(somebody)
            }
            None => {
                // On the account's chain, or on nobody's. Either may cost a write or none; what is waited for covers that.
                self.note_failure(known, requester, WRONG_CODE).await?;
                self.hasher.wait_to_refuse_unhashed(came, self.random).await;
                Err(Refusal::LinkInvalid.into())
            }
        }
    }

    /// Reserves a try of a code by mail, before anything is compared: of the address that it was asked for, whether anybody has that,
    /// and of the network. It is not the account's budget for second factors, or strangers could keep its owner from showing one.
    async fn reserve_code_by_mail(
        &self,
        login: &LoginId,
        login_id: &str,
        solved: Option<Solved>,
        requester: &Requester,
    ) -> Result<Reserved, Error> {
        let (store, keys, now) = (self.store.as_ref(), self.keys.load(), self.clock.now());
        let token = self.store.one_time_token(login.account, login.token).await?;
        let asked = token.and_then(|token| sealed::open::<LogIn>(&keys, now, &token));
        let address = asked.as_ref().map_or(login_id, |login| login.address.trim());
        let name = Name::meant_by(address).pop();
        let whose = name.as_ref().map_or(Whose::Typed(address), Whose::Name);
        let wanted = [(Budget::FactorAccount, whose), (Budget::LoginPrefix, Whose::NetworkOf(requester))];
        Ok(self.gate.reserve_or_by_work(store, &keys, (&wanted, 1), solved, now).await??)
    }

    /// Whoever used the link of a letter: in the browser that asked for it, which has the login id, or on any device where that
    /// was allowed when it was asked for.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`], whatever is wrong; a [`Fault`](crate::Fault).
    pub async fn link(
        &self,
        shown: &Shown,
        profile: ProfileId,
        (text, login_id): (&str, Option<&str>),
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let (now, keys) = (self.clock.now(), self.keys.load());
        let parsed = Parsed::read(&keys, now, Purpose::LogIn, text).ok_or(Refusal::LinkInvalid)?;
        let token = self.store.one_time_token(parsed.account, parsed.id).await?;
        let token = token.filter(|token| token.secret_hash == parsed.secret_hash);
        let credential = self.store.credential_of(parsed.account).await?;
        let (Some(token), Some(credential)) = (token, credential) else {
            return Err(Refusal::LinkInvalid.into());
        };
        let asked_here = login_id.and_then(|text| LoginId::read(&keys, now, text)).is_some_and(|login| {
            (login.account, login.token, login.bound_to()) == (token.account, token.id, token.bound_to)
        });
        let works_anywhere =
            sealed::open::<LogIn>(&keys, now, &token).is_some_and(|login| login.works_anywhere);
        if !asked_here && !works_anywhere {
            return Err(Refusal::LinkInvalid.into());
        }
        let proof = one_time::Proof::Secret(parsed.secret_hash);
        let somebody = self.by_token((&token, proof), credential, profile, shown, requester).await?;
        Ok(somebody.ok_or(Refusal::LinkInvalid)?)
    }

    /// Whose a token is that was shown, where it can be used; it is spent when their session opens.
    async fn by_token(
        &self,
        (token, proof): (&OneTimeToken, one_time::Proof),
        credential: Credential,
        profile: ProfileId,
        shown: &Shown,
        requester: &Requester,
    ) -> Result<Option<Authenticated>, Error> {
        let (at, keys) = (self.clock.now(), self.keys.load());
        let Credential { mut account, password_hash: hash } = credential;
        let login = sealed::open::<LogIn>(&keys, at, token);
        let login = login.filter(|login| {
            login.profile == profile.0
                && account.email.as_ref() == Some(&login.address)
                && account.disabled_at.is_none()
                && token.epoch == Some(account.epoch)
                && token.is_for(Purpose::LogIn, &token.bound_to, at)
        });
        let Some(LogIn { address, .. }) = login else { return Ok(None) };
        let id: AccountId = account.id;
        let is_taken_over = may_be_a_strangers(self.store.as_ref(), &account).await?;
        // Who has the letter has the address.
        account.confirmed = Some(ConfirmedEmail { address: address.clone(), at });
        let spends = vec![
            Step::SpendToken {
                token: token.id,
                purpose: Purpose::LogIn,
                bound_to: token.bound_to,
                proof,
                at,
            },
            Step::EndTokens { purpose: Purpose::LogIn },
            Step::ConfirmEmail { address, at },
        ];
        if is_taken_over {
            return self.take_over(account, spends, requester, at).await;
        }
        let known = self.known(id, shown).await?;
        let proof = Proof { password: None, hash };
        Ok(Some(Authenticated { account, methods: Methods::MAIL, at, proof, known, spends, asked: None }))
    }

    /// Whoever has the letter, where somebody else may have made the account with their address: that is theirs from now on, and
    /// nothing counts that was chosen, added or opened before. It is spent at once, so that no session of theirs can come of a
    /// password that was looked at before; should no session be opened after it, another letter does.
    async fn take_over(
        &self,
        mut account: Account,
        mut steps: Vec<Step>,
        requester: &Requester,
        at: Timestamp,
    ) -> Result<Option<Authenticated>, Error> {
        let ending = requester.ending(EndCause::Revoked, at);
        // One may have been added since somebody looked.
        steps.push(Step::ExpectNoFactor);
        steps.extend(forgetting_credentials());
        steps.extend([Step::MoveEpoch, Step::EndSessions { except: None, with: None, ending }]);
        let note = Some(TAKEN_OVER.to_owned());
        let events = vec![requester.event_of_account(account.id, EventKind::AccountChanged, at, note)];
        let expect = Expect::Standing(account.epoch);
        let commit = Commit { account: account.id, expect, steps, events };
        if !self.store.commit(commit).await?.is_done() {
            return Ok(None);
        }
        account.epoch = account.epoch.next();
        let proof = Proof { password: None, hash: None };
        let (methods, known, spends) = (Methods::MAIL, None, Vec::new());
        Ok(Some(Authenticated { account, methods, at, proof, known, spends, asked: None }))
    }
}
