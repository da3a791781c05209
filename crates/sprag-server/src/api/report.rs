//! `report`: what was counted day by day, for administrators.

use std::time::Duration;

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::context::{Call, RouteContext};
use super::listing::wrong;
use crate::edge::refusal::Problem;
use crate::edge::response::{JSON, with_body};
use crate::profile::{Answer, Input, Needs, Spec};
use crate::report_asked::ReportAsked;

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    takes: &[Input::Since, Input::By],
    answer: Answer::Json { schema, example },
    only_reads: true,
    ..Spec::named("report", "What was counted day by day, for administrators")
};

/// The day under way is left out: on a quiet server its refreshes would tell whoever holds a copy of an administrator's tokens
/// when the owner uses theirs.
const UNDER_WAY: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let engine = &context.app.engine;
    let yesterday = engine.now().minus(UNDER_WAY);
    let (since, by) = (inputs.get(Input::Since), inputs.get(Input::By));
    // Each by itself, to say which of them is wrong.
    if ReportAsked::read(None, by, yesterday).is_err() {
        return Err(wrong(context, Input::By, "must be \"day\", \"week\" or \"month\""));
    }
    let asked = ReportAsked::read(since, by, yesterday).map_err(|_| {
        let what = "must be a span in days as 30d, or a day that is over as 2026-11-21, at most 400 days ago where by is day";
        wrong(context, Input::Since, what)
    })?;
    let permit = context.permit(&call.parts).await;
    let report = engine.report(asked.since, asked.until, asked.by).await?;
    let body = serde_json::to_vec(&report)
        .map_err(|error| sprag::Fault::internal("write a report", error.to_string()))?;
    let mut response = with_body(StatusCode::OK, JSON, body);
    response.extensions_mut().insert(permit);
    Ok(response)
}

fn schema() -> Value {
    let day = json!({ "type": "string", "format": "date" });
    let counts = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    let number = json!({ "type": "integer", "minimum": 0 });
    let row = json!({
        "type": "object",
        "description": "What was counted in one period; docs/reference/report.md says of each where it comes from.",
        "properties": {
            "from": day, "until": day, "logins": number, "failed_logins": counts, "refreshes": number,
            "refreshes_repeated": number, "refused_refreshes": counts, "sessions_opened": counts, "sessions_ended": counts,
            "live_sessions": { "type": ["integer", "null"] }, "active_accounts": number,
            "active_accounts_exact": { "type": "boolean" }, "new_devices": number, "login_countries": counts,
            "new_accounts": number, "deleted_accounts": number, "events": counts,
        },
        "required": ["from", "until", "logins", "refreshes"],
    });
    json!({
        "type": "object",
        "properties": {
            "since": day, "until": day,
            "by": { "type": "string", "enum": ["day", "week", "month"] },
            "complete_until": { "type": "string", "format": "date-time" },
            "gaps": { "type": "array", "items": { "type": "object" } },
            "rows": { "type": "array", "items": row },
            "total": row,
        },
        "required": ["since", "until", "by", "complete_until", "gaps", "rows", "total"],
    })
}

fn example() -> Value {
    let row = json!({
        "from": "2026-06-30", "until": "2026-06-30", "logins": 41, "failed_logins": { "credentials_invalid": 7 }, "refreshes": 1204,
        "refreshes_repeated": 31, "refused_refreshes": {}, "sessions_opened": { "session_opened": 41 },
        "sessions_ended": { "idle": 12 }, "live_sessions": 311, "active_accounts": 140, "active_accounts_exact": true,
        "new_devices": 4, "login_countries": {}, "new_accounts": 2, "deleted_accounts": 0, "events": { "account_created": 2 },
    });
    json!({
        "since": "2026-06-30", "until": "2026-06-30", "by": "day", "complete_until": "2026-07-01T11:59:12.000Z", "gaps": [],
        "rows": [row], "total": row,
    })
}
