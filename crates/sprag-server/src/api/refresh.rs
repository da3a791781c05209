//! `refresh`: a new token pair for a refresh token.

use std::time::Instant;

use axum::response::Response;
use hyper::http::request::Parts;
use sprag::engine::RefreshRequest;
use sprag::error::refusals::RATE_LIMITED;
use sprag::session::SessionId;

use super::context::{Call, RouteContext};
use crate::edge::refresh_limits::Exhausted;
use crate::edge::refusal::Problem;
use crate::edge::request::{self, Source};
use crate::edge::transport::By;
use crate::edge::{cookie, span};
use crate::profile::{Answer, Fact, Input, Needs, Pair, Spec, leaves_token_to_cookie};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::RefreshToken,
    reads_cookie: true,
    pair: Pair::OfThisSession,
    takes: &[Input::RefreshToken],
    rules: &[leaves_token_to_cookie],
    reads_body: true,
    // It reads the session's row and no more, so of the account it can tell nothing but the id.
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, &[Fact::AccountId]], each: &[] },
    refuses: &[
        "token_missing",
        "token_invalid",
        "token_spent",
        "token_expired",
        "session_ended",
        "account_disabled",
        "too_many_retries",
    ],
    is_rotation: true,
    retry_id: Some(
        "A retry id of the client's choice: a refresh repeated with the same one gets the same answer, however late.",
    ),
    unavailable: "the service cannot answer just now; try again in a second, with the same token",
    ..Spec::named("refresh", "Turn the session: a new token pair for a refresh token")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    spend_of_prefix(context, &call.parts)?;
    let fields = call.fields()?;
    let parts = &call.parts;
    let in_body = context.inputs(&fields)?.get(Input::RefreshToken);
    let carried = context.refresh_token(parts, in_body).await?;
    let carried = carried.ok_or_else(|| context.no_refresh_token(parts, &fields))?;
    let requester = context.requester(parts)?;
    let request = RefreshRequest { token: &carried.text, retry_id: request::retry_id(&parts.headers)? };

    let begun = Instant::now();
    let (engine, client) = (&context.app.engine, &context.served.client);
    let now = engine.now();
    let token = engine.recognise(client, request.token, now).await;
    if let Ok(Some(token)) = &token {
        spend_of_session(context, parts, token.key.session)?;
    }
    let refreshed = engine.refresh_with(client, request, (token, now), &requester).await;
    context.app.metrics.refreshed(refreshed.row, begun.elapsed());
    span::decided(refreshed.row);

    let pair = refreshed.answer?;
    let mut response = context.token_pair(&pair, carried.by, None);
    if let (By::Cookie, Some(cookie)) = (carried.by, &context.served.profile.wire.refresh.cookie)
        && engine.tokens().parse(client, &carried.text).is_none()
    {
        cookie::clear_former(&mut response, cookie);
    }
    Ok(response)
}

/// Spends one refresh of the network that a request comes from, unless none is left.
pub(super) fn spend_of_prefix(context: &RouteContext, parts: &Parts) -> Result<(), Problem> {
    let Some(limits) = &context.app.refresh_limits else { return Ok(()) };
    let spent = limits.of_prefix(Source::of(parts, &context.app.proxies));
    spent.map_err(|exhausted| limited(context, parts, exhausted))
}

/// Spends one refresh of the session whose token came, unless none is left.
pub(super) fn spend_of_session(
    context: &RouteContext,
    parts: &Parts,
    session: SessionId,
) -> Result<(), Problem> {
    let Some(limits) = &context.app.refresh_limits else { return Ok(()) };
    limits.of_session(session).map_err(|exhausted| limited(context, parts, exhausted))
}

/// A budget is exhausted: nothing has happened to the session, and the same token is good later.
fn limited(context: &RouteContext, parts: &Parts, exhausted: Exhausted) -> Problem {
    context.app.metrics.refresh_limited(exhausted.budget);
    context.tell_security(parts, None, |told| told.refused(RATE_LIMITED.name).tell_seldom());
    Problem::RateLimited(exhausted.retry_after_seconds)
}
