//! One route as an OpenAPI operation.

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use sprag::engine::Confirmation;

use super::schema::Written;
use super::security::{security, takes_bearer_instead, takes_cookie};
use super::{example, refusals, schema};
use crate::profile::{
    Answer, Client, Fact, IdOf, Input, Needs, Node, Profile, Registration, Route, Transport,
};

/// What a request may say of itself in a header: 1 to 255 visible characters, and blanks between them.
const ID_PATTERN: &str = "^[!-~]([ -~]{0,253}[!-~])?$";

/// Describes the profile's route number `at`; `ids` are those of its routes.
pub(super) fn describe(profile: &Profile, at: usize, ids: &[String]) -> Value {
    let route = &profile.wire.routes[at];
    let mut operation = json!({
        "tags": [profile.name],
        "operationId": ids[at],
        "summary": route.summary(),
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

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    if route.path.contains("{id}") {
        let (about, example) = match route.action.id_of() {
            Some(IdOf::Account) => ("The account's id.", example::account_id()),
            Some(IdOf::Factor) => ("The second factor's id.", example::factor_id()),
            _ => ("The session's id.", example::session_id()),
        };
        let schema = json!({ "type": "string", "format": "uuid" });
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema,
            "description": about, "example": example }));
    }
    if route.action.only_reads() {
        parameters.extend(route.takes.fields().iter().map(|field| {
            json!({ "name": field.name, "in": "query", "required": !field.is_optional,
                "schema": schema::in_query(field.input), "description": field.input.about() })
        }));
    }
    let mut header = |name: &str, example: &str, description: &str| {
        let schema = json!({ "type": "string", "pattern": ID_PATTERN });
        parameters.push(json!({ "name": name, "in": "header", "schema": schema,
            "description": description, "example": example }));
    };
    if let Some(about) = route.action.retry_id() {
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
    if fields.is_empty() || route.action.only_reads() {
        return None;
    }
    let media = |written| {
        let examples = example::listed(example::requests(profile, route, written));
        json!({ "schema": schema::request(route, written), "examples": examples })
    };
    let mut content = Map::new();
    content.insert("application/json".to_owned(), media(Written::Json));
    content.insert("application/x-www-form-urlencoded".to_owned(), media(Written::Form));
    content.insert("multipart/form-data".to_owned(), media(Written::Multipart));
    let may_do_without = takes_cookie(profile, route) || takes_bearer_instead(route);
    let is_required = fields.iter().any(|field| !field.is_optional) || !may_do_without;
    Some(json!({ "required": is_required, "content": content }))
}

fn responses(profile: &Profile, route: &Route, ids: &[String]) -> Value {
    let mut answer = json!({ "description": route.summary() });
    if let Answer::Json { schema, example } = route.action.answer() {
        answer["content"] = json!({ "application/json": { "schema": schema(), "example": example() } });
    }
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
    if let Some(description) = until_confirmed(profile, route) {
        let accepted = StatusCode::ACCEPTED.as_u16().to_string();
        responses.entry(accepted).or_insert_with(|| json!({ "description": description }));
    }
    responses.extend(refusals::responses(profile, route));
    responses.into()
}

/// What a 202 means, where whoever registers without being asked to is answered that until their address is confirmed.
fn until_confirmed(profile: &Profile, route: &Route) -> Option<&'static str> {
    let Client { confirmation, registration, .. } = &profile.client;
    let is_open = *registration != Registration::Closed && route.action.is_anonymous(*registration);
    let is_answered = is_open && *confirmation == Confirmation::Required;
    route.action.until_confirmed().filter(|_| is_answered)
}

fn set_cookie(profile: &Profile, route: &Route) -> Option<Value> {
    let cookie = profile.wire.refresh.cookie.as_ref()?;
    // Whoever may show the cookie and gets no new one leaves.
    if !route.action.reads_cookie() && !route.gives_pair() {
        return None;
    }
    let when = match profile.wire.refresh.transport {
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
    for (next, id) in profile.wire.routes.iter().zip(ids) {
        let field = next.takes.fields().iter().find(|field| field.input == Input::RefreshToken);
        if let (Some(token), Some(field), true) = (&token, field, next.action.needs_refresh_token()) {
            let mut body = Map::new();
            body.insert(field.name.clone(), format!("$response.body#{token}").into());
            let about = "With the refresh token of this answer, where it is in the body";
            links.insert(id.clone(), json!({ "operationId": id, "requestBody": body, "description": about }));
        }
        let is_of_own_session = next.action.needs() == Needs::AccessToken && next.path.contains("{id}");
        if let (Some(session), true) = (&session, is_of_own_session) {
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
        Node::Object(fields) => fields
            .iter()
            .find_map(|(key, node)| Some(format!("/{}{}", escaped(&key.name), place(node, wanted)?))),
        Node::List(nodes) => {
            nodes.iter().enumerate().find_map(|(at, node)| Some(format!("/{at}{}", place(node, wanted)?)))
        }
        Node::Each(node) => Some(format!("/0{}", place(node, wanted)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Action, Spec};

    const OPTIONS: Spec = Spec {
        answer: Answer::Json {
            schema: || json!({ "type": "object" }),
            example: || json!({ "rp": "a site" }),
        },
        ..Spec::named("options", "What a standard has")
    };

    #[test]
    fn an_answer_that_no_profile_shapes_is_described_by_its_action() {
        let text = "id = 1\nabout = \"a test\"\n[[route]]\non = \"POST /options\"\ndoes = \"options\"\n";
        let profile = Profile::read(&[Action::of(&OPTIONS)], "x", "x.toml", text).unwrap();
        let described = describe(&profile, 0, &["x_options".to_owned()]);
        assert_eq!(described["summary"], "What a standard has");
        let media = json!({ "schema": { "type": "object" }, "example": { "rp": "a site" } });
        assert_eq!(described["responses"]["200"]["content"]["application/json"], media);
    }
}
