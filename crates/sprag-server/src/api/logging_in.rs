//! What every log-in does around what it asks for: it takes what the device brings, and hands the device what it is to keep.

use axum::http::request::Parts;
use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use sprag::authn::{Authenticated, DeviceText, Shown};
use sprag::engine::{
    Enrolled, EnrolmentRequest, FactorProof, FactorRequest, LoggedIn, NewFactor, OpenRequest, Requester,
    TokenPair, WaitingLogIn,
};
use sprag::factor::recovery::RecoveryCode;

use super::context::{RouteContext, device};
use super::pair_facts;
use crate::edge::refusal::Problem;
use crate::edge::response::json_answer;
use crate::edge::transport::{self, By, Carried};
use crate::edge::{cookie, remembered};
use crate::profile::{Facts, Input, Inputs};

/// A log-in that has begun.
pub(super) struct LoggingIn<'c> {
    context: &'c RouteContext,
    device: Option<String>,
    by: By,
    mark: Option<String>,
    carried: Option<Carried>,
    remembered: Vec<DeviceText>,
    remembers_factor: bool,
    pub(super) requester: Requester,
    pub(super) shown: Shown,
}

impl<'c> LoggingIn<'c> {
    /// Takes what the device brings.
    ///
    /// # Errors
    /// The way asked for is none that tokens travel by here; a fault.
    pub(super) async fn begin(
        context: &'c RouteContext,
        parts: &Parts,
        inputs: &Inputs<'_>,
        mut requester: Requester,
    ) -> Result<Self, Problem> {
        let device = device(inputs);
        let by = context.way_asked_for(parts, inputs)?;
        let mark = context.new_mark(parts, by, &mut requester);
        // Cookies of two sessions say nothing of which one to replace; they must not keep anybody from logging in.
        let carried =
            if by == By::Cookie { context.cookie_token(parts).await.unwrap_or_default() } else { None };
        let shown = context.shown(parts, inputs).await?;
        let cookie = context.served.profile.wire.refresh.cookie.as_ref();
        let remembered = remembered::shown(cookie, &parts.headers, inputs.get(Input::DeviceToken));
        let remembers_factor = inputs.flag(Input::RememberDevice).unwrap_or_default();
        Ok(Self { context, device, by, mark, carried, remembered, remembers_factor, requester, shown })
    }

    /// Opens the session of whoever it is, or says that a second factor is to be shown first.
    ///
    /// # Errors
    /// The account or its device is refused; the log-in waits for a second factor; a fault.
    pub(super) async fn open(self, parts: &Parts, somebody: Authenticated) -> Result<Response, Problem> {
        let Self { context, requester, .. } = &self;
        let client = &context.served.client;
        match context.app.engine.log_in(client, somebody, self.request(), requester).await? {
            LoggedIn::Opened(pair) => self.hand_out(parts, &pair).await,
            LoggedIn::Waits(waits) => Err(waiting(self.context, waits)),
        }
    }

    /// Opens the session of a log-in that waited for its second factor.
    ///
    /// # Errors
    /// The token or the factor is refused, the account or its device; a fault.
    pub(super) async fn go_on(
        self,
        parts: &Parts,
        (token, proof): (&str, FactorProof<'_>),
    ) -> Result<Response, Problem> {
        let Self { context, requester, shown, .. } = &self;
        let request = FactorRequest { token, proof, open: self.request() };
        let client = &context.served.client;
        let pair = context.app.engine.log_in_with_factor(client, request, shown, requester).await?;
        self.hand_out(parts, &pair).await
    }

    /// Opens the session of whoever shows a passkey.
    ///
    /// # Errors
    /// The passkey is refused, the account or its device; a fault.
    pub(super) async fn open_by_passkey(
        self,
        parts: &Parts,
        credential: &Value,
    ) -> Result<Response, Problem> {
        let Self { context, requester, shown, .. } = &self;
        let (client, engine) = (&context.served.client, &context.app.engine);
        let pair = engine.log_in_by_passkey(client, credential, self.request(), shown, requester).await?;
        self.hand_out(parts, &pair).await
    }

    fn request(&self) -> OpenRequest<'_> {
        OpenRequest {
            device: self.device.as_deref(),
            superseded: self.carried.as_ref().map(|carried| carried.text.as_str()),
            remembers_device: self.context.app.knows_devices,
            remembered: &self.remembered,
            remembers_factor: self.remembers_factor,
        }
    }

