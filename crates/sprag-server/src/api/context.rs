//! What an action works with: the request, the route and profile that it came by, the engine behind them, and the answer in
//! the profile's shape.

use std::sync::Arc;

use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Map, Value};
use sprag::account::Account;
use sprag::audit::Severity;
use sprag::authn::Shown;
use sprag::engine::{Caller, ClientPolicy, Confirmation, Requester, SecondFactor, TokenPair};
use sprag::proof_of_work::Solved;
use sprag::security::Outcome;
use sprag::session::AccountId;
use sprag::text;
use sprag::{Error, Refusal};

use super::Handler;
use super::pair_facts;
use crate::edge::app::App;
use crate::edge::connections::Asking;
use crate::edge::cookie;
use crate::edge::devices;
use crate::edge::fences::{LOGIN, keep_out};
use crate::edge::large_answers::Permit;
use crate::edge::pages;
use crate::edge::refusal::Problem;
use crate::edge::request::{self, Received};
use crate::edge::response::{JSON, bodiless, with_body};
use crate::edge::transport::{self, By, Carried};
use crate::edge::wiped::WipedFields;
use crate::edge::{instance, instead};
use crate::places::Fence;
use crate::profile::{Fact, Facts, Input, Inputs, Needs, Pair, Profile, Route, TakeError, Transport};

/// How much of a device's label is remembered, in bytes.
const MAX_DEVICE_BYTES: usize = 200;

/// What an answer may have room for and not need, in bytes. Most have less than that beside their tokens.
const MAX_SPARE_BYTES: usize = 192;

/// What the security log says where an administrator asks for something that only they may have.
const ADMINISTRATOR_ASKED: &str = "administrator_asked";

/// A profile and what the engine needs to know of it.
pub(crate) struct ServedProfile {
    pub(crate) profile: Profile,
    pub(crate) client: ClientPolicy,
    pub(crate) device_cookie: Option<String>,
    /// What the security log calls it.
    pub(crate) name: Arc<str>,
}

impl ServedProfile {
    pub(crate) fn new(profile: Profile, app: &App) -> Self {
        let client = app.policy_of(&profile);
        let device_cookie = cookie::device_cookie(&profile.wire.refresh);
        let name = client.client_id.as_str().into();
        Self { profile, client, device_cookie, name }
    }
}

/// One route of one profile.
#[derive(Clone)]
pub(crate) struct RouteContext {
    pub(crate) app: Arc<App>,
    pub(crate) served: Arc<ServedProfile>,
    pub(crate) route: Arc<Route>,
    /// Whether it answers here as if it were not there: only administrators ask for it, and they are served elsewhere.
    pub(crate) is_hidden: bool,
    /// What carries out the route's action.
    pub(crate) run: Handler,
}

/// One request for an action.
pub(crate) struct Call {
    /// The head of the request.
    pub(crate) parts: Box<Parts>,
    /// What stands for `{id}` in its path, where the route has that.
    pub(crate) id: Option<String>,
    /// Whose access token it carries, where the action needs one.
    pub(crate) caller: Option<Caller>,
    /// Whether what it asks for stands in its query, not in its body.
    pub(crate) reads_query: bool,
    /// Its body, or why there is none.
    pub(crate) body: Received,
}

impl Call {
    /// Whose access token it carries, if what the action [`needs`](crate::profile::Spec::needs) is one.
    pub(crate) fn caller(&mut self) -> Result<Caller, Problem> {
        self.caller.take().ok_or_else(|| Refusal::TokenMissing.into())
    }

    /// Whose account the `{id}` in its path names.
    pub(crate) fn account(&self) -> Result<AccountId, Problem> {
        let id = self.id.as_deref().and_then(|id| id.parse().ok());
        Ok(id.ok_or(Refusal::AccountUnknown)?)
    }

    /// The fields of its body, or of its query where it only reads. They can be had once.
    pub(crate) fn fields(&mut self) -> Result<WipedFields, Problem> {
        if self.reads_query {
            return request::query(&self.parts).map(WipedFields::from);
        }
        request::fields(&self.parts, std::mem::replace(&mut self.body, Ok(bytes::Bytes::new())))
    }
}

