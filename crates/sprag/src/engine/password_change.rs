//! Changing a password, and what becomes of the session that asks for it.

use std::fmt;

use super::commits::PasswordChange;
use super::opening::{detail, new_session};
use super::pair::{About, Told};
use super::replacement::Asked;
use super::{Accounts, Caller, ClientPolicy, Engine, Requester, TokenPair, tried_too_often};
use crate::account::Account;
use crate::audit::EventKind;
use crate::error::{Error, Refusal};
use crate::password::{NewPassword, Password};
use crate::ratchet::MAX_MISSES;
use crate::session::{EndCause, Session, SessionKey};
use crate::store::{Credential, Rotated};
use crate::token::hash_retry_id;

/// A request to change a password.
#[derive(Clone, Copy)]
pub struct PasswordChangeRequest<'a> {
    /// The present password, as typed; only an account that has none needs none.
    pub current: Option<&'a str>,
    /// Whether they showed a moment ago who they are, as [`Factors::is_fresh`](super::Factors::is_fresh) says: what an account with
    /// a second factor, or without a password, needs.
    pub is_fresh: bool,
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
    /// ([`RefreshToken::replacement`](crate::token::RefreshToken::replacement)); where it shows only the access token, it is a fresh one. Of two requests that are one
    /// and the same, with a refresh token and a retry id, both are answered with the new session.
    ///
    /// # Errors
    /// [`Refusal::StepUpRequired`]; [`Refusal::CurrentPasswordWrong`], also where none came of an account that has one;
    /// [`Refusal::PasswordRejected`], [`Refusal::RateLimited`] if too many were tried, or
    /// [`Refusal::SessionEnded`] if the session or the account moved on meanwhile; a [`Fault`](crate::Fault): then it may have been changed all the same, which the
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
    /// A [`Fault`](crate::Fault).
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
        let new = NewPassword { text: request.new, length: Some(client.password) };
        self.expect_choosable(new)?;
        let owner = self.owner_who_changes(caller, request, requester).await?;
        let new = self.chosen_for(new, &owner).await?;
        let asked = self.claims_asked(client, &owner, Some(caller.key.session)).await?;
        let hash = self.hasher.hash_from(requester.prefix(), new, self.random.as_ref()).await?;
        let own = self.token_of(client, caller.key, request.refresh_token).await?;
        let retry_hash = request.retry_id.map(hash_retry_id);
        for _ in 0..=MAX_MISSES {
            let state = self.store.find(caller.key).await?.ok_or(Refusal::SessionEnded(None))?;
            if state.session.ended.is_none() && state.epoch != owner.epoch {
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
                verified_under: owner.epoch,
                password_hash: hash.clone(),
                replaced: caller.key.session,
                successor,
                detail: detail(requester, device.as_deref()),
                ending: requester.ending(EndCause::PasswordChanged, now),
                event: requester.event_of_account(account, EventKind::PasswordChanged, now, None),
                news: self.news(&owner, requester, now),
            };
            if self.store.commit(change.commit()).await?.is_done() {
                return Ok(self.pair(client, About::of(&owner, &asked), &token, None, told, now)?);
            }
        }
        Err(tried_too_often("change a password").into())
    }

    /// The account whose password its owner may change: they know the present one, or it has none and they are fresh.
    async fn owner_who_changes(
        &self,
        caller: &Caller,
        request: PasswordChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<Account, Error> {
        self.expect_fresh_by_factor(caller, request.is_fresh).await?;
        if let Some(current) = request.current {
            let why = "the current password, asked for to change it, was wrong";
            let owner = self.owner(caller.key, Password::typed(current)?, why, requester).await?;
            return Ok(Account { epoch: owner.epoch(), ..owner.account().clone() });
        }
        let credential = self.store.credential_of(caller.key.account).await?;
        let Credential { account, password_hash } = credential.ok_or(Refusal::AccountUnknown)?;
        match (password_hash, request.is_fresh) {
            (Some(_), _) => Err(Refusal::CurrentPasswordWrong.into()),
            (None, false) => Err(Refusal::StepUpRequired.into()),
            (None, true) => Ok(account),
        }
    }

    /// The pair of the session that has taken the place of `key`'s by this very request, if it has.
    async fn answer_change_again(
        &self,
        client: &ClientPolicy,
        key: SessionKey,
        request: PasswordChangeRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let (Some(text), Some(retry_id)) = (request.refresh_token, request.retry_id) else { return Ok(None) };
        let Ok(new) = Password::typed(request.new) else { return Ok(None) };
        let asked = Asked { key, text, retry_id, cause: EndCause::PasswordChanged };
        let why = "a request to change the password came again, and with another new password";
        self.answer_again(client, asked, new, why, requester).await
    }
}
