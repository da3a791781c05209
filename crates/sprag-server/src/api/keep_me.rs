//! `keep_me`: keeps an account that is to be deleted, with the token of the letter that told of it.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, Input, Spec, requires_token};

pub(crate) const SPEC: Spec = Spec {
    takes: &[Input::Token],
    rules: &[requires_token],
    reads_body: true,
    unavailable: "the service cannot answer just now, and the account may be kept or not; send the same request again in a second, \
                  or log in, which keeps it, too",
    refuses: &["link_invalid"],
    ..Spec::named("keep_me", "Keep an account that is to be deleted, with the token of a letter")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let token = context.require(&inputs, &[Input::Token])?;
    let requester = context.reader(&call.parts)?;
    context.app.engine.letters().keep_account(token, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
