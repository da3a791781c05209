//! `login`: opens a session for a name and a password.

use axum::response::Response;
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext};
use super::logging_in::LoggingIn;
use crate::edge::refusal::Problem;
use crate::profile::{
    Answer, Fact, Input, Pair, Spec, Whose, asks_for_transport, names_account, requires_password,
};

/// Any of them names the account.
const NAMES: &[Input] = &[Input::Name, Input::Username, Input::Email];

pub(crate) const SPEC: Spec = Spec {
    account: Whose::Named,
    pair: Pair::OfNewSession,
    takes: &[
        Input::Name,
        Input::Username,
        Input::Email,
        Input::Password,
        Input::Device,
        Input::Transport,
        Input::RefreshToken,
        Input::Altcha,
    ],
    rules: &[names_account, requires_password, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now; log in again in a second: if a session was opened, \
                  nobody has its tokens",
    refuses: &[
        "credentials_invalid",
        "account_disabled",
        "password_rejected",
        "risk_refused",
        "login_refused",
    ],
    ..Spec::named("login", "Log in")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let requester = context.reader(parts)?;
    let name = context.require(&inputs, NAMES)?;
    let password = context.require(&inputs, &[Input::Password])?;
    let login = LoggingIn::begin(context, parts, &inputs, requester).await?;
    let (engine, client) = (&context.app.engine, &context.served.client);
    let somebody = engine.password_on(client, &login.shown, (name, password), &login.requester).await;
    let somebody = somebody.map_err(|error| match error {
        Error::Refused(Refusal::CredentialsInvalid) if login.shown.hides_unconfirmed => {
            Problem::CredentialsOrUnconfirmed
        }
        error => context.naming(Input::Password, error),
    })?;
    login.open(parts, somebody).await
}
