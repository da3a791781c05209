//! `passkey_request`: what a browser needs to show a passkey.

use axum::response::Response;
use serde_json::{Value, json};
use sprag::engine::PasskeyOf;

use super::context::{Call, RouteContext};
use super::passkey_options::schema;
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::edge::response::json_answer;
use crate::profile::{Answer, Input, Spec};

pub(crate) const SPEC: Spec = Spec {
    takes: &[Input::MfaToken],
    answer: Answer::Json { schema, example },
    unavailable: "the service cannot answer just now; ask once more in a second",
    refuses: &[
        "account_disabled",
        "account_unknown",
        "factor_unknown",
        "link_invalid",
        "passkeys_unavailable",
        "rate_limited",
        "session_ended",
        "token_expired",
        "token_invalid",
    ],
    ..Spec::named(
        "passkey_request",
        "What a browser needs to show a passkey: the options of navigator.credentials.get",
    )
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let waiting = context.inputs(&fields)?.get(Input::MfaToken);
    let requester = context.requester(parts)?;
    let caller;
    let whose = match (waiting, request::bearer(&parts.headers)) {
        (Some(token), _) => PasskeyOf::Waiting(token),
        (None, Some(_)) => {
            caller = context.caller(parts).await?;
            PasskeyOf::Caller(&caller)
        }
        (None, None) => PasskeyOf::Anybody,
    };
    let (client, engine) = (&context.served.client, &context.app.engine);
    Ok(json_answer(&engine.passkey_request(client, whose, &requester).await?))
}

fn example() -> Value {
    json!({
        "publicKey": {
            "challenge": "IPMTfQbxbL9XyGvmxPRFpoXj3d1yMmGeWn1LTBNFFm8",
            "timeout": 300_000,
            "rpId": "auth.example.org",
            "allowCredentials": [],
            "userVerification": "required",
        },
        "mediation": "conditional",
    })
}
