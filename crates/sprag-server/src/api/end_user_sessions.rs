//! `end_user_sessions`: an administrator ends all of an account's sessions.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    unavailable: "the service cannot answer just now, and the sessions may have ended or not; try again in a second",
    ..Spec::named("end_user_sessions", "End all of an account's sessions, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    let requester = context.acting(&call.parts, &caller)?;
    let engine = &context.app.engine;
    engine.accounts().get(id).await?;
    engine.sessions().end_all_of(id, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
