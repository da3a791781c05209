//! `factors`: lists the account's second factors.

use axum::response::Response;
use serde_json::{Value, json};
use sprag::engine::FactorsHeld;
use sprag::factor::Factor;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::response::json_answer;
use crate::moment::rfc3339;
use crate::profile::{Answer, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    answer: Answer::Json { schema, example },
    only_reads: true,
    ..Spec::named("factors", "List the account's second factors")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let held = context.app.engine.factors().of(caller.key.account).await?;
    Ok(json_answer(&listed(&held)))
}

/// What is told of an account's factors; nothing of it is secret.
pub(super) fn listed(held: &FactorsHeld) -> Value {
    let factor = |factor: &Factor| {
        json!({
            "id": factor.id,
            "kind": factor.kind.name(),
            "label": factor.label,
            "added_at": rfc3339(factor.added_at),
            "last_used_at": factor.used_at.map(rfc3339),
        })
    };
    let factors: Vec<Value> = held.factors.iter().map(factor).collect();
    json!({ "factors": factors, "recovery_codes_left": held.recovery_codes })
}

pub(super) fn schema() -> Value {
    let time = json!({ "type": "string", "format": "date-time" });
    json!({
        "type": "object",
        "required": ["factors", "recovery_codes_left"],
        "properties": {
            "factors": { "type": "array", "items": {
                "type": "object",
                "required": ["id", "kind", "label", "added_at", "last_used_at"],
                "properties": {
                    "id": { "type": "string", "format": "uuid" },
                    "kind": { "type": "string", "enum": ["totp", "passkey"] },
                    "label": { "type": ["string", "null"], "description": "What its owner calls it." },
                    "added_at": time,
                    "last_used_at": { "type": ["string", "null"], "format": "date-time" },
                },
            } },
            "recovery_codes_left": { "type": "integer", "minimum": 0 },
        },
    })
}

pub(super) fn example() -> Value {
    json!({
        "factors": [{
            "id": "019f1dcb-7400-7000-8000-000000000003",
            "kind": "totp",
            "label": "ann's phone",
            "added_at": "2026-07-01T12:00:00Z",
            "last_used_at": "2026-07-01T12:30:00Z",
        }],
        "recovery_codes_left": 10,
    })
}
