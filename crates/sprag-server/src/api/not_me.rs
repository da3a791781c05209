//! `not_me`: ends the sessions that a letter told of, or all of them; a new password is chosen.

use axum::response::Response;
use sprag::one_time::OneTimeText;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Spec, requires_token};

pub(crate) const SPEC: Spec = Spec {
    takes: &[Input::Token, Input::Everywhere],
    rules: &[requires_token],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[&[Fact::ResetToken]], each: &[] },
    unavailable: "the service cannot answer just now, and the sessions may have ended or not; send the same request again in a \
                  second, and if the link is no longer good then, ask for a new password",
    refuses: &["link_invalid"],
    ..Spec::named("not_me", "End sessions that somebody else has opened, with the token of a letter")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let token = context.require(&inputs, &[Input::Token])?;
    let everywhere = inputs.flag(Input::Everywhere).unwrap_or_default();
    let requester = context.reader(&call.parts)?;
    let disowned = context.app.engine.letters().not_me(token, everywhere, &requester).await?;
    let reset_token = disowned.reset.as_ref().map(OneTimeText::as_str);
    Ok(context.shaped(&Facts { reset_token, ..Facts::default() }))
}
