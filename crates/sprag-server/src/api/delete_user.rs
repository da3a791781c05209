//! `delete_user`: an administrator deletes an account.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    unavailable: "the service cannot answer just now, and the account may have been deleted or not; try again in a second: if \
                  there is no such account then, it was",
    ..Spec::named("delete_user", "Delete an account, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    if id == caller.key.account {
        return Err(Problem::OwnAccount);
    }
    let requester = context.acting(&call.parts, &caller)?;
    context.app.engine.accounts().delete(id, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
