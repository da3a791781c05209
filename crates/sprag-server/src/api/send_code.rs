//! `send_code`: has a letter written by which somebody logs in. Whether anybody has the address is told by nothing.

use axum::response::Response;
use sprag::engine::LoginByMail;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Spec, Whose, names_account};

/// Any of them names the account.
const NAMES: &[Input] = &[Input::Name, Input::Username, Input::Email];

pub(crate) const SPEC: Spec = Spec {
    account: Whose::Named,
    takes: &[Input::Name, Input::Username, Input::Email, Input::Altcha],
    rules: &[names_account],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[&[Fact::LoginId]], each: &[] },
    unavailable: "the service cannot answer just now, and the letter may have been written or not; ask again in a second if none \
                  comes",
    ..Spec::named("send_code", "Have a letter sent by whose link or code one logs in")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let name = context.require(&inputs, NAMES)?;
    let requester = context.reader(&call.parts)?;
    let client = &context.served.profile.client;
    let how = LoginByMail { profile: client.id, works_anywhere: client.link_works_anywhere };
    let solved = context.solved(&inputs);
    let login_id = context.app.engine.letters().ask_for_login(name, how, solved, &requester).await?;
    Ok(context.shaped(&Facts { login_id: Some(&login_id), ..Facts::default() }))
}
