//! The outbox: leasing what waits in it, and noting what became of it. Putting something there is a [step](super::Step).

use async_trait::async_trait;

use super::Slice;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::outbox::{MessageKey, MessageKind, Queued, Settled, Waiting};

/// What must leave the server.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Those of a kind that are due, the longest waiting first.
    async fn due_messages(&self, kind: MessageKind, now: Timestamp, limit: u32)
    -> Result<Vec<Queued>, Fault>;

    /// How much waits, of each kind of which something does.
    async fn waiting_messages(&self) -> Result<Vec<Waiting>, Fault>;

    /// Takes a message for one try, where it waits and as many tries have begun as that: nobody else has it until then. `false`
    /// where somebody else was first.
    async fn lease_message(&self, key: MessageKey, attempts: u32, until: Timestamp) -> Result<bool, Fault>;

    /// Notes what a try came to, where it waits and no later try has begun.
    async fn settle_message(&self, key: MessageKey, attempts: u32, settled: Settled) -> Result<bool, Fault>;

    /// Has a message that was given up tried again; `false` where there is none.
    async fn revive_message(
        &self,
        key: MessageKey,
        due_at: Timestamp,
        gives_up_at: Timestamp,
    ) -> Result<bool, Fault>;

    /// All that is remembered, in the order of their keys.
    async fn messages(&self, slice: Slice<MessageKey>) -> Result<Vec<Queued>, Fault>;

    /// Forgets what was settled before then; says how many.
    async fn sweep_messages(&self, before: Timestamp) -> Result<u64, Fault>;
}
