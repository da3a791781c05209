//! A fixed set of bad requests to every call of every profile: each is refused in the profile's own shape and changes nothing.

use serde_json::{Map, Value, json};
use sprag::store::Slice;
use sprag_server::profile::{Input, Route, Whose};

use crate::call::{Answer, Call};
use crate::data::Data;
use crate::shape::{shape, tokens};
use crate::stage::{Stage, everything_on, slug};
use crate::tour::{LoggedIn, bodiless, call, compare, fields, logs_in, needs_bearer, path};

/// More than a body may have.
const TOO_MANY_BYTES: usize = 65_537;

/// Requests that cannot be read, or lack something.
pub(crate) async fn bad_input(name: &'static str, data: &'static Data, position: usize) {
    let stage = Stage::of(name, data, &everything_on(name)).await;
    let route = stage.profile.wire.routes[position].clone();
    let client = logs_in(&stage).await;
    let mut told = Vec::new();
    for (what, call) in malformed(&stage, &route, &client) {
        let before = stage.kept().await;
        let answer = stage.world.is_asked(call).await;
        expect_refusal(&stage, &what, &answer);
        assert_eq!(stage.kept().await, before, "{what} changed something");
        told.push(format!("## {what}\n{}", shape(&stage.profile, &answer)));
    }
    compare(&format!("{name}__bad_{}", slug(&route)), &told.join("\n"));
}

/// Refused, as the profile refuses, with nothing handed out.
fn expect_refusal(stage: &Stage, what: &str, answer: &Answer) {
    assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    assert_eq!(answer.header("content-type"), stage.profile.wire.refusal.content_type, "{what}");
    assert!(answer.json().is_object(), "{what}: {}", answer.text());
    assert_eq!(tokens(answer), (None, None), "{what}");
    assert!(answer.set_cookies().is_empty(), "{what}");
}

fn malformed(stage: &Stage, route: &Route, client: &LoggedIn) -> Vec<(String, Call)> {
    let good = fields(route, client);
    let mut bad = other_methods(stage, route, client);
    if needs_bearer(stage, route) {
        bad.extend(bearers(stage, route, client));
    }
    if good.is_empty() {
        // Such a call reads no body, so that none can be wrong; perhaps a query.
        bad.extend(queries(route, client).into_iter().map(|(what, path)| {
            let call = Call::new(route.method.as_str(), &path).header("user-agent", "Phone/1.0");
            (what, call.bearer(&client.access))
        }));
        return bad;
    }
    let with = |body: &Map<String, Value>| bodiless(stage, route, client).json(&Value::Object(body.clone()));
    for (name, _) in &good {
        let is_needed = |field: &&_| field_is(field, name);
        let without = || {
            let mut body = good.clone();
            body.remove(name);
            body
        };
        let changed = |value: Value| {
            let mut body = without();
            body.insert(name.clone(), value);
            body
        };
        let field = route.takes.fields().iter().find(is_needed).expect("a field of the call");
        if !field.is_optional || route.action.needs_refresh_token() {
            bad.push((format!("without {name}"), with(&without())));
            bad.push((format!("{name} is null"), with(&changed(Value::Null))));
            bad.push((format!("{name} is empty"), with(&changed("".into()))));
        }
        let flag = if field.input.is_flag() { json!("yes") } else { json!(true) };
        for value in [json!(7), flag, json!(["x"]), json!({ "a": "b" })] {
            bad.push((format!("{name} is {value}"), with(&changed(value))));
        }
    }
    // A call that needs nothing has nothing done by a body with nothing in it.
    let needs_nothing = route.takes.fields().iter().all(|field| field.is_optional)
        && !route.action.needs_refresh_token()
        && route.action.account() == Whose::Requester;
    let is_nothing = |what: &str| what.ends_with("with nothing in it") || what == "a form that is JSON";
    let bodies = bodies(&good).into_iter().filter(|(what, ..)| !needs_nothing || !is_nothing(what));
    bad.extend(bodies.map(|(what, kind, body)| {
        let call = bodiless(stage, route, client);
        (what.to_owned(), if kind.is_empty() { call.bytes(body) } else { call.text(kind, body) })
    }));
    if route.action.name() == "register" {
        bad.extend(
            registrations(route, &good).into_iter().map(|(what, body)| (what.to_owned(), with(&body))),
        );
    }
    bad.push(("compressed".to_owned(), with(&good).header("content-encoding", "gzip")));
    bad
}

