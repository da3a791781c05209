//! `passkey_options`: what a browser needs to make a passkey.

use axum::response::Response;
use serde_json::{Value, json};

use super::context::{Call, RouteContext};
use super::enrolling::{By, Enrolling};
use crate::edge::refusal::Problem;
use crate::edge::response::json_answer;
use crate::profile::{Answer, Input, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessTokenOrEnrolment,
    wants_fresh: true,
    takes: &[Input::MfaToken, Input::Code],
    answer: Answer::Json { schema, example },
    unavailable: "the service cannot answer just now; ask once more in a second",
    refuses: &["code_wrong", "factors_full", "link_invalid", "passkeys_unavailable"],
    ..Spec::named(
        "passkey_options",
        "What a browser needs to make a passkey: the options of navigator.credentials.create",
    )
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let enrolling = Enrolling::of(&mut call)?;
    let inputs = context.inputs(&enrolling.fields)?;
    let factors = context.app.engine.factors();
    let options = match enrolling.by(&inputs, &call.parts)? {
        By::Caller(caller) => factors.passkey_options(caller.key.account).await?,
        By::LogIn(token) => {
            let requester = context.reader(&call.parts)?;
            let shown = (token, inputs.get(Input::Code));
            factors.enrol_passkey(&context.served.client, shown, &requester).await?
        }
    };
    Ok(json_answer(&options))
}

/// Options as the standard has them (WebAuthn level 3), with binary values in base64url.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["publicKey"],
        "properties": {
            "publicKey": {
                "type": "object",
                "required": ["challenge"],
                "properties": { "challenge": { "type": "string" } },
                "description": "As PublicKeyCredential.parseCreationOptionsFromJSON and parseRequestOptionsFromJSON read it.",
            },
            "mediation": { "type": "string" },
        },
    })
}

fn example() -> Value {
    json!({ "publicKey": {
        "rp": { "name": "Example", "id": "auth.example.org" },
        "user": { "id": "AZ8dy3QAcACAAAAAAAAAAQ", "name": "ann", "displayName": "Ann Example" },
        "challenge": "IPMTfQbxbL9XyGvmxPRFpoXj3d1yMmGeWn1LTBNFFm8",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
        "authenticatorSelection": { "residentKey": "preferred", "requireResidentKey": false, "userVerification": "required" },
        "timeout": 300_000,
        "attestation": "none",
    } })
}
