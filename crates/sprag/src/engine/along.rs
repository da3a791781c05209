//! What the engine has a store write along: messages to those who want to hear of an event, and that a name was held.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::account::Name;
use crate::audit::Event;
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::outbox::Message;
use crate::random::Random;
use crate::store::{Along, NameHash};
use crate::webhook::{Endpoint, WebhookEvent};

/// What a store writes along with an engine's commits.
pub(super) struct WrittenAlong {
    pub(super) keys: Arc<ArcSwap<KeyRing>>,
    pub(super) random: Arc<dyn Random>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) endpoints: Arc<[Endpoint]>,
    /// Whoever sends them waits for one to be written.
    pub(super) webhooks_wait: Arc<Notify>,
}

impl Along for WrittenAlong {
    fn messages(&self, event: &Event) -> Vec<Message> {
        let hearing = self.endpoints.iter().filter(|endpoint| endpoint.hears_of(event));
        let messages: Vec<Message> = hearing
            .map(|endpoint| {
                let (keys, now) = (self.keys.load(), self.clock.now());
                let told = WebhookEvent::of(event, &endpoint.name);
                told.sealed(event.account, (&keys, self.random.as_ref()), now)
            })
            .collect();
        if !messages.is_empty() {
            self.webhooks_wait.notify_one();
        }
        messages
    }

    fn held(&self, name: &Name) -> NameHash {
        self.keys.load().held_name_hash(self.clock.now(), &compared(name))
    }
}

/// What every spelling of a name has alike.
pub(super) fn compared(name: &Name) -> Vec<u8> {
    let form = name.form_today();
    [name.kind.name().as_bytes(), b"\0", form.as_deref().unwrap_or(&name.value).as_bytes()].concat()
}
