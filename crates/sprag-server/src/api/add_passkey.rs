//! `add_passkey`: adds the passkey that a browser has made.

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};
use sprag::engine::NewFactor;
use sprag::factor::recovery::RecoveryCode;
use sprag::text;

use super::add_totp::MAX_LABEL_BYTES;
use super::confirm_totp::told_of_pair;
use super::context::{Call, RouteContext};
use super::enrolling::{By, Enrolling};
use super::logging_in::LoggingIn;
use crate::edge::refusal::Problem;
use crate::edge::response::{JSON, with_body};
use crate::profile::{Answer, Input, Needs, Offer, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessTokenOrEnrolment,
    wants_fresh: true,
    takes: &[
        Input::Credential,
        Input::Label,
        Input::MfaToken,
        Input::Device,
        Input::Transport,
        Input::RememberDevice,
    ],
    rules: &[requires_credential],
    reads_body: true,
    answer: Answer::Json { schema, example },
    status: 201,
    unavailable: "the service cannot answer just now, and the passkey may count from now on or not; list the second factors in a \
                  second to see",
    refuses: &[
        "code_wrong",
        "email_unconfirmed",
        "factors_full",
        "link_invalid",
        "login_refused",
        "passkeys_unavailable",
        "rate_limited",
    ],
    ..Spec::named("add_passkey", "Add the passkey that a browser has made")
};

pub(super) fn requires_credential(offer: &Offer<'_>) -> Result<(), Unmet> {
    Unmet::unless(
        offer.takes.requires(Input::Credential),
        "a credential",
        "add a field to takes, as credential = \"$credential\"",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let enrolling = Enrolling::of(&mut call)?;
    let inputs = context.inputs(&enrolling.fields)?;
    let by = enrolling.by(&inputs, &call.parts)?;
    let credential = context.credential(&enrolling.fields, &inputs)?;
    let label = inputs.get(Input::Label).map(|label| text::label(label, MAX_LABEL_BYTES));
    let requester = context.reader(&call.parts)?;
    let factors = context.app.engine.factors();
    let new = match by {
        By::Caller(caller) => factors.add_passkey(&caller, &credential, label.as_deref(), &requester).await?,
        By::LogIn(token) => {
            let factor = NewFactor::Passkey(&credential, label.as_deref());
            let login = LoggingIn::begin(context, &call.parts, &inputs, requester).await?;
            return login.enrol(&call.parts, (token, factor), StatusCode::CREATED).await;
        }
    };
    let mut body = json!({ "id": new.id });
    if !new.recovery_codes.is_empty() {
        body["recovery_codes"] = new.recovery_codes.iter().map(RecoveryCode::as_str).collect();
    }
    Ok(with_body(StatusCode::CREATED, JSON, body.to_string().into_bytes()))
}

fn schema() -> Value {
    let mut schema = told_of_pair();
    schema["required"] = json!(["id"]);
    schema
}

fn example() -> Value {
    json!({ "id": "019f1dcb-7400-7000-8000-000000000003" })
}
