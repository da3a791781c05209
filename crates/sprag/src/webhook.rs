//! Webhooks: which events other systems are told of. Like a letter, what is told is sealed and kept in the
//! [outbox](crate::outbox) as facts; whoever sends it puts them into the form in which it leaves.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::{Event, EventKind, Severity};
use crate::clock::Timestamp;
use crate::keys::KeyRing;
use crate::outbox::{Message, MessageKey, MessageKind};
use crate::random::{self, Random};
use crate::session::AccountId;

mod signature;

pub use signature::{BadSecret, SigningSecrets};

/// For how long one is tried to be sent.
pub const TRIED_FOR: Duration = Duration::from_secs(3 * 24 * 3600);

/// Which table it is sealed for, and what tells it from a letter there.
const SEALED_FOR: [&[u8]; 2] = [b"outbox", b"webhook"];

/// Another system, and what it is told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// What it is known by in the outbox.
    pub name: String,
    /// What it is told of; whatever one of them says.
    pub wants: Vec<Wanted>,
}

/// Events that an endpoint is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// All that should worry their reader at least so much.
    Severity(Severity),
    /// All of that kind.
    Kind(EventKind),
}

/// What is told of an event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// To which endpoint.
    pub endpoint: String,
    /// What happened: the name of an [`EventKind`].
    pub kind: String,
    /// How much it should worry its reader: the name of a [`Severity`].
    pub severity: String,
    /// When it happened.
    pub at: Timestamp,
    /// Whom it concerns; nobody, where it is about no account.
    pub account: Option<Uuid>,
    /// Which session.
    pub session: Option<Uuid>,
    /// Why a session ended.
    pub cause: Option<String>,
    /// From which address.
    pub ip: Option<String>,
    /// From which client, as it called itself.
    pub user_agent: Option<String>,
    /// What else the journal says.
    pub note: Option<String>,
}

/// Says nothing of whom it is about.
impl std::fmt::Debug for WebhookEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookEvent").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Whether it is told of an event. None is told that one could not be told, or that would go on forever.
    #[must_use]
    pub fn hears_of(&self, event: &Event) -> bool {
        let wants = |wanted: &Wanted| match wanted {
            Wanted::Severity(least) => event.severity() >= *least,
            Wanted::Kind(kind) => event.kind == *kind,
        };
        event.kind != EventKind::WebhookRefused && self.wants.iter().any(wants)
    }
}

impl WebhookEvent {
    /// What an endpoint is told of an event.
    #[must_use]
    pub fn of(event: &Event, endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            kind: event.kind.name().to_owned(),
            severity: event.severity().name().to_owned(),
            at: event.at,
            account: Some(event.account.0).filter(|account| !account.is_nil()),
            session: event.session.map(|session| session.0),
            cause: event.cause.map(|cause| cause.name().to_owned()),
            ip: event.ip.clone(),
            user_agent: event.user_agent.clone(),
            note: event.note.clone(),
        }
    }

    /// As it goes into the outbox.
    #[must_use]
    pub fn sealed(
        &self,
        account: AccountId,
        (keys, random): (&KeyRing, &dyn Random),
        now: Timestamp,
    ) -> Message {
        let key = MessageKey { account, id: random::id(random, now) };
        let text = serde_json::to_vec(self).unwrap_or_default();
        Message {
            key,
            kind: MessageKind::Webhook,
            sealed: keys.seal(now, random, &bound_to(&key), &text),
            made_at: now,
            gives_up_at: now.plus(TRIED_FOR),
        }
    }

    /// As it stands in the outbox; `None` where it was sealed for another message, or with a key that is no longer accepted.
    #[must_use]
    pub fn open(keys: &KeyRing, now: Timestamp, key: &MessageKey, sealed: &[u8]) -> Option<Self> {
        serde_json::from_slice(&keys.open(now, &bound_to(key), sealed)?).ok()
    }
}

fn bound_to(key: &MessageKey) -> [&[u8]; 4] {
    let [table, kind] = SEALED_FOR;
    [table, kind, key.account.0.as_bytes(), key.id.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::NOBODY;
    use crate::keys::Algorithm;
    use crate::random::SystemRandom;

    fn event(kind: EventKind) -> Event {
        Event {
            account: NOBODY,
            at: Timestamp(1_782_907_200_000),
            kind,
            session: None,
            cause: None,
            ip: Some("192.0.2.7".to_owned()),
            user_agent: None,
            note: None,
        }
    }

    #[test]
    fn an_endpoint_hears_of_what_it_wants_and_never_of_a_webhook_that_failed() {
        let of = |wants: &[Wanted]| Endpoint { name: "a".to_owned(), wants: wants.to_vec() };
        let warned = of(&[Wanted::Severity(Severity::Warning), Wanted::Kind(EventKind::AccountDeleted)]);
        assert!(warned.hears_of(&event(EventKind::LoginFailed)));
        assert!(warned.hears_of(&event(EventKind::AccountDeleted)));
        assert!(!warned.hears_of(&event(EventKind::SessionOpened)));
        assert!(!warned.hears_of(&event(EventKind::WebhookRefused)));
        assert!(!of(&[]).hears_of(&event(EventKind::SecretMismatch)));
    }

    #[test]
    fn what_is_told_is_sealed_for_its_own_message() {
        let (random, at) = (SystemRandom::default(), Timestamp(1_782_907_200_000));
        let ring = KeyRing::generate(Algorithm::Es256, &random, at).unwrap();
        let told = WebhookEvent::of(&event(EventKind::LoginFailed), "https://example.org/hook");
        assert_eq!(told.account, None, "it is about nobody");
        let message = told.sealed(NOBODY, (&ring, &random), at);
        assert!(!message.sealed.windows(9).any(|bytes| bytes == b"192.0.2.7"));
        assert_eq!(WebhookEvent::open(&ring, at, &message.key, &message.sealed), Some(told));
        let other = MessageKey { id: Uuid::max(), ..message.key };
        assert_eq!(WebhookEvent::open(&ring, at, &other, &message.sealed), None);
    }
}
