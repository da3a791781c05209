//! The examples for embedders do what they say, and the guide shows what they do.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use sprag::engine::{NewUser, Requester};
use sprag_server::http::Mount;
use sprag_server::run::node::Node;
use tempfile::TempDir;
use tower::ServiceExt as _;

#[expect(dead_code, reason = "its main serves until it is stopped")]
#[path = "../examples/mounted_router.rs"]
mod mounted_router;
#[expect(dead_code, reason = "its main serves until it is stopped")]
#[path = "../examples/own_users.rs"]
mod own_users;

const ORIGIN: &str = "https://app.example.org";
const PASSWORD: &str = "correct horse battery";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// What it sets a cookie to, one that lives.
    fn cookie(&self) -> &str {
        let cookies = self.headers.get_all(header::SET_COOKIE).iter();
        let mut texts = cookies.map(|cookie| cookie.to_str().expect("a cookie is ASCII"));
        texts.find(|cookie| !cookie.contains("Max-Age=0")).expect("a cookie that lives")
    }
}

async fn asks(router: &Router, on: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    let (method, path) = on.split_once(' ').expect("a method and a path");
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let mut request = request.body(body).expect("a request");
    let peer: SocketAddr = "192.0.2.7:4711".parse().expect("an address");
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.clone().oneshot(request).await.expect("it answers");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.expect("a body");
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

async fn gets(router: &Router, path: &str) -> Answer {
    asks(router, &format!("GET {path}"), &[], Value::Null).await
}

/// A node with one user, and the folder that it lives in.
async fn node() -> (Node, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let node = mounted_router::node(ORIGIN, &folder.path().join("data")).await.expect("a node");
    let ann = NewUser { username: Some("ann"), password: Some(PASSWORD), ..NewUser::default() };
    node.engine.accounts().create(ann, &Requester::nobody()).await.expect("an account");
    (node, folder)
}

fn log_in() -> Value {
    json!({ "username": "ann", "password": PASSWORD })
}

#[tokio::test]
async fn own_users_log_in_refresh_and_log_out_and_their_key_is_the_subject() {
    let engine = Arc::new(own_users::engine().expect("an engine"));
    let router = own_users::application(Arc::clone(&engine));
    let wrong = asks(&router, "POST /login", &[], json!({ "name": "ann", "pin": "0000" })).await;
    assert_eq!(
        (wrong.status, wrong.json()["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("credentials_invalid"))
    );

    let first = asks(&router, "POST /login", &[], json!({ "name": "ann", "pin": "2468" })).await.json();
    let request = json!({ "refresh_token": first["refresh_token"] });
    let second = asks(&router, "POST /refresh", &[], request).await.json();
    let bearer = format!("Bearer {}", second["access_token"].as_str().expect("a token"));
    let me = asks(&router, "GET /me", &[("authorization", &bearer)], Value::Null).await.json();
    assert_eq!(me["user"], "user-1");
    let session = me["session"].as_str().expect("a session").parse().expect("an id");
    let told = engine.sessions().explain(session).await.expect("a store that works").expect("it is known");
    assert_eq!(told.detail.ip.as_deref(), Some("192.0.2.7"), "the peer's address is passed on");

    let request = json!({ "refresh_token": second["refresh_token"] });
    assert_eq!(asks(&router, "POST /logout", &[], request.clone()).await.status, StatusCode::NO_CONTENT);
    let ended = asks(&router, "POST /refresh", &[], request).await;
    assert_eq!(
        (ended.status, ended.json()["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("session_ended"))
    );
}

#[tokio::test]
async fn a_merged_router_leaves_the_application_its_routes_and_its_fallback() {
    let (node, _folder) = node().await;
    let router = mounted_router::merged(&node);
    assert_eq!(gets(&router, "/healthz").await.text, "hello", "it is the application's");
    for path in ["/metrics", "/docs", "/openapi.json", "/readyz", "/nowhere", "/api/v1/auth/nowhere"] {
        assert_eq!(gets(&router, path).await.text, "nothing is here", "{path}");
    }
    assert_eq!(gets(&router, "/.well-known/jwks.json").await.status, StatusCode::OK);
    let pair = asks(&router, "POST /api/v1/auth/login", &[], log_in()).await;
    assert_eq!(pair.status, StatusCode::OK, "{}", pair.text);
    let wrong_method = gets(&router, "/api/v1/auth/login").await;
    assert_eq!(
        wrong_method.status,
        StatusCode::METHOD_NOT_ALLOWED,
        "of its own paths it answers for every method"
    );
}

#[tokio::test]
async fn a_nested_router_names_the_paths_that_clients_see() {
    let (node, _folder) = node().await;
    let router = mounted_router::nested(&node);
    let document = gets(&router, "/sessions/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "/sessions", "wherever it was read, and no other origin");
    let about = format!("The public URL is {ORIGIN}/sessions");
    assert_eq!(document["servers"][0]["description"], about);
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.contains_key("/api/v1/auth/login") && paths.contains_key("/metrics"));
    assert!(
        !paths.contains_key("/healthz") && !paths.contains_key("/readyz"),
        "what is left out is not described"
    );

    let moved = gets(&router, "/sessions/docs").await;
    assert_eq!(moved.headers[header::LOCATION], "/sessions/docs/");
    let viewer = gets(&router, "/sessions/docs/swagger-initializer.js").await;
    assert!(viewer.text.contains("\"/sessions/openapi.json\""), "{}", viewer.text);

    assert_eq!(gets(&router, "/healthz").await.text, "hello", "it is the application's");
    let pair = asks(&router, "POST /sessions/api/v1/auth/login", &[], log_in()).await;
    assert_eq!(pair.status, StatusCode::OK, "{}", pair.text);
}

#[tokio::test]
async fn a_nested_routers_cookie_comes_back_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = mounted_router::node(ORIGIN, &folder.path().join("data")).await.expect("a node");
    let shipped = sprag_server::profile::Profile::builtin("express-mongo").expect("it is shipped");
    node.profiles = vec![shipped.expect("it can be read")];
    let mount = Mount::nested("/sessions");
    let router = Router::new().nest(mount.prefix(), node.mounted(&node.app(), &mount));
    let ann = json!({
        "firstName": "Ann", "lastName": "Smith", "email": "ann@example.org", "password": PASSWORD
    });
    let site = [("origin", ORIGIN)];
    let made = asks(&router, "POST /sessions/api/auth/register", &site, ann.clone()).await;
    assert!(made.status.is_success(), "{}", made.text);
    let pair = asks(&router, "POST /sessions/api/auth/login", &site, ann).await;
    assert!(pair.cookie().contains("Path=/sessions/api/auth;"), "{}", pair.cookie());
}

#[test]
fn a_prefix_that_no_router_can_be_nested_below_is_refused() {
    for prefix in ["", "/", "sessions", "/{tenant}", "/a b", "/a;b"] {
        assert!(std::panic::catch_unwind(|| Mount::nested(prefix)).is_err(), "{prefix:?}");
    }
    assert_eq!(Mount::nested("/sessions/").prefix(), "/sessions");
}

#[test]
fn every_snippet_of_the_guide_stands_in_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the root");
    let guide = fs::read_to_string(root.join("docs/guide/embedding.md")).expect("the guide");
    let examples: Vec<(PathBuf, Vec<String>)> = ["crates/sprag/examples", "crates/sprag-server/examples"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), lines(&fs::read_to_string(path).expect("an example"))))
        .collect();
    let mut snippets = 0;
    for snippet in guide.split("```rust\n").skip(1) {
        let snippet = lines(snippet.split("```").next().unwrap_or_default());
        let is_there =
            examples.iter().any(|(_, text)| text.windows(snippet.len()).any(|part| part == snippet));
        assert!(is_there, "no example has these lines as they stand in the guide:\n{}", snippet.join("\n"));
        snippets += 1;
    }
    assert!(snippets >= 4, "the guide shows {snippets} snippets only");
    for name in ["hello", "second_factor", "own_users", "mounted_router", "own_store", "two_nodes"] {
        assert!(guide.contains(&format!("--example {name}")), "the guide does not name the example {name}");
    }
}

/// The lines of a text, however they are indented.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}
