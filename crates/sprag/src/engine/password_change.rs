//! Changing a password, and what becomes of the session that asks for it.

use std::fmt;

use super::commits::PasswordChange;
use super::opening::{detail, new_session};
use super::pair::Told;
use super::refresh::present;
use super::{Accounts, Caller, ClientPolicy, Engine, Requester, TokenPair, tried_too_often};
use crate::audit::EventKind;
use crate::authn::Authenticated;
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::password::Password;
use crate::ratchet::{MAX_MISSES, SessionState, access, answers_change_again, judged_at};
use crate::session::{EndCause, Generation, Session, SessionKey, ShortHash};
use crate::store::Rotated;
use crate::token::{RefreshToken, Replacing, hash_retry_id};

/// A request to change a password.
#[derive(Clone, Copy)]
pub struct PasswordChangeRequest<'a> {
    /// The present password, as typed.
    pub current: &'a str,
    /// The one that takes its place, as typed.
    pub new: &'a str,
    /// The refresh token of the session that asks, if the client showed it.
    pub refresh_token: Option<&'a str>,
    /// The retry id (`Idempotency-Key`), if the client sent one.
    pub retry_id: Option<&'a str>,
}

/// Prints what a log may show: no password and no token.
impl fmt::Debug for PasswordChangeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordChangeRequest")
    }
}

impl Accounts<'_> {
    /// Changes the caller's password: the account's epoch moves, every session ends, and a new one takes the place of
    /// the caller's. So nothing that was handed out before works after it.
    ///
    /// Where the caller shows its refresh token too, the new session's secret is made of the old one
    /// ([`RefreshToken::replacement`]); where it shows only the access token, it is a fresh one. Of two requests that are one
    /// and the same, with a refresh token and a retry id, both are answered with the new session.
    ///
    /// # Errors
    /// [`Refusal::CurrentPasswordWrong`], [`Refusal::PasswordRejected`], [`Refusal::RateLimited`] if too many were tried, or
    /// [`Refusal::SessionEnded`] if the session or the account moved on meanwhile; a [`Fault`]: then it may have been changed all the same, which the
    /// same request [again](Self::change_password_again) finds out.
    pub async fn change_password(
        &self,
        client: &ClientPolicy,
        caller: &Caller,
        request: PasswordChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let Self(engine) = self;
        let changed = engine.change_password(client, caller, request, requester).await;
        let Err(Error::Refused(Refusal::SessionEnded(Some(EndCause::PasswordChanged)))) = changed else {
            return changed;
        };
        // It may have been changed by the twin of this request, which came at the same time.
        match engine.answer_change_again(client, caller.key, request, requester).await? {
            Some(pair) => Ok(pair),
            None => changed,
        }
    }

    /// Answers a request that has changed the password already, and whose answer was lost, with the new session: the pair
    /// that it would have had.
    ///
    /// `bearer` is the access token of the request, good no longer. `None` where this is no such request. It is one if
    /// it shows the refresh token of that session too; if that session was ended by a change of password inside
    /// the reuse interval, by a request with this retry id from this client instance; if the session that it opened lives
    /// and has not been refreshed; and if the new password is the account's.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn change_password_again(
        &self,
        client: &ClientPolicy,
        bearer: &str,
        request: PasswordChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let Self(engine) = self;
        let Some(key) = engine.session_named(client, bearer) else { return Ok(None) };
        engine.answer_change_again(client, key, request, requester).await
    }
}

impl Engine {
    async fn change_password(
        &self,
        client: &ClientPolicy,
        caller: &Caller,
        request: PasswordChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let (current, new) = (Password::typed(request.current)?, Password::chosen(request.new)?);
        let owner = self.owner(caller, current, requester).await?;
        let hash = self.hasher.hash_from(requester.prefix(), new, self.random.as_ref()).await?;
        let own = match request.refresh_token {
            Some(text) => self.recognise(client, text, self.now()).await?,
            None => None,
        };
        let own = own.filter(|token| token.key == caller.key);
        let retry_hash = request.retry_id.map(hash_retry_id);
        for _ in 0..=MAX_MISSES {
            let state = self.store.find(caller.key).await?.ok_or(Refusal::SessionEnded(None))?;
            if state.session.ended.is_none() && state.epoch != owner.epoch() {
                return Err(Refusal::SessionEnded(None).into());
            }
            let device = self.store.session(caller.key).await?.and_then(|(_, detail)| detail.device);
            let now = self.now();
            let token = self.replacement(client, &state, own.as_ref(), retry_hash, requester, now)?;
            // It is no log-in: the session ends no later than the one before, and was authenticated when that one was.
            let Session { expires_at, authenticated_at, methods, .. } = state.session;
            let successor = new_session(client, &token, state.epoch.next(), requester, now);
            let successor = Session { expires_at, authenticated_at, methods, ..successor };
            let told = Told::fresh(client, Rotated::of(&successor), now);
            let account = caller.key.account;
            let change = PasswordChange {
                verified_under: owner.epoch(),
                password_hash: hash.clone(),
                replaced: caller.key.session,
                successor,
                detail: detail(requester, device.as_deref()),
                ending: requester.ending(EndCause::PasswordChanged, now),
                event: requester.event_of_account(account, EventKind::PasswordChanged, now, None),
            };
            if self.store.commit(change.commit()).await?.is_done() {
                return Ok(self.pair(client, Some(owner.account()), &token, None, told, now)?);
            }
        }
        Err(tried_too_often("change a password").into())
    }

