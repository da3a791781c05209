//! What is at which path of the demo: the page's files, what it is told, and the whole server for everything else.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sprag::session::SessionId;

use super::files::{self, FILES};
use super::service::Service;
use crate::edge::refusal::Problem;
use crate::edge::response::{JSON, plainly_refused, with_body};

/// Serves the page at `address`, and to pages of that address only.
pub(super) fn router(service: &Arc<Service>, address: SocketAddr) -> Router {
    let [state, backup, restore, rest] = [(); 4].map(|()| Arc::clone(service));
    let tell = async move |request: Request| {
        let named = request.uri().query().and_then(|query| query.strip_prefix("session="));
        let id: Option<SessionId> = named.and_then(|id| id.parse().ok());
        told(state.tell(id).await)
    };
    let own = Router::new()
        .route("/demo/state", get(tell))
        .route("/demo/backup", post(async move || told(backup.back_up().await.map(|()| json!({})))))
        .route("/demo/restore", post(async move || told(restore.restore().await.map(|()| json!({})))));
    let own = FILES
        .iter()
        .fold(own, |router, file| router.route(file.path, get(async move || files::answer(file))));
    let own = own.layer(from_fn(move |request: Request, next: Next| async move {
        if is_of_this_machine(request.method(), request.headers(), address) {
            next.run(request).await
        } else {
            plainly_refused(Problem::NotFound)
        }
    }));
    own.fallback(async move |request: Request| rest.answer(request).await)
}

/// Whether a request names this listener as people on this machine do, and if it changes something, comes from its own page:
/// a page elsewhere whose name leads here (DNS rebinding), or that posts here, must not look into the store.
fn is_of_this_machine(method: &Method, headers: &HeaderMap, address: SocketAddr) -> bool {
    let names = [address.to_string(), format!("localhost:{}", address.port())];
    let is_ours = |host: &str| names.iter().any(|name| host == name);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_asked_here =
        origin.map_or(*method == Method::GET, |origin| origin.strip_prefix("http://").is_some_and(is_ours));
    host.is_some_and(is_ours) && is_asked_here
}

fn told(outcome: anyhow::Result<Value>) -> Response {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::CONFLICT, json!({ "detail": format!("{error:#}") })),
    };
    let mut response = with_body(status, JSON, body.to_string().into_bytes());
    files::keep_to_this_site(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_the_store_holds_is_told_to_the_demos_own_page_only() {
        let address: SocketAddr = "127.0.0.1:4321".parse().unwrap();
        let asked = |method: Method, host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            is_of_this_machine(&method, &headers, address)
        };
        let (here, local) = ("127.0.0.1:4321", "localhost:4321");
        assert!(asked(Method::GET, here, None) && asked(Method::GET, local, None));
        assert!(asked(Method::POST, here, Some("http://127.0.0.1:4321")));
        assert!(asked(Method::POST, local, Some("http://localhost:4321")));
        for (method, host, origin) in [
            (Method::GET, "evil.example:4321", None),
            (Method::GET, "127.0.0.1", None),
            (Method::GET, here, Some("http://evil.example")),
            (Method::POST, here, None),
            (Method::POST, here, Some("null")),
            (Method::POST, here, Some("http://127.0.0.1:1234")),
            (Method::POST, "evil.example:4321", Some("http://evil.example:4321")),
        ] {
            assert!(!asked(method, host, origin), "{host} {origin:?}");
        }
    }
}
