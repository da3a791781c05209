//! `undo_email`: undoes a change of address; every session ends, and a new password is chosen.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Spec, requires_token};

pub(crate) const SPEC: Spec = Spec {
    takes: &[Input::Token],
    rules: &[requires_token],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[&[Fact::ResetToken]], each: &[] },
    unavailable: "the service cannot answer just now, and the change may have been undone or not; send the same request again in a \
                  second, and if the link is no longer good then, ask for a new password",
    refuses: &["link_invalid", "name_taken"],
    ..Spec::named("undo_email", "Undo a change of the address, with the token of the letter to the old one")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let token = context.require(&inputs, &[Input::Token])?;
    let requester = context.reader(&call.parts)?;
    let undone = context.app.engine.letters().undo_email_change(token, &requester).await?;
    Ok(context.shaped(&Facts { reset_token: Some(undone.reset.as_str()), ..Facts::default() }))
}
