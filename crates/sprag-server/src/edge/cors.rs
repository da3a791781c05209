//! Which other sites' pages may call from a browser (Fetch standard, CORS protocol).

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, Route};
use futures_util::future::Either;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use sprag::seldom;
use tower::{Layer as _, Service, layer::layer_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, Cors, CorsLayer};

use super::app::App;
use super::budgets::{RATE_LIMIT, RATE_LIMIT_POLICY};
use super::response;
use super::trace_context::REQUEST_ID;
use crate::quoted::quoted;
use crate::web_origin;

/// Lets pages of the other sites that are named call it.
pub(crate) fn callable(app: &Arc<App>, methods: MethodRouter) -> MethodRouter {
    if app.other_origins.is_empty() {
        return methods;
    }
    let cors = cors(app);
    methods.layer(layer_fn(move |own: Route| Callable { called: cors.layer(own.clone()), own }))
}

/// What is at a path, and the same as pages of other sites may call it.
///
/// What makes it so answers every `OPTIONS` as a preflight. One that is none is refused like any method that a path does not
/// take, and told which it takes.
#[derive(Clone)]
struct Callable {
    own: Route,
    called: Cors<Route>,
}

impl Service<Request> for Callable {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<<Route as Service<Request>>::Future, <Cors<Route> as Service<Request>>::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Cors<Route> as Service<Request>>::poll_ready(&mut self.called, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if is_preflight(&request) || *request.method() != Method::OPTIONS {
            Either::Right(self.called.call(request))
        } else {
            Either::Left(self.own.call(request))
        }
    }
}

fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Lets pages of every origin read it, and takes nobody's cookies: it is public, and the same for all.
pub(crate) fn public(methods: MethodRouter) -> MethodRouter {
    methods.layer(from_fn(async |request: Request, next: Next| {
        let mut response = if is_preflight(&request) {
            let mut response = response::bodiless(StatusCode::NO_CONTENT);
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
            response
        } else {
            next.run(request).await
        };
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }))
}

/// Tells the log of a page that a browser will keep from calling, or from reading what it is told: at a preflight, and where
/// the browser says that a script of another site asks.
pub(crate) fn tell_if_kept_out(app: &App, headers: &HeaderMap) {
    let Some(origin) = headers.get(ORIGIN) else { return };
    let origin = String::from_utf8_lossy(origin.as_bytes());
    let is_known = *origin == app.origin || app.other_origins.iter().any(|named| *named == origin);
    let word = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let is_of_script =
        word("sec-fetch-mode") == Some(b"cors") && word("sec-fetch-site") != Some(b"same-origin");
    if !is_known && (is_of_script || headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)) {
        tell(app, &origin, "a browser keeps a page of another origin from this server");
    }
}

/// What names other sites' pages, unless it was set by another name.
const SETTING: &str = "SPRAG_CORS_ORIGINS";

/// Tells the log, once a second at most, that a page of this origin was refused, and what to set where it is to be let in.
pub(crate) fn tell(app: &App, origin: &str, what: &'static str) {
    let Some(left_out) = seldom::left_out("let a page of another origin in") else { return };
    let todo = match web_origin::named(origin) {
        Ok(_) if app.origin == origin => {
            "it is our own, and the browser says that another site's page is behind it".to_owned()
        }
        Ok(named) => {
            let all: Vec<&str> = app.other_origins.iter().map(String::as_str).chain([&*named]).collect();
            let set = (app.origins_to_be)(&all.join(","));
            format!("if it is a front end of yours, set {set}")
        }
        Err(_) if web_origin::is_insecure(origin) => format!(
            "an origin of plain http on another machine cannot be named: open the page by {}, or by https and name that in \
             {SETTING}",
            app.origin
        ),
        Err(why) => format!("it cannot be named in {SETTING}: {why}"),
    };
    tracing::warn!(origin = %quoted(origin), left_out, "{what}; {todo}");
}

/// Tells browsers which other sites' pages may call: exactly those that are named.
///
/// A named site may send whatever header its pages send, as `X-Requested-With`: it is trusted with the session itself.
fn cors(app: &Arc<App>) -> CorsLayer {
    const PREFLIGHT_IS_KEPT: Duration = Duration::from_secs(600);
    let app = Arc::clone(app);
    let is_named = move |origin: &HeaderValue, parts: &Parts| {
        let is_named = app.other_origins.iter().any(|named| named.as_bytes() == origin.as_bytes());
        // Preflights are answered here; all else is told of where it is answered.
        if !is_named && parts.method == Method::OPTIONS {
            tell_if_kept_out(&app, &parts.headers);
        }
        is_named
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_named))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER, REQUEST_ID, RATE_LIMIT.clone(), RATE_LIMIT_POLICY.clone()])
        .max_age(PREFLIGHT_IS_KEPT)
}
