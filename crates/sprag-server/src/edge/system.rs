//! What is the same for every profile: health, readiness, metrics, public keys, and the description of it all.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, map_response};
use axum::response::Response;
use axum::routing::MethodRouter;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, StatusCode};
use serde_json::json;
use sprag::Fault;
use sprag::seldom;
use tokio::time::timeout;

use super::app::App;
use super::mount::Mount;
use super::refusal::Problem;
use super::response::{self, IsShared, JSON, plainly_refused, with_body};
use super::{accept, ambiguity, cors, pages, trace_context};
use crate::openapi;
use crate::profile::Profile;

const JWKS: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Public keys may be kept for five minutes: a retired key is distrusted everywhere by then.
const KEYS_MAY_BE_KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// How many tokens ahead of the database make readiness say that it went back in time.
const REGRESSIONS_WORTH_SAYING: u64 = 1;

/// A clock that shows a moment before this is wrong: 2026-01-01.
const SANE_SINCE_MILLIS: i64 = 1_767_225_600_000;

pub(crate) fn routes(app: &Arc<App>, profiles: &[Profile], public_url: &str, mount: &Mount) -> Router {
    let (ready, metrics, keys) = (Arc::clone(app), Arc::clone(app), Arc::clone(app));
    let (tells, is_theirs) = (mount.serves_administrators(), mount.is_for_administrators());
    let alive = |_| async { json_body(StatusCode::OK, br#"{"status":"ok"}"#.to_vec()) };
    let fixed = [
        ("/healthz", reading(alive)),
        ("/readyz", reading(move |_| told_briefly(readiness(Arc::clone(&ready)), tells))),
        ("/metrics", reading(move |request| std::future::ready(measured(&metrics, &request, is_theirs)))),
    ];
    let served = fixed.into_iter().filter(|(path, _)| mount.serves(path));
    let router = served.fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    // Whoever verifies tokens within a browser fetches the keys from another origin. What is refused is refused before that.
    let keys = cors::public(reading(move |_| std::future::ready(public_keys(&keys))));
    let router = router.route("/.well-known/jwks.json", keys.layer(from_fn(ambiguity::plainly_refused)));
    let passkeys = Arc::clone(app);
    let related = reading(move |_| std::future::ready(related_origins(&passkeys)));
    let router = router.route("/.well-known/webauthn", related.layer(from_fn(ambiguity::plainly_refused)));
    let docs = if mount.serves("/docs") { docs(profiles, public_url, mount) } else { Router::new() };
    let router = router.merge(docs.layer(from_fn(ambiguity::plainly_refused)));
    let of = Arc::clone(app);
    let named = from_fn(move |request: Request, next: Next| {
        let id = of.request_ids.of(request.headers());
        async move {
            let mut response = next.run(request).await;
            trace_context::tell(&id, &mut response);
            response
        }
    });
    router.layer(named).merge(pages::routes(app, profiles))
}

fn docs(profiles: &[Profile], public_url: &str, mount: &Mount) -> Router {
    let shown: Vec<_> = profiles.iter().map(|profile| mount.shown(profile.clone())).collect();
    let (of, public_url) = (mount.clone(), format!("{public_url}{}", mount.prefix()));
    let document = move || {
        let mut document = openapi::document(&shown, &public_url);
        openapi::serve_where_it_was_read(&mut document, of.prefix());
        if let Some(paths) = document["paths"].as_object_mut() {
            paths.retain(|path, _| of.serves(path));
        }
        document
    };
    openapi::docs_router(document, mount.prefix()).layer(map_response(framed_by_nobody))
}

/// A route that only reads answers other methods as clearly as a profile does.
fn reading<A, F>(answer: A) -> MethodRouter
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let reads = move |request: Request| {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let answer = is_read.then(|| answer(request));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => {
                    let mut response = plainly_refused(Problem::MethodNotAllowed);
                    response::allow(&mut response, "GET, HEAD");
                    response
                }
            }
        }
    };
    ambiguity::refused_before(reads, ambiguity::say_plainly)
}

