//! `confirm_totp`: makes a second factor of a seed, by its first code.

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};
use sprag::Refusal;
use sprag::engine::NewFactor;
use sprag::factor::recovery::RecoveryCode;

use super::context::{Call, RouteContext};
use super::enrolling::{By, Enrolling};
use super::logging_in::LoggingIn;
use crate::edge::refusal::Problem;
use crate::edge::response::json_answer;
use crate::profile::{Answer, IdOf, Input, Needs, Offer, Spec, Unmet, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessTokenOrEnrolment,
    wants_fresh: true,
    takes: &[Input::Code, Input::MfaToken, Input::Device, Input::Transport, Input::RememberDevice],
    rules: &[has_id, requires_code],
    reads_body: true,
    takes_id: Some(IdOf::Factor),
    answer: Answer::Json { schema: told_of_pair, example },
    unavailable: "the service cannot answer just now, and the second factor may count from now on or not; list them in a second to see, \
                  and make recovery codes anew if it does",
    refuses: &[
        "code_wrong",
        "email_unconfirmed",
        "factor_unknown",
        "factors_full",
        "link_invalid",
        "login_refused",
        "place_refused",
        "rate_limited",
    ],
    ..Spec::named("confirm_totp", "Show the first code of an app; from then on it is a second factor")
};

fn requires_code(offer: &Offer<'_>) -> Result<(), Unmet> {
    Unmet::unless(offer.takes.requires(Input::Code), "a code", "add a field to takes, as code = \"$code\"")
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let enrolling = Enrolling::of(&mut call)?;
    let id = call.id.as_deref().and_then(|id| id.parse().ok()).ok_or(Refusal::FactorUnknown)?;
    let inputs = context.inputs(&enrolling.fields)?;
    let by = enrolling.by(&inputs, &call.parts)?;
    let code = context.require(&inputs, &[Input::Code])?;
    let requester = context.reader(&call.parts)?;
    match by {
        By::Caller(caller) => {
            let codes = context.app.engine.factors().confirm_totp(&caller, id, code, &requester).await?;
            Ok(if codes.is_empty() { json_answer(&json!({})) } else { told(&codes) })
        }
        By::LogIn(token) => {
            let parts = &call.parts;
            let login = LoggingIn::begin(context, parts, &inputs, requester).await?;
            login.enrol(parts, (token, NewFactor::Totp(id, code)), StatusCode::OK).await
        }
    }
}

/// Recovery codes, which nobody is told twice.
pub(super) fn told(codes: &[RecoveryCode]) -> Response {
    let codes: Vec<&str> = codes.iter().map(RecoveryCode::as_str).collect();
    json_answer(&json!({ "recovery_codes": codes }))
}

/// What is told of a factor that was added: with `mfa_token`, also the pair of the session that waited for it.
pub(super) fn told_of_pair() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "format": "uuid", "description": "Which of the account's factors it is." },
            "recovery_codes": {
                "type": "array",
                "items": { "type": "string" },
                "description": "At the account's first factor: each stands in for a second factor once, and nobody is told them again.",
            },
            "access_token": {
                "type": "string",
                "description": "With `mfa_token`, the session that waited for the factor opens, and its pair is told by the names that it has at the log-in of the profile.",
            },
            "refresh_token": { "type": "string", "description": "Absent where it travels in a cookie." },
            "token_type": { "type": "string" },
            "expires_in": { "type": "integer" },
            "refresh_in": { "type": "integer" },
            "refresh_expires_in": { "type": "integer" },
            "session_id": { "type": "string", "format": "uuid" },
            "device_token": {
                "type": "string",
                "description": "Where the device wished to be remembered, and no cookie does that.",
            },
        },
    })
}

pub(super) fn example() -> Value {
    let codes: Vec<String> =
        (b'a'..=b'j').map(|c| format!("ex{0}m-ple{0}-code-2345", char::from(c))).collect();
    json!({ "recovery_codes": codes })
}
