//! Which other sites' pages may call from a browser (Fetch standard, CORS protocol).

use std::time::Duration;

use axum::routing::MethodRouter;
use hyper::Method;
use hyper::header::{HeaderValue, RETRY_AFTER};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::app::App;

/// Lets pages of the other sites that are named call it.
pub(crate) fn callable(app: &App, methods: MethodRouter) -> MethodRouter {
    if app.other_origins.is_empty() { methods } else { methods.layer(cors(app)) }
}

/// Tells browsers which other sites' pages may call: exactly those that are named.
///
/// A named site may send whatever header its pages send, as `X-Requested-With`: it is trusted with the session itself.
fn cors(app: &App) -> CorsLayer {
    const PREFLIGHT_IS_KEPT: Duration = Duration::from_secs(600);
    let origins = app.other_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER])
        .max_age(PREFLIGHT_IS_KEPT)
}
