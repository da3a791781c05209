//! The description of what is served names every route and every way to say no, and is served by itself.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sprag_server::openapi::{docs_router, document};
use sprag_server::profile::{CODES, FIXED_PATHS, Profile, builtin_names};
use tower::ServiceExt as _;

const URL: &str = "https://auth.example.org/";

fn shipped(name: &str) -> Profile {
    Profile::builtin(name).expect("a shipped page").unwrap_or_else(|error| panic!("{error}"))
}

fn ours() -> Value {
    document(&[shipped("sprag")], URL)
}

#[test]
fn every_route_of_every_page_is_described() {
    for page in builtin_names().map(shipped) {
        let document = document(std::slice::from_ref(&page), URL);
        for route in &page.routes {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][&route.path][&method];
            assert!(
                operation["responses"][route.status.to_string()].is_object(),
                "{} {}",
                page.name,
                route.on()
            );
            for status in ["405", "429", "503"] {
                assert!(operation["responses"][status].is_object(), "{} {}: {status}", page.name, route.on());
            }
        }
        for path in FIXED_PATHS {
            assert!(document["paths"][*path]["get"].is_object(), "{path}");
        }
    }
}

#[test]
fn every_code_is_documented() {
    let document = ours();
    let codes = &document["components"]["schemas"]["RefusalCode"];
    for code in CODES {
        assert!(
            codes["enum"].as_array().is_some_and(|known| known.contains(&json!(code.name))),
            "{}",
            code.name
        );
        assert!(codes["description"].as_str().is_some_and(|text| text.contains(code.when)), "{}", code.name);
    }
}

#[test]
fn references_lead_somewhere_and_operations_have_names_of_their_own() {
    for page in builtin_names().map(shipped) {
        let document = document(&[page], URL);
        let mut references = Vec::new();
        let mut ids = Vec::new();
        walk(&document, &mut |key, value| match key {
            "$ref" => references.push(value.clone()),
            "operationId" => ids.push(value.as_str().expect("a text").to_owned()),
            _ => {}
        });
        for reference in references {
            let pointer =
                reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "{ids:?}");
    }
}

fn walk(value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            visit(key, value);
            walk(value, visit);
        }),
        Value::Array(array) => array.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn a_log_in_is_described_as_it_is() {
    let document = ours();
    let login = &document["paths"]["/api/v1/auth/login"]["post"];
    assert_eq!(login["operationId"], "sprag_login");
    assert_eq!(login["security"], json!([]));
    let content = &login["requestBody"]["content"];
    assert_eq!(content["application/json"], content["application/x-www-form-urlencoded"]);
    let schema = &content["application/json"]["schema"];
    assert_eq!(schema["required"], json!(["password"]));
    assert_eq!(
        schema["allOf"],
        json!([{ "anyOf": [{ "required": ["username"] }, { "required": ["email"] }] }])
    );
    assert_eq!(
        schema["properties"]["transport"],
        json!({
            "type": "string",
            "description": "How the refresh token shall travel: `cookie` or `body`.",
            "enum": ["body", "cookie"],
        })
    );
    let given = &login["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(
        given["required"],
        json!(["access_token", "token_type", "expires_in", "refresh_expires_in", "session_id"]),
        "the refresh token is absent where the cookie was asked for"
    );
    assert_eq!(given["properties"]["token_type"], json!({ "type": "string", "const": "bearer" }));
    assert_eq!(
        given["properties"]["session_id"],
        json!({
            "type": "string",
            "description": "The id of the session that this answer is about.",
            "format": "uuid",
        })
    );
    assert_eq!(
        login["responses"]["401"],
        json!({
            "description": "The account may not log in. Or: The name is unknown or the password wrong",
            "content": { "application/problem+json": {
                "examples": {
                    "account_disabled": { "summary": "The account may not log in", "value": {
                        "type": "about:blank",
                        "title": "Unauthorized",
                        "status": 401,
                        "detail": "this account is disabled; ask whoever runs this service",
                        "code": "account_disabled",
                    } },
                    "credentials_invalid": { "summary": "The name is unknown or the password wrong", "value": {
                        "type": "about:blank",
                        "title": "Unauthorized",
                        "status": 401,
                        "detail": "the name or the password is wrong",
                        "code": "credentials_invalid",
                    } },
                },
                "schema": { "$ref": "#/components/schemas/Refusal_sprag" },
            } },
        })
    );
    let statuses: Vec<&String> = login["responses"].as_object().expect("responses").keys().collect();
    assert_eq!(statuses, ["200", "400", "401", "405", "408", "413", "415", "429", "500", "503"]);
}

#[test]
fn a_refresh_may_bring_its_token_in_the_body_or_a_cookie() {
    let document = ours();
    let refresh = &document["paths"]["/api/v1/auth/refresh"]["post"];
    assert_eq!(refresh["security"], json!([{ "cookie_sprag": [] }, {}]));
    assert_eq!(refresh["requestBody"]["required"], false);
    assert_eq!(document["components"]["securitySchemes"]["cookie_sprag"]["name"], "__Host-sprag_refresh");
    let names: Vec<&Value> =
        refresh["parameters"].as_array().expect("parameters").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["Idempotency-Key", "Sprag-Instance"]);
    assert!(
        refresh["responses"]["403"]["content"]["application/problem+json"]["examples"]["origin_refused"]
            .is_object()
    );
    assert_eq!(document["servers"], json!([{ "url": "https://auth.example.org" }]));
}

#[test]
fn several_pages_share_one_document() {
    let second = "id = 9\nabout = \"second\"\n[[route]]\non = \"POST /other\"\ndoes = \"login\"\ntakes = { n = \"$name\", p = \"$password\" }\ngives = { a = \"$access_token\", r = \"$refresh_token\" }\n[refusal]\ngives = { detail = \"$message\" }\n";
    let second = Profile::parse("se-cond", "second.toml", second).unwrap_or_else(|error| panic!("{error}"));
    let document = document(&[shipped("sprag"), second], URL);
    let other = &document["paths"]["/other"]["post"];
    assert_eq!(other["operationId"], "se_cond_login");
    let refused = &other["responses"]["401"]["content"]["application/json"];
    assert_eq!(refused["schema"]["$ref"], "#/components/schemas/Refusal_se_cond");
    assert_eq!(
        refused["examples"]["credentials_invalid"]["value"],
        json!({ "detail": "the name or the password is wrong" })
    );
    assert!(document["paths"]["/api/v1/auth/login"].is_object());
}

#[tokio::test]
async fn the_document_and_its_reader_come_from_the_binary() {
    let router: Router = docs_router(ours());
    let answer = fetch(&router, "/openapi.json").await;
    assert_eq!(serde_json::from_str::<Value>(&answer.1).expect("JSON"), ours());
    assert!(fetch(&router, "/docs").await.0.is_redirection());
    let page = fetch(&router, "/docs/").await;
    assert_eq!(page.0, StatusCode::OK);
    let start = fetch(&router, "/docs/swagger-initializer.js").await.1;
    assert!(start.contains("/openapi.json") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(!start.contains("https://"), "{start}");
}

async fn fetch(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}
