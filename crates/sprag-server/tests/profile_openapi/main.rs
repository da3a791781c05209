//! The description of what is served names every route and every way to say no, and is served by itself.

mod may_answer;

use std::io::{Seek as _, Write as _};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sprag_server::openapi::{docs_router, document};
use sprag_server::profile::{CODES, FieldAtFault, Profile, SYSTEM_PATHS, builtin_names};
use tower::ServiceExt as _;

use crate::may_answer::may_answer;

const URL: &str = "https://auth.example.org/";

fn shipped(name: &str) -> Profile {
    Profile::builtin(name).expect("a shipped profile").unwrap_or_else(|error| panic!("{error}"))
}

fn ours() -> Value {
    document(&[shipped("sprag")], URL)
}

#[test]
fn every_route_of_every_profile_is_described() {
    for profile in builtin_names().map(shipped) {
        let document = document(std::slice::from_ref(&profile), URL);
        for route in &profile.wire.routes {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][&route.path][&method];
            assert!(
                operation["responses"][route.status.to_string()].is_object(),
                "{} {}",
                profile.name,
                route.on()
            );
            for status in ["405", "429", "503"] {
                assert!(
                    operation["responses"][status].is_object(),
                    "{} {}: {status}",
                    profile.name,
                    route.on()
                );
            }
        }
        for path in SYSTEM_PATHS {
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
    for profile in builtin_names().map(shipped) {
        let document = document(&[profile], URL);
        let mut references = Vec::new();
        walk(&document, &mut |key, value| {
            if key == "$ref" {
                references.push(value.clone());
            }
        });
        let mut ids: Vec<&str> = operations(&document).into_iter().map(|(id, _)| id).collect();
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

/// One body that the document describes: where it stands, and the media type's object.
struct Media<'a> {
    place: String,
    media: &'a Value,
}

fn media_of(document: &Value) -> Vec<Media<'_>> {
    let mut found = Vec::new();
    for (id, operation) in operations(document) {
        let responses = operation["responses"].as_object().expect("responses");
        let responses = responses.iter().map(|(status, response)| (status.as_str(), response));
        for (what, holder) in responses.chain([("request", &operation["requestBody"])]) {
            for (kind, media) in holder["content"].as_object().into_iter().flatten() {
                found.push(Media { place: format!("{id}, {what}, {kind}"), media });
            }
        }
    }
    found
}

fn operations(document: &Value) -> Vec<(&str, &Value)> {
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("a path").values());
    operations.map(|operation| (operation["operationId"].as_str().expect("an id"), operation)).collect()
}

#[test]
fn every_body_has_examples_and_they_are_what_its_schema_says() {
    for profile in builtin_names().map(shipped) {
        let document = document(&[profile], URL);
        for Media { place, media } in media_of(&document) {
            let named = media["examples"].as_object().into_iter().flatten();
            let examples: Vec<&Value> =
                named.map(|(_, example)| &example["value"]).chain(media.get("example")).collect();
            assert!(!examples.is_empty(), "{place} has no example");
            assert!(media["schema"].is_object(), "{place} has no schema");
            let schema = json!({ "allOf": [media["schema"]], "components": document["components"] });
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let validator = options.build(&schema).unwrap_or_else(|error| panic!("{place}: {error}"));
            for example in examples {
                let wrong: Vec<String> = validator
                    .iter_errors(example)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert!(wrong.is_empty(), "{place}: {example:#}\n{}", wrong.join("\n"));
            }
        }
    }
}

#[test]
fn a_list_of_fields_at_fault_may_have_missing_and_wrong_ones() {
    for profile in builtin_names().map(shipped) {
        let document = document(std::slice::from_ref(&profile), URL);
        let name = format!("Refusal_{}", profile.name.replace('-', "_"));
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        let schema = json!({ "allOf": [reference], "components": document["components"] });
        let validator = jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{error}"));
        let fault = |name, code| FieldAtFault { name, code, message: "is at fault" };
        let (missing, wrong) = (fault("a", "field_missing"), fault("b", "field_invalid"));
        for fields in [vec![missing, wrong], vec![wrong, missing], vec![missing, missing]] {
            let mut body = Vec::new();
            profile.wire.refusal.write(fields[0].code, "is at fault", None, &fields, &mut body);
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            assert!(validator.is_valid(&body), "{}: {body}", profile.name);
        }
    }
}

