//! `login_passkey`: opens a session for whoever shows a passkey, without a name or a password.

use axum::response::Response;
use sprag::engine::OpenRequest;

use super::add_passkey::requires_credential;
use super::context::{Call, RouteContext, device};
use crate::edge::refusal::Problem;
use crate::edge::transport::By;
use crate::profile::{Answer, Fact, Input, Pair, Spec, asks_for_transport};

pub(crate) const SPEC: Spec = Spec {
    pair: Pair::OfNewSession,
    takes: &[Input::Credential, Input::Device, Input::Transport, Input::RefreshToken],
    rules: &[requires_credential, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now; show the passkey once more in a second: if a session was opened, nobody has its \
                  tokens",
    refuses: &["account_disabled", "code_wrong", "email_unconfirmed", "passkeys_unavailable", "risk_refused"],
    ..Spec::named("login_passkey", "Log in with a passkey, without a password")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let mut requester = context.reader(parts)?;
    let credential = context.credential(&fields, &inputs)?;
    let device = device(&inputs);
    let by = context.way_asked_for(parts, &inputs)?;
    let mark = context.new_mark(parts, by, &mut requester);
    let carried = if by == By::Cookie { context.cookie_token(parts).await.unwrap_or_default() } else { None };
    let open = OpenRequest {
        device: device.as_deref(),
        superseded: carried.as_ref().map(|carried| carried.text.as_str()),
        remembers_device: context.app.knows_devices,
        ..OpenRequest::default()
    };
    let shown = context.shown(parts, &inputs).await?;
    let (client, engine) = (&context.served.client, &context.app.engine);
    let pair = engine.log_in_by_passkey(client, &credential, open, &shown, &requester).await?;
    let account = context.account_if_told(pair.account).await?;
    let mut response = context.token_pair(&pair, by, account.as_ref());
    context.mark_device(by, mark.as_deref(), &mut response);
    context.has_device_keep(parts, &shown, &pair, &mut response);
    Ok(response)
}
