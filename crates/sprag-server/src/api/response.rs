//! Answers as the profile shapes them.

use std::time::Duration;

use axum::response::Response;
use hyper::StatusCode;
use sprag::account::Account;
use sprag::engine::TokenPair;

use super::context::RouteContext;
use crate::edge::cookie;
use crate::edge::response::{JSON, bodiless, with_body};
use crate::edge::transport::{self, By};
use crate::profile::Facts;

/// A token pair, in the body, the cookie or both; `by` is how the refresh token came or was asked for.
pub(super) fn token_pair(
    context: &RouteContext,
    pair: &TokenPair,
    by: By,
    account: Option<&Account>,
) -> Response {
    let (in_cookie, in_body) = transport::ways(&context.served.profile.wire.refresh, by);
    let now = context.app.engine.now();
    let (expires_in, refresh_expires_in) =
        (u64::try_from(pair.expires_in).ok(), u64::try_from(pair.refresh_expires_in).ok());
    let after = |seconds: Option<u64>| seconds.map(|seconds| now.plus(Duration::from_secs(seconds)));
    let facts = Facts {
        access_token: Some(&pair.access_token),
        refresh_token: in_body.then(|| pair.refresh.text()),
        expires_in,
        refresh_expires_in,
        expires_at: after(expires_in),
        refresh_expires_at: after(refresh_expires_in),
        session_id: Some(pair.session),
        account_id: Some(pair.account),
        account,
        ..Facts::default()
    };
    let mut response = shaped(context, &facts);
    if let (true, Some(cookie)) = (in_cookie, &context.served.profile.wire.refresh.cookie) {
        cookie::set(&mut response, cookie, pair);
    }
    response
}

/// An answer in the shape of the route.
pub(super) fn shaped(context: &RouteContext, facts: &Facts<'_>) -> Response {
    let status = StatusCode::from_u16(context.route.status).unwrap_or(StatusCode::OK);
    if context.route.gives.is_none() {
        return bodiless(status);
    }
    let mut body = Vec::with_capacity(1024);
    let facts = Facts { profile: Some(context.served.profile.client.id), ..*facts };
    context.route.gives.write(&facts, &mut body);
    with_body(status, JSON, body)
}

/// A log-out's answer: the cookie is cleared, and the one that the system before left.
pub(super) fn cleared(context: &RouteContext, mut response: Response) -> Response {
    if let Some(cookie) = &context.served.profile.wire.refresh.cookie {
        cookie::clear(&mut response, cookie);
        cookie::clear_former(&mut response, cookie);
    }
    response
}
