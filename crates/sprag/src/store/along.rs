//! What a store writes along with a commit, and only the engine can say, for it has the keys: messages that tell others of an
//! event, and that a name was held.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::account::Name;
use crate::audit::Event;
use crate::outbox::Message;

/// What a name is remembered as once it leads to nobody: a keyed hash, by which the store alone finds no name.
pub type NameHash = [u8; 32];

/// Says what is written along, in the transaction that journals an event or has a name lead to nobody.
pub trait Along: Send + Sync {
    /// What the outbox gets because of an event. Nothing for one that nobody wants to hear of.
    fn messages(&self, event: &Event) -> Vec<Message>;

    /// What a name is remembered as.
    fn held(&self, name: &Name) -> NameHash;
}

/// Where a store keeps whoever says so, if anybody does.
#[derive(Default)]
pub struct AlongSlot(RwLock<Option<Arc<dyn Along>>>);

impl AlongSlot {
    /// From now on this one says so.
    pub fn set(&self, along: Arc<dyn Along>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(along);
    }

    /// Whoever says so.
    #[must_use]
    pub fn current(&self) -> Option<Arc<dyn Along>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the outbox gets because of events.
    #[must_use]
    pub fn messages<'e>(&self, events: impl IntoIterator<Item = &'e Event>) -> Vec<Message> {
        let Some(along) = self.current() else { return Vec::new() };
        events.into_iter().flat_map(|event| along.messages(event)).collect()
    }
}

impl fmt::Debug for AlongSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlongSlot")
    }
}
