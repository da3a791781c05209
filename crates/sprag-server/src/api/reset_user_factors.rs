//! `reset_user_factors`: an administrator takes all second factors from an account whose owner has lost them.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    unavailable: "the service cannot answer just now, and the second factors may be gone or not; list them in a second to see",
    refuses: &["factor_unknown"],
    ..Spec::named(
        "reset_user_factors",
        "Take all second factors from an account whose owner has lost them, for administrators; its sessions end",
    )
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    if id == caller.key.account {
        return Err(Problem::OwnAccount);
    }
    let requester = context.acting(&call.parts, &caller)?;
    context.app.engine.factors().reset(id, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
