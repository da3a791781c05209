//! The outbox.

use async_trait::async_trait;

use super::{MemoryStore, Tables};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::outbox::{MessageKey, MessageKind, MessageState, Queued, Settled, Waiting};
use crate::store::{Outbox, Slice};

#[async_trait]
impl Outbox for MemoryStore {
    async fn due_messages(
        &self,
        kind: MessageKind,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Queued>, Fault> {
        let tables = self.tables();
        let all = tables.rows.values().flat_map(|rows| rows.messages.values());
        let due =
            all.filter(|message| message.kind == kind && message.due_at.is_some_and(|due_at| due_at <= now));
        let mut due: Vec<Queued> = due.cloned().collect();
        due.sort_by_key(|message| (message.due_at, message.key));
        due.truncate(limit as usize);
        Ok(due)
    }

    async fn waiting_messages(&self) -> Result<Vec<Waiting>, Fault> {
        let tables = self.tables();
        let all = tables.rows.values().flat_map(|rows| rows.messages.values());
        let waiting: Vec<&Queued> = all.filter(|message| message.due_at.is_some()).collect();
        let of = |kind| {
            let those = waiting.iter().filter(|message| message.kind == kind);
            let oldest_at = those.clone().map(|message| message.made_at).min()?;
            Some(Waiting { kind, messages: those.count() as u64, oldest_at })
        };
        Ok(MessageKind::ALL.into_iter().filter_map(of).collect())
    }

    async fn lease_message(&self, key: MessageKey, attempts: u32, until: Timestamp) -> Result<bool, Fault> {
        let mut tables = self.tables();
        Ok(tables.waiting(key, attempts).is_some_and(|message| {
            message.attempts += 1;
            message.due_at = Some(until);
            true
        }))
    }

    async fn settle_message(&self, key: MessageKey, attempts: u32, settled: Settled) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let Some(message) = tables.waiting(key, attempts) else { return Ok(false) };
        message.due_at = None;
        match settled {
            Settled::Sent { at } => {
                (message.settled_at, message.sealed, message.trouble) = (Some(at), None, None);
            }
            Settled::Later { due_at, trouble } => {
                (message.due_at, message.trouble) = (Some(due_at), Some(trouble));
            }
            Settled::GivenUp { at, trouble } => {
                (message.settled_at, message.trouble) = (Some(at), Some(trouble));
            }
        }
        Ok(true)
    }

    async fn revive_message(
        &self,
        key: MessageKey,
        due_at: Timestamp,
        gives_up_at: Timestamp,
    ) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let found = tables.message(key).filter(|message| message.state() == MessageState::GivenUp);
        Ok(found.is_some_and(|message| {
            (message.due_at, message.settled_at, message.gives_up_at) = (Some(due_at), None, gives_up_at);
            true
        }))
    }

    async fn messages(&self, slice: Slice<MessageKey>) -> Result<Vec<Queued>, Fault> {
        let tables = self.tables();
        let all = tables.rows.values().flat_map(|rows| rows.messages.values());
        let later = all.filter(|message| slice.after.is_none_or(|after| message.key > after));
        Ok(later.take(slice.limit as usize).cloned().collect())
    }

    async fn sweep_messages(&self, before: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        for rows in self.tables().rows.values_mut() {
            let known = rows.messages.len();
            rows.messages.retain(|_, message| message.settled_at.is_none_or(|at| at >= before));
            forgotten += (known - rows.messages.len()) as u64;
        }
        Ok(forgotten)
    }
}

impl Tables {
    fn message(&mut self, key: MessageKey) -> Option<&mut Queued> {
        self.rows.get_mut(&key.account)?.messages.get_mut(&key.id)
    }

    fn waiting(&mut self, key: MessageKey, attempts: u32) -> Option<&mut Queued> {
        self.message(key).filter(|message| message.due_at.is_some() && message.attempts == attempts)
    }
}
