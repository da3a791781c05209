//! `forgot_password`: has a letter written by which a password is set anew. Whether anybody has the name is told by nothing.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, Input, Spec, Whose, names_account};

/// Any of them names the account.
const NAMES: &[Input] = &[Input::Name, Input::Username, Input::Email];

pub(crate) const SPEC: Spec = Spec {
    account: Whose::Named,
    takes: &[Input::Name, Input::Username, Input::Email, Input::Altcha],
    rules: &[names_account],
    reads_body: true,
    unavailable: "the service cannot answer just now, and the letter may have been written or not; ask again in a second if none \
                  comes",
    ..Spec::named("forgot_password", "Have a letter sent by which a forgotten password is set anew")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let name = context.require(&inputs, NAMES)?;
    let requester = context.reader(&call.parts)?;
    let (letters, client) = (context.app.engine.letters(), &context.served.client);
    letters.ask_for_reset_here_or_there(client, name, context.solved(&inputs), &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
