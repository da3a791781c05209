//! The ways a route can say no, in the profile's own shape.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sprag::Refusal;
use sprag::error::refusals::{
    ENROLMENT_REQUIRED, FIELD_INVALID, FIELD_MISSING, RATE_LIMITED, SECOND_FACTOR_REQUIRED, SESSION_ENDED,
    UNAVAILABLE,
};
use sprag::session::EndCause;

use super::names::refusal_schema;
use super::security::{needs_bearer, takes_bearer_instead, takes_cookie};
use super::{example, schema};
use crate::profile::{CODES, FieldAtFault, Input, Pair, Profile, RefusalShape, Route, WaitingFacts, Whose};

/// A log-in that waits for its second factor.
const WAITS: WaitingFacts<'static> =
    WaitingFacts { token: "spo_ARQBAZHC6…", factors: &["totp", "recovery_code"], expires_in: 300 };

/// One that waits until its account has a second factor.
const WAITS_FOR_ENROLMENT: WaitingFacts<'static> =
    WaitingFacts { token: "spo_ASkBAZHC6…", factors: &["mailed_code"], expires_in: 900 };

/// The codes of fields at fault; a list of them may have both.
const FIELD_CODES: [&str; 2] = [FIELD_MISSING.name, FIELD_INVALID.name];

/// The schema of a profile's refusals.
pub(super) fn schema(shape: &RefusalShape) -> Value {
    let templates = shape.templates().filter_map(|(code, template)| Some((code, template.root()?)));
    let mut schemas: Vec<Value> = Vec::new();
    for (code, root) in templates {
        let lists_fields = code.is_none_or(|code| FIELD_CODES.contains(&code));
        let others = if lists_fields { shape.elements(&FIELD_CODES) } else { Vec::new() };
        let mut schema = schema::mixed(root, &others);
        if let Some(code) = code {
            schema["description"] = format!("For the code `{code}`.").into();
        }
        schemas.push(schema);
    }
    match schemas.as_slice() {
        [only] => only.clone(),
        _ => json!({ "anyOf": schemas }),
    }
}

/// The responses of a route that are refusals, by status.
pub(super) fn responses(profile: &Profile, route: &Route) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for code in codes(profile, route) {
        by_status.entry(profile.wire.refusal.status(code).as_u16()).or_default().push(code);
    }
    let schema = refusal_schema(profile);
    let case = |code: &str| Case {
        field: example::field_at_fault(route, code),
        sentence: (code == UNAVAILABLE.name).then_some(route.action.unavailable()),
    };
    let response = |(status, codes): (u16, Vec<&str>)| {
        let mut response = self::response(&profile.wire.refusal, &schema, &codes, &case);
        if status == 401 && route.action.asks_for_bearer() {
            response["headers"] = json!({ "WWW-Authenticate": challenge() });
        }
        if codes.contains(&RATE_LIMITED.name) && route.action.is_anonymous(profile.client.registration) {
            response["headers"]["RateLimit"] = budgets("What is left of the budgets that were asked");
            response["headers"]["RateLimit-Policy"] = budgets("How much the budgets hold that were asked");
        }
        (status.to_string(), response)
    };
    let mut responses: Map<String, Value> = by_status.into_iter().map(response).collect();
    add_bare(&mut responses);
    responses
}

/// What is known of a refusal at one route, beside its code.
#[derive(Clone, Copy, Default)]
pub(super) struct Case<'a> {
    /// The field at fault.
    field: Option<&'a str>,
    /// What a person is told there, if not what the table says.
    sentence: Option<&'static str>,
}

/// One response for several codes, with an example for each.
pub(super) fn response<'a>(
    shape: &RefusalShape,
    schema: &str,
    codes: &[&str],
    case: &dyn Fn(&str) -> Case<'a>,
) -> Value {
    let mut examples = Map::new();
    let mut whens = Vec::new();
    let mut headers = Map::new();
    for code in CODES.iter().filter(|code| codes.contains(&code.name)) {
        whens.push(code.when);
        let value = example(shape, code.name, case(code.name));
        examples.insert(code.name.to_owned(), json!({ "summary": code.when, "value": value }));
        if let Some((name, header)) = header(code.name) {
            headers.insert(name.to_owned(), header);
        }
    }
    let reference = format!("#/components/schemas/{schema}");
    let media = json!({ "schema": { "$ref": reference }, "examples": examples });
    let mut content = Map::new();
    content.insert(shape.content_type.clone(), media);
    let mut response = json!({ "description": whens.join(". Or: "), "content": content });
    if !headers.is_empty() {
        response["headers"] = headers.into();
    }
    response
}

