//! What must leave the server: mail and webhooks. A message is written in the commit of what it tells of
//! ([`Step::PutMessage`](crate::store::Step::PutMessage)), leased by whichever node comes first, sent at least once under an id that
//! stays the same, tried again with longer and longer waits, and given up loudly.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::AccountId;

/// How long whoever leased a message has for one try; after that another node tries.
pub const LEASE: Duration = Duration::from_secs(60);

/// How long after it was settled a message is remembered.
pub const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);

/// Which message: its account, and its id among that account's. Whatever is sent carries the id, so that whoever gets it twice can
/// tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageKey {
    /// Whom it concerns.
    pub account: AccountId,
    /// Which of the account's.
    pub id: Uuid,
}

/// How a message leaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MessageKind {
    /// As a letter, by mail.
    Mail,
    /// As a request to another system, by HTTP.
    Webhook,
    /// Not at all: it takes the place of a letter to an address that nobody here has, so that writing none takes as long.
    Nothing,
}

impl MessageKind {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Mail, Self::Webhook, Self::Nothing];

    /// The stable name, as it stands in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Nothing => "nothing",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A message as it is put into the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Which.
    pub key: MessageKey,
    /// How it leaves.
    pub kind: MessageKind,
    /// What is sent, [sealed](crate::keys::KeyRing::seal).
    pub sealed: Vec<u8>,
    /// When it was written.
    pub made_at: Timestamp,
    /// After this nobody tries any more: what it says would no longer be true.
    pub gives_up_at: Timestamp,
}

/// A message as it stands in the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queued {
    /// Which.
    pub key: MessageKey,
    /// How it leaves.
    pub kind: MessageKind,
    /// What is sent; gone once it was.
    pub sealed: Option<Vec<u8>>,
    /// When it was written.
    pub made_at: Timestamp,
    /// After this nobody tries any more.
    pub gives_up_at: Timestamp,
    /// The next try, or how long whoever tries has it; `None` once it is settled.
    pub due_at: Option<Timestamp>,
    /// How many tries have begun.
    pub attempts: u32,
    /// When it was sent or given up.
    pub settled_at: Option<Timestamp>,
    /// What the last try came to, where that was nothing good.
    pub trouble: Option<String>,
}

impl Queued {
    /// As it stands when it has just been put there.
    #[must_use]
    pub fn new(message: Message) -> Self {
        let Message { key, kind, sealed, made_at, gives_up_at } = message;
        Self {
            key,
            kind,
            sealed: Some(sealed),
            made_at,
            gives_up_at,
            due_at: Some(made_at),
            attempts: 0,
            settled_at: None,
            trouble: None,
        }
    }

    /// Where it stands, in a word.
    #[must_use]
    pub fn state(&self) -> MessageState {
        match (self.due_at, &self.sealed) {
            (Some(_), _) => MessageState::Waiting,
            (None, Some(_)) => MessageState::GivenUp,
            (None, None) => MessageState::Sent,
        }
    }
}

/// How much of one kind waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Which kind.
    pub kind: MessageKind,
    /// How many messages wait.
    pub messages: u64,
    /// When the oldest of them was written.
    pub oldest_at: Timestamp,
}

/// Where a message stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageState {
    /// Somebody will try to send it, or is trying.
    Waiting,
    /// It was sent.
    Sent,
    /// Nobody tries any more; somebody may have it tried again.
    GivenUp,
}

impl MessageState {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::GivenUp => "given up",
        }
    }
}

/// What a try came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// It was taken; what was sent is forgotten.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// It was not taken, and will be tried again.
    Later {
        /// When.
        due_at: Timestamp,
        /// Why it was not taken.
        trouble: String,
    },
    /// It was not taken and never will be, or it is too late for it.
    GivenUp {
        /// When.
        at: Timestamp,
        /// Why.
        trouble: String,
    },
}

/// How long to wait after so many tries: half a minute, and then twice as long each time, up to six hours.
#[must_use]
pub fn wait_after(attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(16));
    Duration::from_secs(30).saturating_mul(doubled).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_six_hours() {
        let waits: Vec<u64> = (1..=12).map(|attempts| wait_after(attempts).as_secs()).collect();
        assert_eq!(waits[..5], [30, 60, 120, 240, 480]);
        assert!(waits.iter().all(|wait| *wait <= 6 * 3600));
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
