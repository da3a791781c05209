//! Swagger UI, from the binary: the HTML page at `/docs/`, what it asks for, and what it starts with.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use serde_json::json;

/// A file of the viewer, as it is sent: every browser reads gzip, and the binary holds no second form, nor what could make one.
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
        let handler = get(async move |asked: HeaderMap| answer(file, &asked));
        let router = router.route(file.path, handler.clone());
        if file.path == INDEX { router.route("/docs/", handler) } else { router }
    })
}

fn answer(file: &'static File, asked: &HeaderMap) -> Response {
    if !file.is_gzip {
        return ([(CONTENT_TYPE, file.kind)], Body::from(file.content)).into_response();
    }
    let mut answer = if takes_gzip(asked) {
        let head = [(CONTENT_TYPE, file.kind), (CONTENT_ENCODING, "gzip")];
        (head, Body::from(file.content)).into_response()
    } else {
        let told = "This file is here as gzip alone, and Accept-Encoding in the request refuses that; ask with \
                    Accept-Encoding: gzip, as curl --compressed does.\n";
        (StatusCode::NOT_ACCEPTABLE, told).into_response()
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer
}

/// Whether a client takes gzip: whoever says nothing of codings takes any (RFC 9110, section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(ACCEPT_ENCODING);
    let codings = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let weighed = codings.map(|coding| {
        let (name, more) = coding.split_once(';').unwrap_or((coding, ""));
        let weight =
            more.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
        let is_refused = weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0));
        (name.trim().to_ascii_lowercase(), !is_refused)
    });
    let weighed: Vec<(String, bool)> = weighed.collect();
    let of = |name: &str| weighed.iter().find(|(coding, _)| coding == name).map(|(_, is_taken)| *is_taken);
    let is_silent = lines.iter().next().is_none();
    of("gzip").or_else(|| of("x-gzip")).or_else(|| of("*")).unwrap_or(is_silent)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_whoever_does_not_refuse_it() {
        let takes = |lines: &[&'static str]| {
            let pairs = lines.iter().map(|line| (ACCEPT_ENCODING, HeaderValue::from_static(line)));
            takes_gzip(&pairs.collect())
        };
        for lines in [
            &[][..],
            &["gzip, deflate, br"],
            &["GZip"],
            &["x-gzip"],
            &["*"],
            &["br", "gzip"],
            &["gzip;q=0.5, *;q=0"],
        ] {
            assert!(takes(lines), "{lines:?}");
        }
        for lines in [&[""][..], &["identity"], &["gzip;q=0"], &["gzip; Q = 0.000, *"], &["br"], &["*;q=0"]] {
            assert!(!takes(lines), "{lines:?}");
        }
    }
}
