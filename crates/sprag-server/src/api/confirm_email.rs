//! `confirm_email`: whoever has the letter logs in under its address from now on.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, Input, Spec, requires_token};

pub(crate) const SPEC: Spec = Spec {
    takes: &[Input::Token],
    rules: &[requires_token],
    reads_body: true,
    unavailable: "the service cannot answer just now, and the address may have been changed or not; send the same request again in a \
                  second",
    refuses: &["link_invalid", "name_taken"],
    ..Spec::named("confirm_email", "Log in under another address from now on, with the token of a letter")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let token = context.require(&inputs, &[Input::Token])?;
    let requester = context.reader(&call.parts)?;
    context.app.engine.letters().change_email(token, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
