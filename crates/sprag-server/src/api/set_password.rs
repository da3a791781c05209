//! `set_password`: an administrator sets an account's password; its sessions end.

use axum::response::Response;
use sprag::password::NewPassword;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, IdOf, Input, Needs, Offer, Spec, Unmet, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    takes: &[Input::NewPassword],
    rules: &[has_id, requires_new_password],
    reads_body: true,
    takes_id: Some(IdOf::Account),
    unavailable: "the service cannot answer just now, and the password may have been set or not; send the same request again in a \
                  second",
    refuses: &["password_rejected"],
    ..Spec::named("set_password", "Set an account's password, for administrators; its sessions end")
};

fn requires_new_password(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_required = offer.takes.requires(Input::NewPassword);
    Unmet::unless(is_required, "the new password", "add a field to takes, as password = \"$new_password\"")
}

/// Not of the account that asks: that takes the password in force, which the call for one's own password asks for.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    if id == caller.key.account {
        return Err(Problem::OwnAccount);
    }
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let password = context.require(&inputs, &[Input::NewPassword])?;
    let requester = context.acting(&call.parts, &caller)?;
    let password = NewPassword { text: password, length: Some(context.served.client.password) };
    let set = context.app.engine.accounts().set_password(id, password, &requester).await;
    set.map_err(|error| context.naming(Input::NewPassword, error))?;
    Ok(context.shaped(&Facts::default()))
}
