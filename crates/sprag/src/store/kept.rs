//! What is kept of an account besides its own row, its sessions and its journal, for whoever asks what is kept of them.

use crate::clock::Timestamp;
use crate::one_time::Purpose;
use crate::outbox::MessageKind;

/// What is kept of an account. Nothing in it proves anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// The [kind](super::CredentialKind::name) of each of its credentials, sorted.
    pub credentials: Vec<String>,
    /// Its one-time tokens, expired or not, the oldest first.
    pub tokens: Vec<KeptToken>,
    /// Its messages, the oldest first; what is in them is sealed, and gone once they were sent.
    pub messages: Vec<KeptMessage>,
}

/// A one-time token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct KeptToken {
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// What it is good for.
    pub purpose: Purpose,
}

/// A message of the outbox.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct KeptMessage {
    /// When it was written.
    pub made_at: Timestamp,
    /// When it was sent or given up.
    pub settled_at: Option<Timestamp>,
    /// How it leaves.
    pub kind: MessageKind,
}
