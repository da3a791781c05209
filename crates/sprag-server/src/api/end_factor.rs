//! `end_factor`: removes one of the account's second factors.

use axum::response::Response;
use sprag::Refusal;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    wants_fresh: true,
    rules: &[has_id],
    takes_id: Some(IdOf::Factor),
    unavailable: "the service cannot answer just now, and the second factor may have been removed or not; list them in a second to see",
    refuses: &["factor_unknown"],
    ..Spec::named("end_factor", "Remove a second factor; with the last one the other sessions end")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.id.as_deref().and_then(|id| id.parse().ok()).ok_or(Refusal::FactorUnknown)?;
    let requester = context.reader(&call.parts)?;
    context.app.engine.factors().remove(&context.served.client, &caller, id, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
