//! One route as an OpenAPI operation.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schema::Written;
use super::{example, refusals, schema};
use crate::profile::{Action, Fact, Input, Node, Profile, Registration, Route, Transport};

/// What a refresh may say of itself in a header: 1 to 255 visible characters, and blanks between them.
const ID_PATTERN: &str = "^[!-~]([ -~]{0,253}[!-~])?$";

/// Operation ids for the profile's routes, in their order; `taken` are those of other profiles.
pub(super) fn ids(profile: &Profile, taken: &mut BTreeSet<String>) -> Vec<String> {
    profile.routes.iter().map(|route| operation_id(profile, route.action, taken)).collect()
}

/// Describes the profile's route number `at`; `ids` are those of its routes.
pub(super) fn describe(profile: &Profile, at: usize, ids: &[String]) -> Value {
    let route = &profile.routes[at];
    let mut operation = json!({
        "tags": [profile.name],
        "operationId": ids[at],
        "summary": summary(route),
        "security": security(profile, route),
        "responses": responses(profile, route, ids),
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

/// The name of the security scheme for the profile's cookie.
pub(super) fn cookie_scheme(profile: &Profile) -> String {
    format!("cookie_{}", component(&profile.name))
}

/// A profile's name as OpenAPI takes it in the name of a component.
pub(super) fn component(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Whether the route needs an access token.
pub(super) fn needs_bearer(profile: &Profile, route: &Route) -> bool {
    let is_guarded_register = route.action == Action::Register && profile.registration == Registration::Admin;
    route.action.needs_access_token() || is_guarded_register
}

/// Whether an access token does where no refresh token came.
pub(super) fn takes_bearer_instead(route: &Route) -> bool {
    route.action == Action::Logout
}

/// Whether the refresh token of a request may come in a cookie.
pub(super) fn takes_cookie(profile: &Profile, route: &Route) -> bool {
    profile.refresh.cookie.is_some()
        && (route.action.needs_refresh_token()
            || matches!(route.action, Action::Password | Action::LogoutAll))
}

fn operation_id(profile: &Profile, action: Action, taken: &mut BTreeSet<String>) -> String {
    let id = format!("{}_{}", component(&profile.name), action.name());
    let numbered = (2..).map(|number| format!("{id}_{number}"));
    let free = std::iter::once(id.clone()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or(id);
    taken.insert(free.clone());
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
        Action::Explain => "What happened to a session, for administrators",
        Action::Password => "Change the password; the other sessions end",
        Action::Revoke => "Revoke: end the session of this refresh token",
    }
}

/// Each way to be let in, an alternative to the others.
fn security(profile: &Profile, route: &Route) -> Value {
    if needs_bearer(profile, route) {
        return json!([{ "bearer": [] }]);
    }
    if !route.action.needs_refresh_token() {
        return json!([]);
    }
    let mut ways = Vec::new();
    if takes_cookie(profile, route) {
        let mut cookie = Map::new();
        cookie.insert(cookie_scheme(profile), json!([]));
        ways.push(cookie.into());
    }
    if takes_bearer_instead(route) {
        ways.push(json!({ "bearer": [] }));
    }
    if route.takes.takes(Input::RefreshToken) && !ways.is_empty() {
        ways.push(json!({}));
    }
    ways.into()
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    if route.path.contains("{id}") {
        let about = Input::SessionId.about();
        let schema = json!({ "type": "string", "format": "uuid" });
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema,
            "description": about, "example": example::session_id() }));
    }
    let mut header = |name: &str, example: &str, description: &str| {
        let schema = json!({ "type": "string", "pattern": ID_PATTERN });
        parameters.push(json!({ "name": name, "in": "header", "schema": schema,
            "description": description, "example": example }));
    };
    if route.action == Action::Refresh {
        let about = "A retry id of the client's choice: a refresh repeated with the same one gets the same answer, \
                     however late.";
        header("Idempotency-Key", "one-example-of-a-retry-id", about);
    }
    if !route.action.only_reads() {
        let about = "Which client this is, of several that share a session; a stable random value.";
        header("Sprag-Instance", "one-example-of-a-client", about);
    }
    parameters
}

fn request_body(profile: &Profile, route: &Route) -> Option<Value> {
    let fields = route.takes.fields();
    if fields.is_empty() {
        return None;
    }
    let examples = || example::listed(example::requests(profile, route));
    let media = |written| json!({ "schema": schema::request(route, written), "examples": examples() });
    let mut content = Map::new();
    content.insert("application/json".to_owned(), media(Written::Json));
    content.insert("application/x-www-form-urlencoded".to_owned(), media(Written::Form));
    content.insert("multipart/form-data".to_owned(), media(Written::Multipart));
    let may_do_without = takes_cookie(profile, route) || takes_bearer_instead(route);
    let is_required = fields.iter().any(|field| !field.is_optional) || !may_do_without;
    Some(json!({ "required": is_required, "content": content }))
}

fn responses(profile: &Profile, route: &Route, ids: &[String]) -> Value {
    let mut answer = json!({ "description": summary(route) });
    if let Some(root) = route.gives.root() {
        let examples = example::listed(example::answers(profile, route));
        let media = json!({ "schema": schema::node(root), "examples": examples });
        answer["content"] = json!({ "application/json": media });
    }
    if let Some(set_cookie) = set_cookie(profile, route) {
        answer["headers"] = json!({ "Set-Cookie": set_cookie });
    }
    let links = links(profile, route, ids);
    if !links.is_empty() {
        answer["links"] = links.into();
    }
    let mut responses = Map::new();
    responses.insert(route.status.to_string(), answer);
    responses.extend(refusals::responses(profile, route));
    responses.into()
}

fn set_cookie(profile: &Profile, route: &Route) -> Option<Value> {
    let cookie = profile.refresh.cookie.as_ref()?;
    let is_cleared = route.action.needs_refresh_token() || route.action == Action::LogoutAll;
    if !is_cleared && !route.gives_pair() {
        return None;
    }
    let when = match profile.refresh.transport {
        Transport::Asked => " where the cookie was asked for",
        _ => "",
    };
    let what = if route.gives_pair() { "Carries a new refresh token" } else { "Is cleared" };
    let description = format!("`{}`. {what}{when}.", cookie.name);
    Some(json!({ "schema": { "type": "string" }, "description": description }))
}

/// What can be done next with what an answer holds.
fn links(profile: &Profile, route: &Route, ids: &[String]) -> Map<String, Value> {
    let mut links = Map::new();
    let Some(root) = route.gives.root() else { return links };
    let token = if route.gives_pair() { place(root, Fact::RefreshToken) } else { None };
    let session = place(root, Fact::ItemId);
    for (next, id) in profile.routes.iter().zip(ids) {
        let field = next.takes.fields().iter().find(|field| field.input == Input::RefreshToken);
        if let (Some(token), Some(field), true) = (&token, field, next.action.needs_refresh_token()) {
            let mut body = Map::new();
            body.insert(field.name.clone(), format!("$response.body#{token}").into());
            let about = "With the refresh token of this answer, where it is in the body";
            links.insert(id.clone(), json!({ "operationId": id, "requestBody": body, "description": about }));
        }
        if let (Some(session), Action::EndSession, true) = (&session, next.action, next.path.contains("{id}"))
        {
            let parameters = json!({ "id": format!("$response.body#{session}") });
            let about = "With the first session of this answer";
            links.insert(
                id.clone(),
                json!({ "operationId": id, "parameters": parameters, "description": about }),
            );
        }
    }
    links
}

/// Where a template has a fact, as a JSON pointer.
fn place(node: &Node, wanted: Fact) -> Option<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match node {
        Node::Constant(_) => None,
        Node::Fact { fact, .. } => (*fact == wanted).then(String::new),
        Node::Object(fields) => {
            fields.iter().find_map(|(key, node)| Some(format!("/{}{}", escaped(key), place(node, wanted)?)))
        }
        Node::List(nodes) => {
            nodes.iter().enumerate().find_map(|(at, node)| Some(format!("/{at}{}", place(node, wanted)?)))
        }
        Node::Each(node) => Some(format!("/0{}", place(node, wanted)?)),
    }
}
