//! `change_email`: has a letter written to another address, by whose link the caller logs in under it from then on.

use axum::response::Response;
use sprag::engine::EmailChangeRequest;
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, Input, Needs, Offer, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    takes: &[Input::Email, Input::CurrentPassword, Input::ClosesUndo],
    rules: &[requires_email],
    reads_body: true,
    unavailable: "the service cannot answer just now, and the letter may have been written or not; ask again in a second if none \
                  comes",
    refuses: &["current_password_wrong", "name_invalid", "password_rejected", "step_up_required"],
    ..Spec::named(
        "change_email",
        "Have a letter sent by which one logs in under another address from then on",
    )
};

fn requires_email(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_required = offer.takes.requires(Input::Email);
    Unmet::unless(is_required, "the new address", "add a field to takes, as email = \"$email\"")
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let requester = context.reader(&call.parts)?;
    let (engine, fresh_for) = (&context.app.engine, context.app.fresh_for);
    let request = EmailChangeRequest {
        email: context.require(&inputs, &[Input::Email])?,
        current_password: inputs.get(Input::CurrentPassword),
        is_fresh: Box::pin(engine.factors().is_fresh(&caller, fresh_for)).await?,
        closes_undo: inputs.flag(Input::ClosesUndo).unwrap_or_default(),
    };
    let asked = engine.letters().ask_for_email_change(&caller, request, &requester).await;
    asked.map_err(|error| match error {
        Error::Refused(Refusal::NameInvalid(_)) => Problem::AtField(context.field_of(&[Input::Email]), error),
        error => context.naming(Input::CurrentPassword, error),
    })?;
    Ok(context.shaped(&Facts::default()))
}
