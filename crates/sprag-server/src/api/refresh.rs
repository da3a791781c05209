//! One refresh on the wire: the token out of cookie or body, the pair back in the profile's shape.

use std::time::Instant;

use axum::response::Response;
use hyper::http::request::Parts;
use sprag::Refusal;
use sprag::engine::RefreshRequest;

use crate::edge::cookie::{self, By};
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::edge::request::Received;
use crate::edge::response::token_pair;
use crate::http::RouteContext;

pub(crate) async fn refresh(
    context: &RouteContext,
    parts: &Parts,
    body: Received,
) -> Result<Response, Problem> {
    let fields = request::fields(parts, body)?;
    let carried = context.refresh_token(parts, &context.inputs(&fields)?).await?;
    let carried = carried.ok_or(Refusal::TokenMissing)?;
    let requester = context.requester(parts)?;
    let renewal = RefreshRequest { token: &carried.text, retry_id: request::retry_id(&parts.headers)? };

    let begun = Instant::now();
    let refreshed = context.app.engine.refresh(&context.served.client, renewal, &requester).await;
    context.app.metrics.refreshed(refreshed.row, begun.elapsed());

    let pair = refreshed.answer?;
    // No profile can tell more of the account here than its id (`Action::facts`): a refresh reads the session and no more.
    let mut response = token_pair(context, &pair, context.ways(carried.by), None);
    let engine = &context.app.engine;
    if let (By::Cookie, Some(cookie)) = (carried.by, &context.served.profile.refresh.cookie)
        && engine.tokens().parse(&context.served.client, &carried.text).is_none()
    {
        cookie::clear_former(&mut response, cookie);
    }
    Ok(response)
}
