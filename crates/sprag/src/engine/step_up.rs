//! Stepping up: whoever uses a session shows once more who they are, and a new session takes its place.

use std::fmt;

use super::commits::StepUp;
use super::opening::{detail, new_session};
use super::pair::{About, Told};
use super::replacement::Asked;
use super::{Caller, ClientPolicy, Engine, Requester, Sessions, TokenPair, tried_too_often};
use crate::audit::{Event, EventKind};
use crate::error::{Error, Refusal};
use crate::password::Password;
use crate::ratchet::{MAX_MISSES, access};
use crate::session::{EndCause, Session, SessionKey};
use crate::store::Rotated;
use crate::token::hash_retry_id;

/// A request to step up.
#[derive(Clone, Copy)]
pub struct StepUpRequest<'a> {
    /// What shows who they are.
    pub proof: Proof<'a>,
    /// The refresh token of the session that asks, if the client showed it.
    pub refresh_token: Option<&'a str>,
    /// The retry id (`Idempotency-Key`), if the client sent one.
    pub retry_id: Option<&'a str>,
}

/// What somebody shows at a step-up.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Proof<'a> {
    /// The password, as typed: for an account that has no second factor.
    Password(&'a str),
}

/// Prints what a log may show: no password and no token.
impl fmt::Debug for StepUpRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepUpRequest")
    }
}

impl Sessions<'_> {
    /// Has whoever uses a session show once more who they are. A new session takes its place, with another id, a fresh
    /// `auth_time` and the ways that were shown now, and ends when the one before would have ended. Nothing that was handed out
    /// before works after it; the account's other sessions go on, and its epoch stays.
    ///
    /// The session is the caller's; where there is no caller, that of the refresh token, which must be one that a refresh
    /// would take. Of two requests that are one and the same, with a refresh token and a retry id, both are answered with the
    /// new session, as at a [change of password](super::Accounts::change_password).
    ///
    /// # Errors
    /// [`Refusal::CurrentPasswordWrong`]; [`Refusal::TokenMissing`] if there is neither caller nor refresh token; what a
    /// refresh refuses; [`Refusal::SessionEnded`] if the session or the account moved on meanwhile; a
    /// [`Fault`](crate::Fault).
    pub async fn step_up(
        &self,
        client: &ClientPolicy,
        caller: Option<&Caller>,
        request: StepUpRequest<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let Self(engine) = self;
        let stepped_up = engine.step_up(client, caller, request, requester).await;
        let Err(Error::Refused(Refusal::SessionEnded(Some(EndCause::Replaced)))) = stepped_up else {
            return stepped_up;
        };
        // It may have been carried out already, or its twin came at the same time.
        let key = match (caller, request.refresh_token) {
            (Some(caller), _) => Some(caller.key),
            (None, Some(text)) => engine.recognise(client, text, engine.now()).await?.map(|token| token.key),
            (None, None) => None,
        };
        let Some(key) = key else { return stepped_up };
        engine.answer_step_up_again(client, key, request, requester).await?.map_or(stepped_up, Ok)
    }

    /// Answers a request that has stepped up already, and whose answer was lost, with the new session: the pair that it would
    /// have had. `bearer` is the access token of the request, good no longer. `None` where this is no such request.
    ///
    /// # Errors
    /// A [`Fault`](crate::Fault).
    pub async fn step_up_again(
        &self,
        client: &ClientPolicy,
        bearer: &str,
        request: StepUpRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let Self(engine) = self;
        let Some(key) = engine.session_named(client, bearer) else { return Ok(None) };
        engine.answer_step_up_again(client, key, request, requester).await
    }
}

impl Engine {
    async fn step_up(
        &self,
        client: &ClientPolicy,
        caller: Option<&Caller>,
        request: StepUpRequest<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        // What is no password at all asks the store nothing.
        let Proof::Password(password) = request.proof;
        let password = Password::typed(password)?;
        let (key, judged) = match (caller, request.refresh_token) {
            (Some(caller), _) => (caller.key, None),
            (None, Some(text)) => self.holder(client, text, request.retry_id, requester).await?,
            (None, None) => return Err(Refusal::TokenMissing.into()),
        };
        let own = self.token_of(client, key, request.refresh_token).await?;
        let retry_hash = request.retry_id.map(hash_retry_id);
        let why = "the password, asked for to step up, was wrong";
        let owner = self.owner(key, password, why, requester).await?;
        let asked = self.claims_asked(client, owner.account(), Some(key.session)).await?;
        for _ in 0..=MAX_MISSES {
            let state = self.store.find(key).await?.ok_or(Refusal::SessionEnded(None))?;
            let now = self.now();
            if let Some(denial) = access(&state, now) {
                return Err(Refusal::from(denial).into());
            }
            if state.epoch != owner.epoch() {
                return Err(Refusal::SessionEnded(None).into());
            }
            let device = self.store.session(key).await?.and_then(|(_, detail)| detail.device);
            let token = self.replacement(client, &state, own.as_ref(), retry_hash, requester, now)?;
            let successor = new_session(client, &token, state.epoch, requester, now);
            let successor = Session {
                expires_at: state.session.expires_at,
                authenticated_at: owner.at(),
                methods: owner.methods(),
                ..successor
            };
            let told = Told::fresh(client, Rotated::of(&successor), now);
            let note = Some(format!("in place of session {}", key.session));
            let step_up = StepUp {
                replaced: key.session,
                event: requester.event(successor.key, EventKind::SteppedUp, now, note),
                // Told with the rest, and so at the same moment: in a chain no entry is older than the one before.
                judged: judged.clone().map(|event| Event { at: now, ..event }),
                successor,
                detail: detail(requester, device.as_deref()),
                ending: requester.ending(EndCause::Replaced, now),
            };
            if self.store.commit(step_up.commit()).await?.is_done() {
                return Ok(self.pair(client, About::of(owner.account(), &asked), &token, None, told, now)?);
            }
        }
        Err(tried_too_often("step up").into())
    }

    async fn answer_step_up_again(
        &self,
        client: &ClientPolicy,
        key: SessionKey,
        request: StepUpRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let (Some(text), Some(retry_id)) = (request.refresh_token, request.retry_id) else { return Ok(None) };
        let Proof::Password(password) = request.proof;
        let Ok(password) = Password::typed(password) else { return Ok(None) };
        let asked = Asked { key, text, retry_id, cause: EndCause::Replaced };
        let why = "a request to step up came again, and with another password";
        self.answer_again(client, asked, password, why, requester).await
    }
}
