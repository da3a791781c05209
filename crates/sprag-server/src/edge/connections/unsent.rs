//! Answers that are not wholly sent, and what is held for them.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::Connection;

/// An answer that is not wholly sent, with what is held for it.
#[derive(Debug)]
pub(crate) struct Unsent {
    connection: Arc<Connection>,
    answer: u64,
    bytes: usize,
}

/// Bytes of an answer, which count until the last of them is sent.
struct HeldBytes {
    bytes: Bytes,
    more: usize,
    unsent: Arc<Unsent>,
}

impl Unsent {
    pub(super) fn new(connection: Arc<Connection>, answer: u64, bytes: usize) -> Self {
        Self { connection, answer, bytes }
    }

    /// Bytes of this answer that count until they are sent; `more` are not counted with the answer.
    pub(crate) fn holding(self: &Arc<Self>, bytes: Bytes, more: usize) -> Bytes {
        if more > 0 {
            self.connection.hold(more, |_| ());
        }
        Bytes::from_owner(HeldBytes { bytes, more, unsent: Arc::clone(self) })
    }

    /// The peer has taken something, and there is more.
    pub(crate) fn gets_on(&self) {
        self.connection.state().gets_on(self.answer, Instant::now());
    }

    /// There is nothing to be taken at the moment.
    pub(crate) fn pauses(&self) {
        self.connection.state().pauses(self.answer);
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.connection.release(self.bytes, |state| state.is_sent(self.answer, Instant::now()));
    }
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        if self.more > 0 {
            self.unsent.connection.release(self.more, |_| ());
        }
    }
}