/// Queries that ask for nothing that there is.
fn queries(route: &Route, client: &LoggedIn) -> Vec<(String, String)> {
    let path = path(route, client);
    let mut bad = Vec::new();
    for field in route.takes.fields() {
        let wrong: &[&str] = match field.input {
            Input::Limit => &["0", "201", "-1", "many"],
            Input::After => &["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
            Input::Kind => &["nothing", "login_failed,"],
            Input::Severity => &["bad"],
            Input::Since => &["yesterday"],
            _ => &["%ff", "%C3"],
        };
        let name = &field.name;
        bad.extend(
            wrong.iter().map(|value| (format!("{name} is {value}"), format!("{path}?{name}={value}"))),
        );
        bad.push((format!("{name} twice"), format!("{path}?{name}=1&{name}=1")));
    }
    bad
}

/// Accounts that cannot be made.
fn registrations(route: &Route, good: &Map<String, Value>) -> Vec<(&'static str, Map<String, Value>)> {
    let names = [Input::Name, Input::Username, Input::Email];
    let change = |inputs: &[Input], value: Option<&str>| {
        let mut body = good.clone();
        for field in route.takes.fields().iter().filter(|field| inputs.contains(&field.input)) {
            body.remove(&field.name);
            body.extend(value.map(|value| (field.name.clone(), value.into())));
        }
        body
    };
    vec![
        ("without any name", change(&names, None)),
        ("an e-mail address that is none", change(&[Input::Email], Some("nowhere"))),
        ("an e-mail address that is taken", change(&[Input::Email], Some("ROOT@example.org"))),
        ("a short password", change(&[Input::Password], Some("short"))),
    ]
}

fn field_is(field: &sprag_server::profile::TakenField, name: &str) -> bool {
    field.name == name
}

/// Bodies that are none.
fn bodies(good: &Map<String, Value>) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    const PARTS: &str = "multipart/form-data; boundary=cut";
    let (name, value) = good.iter().next().expect("a field");
    let twice = format!("{{{n}:{value},{n}:{value}}}", n = json!(name));
    let good_text = Value::Object(good.clone()).to_string();
    let part = |head: &str, text: &str| {
        format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"{head}\r\n\r\n{text}\r\n")
    };
    vec![
        ("an object with nothing in it", JSON, "{}".into()),
        ("broken JSON", JSON, good_text[..good_text.len() - 1].into()),
        ("no JSON", JSON, "nonsense".into()),
        ("an array", JSON, format!("[{good_text}]").into()),
        ("a text", JSON, "\"text\"".into()),
        ("null", JSON, "null".into()),
        ("a field twice", JSON, twice.into()),
        ("nested deeply", JSON, "[".repeat(33).into()),
        ("not UTF-8", JSON, b"{\"a\": \"\xff\"}".to_vec()),
        ("too large", JSON, vec![b' '; TOO_MANY_BYTES]),
        ("a form that is JSON", FORM, good_text.clone().into()),
        ("JSON that is a form", JSON, serde_urlencoded::to_string(good).expect("a form").into()),
        ("a form with a field twice", FORM, format!("{name}=a&{name}=b").into()),
        ("a form that is not UTF-8", FORM, format!("{name}=%ff").into()),
        ("a multipart form with nothing in it", PARTS, "--cut--".into()),
        ("a multipart form that is JSON", PARTS, good_text.clone().into()),
        ("a multipart form that breaks off", PARTS, part("", "a").into()),
        (
            "a multipart form with a field twice",
            PARTS,
            format!("{}{}--cut--", part("", "a"), part("", "b")).into(),
        ),
        ("a multipart form with a file", PARTS, format!("{}--cut--", part("; filename=\"a\"", "a")).into()),
        (
            "a multipart form that is not UTF-8",
            PARTS,
            [part("", "").trim_end().as_bytes(), b"\r\n\r\n\xff\r\n--cut--"].concat(),
        ),
        (
            "a multipart form without a boundary",
            "multipart/form-data",
            format!("{}--cut--", part("", "a")).into(),
        ),
        ("plain text", "text/plain", good_text.clone().into()),
        ("of no kind", "", good_text.into()),
    ]
}

/// Methods that the profile has no call for.
fn other_methods(stage: &Stage, route: &Route, client: &LoggedIn) -> Vec<(String, Call)> {
    let on_this_path = |method: &str| {
        let is_taken = |other: &Route| other.path == route.path && other.method.as_str() == method;
        stage.profile.wire.routes.iter().any(is_taken)
    };
    let path = path(route, client);
    let others = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| !on_this_path(method));
    others.map(|method| (format!("by {method}"), Call::new(method, &path).bearer(&client.access))).collect()
}

