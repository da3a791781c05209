//! What leaves the server: letters and webhooks.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use sprag::clock::Timestamp;
use sprag::observe::Count;
use sprag::outbox::{MessageKind, Waiting};

use super::exposition::Exposition;

/// What leaves the server, by kind.
const KINDS: [MessageKind; 2] = [MessageKind::Mail, MessageKind::Webhook];

/// What was counted of one kind.
#[derive(Debug, Default)]
struct Tried {
    sent: Count,
    failed: Count,
    given_up: Count,
}

/// What leaves the server.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    tried: [Tried; KINDS.len()],
    /// What waited when somebody looked last, and when that was.
    waiting: Mutex<Option<(Vec<Waiting>, Timestamp)>>,
}

impl Outbox {
    pub(super) fn tried(&self, kind: MessageKind, is_taken: bool, is_given_up: bool) {
        let Some((_, tried)) = KINDS.iter().zip(&self.tried).find(|(known, _)| **known == kind) else {
            return;
        };
        match (is_taken, is_given_up) {
            (true, _) => tried.sent.one(),
            (false, true) => tried.given_up.one(),
            (false, false) => tried.failed.one(),
        }
    }

    pub(super) fn waits(&self, waiting: Vec<Waiting>, now: Timestamp) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some((waiting, now));
    }

    pub(super) fn tell(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let each = || KINDS.iter().zip(&self.tried);
        let of = |kind: MessageKind| vec![("kind", kind.name())];
        let sent = each().map(|(kind, tried)| (of(*kind), tried.sent.get()));
        out.counter("outbox_sent", "Letters and webhooks that this node sent", sent)?;
        let failed = each().map(|(kind, tried)| (of(*kind), tried.failed.get()));
        out.counter("outbox_failed_tries", "Tries to send one that failed and are made again", failed)?;
        let given_up = each().map(|(kind, tried)| (of(*kind), tried.given_up.get()));
        out.counter("outbox_given_up", "Letters and webhooks that nobody tries to send any more", given_up)?;
        let looked = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((waiting, now)) = looked else { return Ok(()) };
        let found = |kind: MessageKind| waiting.iter().find(|waiting| waiting.kind == kind);
        let depth =
            KINDS.into_iter().map(|kind| (of(kind), found(kind).map_or(0, |waiting| waiting.messages)));
        out.gauge("outbox_waiting", "Letters and webhooks that wait to be sent", depth)?;
        let age = |kind| {
            found(kind).map_or(0.0, |waiting| now.millis_since(waiting.oldest_at).max(0) as f64 / 1000.0)
        };
        let oldest = KINDS.into_iter().map(|kind| (of(kind), age(kind)));
        out.seconds("outbox_oldest", "How long the oldest of them has waited", oldest)
    }
}
