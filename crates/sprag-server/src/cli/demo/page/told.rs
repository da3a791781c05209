//! What the page is told of the store, and no server tells anybody.

use serde_json::{Value, json};
use sprag::audit::Entry;
use sprag::clock::{Timestamp, millis};
use sprag::engine::Explanation;
use sprag::policy::Policy;
use sprag::session::Session;

/// Who the visitor is, and what lets them in: the page logs in with both.
pub(super) const USER: &str = "ann";
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// The settings that the pictures need, and the session if one was asked for and is there. All times are milliseconds.
pub(super) fn state(
    policy: Option<&Policy>,
    explanation: Option<&Explanation>,
    has_backup: bool,
    now: Timestamp,
) -> Value {
    let policy = policy.map(|policy| {
        json!({
            "reuse_interval": millis(policy.reuse_interval),
            "access": millis(policy.access_ttl),
            "idle": millis(policy.idle_timeout),
            "absolute": millis(policy.absolute_lifetime),
        })
    });
    let events = explanation.map(|explanation| explanation.events.iter().map(event).collect::<Vec<_>>());
    json!({
        "now": now.0,
        "user": { "username": USER, "password": PASSWORD },
        "policy": policy,
        "has_backup": has_backup,
        "session": explanation.map(|explanation| session(&explanation.session)),
        "events": events.unwrap_or_default(),
    })
}

fn session(row: &Session) -> Value {
    json!({
        "id": row.key.session.to_string(),
        "generation": row.generation.0,
        "created_at": row.created_at.0,
        "rotated_at": row.rotated_at.0,
        "idle_expires_at": row.idle_expires_at.0,
        "expires_at": row.expires_at.0,
        "retries": row.retries,
        "ended": row.ended.map(|ended| json!({ "at": ended.at.0, "cause": ended.cause.name() })),
    })
}

fn event(entry: &Entry) -> Value {
    let event = &entry.event;
    json!({
        "at": event.at.0,
        "kind": event.kind.name(),
        "severity": event.severity().name(),
        "cause": event.cause.map(sprag::session::EndCause::name),
        "note": event.note,
    })
}