/// Access tokens that are none.
fn bearers(stage: &Stage, route: &Route, client: &LoggedIn) -> Vec<(String, Call)> {
    let good = || call(stage, route, client).without("authorization");
    let (head, tag) = client.access.rsplit_once('.').expect("a JWT");
    let tag: String = tag.chars().rev().collect();
    vec![
        ("without a bearer".to_owned(), good()),
        ("with a password instead".to_owned(), good().header("authorization", "Basic cm9vdDpyb290")),
        ("with any bearer".to_owned(), good().bearer("x")),
        ("with the refresh token as bearer".to_owned(), good().bearer(&client.refresh)),
        ("with another signature".to_owned(), good().bearer(&format!("{head}.{tag}"))),
    ]
}

/// Tokens that were good once, and what presenting them does.
pub(crate) async fn tokens_that_were(name: &'static str, data: &'static Data, position: usize) {
    let stage = Stage::of(name, data, &everything_on(name)).await;
    let route = stage.profile.wire.routes[position].clone();
    let mut told = Vec::new();
    if route.action.needs_refresh_token() {
        for (what, seconds) in [("inside the reuse interval", 10), ("after it", 31)] {
            let client = logs_in(&stage).await;
            refreshes(&stage, &client).await;
            stage.world.winds(seconds);
            told.push(present(&stage, &route, &client, &format!("spent, {what}")).await);
        }
        let client = LoggedIn { refresh: "a-token-that-nobody-gave-out".to_owned(), ..LoggedIn::default() };
        told.push(present(&stage, &route, &client, "unknown").await);
        let client = LoggedIn { refresh: "spr_AAAAAAAA".to_owned(), ..LoggedIn::default() };
        told.push(present(&stage, &route, &client, "made up").await);
        let client = logs_in(&stage).await;
        let client = LoggedIn { refresh: client.access, ..LoggedIn::default() };
        told.push(present(&stage, &route, &client, "an access token").await);
        let client = logs_in(&stage).await;
        stage.world.clock.wind(stage.profile.policy.idle_timeout);
        told.push(present(&stage, &route, &client, "expired").await);
    }
    if needs_bearer(&stage, &route) {
        let client = logs_in(&stage).await;
        stage.world.clock.wind(stage.profile.policy.access_ttl);
        told.push(present(&stage, &route, &client, "an expired access token").await);
        let client = logs_in(&stage).await;
        let id = client.session.parse().expect("an id");
        let key = stage.world.row(id).await.key;
        let nobody = crate::people::nobody();
        let ended = stage.world.engine.sessions().end(key, sprag::session::EndCause::Admin, &nobody).await;
        ended.expect("a session that lives");
        told.push(present(&stage, &route, &client, "of an ended session").await);
    }
    if route.action.name() == "login" {
        let wrong = |field: &str, value: &str| {
            let mut body = fields(&route, &LoggedIn::default());
            body.insert(field.to_owned(), value.into());
            bodiless(&stage, &route, &LoggedIn::default()).json(&Value::Object(body))
        };
        let named = &route.takes.fields()[0].name;
        let password = route.takes.fields().iter().find(|field| field.input.name() == "password");
        let password = &password.expect("a password").name;
        for (what, call) in [
            ("an unknown name", wrong(named, "nobody")),
            ("a wrong password", wrong(password, "wrong password")),
        ] {
            let before = stage.kept().await;
            let answer = stage.world.is_asked(call).await;
            expect_refusal(&stage, what, &answer);
            assert_eq!(stage.kept().await, before, "{what} changed something");
            told.push(format!("## {what}\n{}", shape(&stage.profile, &answer)));
        }
    }
    compare(&format!("{name}__tokens_{}", slug(&route)), &told.join("\n"));
}

async fn refreshes(stage: &Stage, client: &LoggedIn) {
    let route =
        stage.profile.wire.routes.iter().find(|route| route.action.name() == "refresh").expect("a refresh");
    let answer = stage.world.is_asked(call(stage, route, client)).await;
    assert_eq!(answer.status, route.status, "{}", answer.text());
}

/// What is answered, and what has changed in the store.
async fn present(stage: &Stage, route: &Route, client: &LoggedIn, what: &str) -> String {
    let before = journal(stage).await;
    let answer = stage.world.is_asked(call(stage, route, client)).await;
    let new = journal(stage).await.split_off(before.len());
    let new = if new.is_empty() { "nothing changed".to_owned() } else { new.join(", ") };
    format!("## {what}\n{}\n-> {new}", shape(&stage.profile, &answer))
}

/// What the journal has of everybody, in the order it was written.
async fn journal(stage: &Stage) -> Vec<String> {
    let mut entries = Vec::new();
    for account in stage.world.seam.store().accounts(Slice::first(1000)).await.expect("a store that works") {
        entries.extend(stage.world.entries(account.id).await);
    }
    entries.sort_by_key(|entry| entry.event.at);
    entries
        .iter()
        .map(|entry| {
            let cause = entry.event.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
            format!("{}{cause}", entry.event.kind.name())
        })
        .collect()
}
