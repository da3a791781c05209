//! Pages of other sites: those that are named may call from a browser, and no other site gains anything.

use hyper::header::HeaderMap;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::offers::offering_all;
use crate::people::{LOGIN, LOGOUT, ME, REFRESH, Way};
use crate::world::{ORIGIN, Plan, W, World};

const APP: &str = "https://app.example.com";
const LOCAL: &str = "http://localhost:3000";
const EVIL: &str = "https://evil.example.net";

/// A server whose front ends are elsewhere.
fn world() -> World {
    World::planned(Plan { other_origins: vec![APP.to_owned(), LOCAL.to_owned()], ..Plan::default() })
}

/// What a browser asks before it lets a page send what no form could.
fn preflight(path: &str, method: &str, origin: &str) -> Call {
    let asks = Call::new("OPTIONS", path).header("origin", origin);
    let asks = asks.header("access-control-request-method", method);
    asks.header(
        "access-control-request-headers",
        "authorization,content-type,idempotency-key,x-requested-with",
    )
}

/// Everything an answer tells a browser of who may read it.
fn permissions(headers: &HeaderMap) -> Vec<String> {
    let of_cors = headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut lines: Vec<String> =
        of_cors.map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII"))).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn r37_a_site_that_is_named_may_call_with_cookies_and_headers() {
    let world = world();
    for origin in [APP, LOCAL] {
        let answer = world.sends(preflight(REFRESH, "POST", origin)).await.is(200);
        assert_eq!(
            permissions(&answer.headers),
            [
                "access-control-allow-credentials: true".to_owned(),
                "access-control-allow-headers: authorization,content-type,idempotency-key,x-requested-with"
                    .to_owned(),
                "access-control-allow-methods: GET,POST,PUT,PATCH,DELETE".to_owned(),
                format!("access-control-allow-origin: {origin}"),
                "access-control-max-age: 600".to_owned(),
            ]
        );
        assert!(answer.header("vary").contains("origin"), "caches must not mix sites up");
    }
    let phone = world.ann().await.logs_in().await;
    let asks = phone.bearer_call("GET", ME).header("origin", APP);
    let answer = world.sends(asks).await.is(200);
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    assert_eq!(
        answer.header("access-control-expose-headers"),
        "retry-after,x-request-id,ratelimit,ratelimit-policy"
    );
    let refused = world.sends(Call::get(ME).header("origin", APP)).await.is(401);
    assert_eq!(refused.header("access-control-allow-origin"), APP, "its page learns why");
}

#[tokio::test]
async fn r37_a_foreign_site_gets_nothing() {
    let world = world();
    let phone = world.ann().await.logs_in().await;
    let near =
        ["https://app.example.com.evil.example.net", "https://app.example.com:444", "http://app.example.com"];
    for origin in near.into_iter().chain([EVIL, "null", "https://APP.example.com"]) {
        let nothing =
            |answer: &Answer| assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        nothing(&world.sends(preflight(REFRESH, "POST", origin)).await);
        nothing(&world.sends(phone.bearer_call("GET", ME).header("origin", origin)).await);
    }
    let alone = World::new();
    let answer = alone.sends(preflight(REFRESH, "POST", APP)).await.refused(405, "method_not_allowed");
    assert_eq!(
        permissions(&answer.headers),
        Vec::<String>::new(),
        "where no site is named, there is no CORS"
    );
}

#[tokio::test]
async fn whoever_asks_for_the_options_of_a_path_is_told_its_methods_with_and_without_front_ends_elsewhere() {
    let asks = |path| Call::new("OPTIONS", path);
    for world in [world(), World::new()] {
        for (path, methods) in [(REFRESH, "POST"), (ME, "GET"), (LOGIN, "POST")] {
            let from_a_page = asks(path).header("origin", APP);
            let half = asks(path).header("access-control-request-method", "POST");
            for call in [asks(path), from_a_page, half] {
                let answer = world.sends(call).await.refused(405, "method_not_allowed");
                assert!(answer.header("allow").starts_with(methods), "{path}: {:?}", answer.header("allow"));
                assert_eq!(permissions(&answer.headers), Vec::<String>::new(), "{path}");
            }
        }
        world.sends(asks("/nowhere")).await.is(404);
    }
}

