//! `delete_me`: whoever calls has their account erased, once some time has passed in which a log-in calls it off.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    takes: &[Input::CurrentPassword],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[&[Fact::EraseAt]], each: &[] },
    refuses: &["current_password_wrong", "forbidden", "password_rejected", "step_up_required"],
    unavailable: "the service cannot answer just now, and the account may be going to be deleted or not; if your session has ended, \
                  it is, and a log-in calls it off",
    ..Spec::named("delete_me", "Delete one's own account, after some time in which a log-in calls it off")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let requester = context.reader(&call.parts)?;
    let (app, accounts) = (&context.app, context.app.engine.accounts());
    // There always is an administrator who may log in: another one has them be none before.
    if accounts.get(caller.key.account).await?.is_admin {
        return Err(Problem::OwnDeletion);
    }
    let is_fresh = Box::pin(app.engine.factors().is_fresh(&caller, app.fresh_for)).await?;
    let shown =
        accounts.expect_owner(&caller, inputs.get(Input::CurrentPassword), is_fresh, &requester).await;
    shown.map_err(|error| context.naming(Input::CurrentPassword, error))?;
    let at = accounts.plan_erasure(&caller, app.deletion_grace, &requester).await?;
    Ok(context.shaped(&Facts { erase_at: Some(at), ..Facts::default() }))
}
