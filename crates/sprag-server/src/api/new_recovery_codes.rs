//! `new_recovery_codes`: makes recovery codes in the place of those that there are.

use axum::response::Response;
use serde_json::{Value, json};

use super::confirm_totp::{example, told};
use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    wants_fresh: true,
    answer: Answer::Json { schema, example },
    unavailable: "the service cannot answer just now, and the old recovery codes may be good no longer; make them once more in a second",
    refuses: &["factor_unknown", "session_ended"],
    ..Spec::named("new_recovery_codes", "Make ten recovery codes; those from before are good no longer")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let requester = context.reader(&call.parts)?;
    let codes = context.app.engine.factors().new_recovery_codes(&caller, &requester).await?;
    Ok(told(&codes))
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["recovery_codes"],
        "properties": { "recovery_codes": { "type": "array", "items": { "type": "string" }, "minItems": 10, "maxItems": 10 } },
    })
}
