//! Swagger UI, from the binary: the HTML page at `/docs/`, what it asks for, and what it starts with.

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use serde_json::json;

/// A file of the viewer, as it is sent: every browser reads gzip, and the binary holds no second form.
struct File {
    path: &'static str,
    kind: &'static str,
    is_gzip: bool,
    content: &'static [u8],
}

// Written by the build script.
include!(concat!(env!("OUT_DIR"), "/viewer.rs"));

/// The file that `/docs/` itself is.
const INDEX: &str = "/docs/index.html";

/// Serves the viewer of the document that clients find at `/openapi.json` below `prefix`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(prefix: &str) -> Router<S> {
    let there = format!("{prefix}/docs/");
    let start = Bytes::from(start(prefix));
    let script = [(CONTENT_TYPE, "text/javascript")];
    let router = Router::new()
        .route("/docs", get(async move || Redirect::to(&there)))
        .route("/docs/swagger-initializer.js", get(async move || (script, start)));
    FILES.iter().fold(router, |router, file| {
        let router = router.route(file.path, get(async move || answer(file)));
        if file.path == INDEX { router.route("/docs/", get(async move || answer(file))) } else { router }
    })
}

fn answer(file: &'static File) -> Response {
    let mut answer = ([(CONTENT_TYPE, file.kind)], Body::from(file.content)).into_response();
    if file.is_gzip {
        answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// The script that opens the document.
fn start(prefix: &str) -> String {
    let settings = json!({
        "dom_id": "#swagger-ui",
        "url": format!("{prefix}/openapi.json"),
        "deepLinking": true,
        "displayRequestDuration": true,
        // It otherwise sends the document to a validator of its makers.
        "validatorUrl": "none",
        "layout": "StandaloneLayout",
    });
    format!(
        "window.onload = () => {{
  window.ui = SwaggerUIBundle({{
    ...{settings:#},
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
  }});
}};
"
    )
}
