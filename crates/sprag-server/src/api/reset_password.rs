//! `reset_password`: sets the password of whoever a letter was sent to; its sessions end.

use axum::response::Response;
use sprag::password::NewPassword;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, Input, Offer, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    takes: &[Input::Token, Input::NewPassword],
    rules: &[requires_token_and_password],
    reads_body: true,
    unavailable: "the service cannot answer just now, and the password may have been set or not; send the same request again in a \
                  second, and if the link is no longer good then, log in with the new password",
    refuses: &["link_invalid", "password_rejected"],
    ..Spec::named("reset_password", "Set a new password with the token of a letter; every session ends")
};

fn requires_token_and_password(offer: &Offer<'_>) -> Result<(), Unmet> {
    let is_required = offer.takes.requires(Input::Token) && offer.takes.requires(Input::NewPassword);
    Unmet::unless(
        is_required,
        "the token and the new password",
        "take token = \"$token\" and new_password = \"$new_password\"",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let token = context.require(&inputs, &[Input::Token])?;
    let password = context.require(&inputs, &[Input::NewPassword])?;
    let requester = context.reader(&call.parts)?;
    let password = NewPassword { text: password, length: Some(context.served.client.password) };
    let reset = context.app.engine.letters().reset_password(token, password, &requester).await;
    reset.map_err(|error| context.naming(Input::NewPassword, error))?;
    Ok(context.shaped(&Facts::default()))
}
