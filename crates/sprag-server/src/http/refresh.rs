//! One refresh on the wire: the token out of cookie or body, the pair back in the page's shape.

use std::time::Instant;

use axum::response::Response;
use hyper::http::request::Parts;
use sprag::Refusal;
use sprag::engine::Renewal;

use super::answer::token_pair;
use super::carriage::{self, By};
use super::refusal::Problem;
use super::request::Received;
use super::{Place, request};

pub(super) async fn refresh(place: &Place, parts: &Parts, body: Received) -> Result<Response, Problem> {
    let fields = request::fields(parts, body)?;
    let carried = place.refresh_token(parts, &place.inputs(&fields)?).await?;
    let carried = carried.ok_or(Refusal::TokenMissing)?;
    let client = place.client(parts)?;
    let renewal = Renewal { token: &carried.text, retry_id: request::retry_id(&parts.headers)? };

    let begun = Instant::now();
    let refreshed = place.app.engine.refresh(&place.page.terms, renewal, &client).await;
    place.app.metrics.refreshed(refreshed.row, begun.elapsed());

    let pair = refreshed.answer?;
    // No page can tell more of the account here than its id (`Action::facts`): a refresh reads the session and no more.
    let mut response = token_pair(place, &pair, place.ways(carried.by), None);
    let engine = &place.app.engine;
    if let (By::Cookie, Some(cookie)) = (carried.by, &place.page.profile.refresh.cookie)
        && engine.parse(&place.page.terms, &carried.text, engine.now()).is_none()
    {
        carriage::clear_former(&mut response, cookie);
    }
    Ok(response)
}
