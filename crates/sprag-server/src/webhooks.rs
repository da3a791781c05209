//! Webhooks: how what is told to other systems is written (Standard Webhooks), and what sends it.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sprag::webhook::WebhookEvent;
use uuid::Uuid;

use crate::moment;

mod sender;

pub(crate) use sender::Sender;

/// The id under which a message is known, however often it is sent.
fn id_of(message: Uuid) -> String {
    format!("msg_{}", message.simple())
}

/// What is sent: the same bytes each time.
fn body(event: &WebhookEvent) -> Bytes {
    let mut data = Map::new();
    let mut tell = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            data.insert(name.to_owned(), value);
        }
    };
    tell("account_id", event.account.map(|id| id.to_string().into()));
    tell("session_id", event.session.map(|id| id.to_string().into()));
    tell("severity", Some(event.severity.as_str().into()));
    tell("cause", event.cause.as_deref().map(Into::into));
    tell("ip", event.ip.as_deref().map(Into::into));
    tell("user_agent", event.user_agent.as_deref().map(Into::into));
    tell("note", event.note.as_deref().map(Into::into));
    json!({ "type": event.kind, "timestamp": moment::rfc3339(event.at), "data": data }).to_string().into()
}
