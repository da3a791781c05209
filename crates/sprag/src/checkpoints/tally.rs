//! What all chains come to, as a checkpoint binds it.

use aws_lc_rs::digest::{Context, SHA256};

use super::CheckpointFlaw;
use crate::audit::{Checkpoint, Hash, Head};
use crate::clock::Timestamp;

/// What chains come to, taken in the order of their accounts.
pub(super) struct Tally {
    pub(super) chains: u64,
    pub(super) entries: u64,
    /// When the newest entry was made. A checkpoint reaches no further: were it to reach to a moment that only a
    /// wrong clock knew, all later entries would be dated after it.
    pub(super) newest: Timestamp,
    heads: Context,
}

impl Tally {
    pub(super) fn new() -> Self {
        let mut heads = Context::new(&SHA256);
        heads.update(b"sprag heads v1");
        Self { chains: 0, entries: 0, newest: Timestamp(i64::MIN), heads }
    }

    pub(super) fn add(&mut self, head: &Head, entries: u64) {
        self.chains += 1;
        self.entries += entries;
        self.newest = self.newest.max(head.at);
        self.heads.update(head.account.0.as_bytes());
        self.heads.update(&head.number.to_be_bytes());
        self.heads.update(&head.at.0.to_be_bytes());
        self.heads.update(&head.hash);
    }

    pub(super) fn root(&self) -> Hash {
        let mut root = [0; 32];
        root.copy_from_slice(self.heads.clone().finish().as_ref());
        root
    }

    /// In what way this is not what the checkpoint covers.
    pub(super) fn flaw(&self, covered: &Checkpoint) -> Option<CheckpointFlaw> {
        if self.chains < covered.chains {
            Some(CheckpointFlaw::ChainsLost { covered: covered.chains, found: self.chains })
        } else if self.entries < covered.entries {
            Some(CheckpointFlaw::EntriesLost { covered: covered.entries, found: self.entries })
        } else {
            (self.root() != covered.root).then_some(CheckpointFlaw::Rewritten)
        }
    }
}
