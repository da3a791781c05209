//! The description of what is served, made from the profiles that are served: `/openapi.json` and `/docs`.

mod example;
mod names;
mod operation;
mod refusals;
mod schema;
mod security;
mod system;
mod viewer;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::profile::{CODES, Profile, RefusalShape};

use system::PROBLEM;

/// The OpenAPI 3.1 document for `profiles`, served at `public_url`.
///
/// The profiles must have passed [`check_together`](crate::profile::check_together).
#[must_use]
pub fn document(profiles: &[Profile], public_url: &str) -> Value {
    let mut paths = Map::new();
    let mut schemes = Map::new();
    let mut schemas = Map::new();
    let mut taken = BTreeSet::new();
    schemes.insert("bearer".to_owned(), bearer());
    schemas.insert("RefusalCode".to_owned(), refusal_code());
    schemas.insert(PROBLEM.to_owned(), refusals::schema(&RefusalShape::default()));
    for profile in profiles {
        schemas.insert(names::refusal_schema(profile), refusals::schema(&profile.wire.refusal));
        if let Some(cookie) = &profile.wire.refresh.cookie {
            let scheme = json!({
                "type": "apiKey",
                "in": "cookie",
                "name": cookie.name,
                "description": "The refresh token. A request that brings it needs a matching Origin or Sec-Fetch-Site.",
            });
            schemes.insert(names::cookie_scheme(profile), scheme);
        }
        let ids = names::ids(profile, &mut taken);
        for (at, route) in profile.wire.routes.iter().enumerate() {
            let operation = operation::describe(profile, at, &ids);
            put(&mut paths, &route.path, &route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    for (path, operation) in system::operations() {
        put(&mut paths, path, "get", operation);
    }
    let mut tags: Vec<Value> = profiles
        .iter()
        .map(|profile| json!({ "name": profile.name, "description": profile.about }))
        .collect();
    tags.push(
        json!({ "name": "server", "description": "What the server answers whatever its profiles say" }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sprag",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Log-in, sessions and rotating refresh tokens.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": public_url.trim_end_matches('/') }],
        "tags": tags,
        "paths": paths,
        "components": { "securitySchemes": schemes, "schemas": schemas },
    })
}

/// Names the server as the one that the document was read from, by whichever name that was: what is tried in the viewer goes
/// there, and no browser has to ask another origin. Clients see it below `prefix`.
pub fn serve_where_it_was_read(document: &mut Value, prefix: &str) {
    let below = if prefix.is_empty() { "/" } else { prefix };
    let about = format!("The public URL is {}", document["servers"][0]["url"].as_str().unwrap_or_default());
    document["servers"] = json!([{ "url": below, "description": about }]);
}

/// Serves what `make` makes at `/openapi.json`, and Swagger UI at `/docs/` with `/docs` leading there; clients see these paths
/// below `prefix`, which is empty where the router stands at the root.
///
/// Everything comes from the binary; the HTML page asks no other host. The document is made when it is first asked for, and kept:
/// most servers are never asked, and while it is made it takes five times the memory that it has as a text.
pub fn docs_router<S: Clone + Send + Sync + 'static>(
    make: impl Fn() -> Value + Send + Sync + 'static,
    prefix: &str,
) -> Router<S> {
    let document = Arc::new(OnceCell::new());
    let make = Arc::new(make);
    let read = async move || {
        let make = move || Bytes::from(make().to_string().into_bytes().into_boxed_slice());
        // Not on a thread that answers: it takes some ten milliseconds.
        let made = document.get_or_try_init(|| spawn_blocking(make)).await;
        let head = [(CONTENT_TYPE, "application/json"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        made.cloned().map(|document| (head, document)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    viewer::router(prefix).route("/openapi.json", get(read))
}

fn put(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let item = paths.entry(path).or_insert_with(|| json!({}));
    item[method] = operation;
}

fn bearer() -> Value {
    json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token, a JWT after RFC 9068.",
    })
}

fn refusal_code() -> Value {
    let rows = CODES.iter().map(|code| format!("- `{}` ({}): {}", code.name, code.status, code.when));
    json!({
        "type": "string",
        "enum": CODES.iter().map(|code| code.name).collect::<Vec<_>>(),
        "description": format!("Why a request was refused. A profile may have other statuses.\n\n{}", rows.collect::<Vec<_>>().join("\n")),
    })
}
