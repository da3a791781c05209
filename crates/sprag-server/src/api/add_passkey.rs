//! `add_passkey`: adds the passkey that a browser has made.

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};
use sprag::factor::recovery::RecoveryCode;
use sprag::text;

use super::add_totp::MAX_LABEL_BYTES;
use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::response::{JSON, with_body};
use crate::profile::{Answer, Input, Needs, Offer, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    wants_fresh: true,
    takes: &[Input::Credential, Input::Label],
    rules: &[requires_credential],
    reads_body: true,
    answer: Answer::Json { schema, example },
    status: 201,
    unavailable: "the service cannot answer just now, and the passkey may count from now on or not; list the second factors in a \
                  second to see",
    refuses: &["code_wrong", "factors_full", "passkeys_unavailable", "rate_limited"],
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
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let credential = context.credential(&fields, &inputs)?;
    let label = inputs.get(Input::Label).map(|label| text::label(label, MAX_LABEL_BYTES));
    let requester = context.reader(&call.parts)?;
    let factors = context.app.engine.factors();
    let new = factors.add_passkey(&caller, &credential, label.as_deref(), &requester).await?;
    let mut body = json!({ "id": new.id });
    if !new.recovery_codes.is_empty() {
        body["recovery_codes"] = new.recovery_codes.iter().map(RecoveryCode::as_str).collect();
    }
    Ok(with_body(StatusCode::CREATED, JSON, body.to_string().into_bytes()))
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "type": "string", "format": "uuid" },
            "recovery_codes": {
                "type": "array",
                "items": { "type": "string" },
                "description": "At the account's first factor: each stands in for a second factor once, and nobody is told them again.",
            },
        },
    })
}

fn example() -> Value {
    json!({ "id": "019f1dcb-7400-7000-8000-000000000003" })
}
