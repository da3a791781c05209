//! Pages of other sites: those that are named may call every call of every profile, and no other site may.

use sprag_server::profile::Profile;

use crate::call::Call;
use crate::data::Data;
use crate::stage::{Stage, everything_on};
use crate::tour::{LoggedIn, bodiless, call, fields, logs_in, path};

const NAMED: &str = "https://app.example.com";
const FOREIGN: &str = "https://evil.example.net";

pub(crate) async fn are_kept_apart(name: &'static str, data: &'static Data) {
    let named = ("SPRAG_CORS_ORIGINS".to_owned(), format!("{NAMED},http://localhost:3000"));
    let mut environment = everything_on(name);
    environment.extend([named]);
    let stage = Stage::of(name, data, &environment).await;
    let client = logs_in(&stage).await;
    preflights(&stage, &client).await;
    let login = route(&stage.profile, "login");
    let asked = stage.world.is_asked(call(&stage, login, &client).header("origin", FOREIGN)).await;
    assert_eq!(asked.header("access-control-allow-origin"), "", "a foreign site reads nothing");
    if stage.profile.wire.refresh.cookie.is_some() {
        cookies(&stage, &client).await;
    }
}

async fn preflights(stage: &Stage, client: &LoggedIn) {
    for route in &stage.profile.wire.routes {
        let asked = stage.world.is_asked(Call::new("OPTIONS", &path(route, client))).await;
        let (allowed, method) = (asked.header("allow"), route.method.as_str());
        assert!(allowed.contains(method), "{}: OPTIONS that is no preflight allows {allowed:?}", route.on());
        for (origin, allowed) in
            [(NAMED, NAMED), ("http://localhost:3000", "http://localhost:3000"), (FOREIGN, "")]
        {
            let asks = Call::new("OPTIONS", &path(route, client)).header("origin", origin);
            let asks = asks.header("access-control-request-method", route.method.as_str());
            let asks = asks.header("access-control-request-headers", "authorization,content-type");
            let answer = stage.world.is_asked(asks).await;
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{} from {origin}", route.on());
            assert!(answer.status < 300, "{}: {}", route.on(), answer.status);
            if !allowed.is_empty() {
                assert_eq!(answer.header("access-control-allow-credentials"), "true");
                assert!(answer.header("access-control-allow-methods").contains(route.method.as_str()));
                assert!(answer.header("access-control-allow-headers").contains("authorization"));
            }
        }
    }
}

/// A cookie counts with a page of a named site, and with no other.
async fn cookies(stage: &Stage, client: &LoggedIn) {
    let cookie = stage.profile.wire.refresh.cookie.as_ref().expect("a profile with a cookie");
    let refresh = route(&stage.profile, "refresh");
    let from = |origin: &str| {
        let call = bodiless(stage, refresh, client).cookie(&cookie.name, &client.refresh);
        call.header("origin", origin).header("sec-fetch-site", "cross-site")
    };
    let before = stage.kept().await;
    let refused = stage.world.is_asked(from(FOREIGN)).await;
    assert_eq!(
        refused.status,
        stage.profile.wire.refusal.status("origin_refused").as_u16(),
        "{}",
        refused.text()
    );
    assert!(refused.set_cookies().is_empty());
    assert_eq!(stage.kept().await, before, "a foreign site changes nothing");
    let taken = stage.world.is_asked(from(NAMED)).await;
    assert_eq!(taken.status, refresh.status, "{}", taken.text());
    assert_eq!(taken.header("access-control-allow-origin"), NAMED);
    assert_eq!(taken.header("access-control-allow-credentials"), "true");

    // Nor may it log a visitor in as somebody else.
    let login = route(&stage.profile, "login");
    let mut body = fields(login, client);
    if let Some(field) = login.takes.fields().iter().find(|field| field.input.name() == "transport") {
        body.insert(field.name.clone(), "cookie".into());
    }
    let log_in = |origin: &str| {
        let call = bodiless(stage, login, client).header("origin", origin);
        call.header("sec-fetch-site", "cross-site").json(&serde_json::Value::Object(body.clone()))
    };
    let refused = stage.world.is_asked(log_in(FOREIGN)).await;
    assert_eq!(
        refused.status,
        stage.profile.wire.refusal.status("origin_refused").as_u16(),
        "{}",
        refused.text()
    );
    assert_eq!(stage.world.is_asked(log_in(NAMED)).await.status, login.status);
}

fn route<'a>(profile: &'a Profile, action: &str) -> &'a sprag_server::profile::Route {
    profile.wire.routes.iter().find(|route| route.action.name() == action).expect("a call")
}
