//! The extractor and the layer, in a router as an API would have it.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sprag_verify::axum::{AccessToken, Guard, RequireToken};
use sprag_verify::{Claims, Error, Verifier};
use tower::ServiceExt as _;

#[path = "../examples/axum.rs"]
#[expect(dead_code, reason = "its command line is not used here")]
mod example;
#[path = "common/forge.rs"]
#[expect(dead_code, reason = "each test file uses its part")]
mod forge;
#[path = "common/issuer.rs"]
#[expect(dead_code, reason = "each test file uses its part")]
mod issuer;

use forge::{AUDIENCE, Clock, ISSUER, Key, SECRET, claims, hs256, jwks};
use issuer::{Answer, Issuer};

const SUBJECT: &str = "0198d1e0-7c00-7abc-8def-0123456789ab";

fn guard() -> Guard {
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).clock(Clock::new().reader());
    builder.shared_secret(SECRET).unwrap().into()
}

async fn by_layer(claims: Claims) -> String {
    claims.subject().to_owned()
}

async fn by_layer_or_not(claims: Option<Claims>) -> String {
    claims.map_or("nobody".to_owned(), |claims| claims.subject().to_owned())
}

async fn by_extractor(AccessToken(claims): AccessToken) -> String {
    claims.subject().to_owned()
}

async fn by_extractor_or_not(token: Option<AccessToken>) -> String {
    token.map_or("nobody".to_owned(), |AccessToken(claims)| claims.subject().to_owned())
}

fn app(guard: &Guard) -> Router {
    let behind = Router::new().route("/layer", get(by_layer)).layer(RequireToken::new(guard.clone()));
    let beside = Router::new()
        .route("/layer-or-not", get(by_layer_or_not))
        .layer(RequireToken::new(guard.clone()).optional());
    Router::new()
        .route("/extractor", get(by_extractor))
        .route("/extractor-or-not", get(by_extractor_or_not))
        .route("/no-layer", get(by_layer))
        .with_state(guard.clone())
        .merge(behind)
        .merge(beside)
}

async fn ask(path: &str, authorization: &[&str]) -> Response<Body> {
    ask_at(&app(&guard()), path, authorization).await
}

async fn ask_at(app: &Router, path: &str, authorization: &[&str]) -> Response<Body> {
    let request = Request::get(path);
    let request =
        authorization.iter().fold(request, |request, value| request.header("authorization", *value));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
}

fn good() -> String {
    format!("Bearer {}", hs256(&claims(json!({}))))
}

const ALL: [&str; 4] = ["/layer", "/layer-or-not", "/extractor", "/extractor-or-not"];

