//! `login_factor`: goes on with a log-in whose password was right, with a second factor.

use axum::response::Response;
use sprag::engine::{FactorProof, FactorRequest, OpenRequest};

use super::context::{Call, RouteContext, device};
use crate::edge::refusal::Problem;
use crate::edge::remembered;
use crate::edge::transport::By;
use crate::profile::{Answer, Fact, Input, Offer, Pair, Spec, Unmet, asks_for_transport};

pub(crate) const SPEC: Spec = Spec {
    pair: Pair::OfNewSession,
    takes: &[
        Input::MfaToken,
        Input::Code,
        Input::Credential,
        Input::RememberDevice,
        Input::Device,
        Input::Transport,
        Input::RefreshToken,
    ],
    rules: &[requires_token_and_code, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT, &[Fact::DeviceToken]], each: &[] },
    unavailable: "the service cannot answer just now; send the same request again in a second, and if the log-in cannot be gone on \
                  with then, log in again: if a session was opened, nobody has its tokens",
    refuses: &[
        "account_disabled",
        "code_wrong",
        "credentials_invalid",
        "email_unconfirmed",
        "field_missing",
        "link_invalid",
        "passkeys_unavailable",
        "login_refused",
        "rate_limited",
        "risk_refused",
    ],
    ..Spec::named("login_factor", "Go on with a log-in by a second factor")
};

fn requires_token_and_code(offer: &Offer<'_>) -> Result<(), Unmet> {
    Unmet::unless(
        offer.takes.requires(Input::MfaToken) && offer.takes.takes(Input::Code),
        "the token of the log-in and a code",
        "take mfa_token = \"$mfa_token\", code = \"$code?\" and credential = \"$credential?\"",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let mut requester = context.reader(parts)?;
    let token = context.require(&inputs, &[Input::MfaToken])?;
    let credential;
    let proof = match inputs.get(Input::Credential) {
        Some(_) => {
            credential = context.credential(&fields, &inputs)?;
            FactorProof::Passkey(&credential)
        }
        None => FactorProof::Code(context.require(&inputs, &[Input::Code])?),
    };
    let device = device(&inputs);
    let by = context.way_asked_for(parts, &inputs)?;
    let mark = context.new_mark(parts, by, &mut requester);
    let carried = if by == By::Cookie { context.cookie_token(parts).await.unwrap_or_default() } else { None };
    let open = OpenRequest {
        device: device.as_deref(),
        superseded: carried.as_ref().map(|carried| carried.text.as_str()),
        remembers_device: context.app.knows_devices,
        remembered: &[],
        remembers_factor: inputs.flag(Input::RememberDevice).unwrap_or_default(),
    };
    let shown = context.shown(parts, &inputs).await?;
    let (client, engine) = (&context.served.client, &context.app.engine);
    let request = FactorRequest { token, proof, open };
    let pair = engine.log_in_with_factor(client, request, &shown, &requester).await?;
    let account = context.account_if_told(pair.account).await?;
    let mut response = context.token_pair(&pair, by, account.as_ref());
    context.mark_device(by, mark.as_deref(), &mut response);
    context.has_device_keep(parts, &shown, &pair, &mut response);
    let cookie = context.served.profile.wire.refresh.cookie.as_ref();
    if let (By::Cookie, Some(cookie), Some(own)) = (by, cookie, &pair.remembered) {
        let others = remembered::shown(Some(cookie), &parts.headers, None);
        remembered::set(cookie, own, &others, &mut response);
    }
    Ok(response)
}
