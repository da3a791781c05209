//! One route as an OpenAPI operation.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{refusals, schema};
use crate::profile::{Action, Input, Profile, Registration, Route, Transport};

/// Describes `route`; `ids` are the operation ids that are taken.
pub(super) fn describe(profile: &Profile, route: &Route, ids: &mut BTreeSet<String>) -> Value {
    let mut operation = json!({
        "tags": [profile.name],
        "operationId": operation_id(profile, route.action, ids),
        "summary": summary(route),
        "security": security(profile, route),
        "responses": responses(profile, route),
    });
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = request_body(profile, route) {
        operation["requestBody"] = body;
    }
    operation
}

/// The name of the security scheme for the page's cookie.
pub(super) fn cookie_scheme(profile: &Profile) -> String {
    format!("cookie_{}", component(&profile.name))
}

/// A page's name as OpenAPI takes it in the name of a component.
pub(super) fn component(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Whether the route needs an access token.
pub(super) fn needs_bearer(profile: &Profile, route: &Route) -> bool {
    let is_guarded_register = route.action == Action::Register && profile.registration == Registration::Admin;
    route.action.needs_access_token() || is_guarded_register
}

/// Whether the refresh token of a request may come in a cookie.
pub(super) fn takes_cookie(profile: &Profile, route: &Route) -> bool {
    profile.refresh.cookie.is_some() && route.action.needs_refresh_token()
}

fn operation_id(profile: &Profile, action: Action, ids: &mut BTreeSet<String>) -> String {
    let id = format!("{}_{}", component(&profile.name), action.name());
    let numbered = (2..).map(|number| format!("{id}_{number}"));
    let free = std::iter::once(id.clone()).chain(numbered).find(|id| !ids.contains(id)).unwrap_or(id);
    ids.insert(free.clone());
    free
}

fn summary(route: &Route) -> &'static str {
    match route.action {
        Action::Login => "Log in",
        Action::Refresh => "Turn the session: a new token pair for a refresh token",
        Action::Logout => "Log out: end the session of this refresh token",
        Action::LogoutAll => "Log out everywhere: end every session of the account",
        Action::Me => "Who is logged in",
        Action::Register if route.opens_session() => "Make an account and log in",
        Action::Register => "Make an account",
        Action::Sessions => "List the live sessions",
        Action::EndSession => "End one session",
        Action::Password => "Change the password; the other sessions end",
        Action::Revoke => "Revoke: end the session of this refresh token",
    }
}

fn security(profile: &Profile, route: &Route) -> Value {
    if needs_bearer(profile, route) {
        return json!([{ "bearer": [] }]);
    }
    if !takes_cookie(profile, route) {
        return json!([]);
    }
    let mut cookie = Map::new();
    cookie.insert(cookie_scheme(profile), json!([]));
    let body_will_do = route.takes.takes(Input::RefreshToken);
    if body_will_do { json!([cookie, {}]) } else { json!([cookie]) }
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    if route.path.contains("{id}") {
        let schema = json!({ "type": "string", "format": "uuid" });
        parameters.push(json!({
            "name": "id",
            "in": "path",
            "required": true,
            "schema": schema,
            "description": Input::SessionId.about(),
        }));
    }
    if route.action == Action::Refresh {
        let header = |name: &str, description: &str| {
            let schema = json!({ "type": "string" });
            json!({ "name": name, "in": "header", "schema": schema, "description": description })
        };
        let retry = "A retry id of the client's choice: a refresh repeated with the same one gets the same answer, however late.";
        let instance = "Which client this is, of several that share a session; a stable random value.";
        parameters.extend([header("Idempotency-Key", retry), header("Sprag-Instance", instance)]);
    }
    parameters
}

fn request_body(profile: &Profile, route: &Route) -> Option<Value> {
    if route.takes.fields().is_empty() {
        return None;
    }
    let schema = schema::request(&route.takes);
    let mut content = Map::new();
    content.insert("application/json".to_owned(), json!({ "schema": schema }));
    if route.action == Action::Login {
        content.insert("application/x-www-form-urlencoded".to_owned(), json!({ "schema": schema }));
    }
    let is_required =
        route.takes.fields().iter().any(|field| !field.is_optional) || !takes_cookie(profile, route);
    Some(json!({ "required": is_required, "content": content }))
}

fn responses(profile: &Profile, route: &Route) -> Value {
    let mut answer = json!({ "description": summary(route) });
    if let Some(root) = route.gives.root() {
        answer["content"] = json!({ "application/json": { "schema": schema::node(root) } });
    }
    let sets_cookie = route.gives_pair() || route.action.needs_refresh_token();
    if let Some(cookie) = profile.refresh.cookie.as_ref().filter(|_| sets_cookie) {
        let when = match profile.refresh.transport {
            Transport::Asked => " where the cookie was asked for",
            _ => "",
        };
        let what = if route.gives_pair() { "Carries a new refresh token" } else { "Is cleared" };
        let description = format!("`{}`. {what}{when}.", cookie.name);
        answer["headers"] =
            json!({ "Set-Cookie": { "schema": { "type": "string" }, "description": description } });
    }
    let mut responses = Map::new();
    responses.insert(route.status.to_string(), answer);
    responses.extend(refusals::responses(profile, route));
    responses.into()
}