#[test]
fn every_code_that_a_call_may_answer_is_documented_with_its_status_and_an_example() {
    for profile in builtin_names().map(shipped) {
        let document = document(std::slice::from_ref(&profile), URL);
        for route in &profile.wire.routes {
            let method = route.method.as_str().to_ascii_lowercase();
            let responses = &document["paths"][&route.path][&method]["responses"];
            for code in CODES {
                let status = profile.wire.refusal.status(code.name).as_u16().to_string();
                let example =
                    &responses[&status]["content"][&profile.wire.refusal.content_type]["examples"][code.name];
                let place = format!("{} {}: {} ({status})", profile.name, route.on(), code.name);
                assert_eq!(example.is_object(), may_answer(&profile, route, code.name), "{place}");
            }
            // What is answered before a profile is known.
            assert!(responses["400"].is_object() && responses["431"].is_object(), "{}", route.on());
        }
    }
}

#[test]
fn links_lead_to_operations() {
    for profile in builtin_names().map(shipped) {
        let document = document(&[profile], URL);
        let ids: Vec<&str> = operations(&document).into_iter().map(|(id, _)| id).collect();
        walk(&document, &mut |key, value| {
            for link in
                value.as_object().into_iter().filter(|_| key == "links").flatten().map(|(_, link)| link)
            {
                let target = link["operationId"].as_str().expect("an operation");
                assert!(ids.contains(&target), "{target}");
            }
        });
    }
}