#[tokio::test]
async fn r36_a_cookie_counts_with_a_site_that_is_named_and_with_no_other() {
    let world = world();
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    assert_eq!(browser.way, Way::Cookie);
    world.winds(W + 1);
    let from = |path: &str, origin: &str| {
        browser
            .call("POST", path)
            .without("origin")
            .header("origin", origin)
            .header("sec-fetch-site", "cross-site")
    };
    let before = world.dump().await;
    for path in [REFRESH, LOGOUT] {
        world.sends(from(path, EVIL)).await.refused(403, "origin_refused");
        world.sends(from(path, "null")).await.refused(403, "origin_refused");
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
    let answer = world.sends(from(REFRESH, APP)).await.is(200);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    browser.keeps(&answer);
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn pages_of_apps_and_extensions_are_let_in_where_they_are_named() {
    let named = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "moz-extension://0b8b1f1e-0000-4000-8000-1234567890ab",
    ];
    let other_origins = named.iter().map(|origin| (*origin).to_owned()).collect();
    let world = World::planned(Plan { other_origins, ..Plan::default() });
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    for origin in named {
        let answer = world.sends(preflight(REFRESH, "POST", origin)).await.is(200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        world.winds(W + 1);
        let call = browser.call("POST", REFRESH).without("origin").header("origin", origin);
        let answer = world.sends(call.header("sec-fetch-site", "cross-site")).await.is(200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        browser.keeps(&answer);
    }
    for origin in [
        "capacitor://localhost:1",
        "capacitor://other",
        "moz-extension://0b8b1f1e-0000-4000-8000-000000000000",
    ] {
        let call = browser.call("POST", REFRESH).without("origin").header("origin", origin);
        let told = world.sends(call).await.refused(403, "origin_refused").field("detail");
        assert!(told.contains(&format!("a page of \"{origin}\" sent this request")), "{told}");
    }
}

#[tokio::test]
async fn a_page_over_http_from_the_local_network_is_told_why_it_is_refused() {
    let world = World::new();
    let browser = world.ann().await.logs_in_by_cookie().await;
    let call = |headers: &[(&str, &str)]| {
        let call = browser.call("POST", REFRESH).without("origin");
        headers.iter().fold(call, |call, (name, value)| call.header(name, value))
    };
    const SECURE: &str =
        "browsers send Sec-Fetch-* to secure origins only, which are https and this machine itself";
    for headers in [&[("origin", "http://192.168.1.5:8080")][..], &[("origin", "http://nas.local")], &[]] {
        let told = world.sends(call(headers)).await.refused(403, "origin_refused").field("detail");
        assert!(told.contains(SECURE) && told.contains("by https://auth.example.org"), "{told}");
    }
    let https = world.sends(call(&[("origin", "https://192.168.1.5")])).await;
    assert!(!https.refused(403, "origin_refused").field("detail").contains("Sec-Fetch"));
}

#[tokio::test]
async fn r36_no_foreign_site_logs_a_visitor_in() {
    let world = world();
    let ann = world.ann().await;
    let body = json!({ "username": "ann", "password": ann.password, "transport": "cookie" });
    let from = |origin: &str| Call::post(LOGIN).json(&body).header("origin", origin);
    world.sends(from(EVIL)).await.refused(403, "origin_refused");
    assert!(world.rows(ann.id).await.is_empty());
    world.sends(from(APP)).await.is(200);
    assert_eq!(world.rows(ann.id).await.len(), 1);
}

/// A form of another site has a token of its own session in its body, and the answer would set that in a cookie.
#[tokio::test]
async fn r36_nor_by_a_refresh_token_in_a_form_where_the_answer_sets_a_cookie_besides() {
    for action in ["refresh", "step_up"] {
        let profile = offering_all("express-mongo");
        let found = profile.wire.routes.iter().find(|route| route.action.name() == action);
        let path = found.expect("a route").path.clone();
        let world = World::planned(Plan { profiles: vec![profile], ..Plan::default() });
        let thief = world.ann().await;
        let body = json!({ "email": "ann@example.org", "password": thief.password });
        let call = Call::post("/api/auth/login").json(&body).header("origin", ORIGIN);
        let token = world.is_asked(call).await.is(200).field("refreshToken");
        let form = [("refreshToken", token.as_str()), ("password", thief.password.as_str())];
        let from = |origin: &str| Call::post(&path).form(&form).header("origin", origin);
        let told = world.is_asked(from(EVIL)).await;
        assert_eq!((told.status, told.set_cookies()), (403, Vec::new()), "{action}: {}", told.text());
        assert!(world.is_asked(from(ORIGIN)).await.status < 300, "{action} by a page of its own");
    }
}

#[tokio::test]
async fn the_public_keys_are_read_from_every_origin_and_with_nobodys_cookies() {
    for world in [World::new(), world()] {
        for origin in [APP, EVIL, "null", "capacitor://localhost"] {
            for path in ["/.well-known/jwks.json", "/openapi.json"] {
                let answer = world.sends(Call::get(path).header("origin", origin)).await.is(200);
                assert_eq!(
                    permissions(&answer.headers),
                    ["access-control-allow-origin: *"],
                    "{path} from {origin}"
                );
            }
        }
        let asks = preflight("/.well-known/jwks.json", "GET", EVIL);
        let answer = world.sends(asks).await.is(204);
        assert_eq!(
            permissions(&answer.headers),
            [
                "access-control-allow-headers: *",
                "access-control-allow-methods: GET, HEAD",
                "access-control-allow-origin: *",
            ]
        );
        let metrics = world.sends(Call::get("/metrics").header("origin", EVIL)).await.is(200);
        assert_eq!(
            permissions(&metrics.headers),
            Vec::<String>::new(),
            "these are for machines of one's own"
        );
    }
}

#[tokio::test]
async fn what_is_tried_in_the_viewer_goes_to_the_host_that_it_was_opened_by() {
    let document = World::new().sends(Call::get("/openapi.json")).await.is(200).json();
    assert_eq!(document["servers"][0]["url"], "/", "{}", document["servers"]);
    assert_eq!(document["servers"].as_array().map(Vec::len), Some(1));
    assert_eq!(document["servers"][0]["description"], "The public URL is https://auth.example.org");
}
