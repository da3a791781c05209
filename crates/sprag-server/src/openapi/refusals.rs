//! The ways a route can say no, in the page's own shape.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sprag::Refusal;
use sprag::session::EndCause;

use super::operation::{component, needs_bearer, takes_cookie};
use super::schema;
use crate::profile::{Action, CODES, Profile, RefusalShape, Route};

/// The name of the page's refusals among the schemas.
pub(super) fn schema_name(profile: &Profile) -> String {
    format!("Refusal_{}", component(&profile.name))
}

/// The schema of a page's refusals.
pub(super) fn schema(shape: &RefusalShape) -> Value {
    let templates = shape.templates().filter_map(|(code, template)| Some((code, template.root()?)));
    let mut schemas: Vec<Value> = Vec::new();
    for (code, root) in templates {
        let mut schema = schema::node(root);
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
        by_status.entry(profile.refusal.status(code).as_u16()).or_default().push(code);
    }
    let schema = schema_name(profile);
    let response = |(status, codes): (u16, Vec<&str>)| {
        (status.to_string(), self::response(&profile.refusal, Some(&schema), &codes))
    };
    by_status.into_iter().map(response).collect()
}

/// One response for several codes, with an example for each.
pub(super) fn response(shape: &RefusalShape, schema: Option<&str>, codes: &[&str]) -> Value {
    let mut examples = Map::new();
    let mut whens = Vec::new();
    for code in CODES.iter().filter(|code| codes.contains(&code.name)) {
        whens.push(code.when);
        examples.insert(
            code.name.to_owned(),
            json!({ "summary": code.when, "value": example(shape, code.name) }),
        );
    }
    let mut media = json!({ "examples": examples });
    if let Some(schema) = schema {
        media["schema"] = json!({ "$ref": format!("#/components/schemas/{schema}") });
    }
    let mut content = Map::new();
    content.insert(shape.content_type.clone(), media);
    json!({ "description": whens.join(". Or: "), "content": content })
}

/// The codes a route may answer with.
fn codes(profile: &Profile, route: &Route) -> Vec<&'static str> {
    let mut codes =
        vec!["method_not_allowed", "request_timeout", "rate_limited", "internal", "unavailable", "busy"];
    if !route.takes.fields().is_empty() {
        codes.extend(["request_invalid", "field_invalid", "request_too_large", "media_type_unsupported"]);
        if route.takes.fields().iter().any(|field| !field.is_optional) {
            codes.push("field_missing");
        }
    }
    if needs_bearer(profile, route) {
        codes.extend([
            "token_missing",
            "token_invalid",
            "token_expired",
            "session_ended",
            "account_disabled",
        ]);
    }
    if takes_cookie(profile, route) {
        codes.extend(["request_invalid", "origin_refused"]);
    }
    let own: &[&str] = match route.action {
        Action::Login => &["credentials_invalid", "account_disabled"],
        Action::Refresh => &[
            "token_missing",
            "token_invalid",
            "token_spent",
            "token_expired",
            "session_ended",
            "account_disabled",
            "too_many_retries",
        ],
        Action::Logout | Action::Revoke => &["token_missing", "token_invalid"],
        Action::Register if needs_bearer(profile, route) => {
            &["name_invalid", "name_taken", "password_rejected", "forbidden"]
        }
        Action::Register => &["name_invalid", "name_taken", "password_rejected"],
        Action::EndSession => &["session_unknown"],
        Action::Password => &["current_password_wrong", "password_rejected"],
        Action::LogoutAll | Action::Me | Action::Sessions => &[],
    };
    codes.extend(own);
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn example(shape: &RefusalShape, code: &str) -> Value {
    let when = CODES.iter().find(|known| known.name == code).map_or("", |known| known.when);
    let refusal = ENGINE.iter().find(|refusal| refusal.code() == code);
    let message = refusal.map_or_else(|| when.to_owned(), ToString::to_string);
    let cause = (code == "session_ended").then_some(EndCause::Logout.name());
    let field = matches!(code, "field_missing" | "field_invalid").then_some("password");
    let mut out = Vec::new();
    shape.write(code, &message, cause, field, &mut out);
    serde_json::from_slice(&out).unwrap_or_default()
}

/// The refusals whose sentence the engine writes.
const ENGINE: &[Refusal] = &[
    Refusal::TokenMissing,
    Refusal::TokenInvalid,
    Refusal::TokenSpent,
    Refusal::TokenExpired,
    Refusal::SessionEnded(Some(EndCause::Logout)),
    Refusal::AccountDisabled,
    Refusal::TooManyRetries,
    Refusal::CredentialsInvalid,
    Refusal::CurrentPasswordWrong,
    Refusal::PasswordRejected,
    Refusal::NameTaken,
    Refusal::Forbidden,
    Refusal::SessionUnknown,
    Refusal::AccountUnknown,
];
