//! What every answer has: its status, its headers, and the shape of a refusal.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, StatusCode};

use sprag::error::refusals::UNAVAILABLE;

use super::refusal::{Answer, AtFault, Problem};
use crate::profile::{Action, FieldAtFault, RefusalShape, WaitingFacts};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers must not be stored: they carry tokens, or say something of a session that may be over a moment later
/// (RFC 6749 section 5.1).
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Marks an answer whose body lies in memory once, however many clients are sent it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsShared;

/// What a refusal or a failure is called; it stands beside the answer until that has been counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedWith(pub(crate) &'static str);

/// A refusal or a failure in the shape of the profile, before any action is asked.
pub(crate) fn refused(shape: &RefusalShape, problem: Problem) -> Response {
    write(shape, &problem.answer(), false)
}

/// A refusal or a failure of an action, in the shape of the profile.
pub(crate) fn refused_by(action: Action, shape: &RefusalShape, problem: Problem) -> Response {
    let mut answer = problem.answer();
    if answer.code == UNAVAILABLE.name {
        answer.message = action.unavailable().into();
    }
    write(shape, &answer, action.asks_for_bearer())
}

fn write(shape: &RefusalShape, answer: &Answer, asks_for_bearer: bool) -> Response {
    let mut body = Vec::with_capacity(256);
    let fields: Vec<FieldAtFault<'_>> = answer.fields.iter().map(AtFault::told).collect();
    let waits = answer.waits.as_deref();
    let factors: Vec<&str> =
        waits.map(|waits| waits.factors.iter().map(|factor| factor.name()).collect()).unwrap_or_default();
    let waits = waits.map(|waits| WaitingFacts {
        token: waits.token.as_str(),
        factors: &factors,
        expires_in: waits.expires_in,
    });
    let said = (answer.code, answer.message.as_ref(), answer.cause);
    let status = shape.write_waiting(said, &fields, waits, &mut body);
    let content_type = HeaderValue::from_str(&shape.content_type).unwrap_or(JSON);
    let mut response = with_body(status, content_type, body);
    add_headers(&mut response, answer, asks_for_bearer);
    response.extensions_mut().insert(RefusedWith(answer.code));
    response
}

/// A refusal or a failure where no profile is concerned.
pub(crate) fn plainly_refused(problem: Problem) -> Response {
    refused(&RefusalShape::default(), problem)
}

fn add_headers(response: &mut Response, answer: &Answer, asks_for_bearer: bool) {
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if let Some(seconds) = answer.retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if asks_for_bearer && is_unauthorized {
        // RFC 6750 section 3: no error code where no token came.
        let challenge = if answer.code == "token_missing" {
            HeaderValue::from_static("Bearer")
        } else {
            HeaderValue::from_static("Bearer error=\"invalid_token\"")
        };
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
}

/// Names the methods a path takes, beside the 405 that tells so.
pub(crate) fn allow(response: &mut Response, methods: &str) {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
}

pub(crate) fn bodiless(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// How many headers an answer has room for at first.
const ROOM: usize = 6;
/// JSON that no profile shapes.
pub(crate) fn json_answer(value: &serde_json::Value) -> Response {
    with_body(StatusCode::OK, JSON, value.to_string().into_bytes())
}

/// What every answer with a body has, to be copied: most are JSON.
static OF_JSON: LazyLock<HeaderMap> = LazyLock::new(|| {
    let nosniff = HeaderValue::from_static("nosniff");
    let mut headers = HeaderMap::with_capacity(ROOM);
    headers.extend([(CONTENT_TYPE, JSON), (X_CONTENT_TYPE_OPTIONS, nosniff), (CACHE_CONTROL, NO_STORE)]);
    headers
});

pub(crate) fn with_body(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().clone_from(&OF_JSON);
    if content_type != JSON {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}
