//! Changing a password, and what becomes of the session that asks for it.

use super::opening::{detail, new_session};
use super::pair::fresh_life;
use super::refresh::present;
use super::{Accounts, Caller, ClientPolicy, Engine, Requester, TokenPair, tried_too_often};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::password::Password;
use crate::ratchet::{MAX_MISSES, Rotation, SessionState};
use crate::session::{EndCause, SessionDetail};
use crate::store::{CurrentSession, PasswordChange, PasswordChanged};
use crate::token::RefreshToken;

impl Accounts<'_> {
    /// Changes the caller's password: the account's epoch moves, the other sessions end, this one turns at once.
    ///
    /// Only the client's refresh token holds the session secret from which a successor is derived. Where the caller
    /// shows that token too, its session turns; where it shows only the access token, a new session takes the place
    /// of the old one.
    ///
    /// # Errors
    /// [`Refusal::CurrentPasswordWrong`], [`Refusal::PasswordRejected`], or [`Refusal::SessionEnded`] if the session
    /// or the account moved on meanwhile; a [`Fault`].
    pub async fn change_password(
        &self,
        client: &ClientPolicy,
        caller: &Caller,
        passwords: (&str, &str),
        refresh_token: Option<&str>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let (current, new) = (Password::typed(passwords.0)?, Password::chosen(passwords.1)?);
        let account = caller.key.account;
        let Self(engine) = self;
        let owner = engine.authn().current_password(account, current, requester).await?;
        let password_hash = engine.hasher.hash(new, engine.random.as_ref()).await?;
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
            let detail = detail(requester, device.as_deref());
            let (token, session) =
                engine.successor(client, &state, own.as_ref(), (requester, detail), now)?;
            let expires_at = state.session.expires_at;
            let change = PasswordChange {
                account,
                verified_under: owner.epoch(),
                password_hash: password_hash.clone(),
                current: session,
                ending: requester.ending(EndCause::PasswordChanged, now),
                event: requester.event_of_account(account, EventKind::PasswordChanged, now, None),
            };
            match engine.store.change_password(change).await? {
                PasswordChanged::Done(_) => {
                    let life = fresh_life(client, expires_at, now);
                    return Ok(engine.new_pair(client, Some(owner.account()), &token, life, now)?);
                }
                PasswordChanged::Moved => {}
            }
        }
        Err(tried_too_often("change a password").into())
    }
}

impl Engine {
    /// The token that will follow a password change, and what becomes of the session for it.
    fn successor(
        &self,
        client: &ClientPolicy,
        state: &SessionState,
        own: Option<&RefreshToken>,
        (requester, detail): (&Requester, SessionDetail),
        now: Timestamp,
    ) -> Result<(RefreshToken, CurrentSession), Refusal> {
        let session = &state.session;
        if let Some(ended) = session.ended {
            return Err(Refusal::SessionEnded(Some(ended.cause)));
        }
        if let Some(token) = own {
            let presented = present(token, None, requester);
            if let Some(rotation) = Rotation::sealing(&presented, state, now, &client.policy) {
                return Ok((token.at(rotation.to), CurrentSession::Turns(rotation)));
            }
        }
        let key = self.key_of_new_session(session.key.account, now);
        let token = RefreshToken::first(client.profile, key, self.random.as_ref());
        let mut successor = new_session(client, &token, state.epoch.next(), requester, now);
        successor.expires_at = session.expires_at;
        Ok((token, CurrentSession::GivesWay { old: session.key.session, new: Box::new(successor), detail }))
    }
}
