//! `challenge`: work whose solution buys one try, for whoever is out of a network's budget.

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::response::{JSON, with_body};
use crate::profile::{Answer, Spec};

pub(crate) const SPEC: Spec = Spec {
    answer: Answer::Json { schema, example },
    only_reads: true,
    turned_on_by: Some("proof-of-work"),
    refuses: &["not_found"],
    ..Spec::named(
        "challenge",
        "A challenge in ALTCHA's format, whose solution buys one log-in or registration",
    )
};

pub(super) async fn run(context: &RouteContext, _: Call) -> Result<Response, Problem> {
    let zeros = context.app.proof_of_work.ok_or(Problem::NotFound)?;
    Ok(with_body(StatusCode::OK, JSON, context.app.engine.challenge(zeros).to_json()))
}

fn schema() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer" });
    let parameters = json!({
        "algorithm": text, "cost": number, "expiresAt": number, "keyLength": number, "keyPrefix": text, "nonce": text,
        "salt": text,
    });
    json!({
        "type": "object",
        "required": ["parameters", "signature"],
        "properties": {
            "parameters": {
                "type": "object",
                "required": ["algorithm", "cost", "expiresAt", "keyLength", "keyPrefix", "nonce", "salt"],
                "properties": parameters,
            },
            "signature": text,
        },
    })
}

fn example() -> Value {
    json!({
        "parameters": {
            "algorithm": "SHA-256",
            "cost": 1,
            "expiresAt": 1_782_907_500,
            "keyLength": 32,
            "keyPrefix": "0000",
            "nonce": "5b2a7c0e91d34f6688e0b1c2d3f4a596",
            "salt": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        },
        "signature": "9c1185a5c5e9fc54612808977ee8f548b2258d31d0c5a0f9f6f1f3a1b0e2d4c6",
    })
}