/// Whether it is ready, and nothing more where what is the matter is only for administrators to know.
async fn told_briefly(readiness: impl Future<Output = Response>, tells: bool) -> Response {
    let answer = readiness.await;
    match answer.status() {
        _ if tells => answer,
        status @ StatusCode::OK => json_body(status, br#"{"status":"ready"}"#.to_vec()),
        status => json_body(status, br#"{"status":"not ready"}"#.to_vec()),
    }
}

async fn readiness(app: Arc<App>) -> Response {
    if !app.is_ready.load(Ordering::Relaxed) {
        return not_ready("shutting_down", "the server is shutting down");
    }
    if app.engine.now().0 < SANE_SINCE_MILLIS {
        return not_ready("clock", "the clock is wrong; set the time of this machine");
    }
    let looked = timeout(app.patience(), app.engine.store().ready()).await;
    if let Err(fault) = looked.unwrap_or_else(|late| Err(Fault::unavailable("hear from the store", late))) {
        let source = fault.source().map(ToString::to_string);
        if let Some(left_out) = seldom::left_out("say whether the store is ready") {
            tracing::warn!(%fault, source, left_out, "not ready: the store does not answer as it should");
        }
        return not_ready("unavailable", "the store cannot be reached or is not migrated; see the log");
    }
    let regressions = app.metrics.state_regressions();
    let mut body = json!({ "status": "ready" });
    if regressions >= REGRESSIONS_WORTH_SAYING {
        body["state_regressions"] = regressions.into();
        body["detail"] = "tokens ahead of the database were presented: was a backup restored?".into();
    }
    let progress = app.engine.store().progress().map(|progress| *progress.borrow());
    if let Some(at) = progress.and_then(|progress| progress.went_back_at) {
        body["store_went_back_at"] = (at.0 / 1000).into();
        body["store"] = "it lost what had been committed before that second, by a failover or a restored backup; the journal \
                         says more. Once that is dealt with: sprag audit accept"
            .into();
    }
    if let Some(doubt) = app.engine.upkeep().clock_doubt() {
        body["clock_off_by_seconds"] = (doubt.off_by / 1000).into();
        body["clock"] = "it has jumped and is not believed: the time before the jump goes on. Set it right, or confirm it \
                         with SIGUSR1; the log says more"
            .into();
    }
    if app.words.is_none() {
        body["letters"] = "they are off: nobody can confirm an address or set a forgotten password anew; SPRAG_MAIL_URL says how \
                           they leave"
            .into();
    }
    json_body(StatusCode::OK, body.to_string().into_bytes())
}

/// Whose pages may use passkeys of this site, as browsers ask (WebAuthn level 3, section 5.11).
fn related_origins(app: &App) -> Response {
    match app.engine.passkey_origins() {
        Some(origins) => json_body(StatusCode::OK, json!({ "origins": origins }).to_string().into_bytes()),
        None => plainly_refused(Problem::NotFound),
    }
}

/// The viewer asks for passwords; no other site may show it inside a page of its own. Its files and the description are
/// in memory once.
async fn framed_by_nobody(mut response: Response) -> Response {
    response.extensions_mut().insert(IsShared);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn not_ready(code: &str, detail: &str) -> Response {
    let body = json!({ "status": "not ready", "code": code, "detail": detail });
    json_body(StatusCode::SERVICE_UNAVAILABLE, body.to_string().into_bytes())
}

/// Only for who may read it, and whoever reaches the administrators' own listener may; to everybody else there is nothing here.
fn measured(app: &App, request: &Request, is_theirs: bool) -> Response {
    let headers = request.headers();
    if !is_theirs && !app.metrics_readers.include(request.extensions().get(), headers, &app.proxies) {
        return plainly_refused(Problem::NotFound);
    }
    let form = accept::form_of_metrics(headers);
    let Ok(text) = app.metrics.text(form) else { return plainly_refused(Problem::Panicked) };
    let mut response = with_body(StatusCode::OK, accept::content_type(form), text.into_bytes());
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

fn public_keys(app: &App) -> Response {
    let keys = sprag::access::jwks(&app.engine.keys(), app.engine.now());
    let mut response = with_body(StatusCode::OK, JWKS, keys.to_string().into_bytes());
    response.headers_mut().insert(CACHE_CONTROL, KEYS_MAY_BE_KEPT);
    response
}

fn json_body(status: StatusCode, body: Vec<u8>) -> Response {
    with_body(status, JSON, body)
}