/// What is answered before anybody knows which profile a request is for; such answers have no body.
pub(super) fn add_bare(responses: &mut Map<String, Value>) {
    for (status, description) in BARE {
        responses.entry(*status).or_insert_with(|| json!({ "description": description }));
    }
}

const BARE: &[(&str, &str)] = &[
    ("400", "What came is no request of HTTP; without a body"),
    ("431", "The request's head is larger than 16 KiB or has more than 100 fields; without a body"),
];

/// The header that comes with a code.
fn header(code: &str) -> Option<(&'static str, Value)> {
    let (name, kind, description) = match code {
        "too_many_retries" | "rate_limited" | "unavailable" | "busy" => {
            ("Retry-After", "integer", "After how many seconds to come again")
        }
        "method_not_allowed" => ("Allow", "string", "The methods that the path takes"),
        _ => return None,
    };
    Some((name, json!({ "schema": { "type": kind }, "description": description })))
}

fn budgets(description: &str) -> Value {
    let whose = "(draft-ietf-httpapi-ratelimit-headers-10)";
    json!({ "schema": { "type": "string" }, "description": format!("{description} {whose}") })
}

fn challenge() -> Value {
    json!({ "schema": { "type": "string" }, "description": "The challenge of RFC 6750" })
}

/// The codes a route may answer with.
fn codes(profile: &Profile, route: &Route) -> Vec<&'static str> {
    let mut codes =
        vec!["request_ambiguous", "method_not_allowed", "rate_limited", "internal", "unavailable", "busy"];
    // Chunks are read to their end whether the call asks for a body or not.
    codes.extend(["request_timeout", "request_too_large"]);
    if !route.action.only_reads() {
        // A Sprag-Instance that is none.
        codes.push("request_invalid");
    }
    let has_fields = !route.takes.fields().is_empty();
    if route.action.reads_body() || has_fields {
        codes.push("request_invalid");
    }
    if route.action.reads_body() || (has_fields && !route.action.only_reads()) {
        codes.push("media_type_unsupported");
    }
    if !route.takes.fields().is_empty() {
        codes.push("field_invalid");
    }
    let is_named = route.action.account() != Whose::Requester;
    if is_named || route.takes.fields().iter().any(|field| !field.is_optional) {
        codes.push("field_missing");
    }
    if needs_bearer(profile, route) || takes_bearer_instead(route) {
        codes.extend(["token_missing", "token_invalid", "token_expired", "account_disabled"]);
    }
    if needs_bearer(profile, route) {
        codes.extend(["session_ended", "account_unknown"]);
    }
    if route.action.needs_admin(profile.client.registration) {
        codes.push("forbidden");
    }
    if route.action.wants_fresh() {
        codes.push("step_up_required");
    }
    let opens = route.opens_session() || route.takes.takes(Input::Transport);
    let sets_cookie = profile.wire.refresh.cookie.is_some() && opens;
    if takes_cookie(profile, route) || sets_cookie {
        codes.push("origin_refused");
    }
    if route.action.pair() != Pair::Never {
        codes.push("place_refused");
    }
    codes.extend(route.action.refuses());
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn example(shape: &RefusalShape, code: &str, Case { field, sentence }: Case<'_>) -> Value {
    let row = CODES.iter().find(|known| known.name == code);
    let cause = (code == SESSION_ENDED.name).then_some(EndCause::Logout);
    let message = match (cause, field) {
        (Some(cause), _) => Refusal::SessionEnded(Some(cause)).to_string(),
        (None, Some(field)) if code == FIELD_MISSING.name => format!("the field {field:?} is missing"),
        (None, Some(field)) if code == FIELD_INVALID.name => format!("the field {field:?} must be a text"),
        _ => sentence.or(row.map(|row| row.sentence)).unwrap_or_default().to_owned(),
    };
    let mut out = Vec::new();
    let field = field.map(|name| FieldAtFault { name, code, message: &message });
    let waits = match code {
        _ if code == SECOND_FACTOR_REQUIRED.name => Some(WAITS),
        _ if code == ENROLMENT_REQUIRED.name => Some(WAITS_FOR_ENROLMENT),
        _ => None,
    };
    let said = (code, message.as_str(), cause.map(EndCause::name));
    shape.write_waiting(said, field.as_slice(), waits, &mut out);
    serde_json::from_slice(&out).unwrap_or_default()
}
