//! Changing a password, and what becomes of the session that asks for it.

use super::commits::PasswordChange;
use super::opening::{detail, new_session};
use super::pair::Told;
use super::{Accounts, Caller, ClientPolicy, Engine, Requester, TokenPair, tried_too_often};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::password::Password;
use crate::ratchet::{MAX_MISSES, SessionState};
use crate::session::{EndCause, Session};
use crate::store::Rotated;
use crate::token::RefreshToken;

impl Accounts<'_> {
    /// Changes the caller's password: the account's epoch moves, every session ends, and a new one takes the place of
    /// the caller's. So nothing that was handed out before works after it.
    ///
    /// Where the caller shows its refresh token too, the new session's secret is made of the old one
    /// ([`RefreshToken::replacement`]); where it shows only the access token, it is a fresh one.
    ///
    /// # Errors
    /// [`Refusal::CurrentPasswordWrong`], [`Refusal::PasswordRejected`], or [`Refusal::SessionEnded`] if the session
    /// or the account moved on meanwhile; a [`Fault`](crate::Fault).
    pub async fn change_password(
        &self,
        client: &ClientPolicy,
        caller: &Caller,
        passwords: (&str, &str),
        refresh_token: Option<&str>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let Self(engine) = self;
        let (current, new) = (Password::typed(passwords.0)?, Password::chosen(passwords.1)?);
        let (account, from) = (caller.key.account, requester.prefix());
        let owner = engine.authn().current_password(account, current, requester).await?;
        let password_hash = engine.hasher.hash_from(from, new, engine.random.as_ref()).await?;
        let own = match refresh_token {
            Some(text) => engine.recognise(client, text, engine.now()).await?,
            None => None,
        };
        let own = own.filter(|token| token.key == caller.key);
        for _ in 0..=MAX_MISSES {
            let state = engine.store.find(caller.key).await?.ok_or(Refusal::SessionEnded(None))?;
            if state.session.ended.is_none() && state.epoch != owner.epoch() {
                return Err(Refusal::SessionEnded(None).into());
            }
            let device = engine.store.named(caller.key.session).await?.and_then(|(_, detail)| detail.device);
            let now = engine.now();
            let token = engine.replacement(client, &state, own.as_ref(), now)?;
            // It is no log-in: the session ends no later than the one before, and was authenticated when that one was.
            let Session { expires_at, authenticated_at, methods, .. } = state.session;
            let successor = new_session(client, &token, state.epoch.next(), requester, now);
            let successor = Session { expires_at, authenticated_at, methods, ..successor };
            let told = Told::fresh(client, Rotated::of(&successor), now);
            let change = PasswordChange {
                verified_under: owner.epoch(),
                password_hash: password_hash.clone(),
                replaced: caller.key.session,
                successor,
                detail: detail(requester, device.as_deref()),
                ending: requester.ending(EndCause::PasswordChanged, now),
                event: requester.event_of_account(account, EventKind::PasswordChanged, now, None),
            };
            if engine.store.commit(change.commit()).await?.is_done() {
                return Ok(engine.pair(client, Some(owner.account()), &token, None, told, now)?);
            }
        }
        Err(tried_too_often("change a password").into())
    }
}

impl Engine {
    /// The first token of the session that takes the place of this one.
    fn replacement(
        &self,
        client: &ClientPolicy,
        state: &SessionState,
        own: Option<&RefreshToken>,
        now: Timestamp,
    ) -> Result<RefreshToken, Refusal> {
        let session = &state.session;
        if let Some(ended) = session.ended {
            return Err(Refusal::SessionEnded(Some(ended.cause)));
        }
        let key = self.key_of_new_session(session.key.account, now);
        // A tag alone is not enough: the token's secret must be the row's.
        Ok(match own.filter(|token| token.secret_hash() == session.secret_hash) {
            Some(token) => token.replacement(key, &self.keys.load(), now),
            None => RefreshToken::first(client.profile, key, self.random.as_ref()),
        })
    }
}
