//! Bodies as clients of Express and Starlette write them, and what is said of a token that came under another name.

use serde_json::{Map, Value};
use sprag_server::profile::{Input, Route};

use crate::data::{Data, Texts};
use crate::stage::Stage;
use crate::tour::{LoggedIn, bodiless, fields, logs_in};

const BOM: &str = "\u{feff}";

/// A mark of the byte order before JSON, a coding that is none, and UTF-8 under any of its names: each is read as the body it
/// stands before.
pub(crate) async fn are_read_as_they_were(name: &'static str, data: &'static Data) {
    let stage = Stage::of(name, data, &Texts::new()).await;
    for action in ["login", "refresh", "logout"] {
        let Some(route) = stage.profile.wire.routes.iter().find(|route| route.action.name() == action) else {
            continue;
        };
        let takes = |client: &LoggedIn| Value::Object(fields(route, client)).to_string();
        if fields(route, &LoggedIn::default()).is_empty() {
            continue;
        }
        for (coding, kind, before) in [
            ("", "application/json", BOM),
            ("", "application/json; charset=UTF-8", BOM),
            ("identity", "application/json;charset=utf8", ""),
            ("Identity", "Application/JSON; Charset=\"utf-8\"", ""),
            ("identity, identity", "application/json ; charset=Utf-8", BOM),
        ] {
            let client = logs_in(&stage).await;
            let call = bodiless(&stage, route, &client).text(kind, format!("{before}{}", takes(&client)));
            let call = if coding.is_empty() { call } else { call.header("content-encoding", coding) };
            let answer = stage.world.is_asked(call).await;
            assert_eq!(answer.status, route.status, "{action} {coding} {kind}: {}", answer.text());
        }
        let client = logs_in(&stage).await;
        let call = bodiless(&stage, route, &client).text("application/json", takes(&client));
        let answer = stage.world.is_asked(call.header("content-encoding", "br")).await;
        let unread = stage.profile.wire.refusal.status("media_type_unsupported").as_u16();
        assert_eq!(answer.status, unread, "{action}: {}", answer.text());
        told(&stage, "media_type_unsupported", &answer.text(), "br");
    }
}

/// A refresh token under another system's name is missing, and the refusal names what was looked for and what came.
pub(crate) async fn of_another_name_are_named(name: &'static str, data: &'static Data) {
    let stage = Stage::of(name, data, &Texts::new()).await;
    for action in ["refresh", "logout"] {
        let found = stage.profile.wire.routes.iter().find(|route| route.action.name() == action);
        let Some((route, wanted)) = found.and_then(|route| Some((route, field(route)?))) else { continue };
        let other = if wanted.contains('_') { "refreshToken" } else { "refresh_token" };
        let client = logs_in(&stage).await;
        let body = Value::Object(Map::from_iter([(other.to_owned(), client.refresh.clone().into())]));
        let answer = stage.world.is_asked(bodiless(&stage, route, &client).json(&body)).await;
        assert!(matches!(answer.status, 400 | 401 | 422), "{action}: {}", answer.text());
        assert!(!answer.text().contains(&client.refresh), "a token is not repeated");
        let is_missing = answer.status == stage.profile.wire.refusal.status("token_missing").as_u16();
        let code = if is_missing { "token_missing" } else { "field_missing" };
        for name in [other, wanted] {
            told(&stage, code, &answer.text(), name);
        }
    }
}

fn field(route: &Route) -> Option<&str> {
    let field = route.takes.fields().iter().find(|field| field.input == Input::RefreshToken)?;
    Some(&field.name)
}

/// Where the profile has words of its own for a refusal, as another system did, it says no more.
fn told(stage: &Stage, code: &str, answer: &str, what: &str) {
    const MARK: &str = "the words of the refusal";
    let mut body = Vec::new();
    stage.profile.wire.refusal.write(code, MARK, None, &[], &mut body);
    if String::from_utf8_lossy(&body).contains(MARK) {
        assert!(answer.contains(what), "{what} is not told: {answer}");
    }
}
