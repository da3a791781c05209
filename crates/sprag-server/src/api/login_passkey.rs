//! `login_passkey`: opens a session for whoever shows a passkey, without a name or a password.

use axum::response::Response;

use super::add_passkey::requires_credential;
use super::context::{Call, RouteContext};
use super::logging_in::LoggingIn;
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Input, Pair, Spec, asks_for_transport};

pub(crate) const SPEC: Spec = Spec {
    pair: Pair::OfNewSession,
    takes: &[Input::Credential, Input::Device, Input::Transport, Input::RefreshToken],
    rules: &[requires_credential, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now; show the passkey once more in a second: if a session was opened, nobody has its \
                  tokens",
    refuses: &[
        "account_disabled",
        "code_wrong",
        "email_unconfirmed",
        "login_refused",
        "passkeys_unavailable",
        "rate_limited",
        "risk_refused",
    ],
    ..Spec::named("login_passkey", "Log in with a passkey, without a password")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let credential = context.credential(&fields, &inputs)?;
    let login = LoggingIn::begin(context, parts, &inputs, context.reader(parts)?).await?;
    login.open_by_passkey(parts, &credential).await
}