    /// The owner of the caller's account, if they know its password.
    async fn owner(
        &self,
        caller: &Caller,
        current: Password,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let wrong = match self.authn().password_of(caller.key, current, requester).await? {
            Ok(owner) => return Ok(owner),
            Err(wrong) => wrong,
        };
        // It may have been right when the caller was let in: another request has changed it since, and ended this session.
        let state = self.store.find(caller.key).await?.ok_or(Refusal::SessionEnded(None))?;
        if let Some(denial) = access(&state, self.now()) {
            return Err(Refusal::from(denial).into());
        }
        let why = "the current password, asked for to change it, was wrong";
        self.authn().refuse(wrong, why, requester).await?;
        Err(Refusal::CurrentPasswordWrong.into())
    }

    /// The first token of the session that takes the place of this one.
    fn replacement(
        &self,
        client: &ClientPolicy,
        state: &SessionState,
        own: Option<&RefreshToken>,
        retry_hash: Option<ShortHash>,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<RefreshToken, Refusal> {
        let session = &state.session;
        if let Some(ended) = session.ended {
            return Err(Refusal::SessionEnded(Some(ended.cause)));
        }
        let keys = self.keys.load();
        let key = self.key_of_new_session(session.key.account, now);
        // A tag alone is not enough: the token's secret must be the row's.
        let own = own.filter(|token| token.secret_hash() == session.secret_hash);
        Ok(match (own, retry_hash) {
            (Some(token), Some(retry_hash)) => {
                let request = Replacing { retry_hash, instance_hash: requester.instance, at: now };
                token.replacement_by(&request, &keys, now)
            }
            (Some(token), None) => token.replacement(key, &keys, now),
            (None, _) => RefreshToken::first(client.profile, key, self.random.as_ref()),
        })
    }

    /// The pair of the session that has taken the place of `key`'s by this very request, if it has.
    async fn answer_change_again(
        &self,
        client: &ClientPolicy,
        key: SessionKey,
        request: PasswordChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let asked = self.now();
        let (Some(text), Some(retry_id)) = (request.refresh_token, request.retry_id) else { return Ok(None) };
        let token = self.recognise(client, text, asked).await?.filter(|token| token.key == key);
        let (Some(token), Ok(new)) = (token, Password::chosen(request.new)) else { return Ok(None) };
        let found = self.replaced_by(client, &token, retry_id, asked, requester).await?;
        let Some((successor, session)) = found else { return Ok(None) };
        let owner = match self.authn().password_of(key, new, requester).await? {
            Ok(owner) => owner,
            Err(wrong) => {
                let why = "a request to change the password came again, and with another new password";
                self.authn().refuse(wrong, why, requester).await?;
                return Ok(None);
            }
        };
        if owner.epoch() != session.epoch {
            return Ok(None);
        }
        let now = self.now();
        let told = Told::fresh(client, Rotated::of(&session), now);
        Ok(Some(self.pair(client, Some(owner.account()), &successor, None, told, now)?))
    }

    /// The session that has taken this token's place by the request of this retry id, and its first token, if there is one that
    /// lives and has not been refreshed: who refreshes it has had the answer.
    async fn replaced_by(
        &self,
        client: &ClientPolicy,
        token: &RefreshToken,
        retry_id: &str,
        asked: Timestamp,
        requester: &Requester,
    ) -> Result<Option<(RefreshToken, Session)>, Fault> {
        let Some(SessionState { session: row, .. }) = self.store.find(token.key).await? else {
            return Ok(None);
        };
        let ended = row.ended.filter(|ended| ended.cause == EndCause::PasswordChanged);
        let Some(ended) = ended else { return Ok(None) };
        let asked = judged_at(ended.at, asked, self.now());
        let presented = present(token, Some(retry_id), requester);
        let judged_by = |moment| answers_change_again(&presented, &row, moment, &client.policy);
        if !self.judge_by(client, asked, judged_by, |is_in_time| !is_in_time).await? {
            return Ok(None);
        }
        let request = Replacing {
            retry_hash: hash_retry_id(retry_id),
            instance_hash: requester.instance,
            at: ended.at,
        };
        let successors: Vec<_> = token.replacements_by(&request, &self.keys.load(), asked).collect();
        for successor in successors {
            let Some(state) = self.store.find(successor.key).await? else { continue };
            let is_it = state.session.profile == client.profile
                && state.session.secret_hash == successor.secret_hash()
                && state.session.generation == Generation(0);
            if is_it && access(&state, self.now()).is_none() {
                return Ok(Some((successor, state.session)));
            }
        }
        Ok(None)
    }
}