    /// Opens the session of a log-in that waited until its account has a second factor, by what adds that.
    ///
    /// # Errors
    /// The token or the code is refused, the account or its device; a fault.
    pub(super) async fn enrol(
        self,
        parts: &Parts,
        (token, factor): (&str, NewFactor<'_>),
        status: StatusCode,
    ) -> Result<Response, Problem> {
        let Self { context, requester, shown, by, .. } = &self;
        context.expect_place_of_login(parts)?;
        let request = EnrolmentRequest { token, factor, open: self.request() };
        let client = &context.served.client;
        let factors = context.app.engine.factors();
        let enrolled = factors.confirm_enrolment(client, request, shown, requester).await?;
        let pair = &enrolled.pair;
        let refresh = &context.served.profile.wire.refresh;
        let (in_cookie, in_body) = transport::ways(refresh, *by);
        let mut told = as_at_login(context, pair, in_body).await?;
        told_of_factor(&enrolled, in_body, &mut told);
        let mut response = json_answer(&Value::Object(told));
        *response.status_mut() = status;
        if let (true, Some(cookie)) = (in_cookie, &refresh.cookie) {
            cookie::set(&mut response, cookie, pair);
        }
        Ok(self.handing_out(parts, pair, response))
    }

    async fn hand_out(&self, parts: &Parts, pair: &TokenPair) -> Result<Response, Problem> {
        let Self { context, by, .. } = self;
        let account = context.account_if_told(pair.account).await?;
        let response = context.token_pair(pair, *by, account.as_ref());
        Ok(self.handing_out(parts, pair, response))
    }

    /// Hands the device what it is to keep.
    fn handing_out(&self, parts: &Parts, pair: &TokenPair, mut response: Response) -> Response {
        let Self { context, by, mark, shown, .. } = self;
        context.mark_device(*by, mark.as_deref(), &mut response);
        context.has_device_keep(parts, shown, pair, &mut response);
        let cookie = context.served.profile.wire.refresh.cookie.as_ref();
        if let (By::Cookie, Some(cookie), Some(own)) = (*by, cookie, &pair.remembered) {
            let others = remembered::shown(Some(cookie), &parts.headers, None);
            remembered::set(cookie, own, &others, &mut response);
        }
        response
    }
}

/// What goes on with a log-in that waits is told where the profile has a call that goes on.
pub(super) fn waiting(context: &RouteContext, waits: WaitingLogIn) -> Problem {
    let goes_on = if waits.is_enrolment { "confirm_totp" } else { "login_factor" };
    let has = context.served.profile.wire.doing(goes_on).is_some();
    if has {
        Problem::Waits(Box::new(waits))
    } else {
        Problem::WaitsInVain { is_enrolment: waits.is_enrolment }
    }
}

/// The pair by the names that it has at the profile's log-in: whoever waited there reads the answer.
async fn as_at_login(
    context: &RouteContext,
    pair: &TokenPair,
    in_body: bool,
) -> Result<Map<String, Value>, Problem> {
    let profile = &context.served.profile;
    let Some(login) = profile.wire.doing("login") else { return Ok(Map::new()) };
    let account = context.account_if_told_by(login, pair.account).await?;
    let facts = pair_facts::of(pair, in_body, account.as_ref());
    let facts = Facts { profile: Some(profile.client.id), ..facts };
    let mut body = Vec::new();
    login.gives.write(&facts, &mut body);
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

/// What is told of the factor beside the pair.
fn told_of_factor(enrolled: &Enrolled, in_body: bool, told: &mut Map<String, Value>) {
    let codes: Vec<&str> = enrolled.recovery_codes.iter().map(RecoveryCode::as_str).collect();
    told.insert("id".to_owned(), json!(enrolled.id));
    told.insert("recovery_codes".to_owned(), json!(codes));
    if let Some(own) = enrolled.pair.remembered.as_ref().filter(|_| in_body) {
        told.insert("device_token".to_owned(), own.as_str().into());
    }
}
