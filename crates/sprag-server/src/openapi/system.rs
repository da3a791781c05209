//! What the server answers itself, whatever its profiles say.

use serde_json::{Map, Value, json};

use super::refusals;
use crate::profile::RefusalShape;

/// The schema of refusals that no profile gives its shape.
pub(super) const PROBLEM: &str = "Problem";

/// One path of the server.
struct Fixed {
    path: &'static str,
    summary: &'static str,
    media_type: &'static str,
    schema: fn() -> Value,
    example: fn() -> Value,
}

const FIXED: &[Fixed] = &[
    Fixed {
        path: "/healthz",
        summary: "Whether the process is alive",
        media_type: "application/json",
        schema: || object(&["status"], json!({ "status": { "type": "string", "const": "ok" } })),
        example: || json!({ "status": "ok" }),
    },
    Fixed {
        path: "/readyz",
        summary: "Whether the store can be reached, is migrated, and the clock is sane",
        media_type: "application/json",
        schema: ready,
        example: || json!({ "status": "ready" }),
    },
    Fixed {
        path: "/metrics",
        summary: "Counters and histograms for Prometheus",
        media_type: "text/plain",
        schema: || json!({ "type": "string" }),
        example: || "# TYPE sprag_connections gauge\nsprag_connections 3\n".into(),
    },
    Fixed {
        path: "/.well-known/jwks.json",
        summary: "The keys that verify access tokens",
        media_type: "application/jwk-set+json",
        schema: keys,
        example: || {
            json!({ "keys": [{ "kty": "EC", "use": "sig", "alg": "ES256", "kid": "example", "crv": "P-256",
            "x": "ZXhhbXBsZS1vZi1hLWNvb3JkaW5hdGUtb2YtMzJieXQ", "y": "ZXhhbXBsZS1vZi1hLWNvb3JkaW5hdGUtb2YtMzJieXQ" }] })
        },
    },
    Fixed {
        path: "/.well-known/webauthn",
        summary: "The origins of pages that may use the passkeys of this site",
        media_type: "application/json",
        schema: || {
            let origins = json!({ "type": "array", "items": { "type": "string" } });
            object(&["origins"], json!({ "origins": origins }))
        },
        example: || json!({ "origins": ["https://auth.example.org", "https://app.example.com"] }),
    },
    Fixed {
        path: "/openapi.json",
        summary: "This description",
        media_type: "application/json",
        schema: || {
            object(
                &["openapi", "info", "paths"],
                json!({
            "openapi": { "type": "string" }, "info": { "type": "object" }, "paths": { "type": "object" } }),
            )
        },
        example: || json!({ "openapi": "3.1.0", "info": { "title": "Sprag", "version": "0" }, "paths": {} }),
    },
    Fixed {
        path: "/docs",
        summary: "This description, to read and to try",
        media_type: "text/html",
        schema: || json!({ "type": "string" }),
        example: || "<!DOCTYPE html><title>Swagger UI</title>".into(),
    },
];

/// Every path of the server and what a GET of it does.
pub(super) fn operations() -> impl Iterator<Item = (&'static str, Value)> {
    FIXED.iter().map(|fixed| (fixed.path, describe(fixed)))
}

fn describe(fixed: &Fixed) -> Value {
    let mut content = Map::new();
    content.insert(
        fixed.media_type.to_owned(),
        json!({ "schema": (fixed.schema)(), "example": (fixed.example)() }),
    );
    if fixed.path == "/metrics" {
        let example = "# TYPE sprag_connections gauge\nsprag_connections 3\n# EOF\n";
        let media = json!({ "schema": (fixed.schema)(), "example": example });
        content.insert("application/openmetrics-text".to_owned(), media);
    }
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({ "description": fixed.summary, "content": content }));
    if fixed.path == "/docs" {
        let location = json!({ "schema": { "type": "string" }, "description": "`/docs/`" });
        let moved = json!({ "description": "It is at `/docs/`", "headers": { "Location": location } });
        responses.insert("303".to_owned(), moved);
    }
    if fixed.path == "/readyz" {
        responses.insert("503".to_owned(), not_ready());
    }
    let mut refusals = vec![("405", "method_not_allowed")];
    if fixed.path == "/metrics" {
        refusals.extend([("404", "not_found"), ("500", "internal")]);
    }
    if fixed.path == "/.well-known/webauthn" {
        refusals.push(("404", "not_found"));
    }
    for (status, code) in refusals {
        let refusal =
            refusals::response(&RefusalShape::default(), PROBLEM, &[code], &|_| refusals::Case::default());
        responses.insert(status.to_owned(), refusal);
    }
    refusals::add_bare(&mut responses);
    json!({
        "tags": ["server"],
        "operationId": format!("server{}", fixed.path.replace(['/', '.', '-'], "_")),
        "summary": fixed.summary,
        "security": [],
        "responses": responses,
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

fn ready() -> Value {
    let regressions = "How many tokens ahead of the database were presented: was a backup restored?";
    let properties = json!({
        "status": { "type": "string", "const": "ready" },
        "state_regressions": { "type": "integer", "minimum": 1, "description": regressions },
        "detail": { "type": "string", "description": "What to look at, where there is something" },
        "store_went_back_at": { "type": "integer", "description": "When it was noticed that the store had lost what was committed, in seconds since 1970, until somebody accepts it" },
        "store": { "type": "string", "description": "What to do about a store that went back" },
        "clock_off_by_seconds": { "type": "integer", "description": "By how much the clock has jumped, where it is not believed" },
        "clock": { "type": "string", "description": "What to do about the clock, where it is not believed" },
    });
    object(&["status"], properties)
}

fn not_ready() -> Value {
    let properties = json!({
        "status": { "type": "string", "const": "not ready" },
        "code": { "type": "string", "enum": ["shutting_down", "clock", "unavailable"] },
        "detail": { "type": "string", "description": "What is wrong, for a person" },
    });
    let example =
        json!({ "status": "not ready", "code": "shutting_down", "detail": "the server is shutting down" });
    let media = json!({ "schema": object(&["status"], properties), "example": example });
    json!({ "description": "Not ready; send nothing here", "content": { "application/json": media } })
}

/// RFC 7517 and 7518; which members a key has follows from its `kty`.
fn keys() -> Value {
    let text = json!({ "type": "string" });
    let members = ["kty", "use", "alg", "kid", "crv", "x", "y", "n", "e"];
    let properties: Map<String, Value> =
        members.iter().map(|member| ((*member).to_owned(), text.clone())).collect();
    let key = object(&["kty", "kid"], properties.into());
    object(&["keys"], json!({ "keys": { "type": "array", "items": key } }))
}