#[test]
fn a_log_in_is_described_as_it_is() {
    let document = ours();
    let login = &document["paths"]["/api/v1/auth/login"]["post"];
    assert_eq!(login["operationId"], "sprag_login");
    assert_eq!(login["security"], json!([]));
    let content = &login["requestBody"]["content"];
    let (body, form) = (&content["application/json"], &content["application/x-www-form-urlencoded"]);
    let multipart = &content["multipart/form-data"];
    assert_eq!((&body["examples"], &body["examples"]), (&form["examples"], &multipart["examples"]));
    assert_eq!(multipart["schema"]["properties"], form["schema"]["properties"]);
    assert_eq!(multipart["schema"]["required"], form["schema"]["required"]);
    assert_eq!(form["schema"]["additionalProperties"], json!({ "type": "string" }));
    let schema = &body["schema"];
    assert_eq!(schema["required"], json!(["password"]));
    let brings = |name: &str| json!({ "properties": { name: { "type": "string", "minLength": 1 } }, "required": [name] });
    assert_eq!(schema["anyOf"], json!([brings("username"), brings("email")]));
    assert_eq!(
        schema["properties"]["transport"],
        json!({
            "type": ["string", "null"],
            "description": "How the refresh token shall travel: `cookie` or `body`.",
            "enum": ["body", "cookie", "", null],
        })
    );
    assert_eq!(
        body["examples"]["by_email"]["value"],
        json!({
            "email": "ann@example.org",
            "password": "an example of a password",
            "device": "ann's laptop",
            "transport": "body",
            "refresh_token": body["examples"]["by_email"]["value"]["refresh_token"],
            "device_token": body["examples"]["by_email"]["value"]["device_token"],
            "altcha": body["examples"]["by_email"]["value"]["altcha"],
        })
    );
    let given = &login["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(
        given["required"],
        json!(["access_token", "token_type", "expires_in", "refresh_in", "refresh_expires_in", "session_id"]),
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
    let unauthorized = &login["responses"]["401"];
    let disabled = "The account may not log in; told only to who knows the password or has a genuine token";
    let invalid = "Unknown name or wrong password; not told apart, in answer or time";
    let description = unauthorized["description"].as_str().expect("a text");
    let begins =
        format!("{disabled}. Or: {invalid}. Or: The password is right, and the account has a second");
    assert!(description.starts_with(&begins), "{description}");
    let media = &unauthorized["content"]["application/problem+json"];
    assert_eq!(media["schema"], json!({ "$ref": "#/components/schemas/Refusal_sprag" }));
    let plain = |code: &str, when: &str, detail: &str| {
        let value = json!({
            "type": "about:blank", "title": "Unauthorized", "status": 401, "detail": detail, "code": code,
        });
        json!({ "summary": when, "value": value })
    };
    let examples = media["examples"].as_object().expect("examples");
    let detail = "this account is disabled; ask whoever runs this service";
    assert_eq!(examples["account_disabled"], plain("account_disabled", disabled, detail));
    let detail = "the name or the password is wrong";
    assert_eq!(examples["credentials_invalid"], plain("credentials_invalid", invalid, detail));
    let waits = |code: &str| {
        let told = &examples[code]["value"];
        json!([told["mfa_token"], told["factors"], told["expires_in"]])
    };
    let expected = json!(["spo_ARQBAZHC6…", ["totp", "recovery_code"], 300]);
    assert_eq!(waits("second_factor_required"), expected);
    assert_eq!(waits("enrolment_required"), json!(["spo_ASkBAZHC6…", ["mailed_code"], 900]));
    assert_eq!(examples.len(), 4);
    let statuses: Vec<&String> = login["responses"].as_object().expect("responses").keys().collect();
    assert_eq!(
        statuses,
        ["200", "400", "401", "403", "405", "408", "413", "415", "429", "500", "503", "431"]
    );
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
fn several_profiles_share_one_document() {
    let second = "id = 9\nabout = \"second\"\n[[route]]\non = \"POST /other\"\ndoes = \"login\"\ntakes = { n = \"$name\", p = \"$password\" }\ngives = { a = \"$access_token\", r = \"$refresh_token\" }\n[[route]]\non = \"POST /again\"\ndoes = \"refresh\"\ngives = { a = \"$access_token\", r = \"$refresh_token\" }\n[refusal]\ngives = { detail = \"$message\" }\n";
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
    let router: Router = docs_router(ours, "");
    let answer = fetch(&router, "/openapi.json").await;
    assert_eq!(serde_json::from_str::<Value>(&answer.1).expect("JSON"), ours());
    assert!(fetch(&router, "/docs").await.0.is_redirection());
    let viewer = fetch(&router, "/docs/").await;
    assert_eq!(viewer.0, StatusCode::OK);
    let start = fetch(&router, "/docs/swagger-initializer.js").await.1;
    assert!(start.contains("/openapi.json") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(!start.contains("https://"), "{start}");
}

#[tokio::test]
async fn the_document_is_made_once_and_only_where_somebody_asks_for_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let make = move || {
        count.fetch_add(1, Ordering::Relaxed);
        ours()
    };
    let router: Router = docs_router(make, "");
    assert_eq!(whole(&router, "/docs/").await, whole(&router, "/docs/index.html").await);
    assert_eq!(made.load(Ordering::Relaxed), 0);
    let (one, other) = tokio::join!(fetch(&router, "/openapi.json"), fetch(&router, "/openapi.json"));
    assert_eq!((one.0, &one.1), (StatusCode::OK, &other.1));
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn all_that_the_viewer_asks_for_is_there_and_whole() {
    let router: Router = docs_router(ours, "");
    let html = whole(&router, "/docs/").await;
    assert_eq!(html, whole(&router, "/docs/index.html").await);
    let html = String::from_utf8(html).expect("a text");
    let asked = html.split(['"', '\n']).filter_map(|word| {
        let is_file = [".css", ".js", ".png"].iter().any(|ends| word.ends_with(ends));
        is_file.then(|| word.trim_start_matches("./"))
    });
    let mut asked: Vec<&str> = asked.collect();
    assert_eq!(asked.len(), 7, "two pictures, two style sheets, three scripts: {asked:?}");
    // Only a log-in by way of another server asks for these.
    asked.extend(["oauth2-redirect.html", "oauth2-redirect.js"]);
    for name in asked {
        let content = whole(&router, &format!("/docs/{name}")).await;
        assert!(!content.is_empty(), "{name}");
    }
    assert_eq!(fetch(&router, "/docs/nowhere").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_that_refuses_gzip_is_told_so_and_no_cache_gives_it_what_another_took() {
    let router: Router = docs_router(ours, "");
    for (codings, expected) in [
        (None, StatusCode::OK),
        (Some("gzip, br"), StatusCode::OK),
        (Some("identity"), StatusCode::NOT_ACCEPTABLE),
        (Some("gzip;q=0, *"), StatusCode::NOT_ACCEPTABLE),
    ] {
        let mut request = Request::get("/docs/swagger-ui.css");
        if let Some(codings) = codings {
            request = request.header(header::ACCEPT_ENCODING, codings);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), expected, "{codings:?}");
        assert_eq!(answer.headers()[header::VARY], "accept-encoding", "{codings:?}");
        let is_gzip = answer.headers().contains_key(header::CONTENT_ENCODING);
        assert_eq!(is_gzip, expected == StatusCode::OK, "{codings:?}");
    }
}

/// What a browser makes of an answer; gzip itself says whether anything of it is missing or differs.
async fn whole(router: &Router, path: &str) -> Vec<u8> {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let kind = answer.headers()[header::CONTENT_TYPE].to_str().expect("a type").to_owned();
    let wanted = match path.rsplit_once('.').map(|(_, ends)| ends) {
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("png") => "image/png",
        _ => "text/html",
    };
    assert_eq!(kind, wanted, "{path}");
    let coding = answer.headers().get(header::CONTENT_ENCODING).cloned();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let Some(coding) = coding else { return body.to_vec() };
    assert_eq!(coding, "gzip", "{path}");
    let mut packed = tempfile::tempfile().expect("a file");
    packed.write_all(&body).and_then(|()| packed.rewind()).expect("a written file");
    let unpacked = Command::new("gzip").arg("-dc").stdin(packed).output().expect("gzip runs");
    assert!(unpacked.status.success(), "{path}: {}", String::from_utf8_lossy(&unpacked.stderr));
    unpacked.stdout
}

async fn fetch(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}