#[tokio::test]
async fn a_good_token_gets_in_everywhere() {
    for path in ALL {
        let response = ask(path, &[&good()]).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(text(response).await, SUBJECT, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_only_what_is_optional_answers() {
    for path in ["/layer-or-not", "/extractor-or-not"] {
        assert_eq!(text(ask(path, &[]).await).await, "nobody", "{path}");
    }
    for path in ["/layer", "/extractor"] {
        for authorization in [&[][..], &["Basic YTpi"]] {
            let response = ask(path, authorization).await;
            assert_eq!(response.status(), 401, "{path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer", "{path}");
            let problem: Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!(problem["code"], "token_missing", "{path}");
        }
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_none_is_needed() {
    let expired = format!("Bearer {}", hs256(&claims(json!({ "exp": forge::NOW - 60 }))));
    let other = format!("Bearer {}", hs256(&claims(json!({ "aud": "https://other.example" }))));
    for path in ALL {
        for (token, code) in [(&expired, "token_expired"), (&other, "token_invalid")] {
            let response = ask(path, &[token]).await;
            assert_eq!(response.status(), 401, "{path}");
            let headers = response.headers();
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["cache-control"], "no-store");
            let challenge = headers["www-authenticate"].to_str().unwrap();
            assert!(
                challenge.starts_with(r#"Bearer error="invalid_token", error_description=""#),
                "{challenge}"
            );
            assert!(response.extensions().get::<Error>().is_some(), "for a layer that logs");
            let problem: Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(401)), "{path}");
            assert_eq!(
                (&problem["type"], &problem["title"]),
                (&json!("about:blank"), &json!("Unauthorized"))
            );
        }
    }
}

#[tokio::test]
async fn two_authorization_headers_are_refused_whatever_they_hold() {
    for path in ALL {
        for two in [[good(), good()], ["Basic YTpi".to_owned(), good()], [good(), "Bearer x".to_owned()]] {
            let response = ask(path, &two.each_ref().map(String::as_str)).await;
            assert_eq!(response.status(), 400, "{path}");
            let challenge = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with(r#"Bearer error="invalid_request""#), "{challenge}");
        }
    }
}

#[tokio::test]
async fn a_handler_whose_layer_was_forgotten_lets_nobody_in() {
    let response = ask("/no-layer", &[&good()]).await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers().get("www-authenticate"), None);
}

#[tokio::test]
async fn claims_of_another_layer_do_not_get_past_one_that_finds_no_token() {
    let strangers = Verifier::builder(ISSUER).audience("https://other.example").clock(Clock::new().reader());
    let strangers = RequireToken::new(strangers.shared_secret(SECRET).unwrap());
    let inner = Router::new().route("/", get(by_layer)).layer(RequireToken::new(guard())).layer(strangers);
    let other = format!("Bearer {}", hs256(&claims(json!({ "aud": "https://other.example" }))));
    assert_eq!(ask_at(&inner, "/", &[&other]).await.status(), 401, "each layer judges for itself");
    assert_eq!(ask_at(&inner, "/", &[&good()]).await.status(), 401);
}

#[tokio::test]
async fn claims_that_another_middleware_left_are_not_taken_for_verified_ones() {
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).clock(Clock::new().reader());
    let strangers = builder.shared_secret(SECRET).unwrap().verify(&hs256(&claims(json!({})))).unwrap();
    let mut request = Request::get("/layer-or-not").body(Body::empty()).unwrap();
    request.extensions_mut().insert(strangers);
    assert_eq!(text(app(&guard()).oneshot(request).await.unwrap()).await, "nobody");
}

#[tokio::test]
async fn while_keys_cannot_be_had_nobody_is_told_to_log_in_again() {
    let key = Key::new("first");
    let issuer = Issuer::start(Answer { status: 503, headers: Vec::new(), body: String::new() }).await;
    let clock = Clock::new();
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).clock(clock.reader());
    let app = app(&builder.remote().jwks_url(issuer.url()).build().unwrap().into());
    let token = format!("Bearer {}", key.sign(&claims(json!({}))));
    for path in ALL {
        let response = ask_at(&app, path, &[&token]).await;
        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.headers().get("www-authenticate"), None);
    }
    issuer.answer_from_now_on(Answer::keys(jwks(&[&key])));
    clock.wind(10);
    for path in ALL {
        assert_eq!(ask_at(&app, path, &[&token]).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn the_example_protects_what_it_says() {
    let app = example::app(guard());
    let editor = format!("Bearer {}", hs256(&claims(json!({ "roles": ["editor"] }))));
    for (path, authorization, status) in [
        ("/me", &[][..], 401),
        ("/me", &[&*good()], 200),
        ("/articles", &[], 200),
        ("/articles", &["Bearer x"], 401),
    ] {
        assert_eq!(ask_at(&app, path, authorization).await.status(), status, "{path} {authorization:?}");
    }
    let me = text(ask_at(&app, "/me", &[&good()]).await).await;
    assert!(me.starts_with(&format!("account {SUBJECT}, ")), "{me}");
    for (authorization, status) in [(&editor, 200), (&good(), 403)] {
        let request = Request::delete("/articles/1").header("authorization", authorization);
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
    }
}
