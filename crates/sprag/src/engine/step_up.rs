//! Stepping up: whoever uses a session shows once more who they are, and a new session takes its place.

use std::borrow::Cow;
use std::fmt;

use super::commits::StepUp;
use super::opening::{detail, new_session};
use super::pair::{About, Told};
use super::replacement::Asked;
use super::{Caller, ClientPolicy, Engine, FactorProof, Requester, Sessions, TokenPair, tried_too_often};
use crate::account::Account;
use crate::audit::{Event, EventKind};
use crate::authn::Code;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::factor::Held;
use crate::factor::totp::typed_code;
use crate::limits::Reserved;
use crate::password::Password;
use crate::ratchet::{MAX_MISSES, access};
use crate::session::{EndCause, Epoch, Methods, Session, SessionKey};
use crate::store::{Committed, Rotated, Step};
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
    /// The code of an app, or a recovery code, as typed.
    Code(&'a str),
    /// A passkey: what a browser answered, as JSON.
    Passkey(&'a serde_json::Value),
}

/// Whoever has shown again who they are, and the steps that this takes: they apply where it still holds.
struct ShownAgain {
    owner: Account,
    epoch: Epoch,
    at: Timestamp,
    methods: Methods,
    /// Whether what was shown goes with what the session was opened by, and not in its place.
    adds: bool,
    steps: Vec<Step>,
    told: Option<EventKind>,
    /// The try that a right code gives back.
    reserved: Option<Reserved>,
}

/// Prints what a log may show: no password and no token.
impl fmt::Debug for StepUpRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepUpRequest")
    }
}

impl StepUpRequest<'_> {
    /// What tells this request from every other of its session. A passkey's challenge is spent by the first look, so that what it signed
    /// is part of the name: whoever has the name has shown the passkey.
    fn named(&self) -> Option<Cow<'_, str>> {
        let retry_id = self.retry_id?;
        match self.proof {
            // Neither is a recovery code there any more; a code of an app is, and is short enough to be guessed.
            Proof::Code(code) if typed_code(code).is_none() => {
                Some(Cow::Owned(format!("{retry_id}\n{code}")))
            }
            Proof::Password(_) | Proof::Code(_) => Some(Cow::Borrowed(retry_id)),
            Proof::Passkey(credential) => {
                let signature = credential.pointer("/response/signature")?.as_str()?;
                Some(Cow::Owned(format!("{retry_id}\n{signature}")))
            }
        }
    }
}