impl RouteContext {
    /// The body's fields as the route's inputs.
    pub(crate) fn inputs<'a>(&self, fields: &'a Map<String, Value>) -> Result<Inputs<'a>, Problem> {
        self.route.takes.read(fields).map_err(Problem::Field)
    }

    /// What came for the first of `wanted` that came at all.
    pub(crate) fn require<'a>(&self, inputs: &Inputs<'a>, wanted: &[Input]) -> Result<&'a str, Problem> {
        let missing = || Problem::Field(inputs.missing(self.field_of(wanted)));
        wanted.iter().find_map(|input| inputs.get(*input)).ok_or_else(missing)
    }

    /// What the engine said, and of a password that cannot be taken also in which field it came.
    pub(crate) fn naming(&self, input: Input, error: Error) -> Problem {
        match error {
            Error::Refused(Refusal::PasswordRejected(_)) => Problem::AtField(self.field_of(&[input]), error),
            error => error.into(),
        }
    }

    /// What a browser answered with a passkey.
    pub(crate) fn credential(
        &self,
        fields: &Map<String, Value>,
        inputs: &Inputs<'_>,
    ) -> Result<Value, Problem> {
        let text = self.require(inputs, &[Input::Credential])?;
        let name = self.field_of(&[Input::Credential]);
        let found = fields.get(&name).filter(|value| value.is_object()).cloned();
        let found = found.or_else(|| serde_json::from_str(text).ok().filter(Value::is_object));
        found
            .ok_or_else(|| Problem::Field(TakeError::wrong(name, "must be what a browser answered, as JSON")))
    }

    /// The name on the wire of the first of `inputs` that the route takes.
    pub(crate) fn field_of(&self, inputs: &[Input]) -> String {
        let field = self.route.takes.fields().iter().find(|field| inputs.contains(&field.input));
        let name = field.map(|field| field.name.as_str());
        name.or(inputs.first().map(|input| input.name())).unwrap_or_default().to_owned()
    }

    pub(crate) fn requester(&self, parts: &Parts) -> Result<Requester, Problem> {
        request::requester(parts, &self.app.proxies, self.served.device_cookie.as_deref())
    }

    /// Who asks, where a letter to them may come of it: with the languages that they read.
    pub(crate) fn reader(&self, parts: &Parts) -> Result<Requester, Problem> {
        Ok(Requester { languages: pages::languages(parts), ..self.requester(parts)? })
    }

    /// Who asks, where an administrator does something to an account: the journal names them.
    pub(crate) fn acting(&self, parts: &Parts, administrator: &Caller) -> Result<Requester, Problem> {
        Ok(Requester { acting: Some(administrator.key.account), ..self.reader(parts)? })
    }

    /// Lets a request in that comes from a place from which its action may be asked for. It is asked before anything else, so
    /// that it tells nothing of any name, and takes no more than a look into memory.
    pub(crate) fn expect_place(&self, parts: &Parts) -> Result<(), Problem> {
        let fences = &self.served.profile.fences;
        let (what, fences) = match self.route.action.pair() {
            Pair::Never => return Ok(()),
            Pair::OfThisSession => ("refresh", &fences.refresh),
            Pair::OfNewSession | Pair::OfNewSessionIfTold { .. } => (LOGIN, &fences.login),
        };
        self.expect_inside(parts, what, fences)
    }

    /// As [`expect_place`](Self::expect_place), where the request opens a session only because of what its body says.
    pub(crate) fn expect_place_of_login(&self, parts: &Parts) -> Result<(), Problem> {
        self.expect_inside(parts, LOGIN, &self.served.profile.fences.login)
    }

    fn expect_inside(&self, parts: &Parts, what: &'static str, fences: &[Fence]) -> Result<(), Problem> {
        let address = request::address(parts, &self.app.proxies);
        if keep_out(&self.app, what, fences, address) { Err(Problem::PlaceRefused) } else { Ok(()) }
    }

    /// Whether whoever asks for its action shows no account by that, so that what is limited is limited by where they come from.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.route.action.is_anonymous(self.served.profile.client.registration)
    }

    /// The challenge that the request has solved, where this server hands any out.
    pub(crate) fn solved(&self, inputs: &Inputs<'_>) -> Option<Solved> {
        self.app.proof_of_work.and_then(|_| self.app.engine.solved(inputs.get(Input::Altcha)?))
    }

    /// What a log-in shows of the device that it comes from: what that was given at an earlier one, and the newest refresh
    /// token of a live session.
    pub(crate) async fn shown(&self, parts: &Parts, inputs: &Inputs<'_>) -> Result<Shown, Problem> {
        let solved = self.solved(inputs);
        let hides_unconfirmed = self.served.client.confirmation == Confirmation::Required;
        if !self.app.knows_devices {
            return Ok(Shown { solved, hides_unconfirmed, ..Shown::default() });
        }
        let cookie = self.served.profile.wire.refresh.cookie.as_ref();
        let devices = devices::shown(&self.app, cookie, &parts.headers);
        // What is odd about its cookies must not keep anybody from logging in.
        let in_cookie = self.cookie_token(parts).await.unwrap_or_default();
        let (client, engine) = (&self.served.client, &self.app.engine);
        for text in inputs.get(Input::RefreshToken).into_iter().chain(in_cookie.as_ref().map(|it| &*it.text))
        {
            if let Some(session) = engine.session_shown(client, text).await? {
                return Ok(Shown { devices, session: Some(session), solved, hides_unconfirmed });
            }
        }
        Ok(Shown { devices, session: None, solved, hides_unconfirmed })
    }

    /// Has the device keep what the account knows it by.
    pub(crate) fn has_device_keep(
        &self,
        parts: &Parts,
        shown: &Shown,
        pair: &TokenPair,
        response: &mut Response,
    ) {
        if let Some(own) = &pair.device {
            let cookie = self.served.profile.wire.refresh.cookie.as_ref();
            devices::set(&self.app, cookie, &parts.headers, (own, shown), response);
        }
    }

    /// Lets a request in that brings what its action needs, and says whose access token it is if that is one. A refresh
    /// token is looked at by the action itself.
    pub(crate) async fn let_in(&self, parts: &Parts) -> Result<Option<Caller>, Problem> {
        let caller = self.let_in_at_all(parts).await?;
        if let Some(caller) = &caller
            && (self.lacks_factor(caller) || !self.is_fresh_enough(caller).await?)
        {
            return Err(Refusal::StepUpRequired.into());
        }
        Ok(caller)
    }

    async fn is_fresh_enough(&self, caller: &Caller) -> Result<bool, Problem> {
        let wants = self.route.action.wants_fresh();
        Ok(!wants || Box::pin(self.app.engine.factors().is_fresh(caller, self.app.fresh_for)).await?)
    }

    /// Whether an administrator who must have a second factor has shown none: they may have become one only after they logged in.
    fn lacks_factor(&self, caller: &Caller) -> bool {
        let client = &self.served.client;
        let of_administrators = self.route.action.needs_admin(self.served.profile.client.registration);
        let is_asked = client.second_factor != SecondFactor::Optional;
        of_administrators && is_asked && !caller.state.session.methods.has_factor()
    }

    /// What looks an access token up is in boxes: a refresh has none, and would have room for all of it.
    async fn let_in_at_all(&self, parts: &Parts) -> Result<Option<Caller>, Problem> {
        let action = self.route.action;
        if action.needs_admin(self.served.profile.client.registration) {
            return Box::pin(self.admin(parts)).await.map(Some);
        }
        match action.needs() {
            Needs::AccessToken | Needs::Administrator => Box::pin(self.caller(parts)).await.map(Some),
            Needs::AccessTokenOrEnrolment if request::bearer(&parts.headers).is_some() => {
                Box::pin(self.caller(parts)).await.map(Some)
            }
            Needs::AccessTokenOrRepeat => match Box::pin(self.caller(parts)).await {
                Err(problem) if problem.is_of_the_past() && request::retry_id(&parts.headers)?.is_some() => {
                    Ok(None)
                }
                caller => caller.map(Some),
            },
            Needs::Nothing
            | Needs::AccessTokenOrCookie
            | Needs::AccessTokenOrEnrolment
            | Needs::AdministratorUnlessOpen
            | Needs::RefreshToken
            | Needs::RefreshOrAccessToken => Ok(None),
        }
    }

    /// Whose access token the request carries.
    pub(crate) async fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let missing = || Problem::TokenMissing(instead::of_access_token(parts));
        let bearer = request::bearer(&parts.headers).ok_or_else(missing)?;
        let caller = self.app.engine.authenticate(&self.served.client, bearer).await;
        // That one has expired, or its session has ended, happens to everybody and tells of nothing.
        if let Err(Error::Refused(refusal @ (Refusal::TokenInvalid | Refusal::AccountDisabled))) = &caller {
            self.tell_security(parts, None, |told| told.refused(refusal.code()).tell_seldom());
        }
        Ok(caller?)
    }

    /// Whose access token the request carries, if it is an administrator's.
    async fn admin(&self, parts: &Parts) -> Result<Caller, Problem> {
        let caller = self.caller(parts).await?;
        if self.app.engine.accounts().get(caller.key.account).await?.is_admin {
            self.tell_security(parts, Some(&caller), |told| {
                Outcome { name: ADMINISTRATOR_ASKED, ..told }.tell()
            });
            return Ok(caller);
        }
        let refusal = Refusal::Forbidden;
        self.tell_security(parts, Some(&caller), |told| {
            Outcome { severity: Severity::Warning, ..told.refused(refusal.code()) }.tell_seldom();
        });
        Err(refusal.into())
    }

    /// Has the security log tell of this request, which `tell` gives a name.
    pub(crate) fn tell_security(
        &self,
        parts: &Parts,
        caller: Option<&Caller>,
        tell: impl FnOnce(Outcome<'_>),
    ) {
        // Whoever sends a header that cannot be read is refused for that, too.
        let Ok(Requester { ip, user_agent, .. }) = self.requester(parts) else { return };
        tell(Outcome {
            account: caller.map(|caller| caller.key.account),
            session: caller.map(|caller| caller.key.session),
            note: Some(self.route.action.name()),
            ..Outcome::named("", Severity::Notice, ip.as_deref(), user_agent.as_deref())
        });
    }

    /// The refresh token of the request, in cookie or body; in a cookie only from a page of this site.
    ///
    /// Where both have one, they must be of one session, at most one generation apart; the newer counts. A token of another
    /// system may be any number of generations old there: the client that keeps it has not noticed that it has been
    /// replaced. Nothing changes where they are not.
    pub(crate) async fn refresh_token(
        &self,
        parts: &Parts,
        in_body: Option<&str>,
    ) -> Result<Option<Carried>, Problem> {
        let in_body = in_body.map(|text| Carried::new(text, By::Body));
        let Some(cookie) = &self.served.profile.wire.refresh.cookie else { return Ok(in_body) };
        let carried = match (self.cookie_token(parts).await?, in_body) {
            (None, None) => return Ok(None),
            // The answer sets the cookie all the same, so that another site could log a visitor in as somebody else.
            (None, Some(in_body)) if self.served.profile.wire.refresh.transport == Transport::Both => in_body,
            (None, in_body) => return Ok(in_body),
            (Some(in_cookie), Some(in_body)) if in_cookie.text != in_body.text => {
                let (client, engine) = (&self.served.client, &self.app.engine);
                let newer = transport::the_newer_one(&in_cookie.text, &in_body.text, client, engine);
                let newer = Box::pin(newer).await?;
                Carried::new(newer, By::Cookie)
            }
            (Some(in_cookie), _) => in_cookie,
        };
        transport::require_own_site(cookie, &self.app, &parts.headers)?;
        Ok(Some(carried))
    }

    /// Why no refresh token came: where it is looked for, and what came in its place.
    pub(crate) fn no_refresh_token(&self, parts: &Parts, fields: &Map<String, Value>) -> Problem {
        let taken = self.route.takes.fields().iter().find(|field| field.input == Input::RefreshToken);
        let field = taken.map(|field| field.name.as_str());
        let cookie = self.served.profile.wire.refresh.cookie.as_ref().map(|cookie| cookie.name.as_str());
        Problem::TokenMissing(instead::of_refresh_token(parts, fields, field, cookie))
    }

    /// The refresh token in the request's cookie, whatever its body says.
    pub(crate) async fn cookie_token(&self, parts: &Parts) -> Result<Option<Carried>, Problem> {
        let Some(cookie) = &self.served.profile.wire.refresh.cookie else { return Ok(None) };
        let (client, engine) = (&self.served.client, &self.app.engine);
        transport::find_in_cookies(cookie, client, engine, &parts.headers).await
    }

    /// How the refresh token of a new session shall travel. An answer that sets a cookie must have been asked for by a
    /// page of this site, or another site could log a visitor in as somebody else.
    pub(crate) fn way_asked_for(&self, parts: &Parts, inputs: &Inputs<'_>) -> Result<By, Problem> {
        let transport = &self.served.profile.wire.refresh;
        let by = match (transport.transport, inputs.get(Input::Transport)) {
            (Transport::Cookie | Transport::Both, _) | (Transport::Asked, Some("cookie")) => By::Cookie,
            (Transport::Body | Transport::Asked, _) => By::Body,
        };
        if let (By::Cookie, Some(cookie)) = (by, &transport.cookie) {
            transport::require_own_site(cookie, &self.app, &parts.headers)?;
        }
        Ok(by)
    }

    /// The account, read only where the answer tells more of it than its id.
    pub(crate) async fn account_if_told(&self, id: AccountId) -> Result<Option<Account>, Problem> {
        self.account_if_told_by(&self.route, id).await
    }

    /// As [`account_if_told`](Self::account_if_told), where it is the answer of that route.
    pub(crate) async fn account_if_told_by(
        &self,
        route: &Route,
        id: AccountId,
    ) -> Result<Option<Account>, Problem> {
        let is_told = Fact::ACCOUNT.iter().any(|fact| *fact != Fact::AccountId && route.gives.names(*fact));
        if is_told { Ok(Some(self.app.engine.accounts().get(id).await?)) } else { Ok(None) }
    }

    /// A token pair, in the body, the cookie or both; `by` is how the refresh token came or was asked for.
    pub(crate) fn token_pair(&self, pair: &TokenPair, by: By, account: Option<&Account>) -> Response {
        let (in_cookie, in_body) = transport::ways(&self.served.profile.wire.refresh, by);
        let facts = pair_facts::of(pair, in_body, account);
        let mut response = self.shaped(&facts);
        if let (true, Some(cookie)) = (in_cookie, &self.served.profile.wire.refresh.cookie) {
            cookie::set(&mut response, cookie, pair);
        }
        response
    }

    /// An answer in the shape of the route.
    pub(crate) fn shaped(&self, facts: &Facts<'_>) -> Response {
        let status = StatusCode::from_u16(self.route.status).unwrap_or(StatusCode::OK);
        if self.route.gives.is_none() {
            return bodiless(status);
        }
        let tokens = [facts.access_token, facts.refresh_token].into_iter().flatten().map(str::len);
        let mut body = Vec::with_capacity(tokens.sum::<usize>() + MAX_SPARE_BYTES);
        let facts = Facts { profile: Some(self.served.profile.client.id), ..*facts };
        self.route.gives.write(&facts, &mut body);
        // What a client leaves unread counts by its length, and so must not take more.
        if body.capacity() - body.len() > MAX_SPARE_BYTES.max(body.len() / 8) {
            body.shrink_to_fit();
        }
        with_body(status, JSON, body)
    }

    /// Waits until an answer may be made that may be large.
    pub(crate) async fn permit(&self, parts: &Parts) -> Permit {
        self.app.large_answers.next(parts.extensions.get::<Asking>()).await
    }

    /// An answer that may be large, and the permit to make it, which ends once the answer is counted.
    pub(crate) fn large(&self, permit: Permit, facts: &Facts<'_>) -> Response {
        let mut response = self.shaped(facts);
        response.extensions_mut().insert(permit);
        response
    }

    /// A log-out's answer: the cookie is cleared, and the one that the system before left.
    pub(crate) fn cleared(&self, mut response: Response) -> Response {
        if let Some(cookie) = &self.served.profile.wire.refresh.cookie {
            cookie::clear(&mut response, cookie);
            cookie::clear_former(&mut response, cookie);
        }
        response
    }

    /// The mark of a device that has none yet, where the token of its new session will travel in the cookie.
    ///
    /// All further requests bring it, so the session belongs to that instance from the beginning: otherwise its first
    /// refresh would seem to come from another device than its log-in.
    pub(crate) fn new_mark(&self, parts: &Parts, by: By, requester: &mut Requester) -> Option<String> {
        let name = self.served.device_cookie.as_deref()?;
        if by != By::Cookie || cookie::cookies(&parts.headers, name).next().is_some() {
            return None;
        }
        let mark = BASE64URL_NOPAD.encode(&self.app.engine.random::<16>());
        requester.instance = instance::marked(&mark);
        Some(mark)
    }

    /// Sets the mark of a new session's device, and clears what the system before left.
    pub(crate) fn mark_device(&self, by: By, mark: Option<&str>, response: &mut Response) {
        let (Some(cookie), Some(name)) =
            (&self.served.profile.wire.refresh.cookie, &self.served.device_cookie)
        else {
            return;
        };
        if by == By::Cookie {
            cookie::clear_former(response, cookie);
        }
        if let Some(mark) = mark {
            cookie::mark_device(response, cookie, name, mark);
        }
    }
}

/// What people will read of the device. Clients send what their browser says of itself, however long that is.
pub(crate) fn device(inputs: &Inputs<'_>) -> Option<String> {
    inputs.get(Input::Device).map(|label| text::label(label, MAX_DEVICE_BYTES))
}