impl Sessions<'_> {
    /// Has whoever uses a session show once more who they are. A new session takes its place, with another id, a fresh
    /// `auth_time` and the ways that were shown now (a second factor beside those from before), and ends when the one before would have ended. Nothing that was handed out
    /// before works after it; the account's other sessions go on, and its epoch stays.
    ///
    /// The session is the caller's; where there is no caller, that of the refresh token, which must be one that a refresh
    /// would take. Of two requests that are one and the same, with a refresh token and a retry id, both are answered with the
    /// new session, as at a [change of password](super::Accounts::change_password).
    ///
    /// # Errors
    /// [`Refusal::SecondFactorRequired`] where the password is shown of an account that has a second factor;
    /// [`Refusal::EnrolmentRequired`] of one that must have a factor and has none;
    /// [`Refusal::CurrentPasswordWrong`]; [`Refusal::CodeWrong`], or of a passkey [`Refusal::PasskeyWrong`];
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::RateLimited`]; [`Refusal::TokenMissing`] if there is neither caller nor
    /// refresh token; what a refresh refuses; [`Refusal::SessionEnded`] if the session or the account moved on meanwhile; a
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
        if let Proof::Password(password) = request.proof {
            Password::typed(password)?;
        }
        let (key, judged) = self.session_that_asks(client, caller, request, requester).await?;
        let own = self.token_of(client, key, request.refresh_token).await?;
        let retry_hash = request.named().as_deref().map(hash_retry_id);
        let shown = self.shows_again(client, key, request.proof, requester).await?;
        let asked = self.claims_asked(client, &shown.owner, Some(key.session)).await?;
        for _ in 0..=MAX_MISSES {
            let state = self.store.find(key).await?.ok_or(Refusal::SessionEnded(None))?;
            let now = self.now();
            if let Some(denial) = access(&state, now) {
                return Err(Refusal::from(denial).into());
            }
            if state.epoch != shown.epoch {
                return Err(Refusal::SessionEnded(None).into());
            }
            let device = self.store.session(key).await?.and_then(|(_, detail)| detail.device);
            let token = self.replacement(client, &state, own.as_ref(), retry_hash, requester, now)?;
            let successor = new_session(client, &token, state.epoch, requester, now);
            let before = if shown.adds { state.session.methods } else { Methods::NONE };
            let successor = Session {
                expires_at: state.session.expires_at,
                authenticated_at: shown.at,
                methods: before | shown.methods,
                ..successor
            };
            let told = Told::fresh(client, Rotated::of(&successor), now);
            let note = Some(format!("in place of session {}", key.session));
            let also = shown.told.map(|kind| requester.event_of_account(key.account, kind, now, None));
            let step_up = StepUp {
                replaced: key.session,
                event: requester.event(successor.key, EventKind::SteppedUp, now, note),
                // Told with the rest, and so at the same moment: in a chain no entry is older than the one before.
                judged: judged
                    .clone()
                    .map(|event| Event { at: now, ..event })
                    .into_iter()
                    .chain(also)
                    .collect(),
                successor,
                detail: detail(requester, device.as_deref()),
                ending: requester.ending(EndCause::Replaced, now),
                shown: shown.steps.clone(),
            };
            match self.store.commit(step_up.commit()).await? {
                Committed::Done { .. } => {
                    self.give_look_back(shown.reserved.as_ref()).await;
                    // A letter may tell of what was shown.
                    self.letters_wait.notify_one();
                    return Ok(self.pair(
                        client,
                        About::of(&shown.owner, &asked),
                        &token,
                        None,
                        told,
                        now,
                    )?);
                }
                // The session is replaced first; what was shown stands behind it.
                Committed::Missed { step } if (1..=shown.steps.len()).contains(&step) => {
                    return Err(holds_no_longer(request.proof).into());
                }
                Committed::Missed { .. } | Committed::AccountMoved => {}
            }
        }
        Err(tried_too_often("step up").into())
    }

    /// The session that asks: the caller's, or else that of the refresh token, with what is to be told of that.
    async fn session_that_asks(
        &self,
        client: &ClientPolicy,
        caller: Option<&Caller>,
        request: StepUpRequest<'_>,
        requester: &Requester,
    ) -> Result<(SessionKey, Option<Event>), Error> {
        match (caller, request.refresh_token) {
            (Some(caller), _) => Ok((caller.key, None)),
            (None, Some(text)) => self.holder(client, text, request.retry_id, requester).await,
            (None, None) => Err(Refusal::TokenMissing.into()),
        }
    }

    /// Has the owner of the account whose session asks show again who they are.
    async fn shows_again(
        &self,
        client: &ClientPolicy,
        key: SessionKey,
        proof: Proof<'_>,
        requester: &Requester,
    ) -> Result<ShownAgain, Error> {
        let authn = self.authn();
        let held = authn.held(key.account).await?;
        match proof {
            Proof::Password(_) if held.has_factor() => Err(Refusal::SecondFactorRequired.into()),
            Proof::Password(password) => {
                let why = "the password, asked for to step up, was wrong";
                let owner = self.owner(key, Password::typed(password)?, why, requester).await?;
                // Their next log-in has them add one.
                if client.second_factor.is_asked_of(owner.account()) {
                    return Err(Refusal::EnrolmentRequired.into());
                }
                Ok(ShownAgain {
                    epoch: owner.epoch(),
                    at: owner.at(),
                    methods: owner.methods(),
                    adds: false,
                    steps: vec![Step::ExpectNoFactor],
                    told: None,
                    reserved: None,
                    owner: owner.account().clone(),
                })
            }
            Proof::Code(code) => self.shows_factor(key, &held, FactorProof::Code(code), requester).await,
            Proof::Passkey(credential) => {
                self.shows_factor(key, &held, FactorProof::Passkey(credential), requester).await
            }
        }
    }

    /// Has them show a second factor.
    async fn shows_factor(
        &self,
        key: SessionKey,
        held: &Held,
        proof: FactorProof<'_>,
        requester: &Requester,
    ) -> Result<ShownAgain, Error> {
        let account = key.account;
        let owner = self.accounts().get(account).await?;
        let reserved = self.reserve_look(account, proof, requester).await?;
        match self.look_at(account, held, proof, requester).await? {
            Code::Right(factor) => {
                let letter = self.tells_of_code(&owner, held, &factor, requester);
                Ok(ShownAgain {
                    epoch: owner.epoch,
                    at: self.now(),
                    methods: factor.methods,
                    adds: true,
                    told: factor.event(),
                    steps: std::iter::once(factor.spends).chain(letter).collect(),
                    reserved,
                    owner,
                })
            }
            wrong => {
                self.expect_usable(key).await?;
                match wrong {
                    Code::UsedBefore => self.give_look_back(reserved.as_ref()).await,
                    _ => self.note_wrong(account, proof, requester).await?,
                }
                Err(proof.refusal().into())
            }
        }
    }

    /// Refuses where a session has ended meanwhile: another request may have stepped up with this very code.
    async fn expect_usable(&self, key: SessionKey) -> Result<(), Error> {
        let state = self.store.find(key).await?.ok_or(Refusal::SessionEnded(None))?;
        access(&state, self.now()).map_or(Ok(()), |denial| Err(Refusal::from(denial).into()))
    }

    async fn answer_step_up_again(
        &self,
        client: &ClientPolicy,
        key: SessionKey,
        request: StepUpRequest<'_>,
        requester: &Requester,
    ) -> Result<Option<TokenPair>, Error> {
        let (Some(text), Some(retry_id)) = (request.refresh_token, request.named()) else { return Ok(None) };
        let asked = Asked { key, text, retry_id: &retry_id, cause: EndCause::Replaced };
        match request.proof {
            Proof::Password(password) => {
                let Ok(password) = Password::typed(password) else { return Ok(None) };
                let why = "a request to step up came again, and with another password";
                self.answer_again(client, asked, password, why, requester).await
            }
            Proof::Code(code) if typed_code(code).is_some() => {
                self.answer_again_by_code(client, asked, code, requester).await
            }
            Proof::Code(_) => self.answer_again_by_name(client, asked, requester).await,
            Proof::Passkey(_) => self.answer_again_by_name(client, asked, requester).await,
        }
    }
}

/// What is refused where what was shown holds no longer when it is to be spent.
fn holds_no_longer(proof: Proof<'_>) -> Refusal {
    match proof {
        Proof::Password(_) => Refusal::SecondFactorRequired,
        Proof::Code(_) => Refusal::CodeWrong,
        Proof::Passkey(_) => Refusal::PasskeyWrong,
    }
}
