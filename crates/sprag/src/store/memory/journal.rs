//! The journal.

use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::{Checkpoint, Entry, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, SessionKey};
use crate::store::{Journal, Slice};

#[async_trait]
impl Journal for MemoryStore {
    async fn entries_of(&self, account: AccountId, slice: Slice<u64>) -> Result<Vec<Entry>, Fault> {
        let tables = self.tables();
        let chain = tables.chains.get(&account).map(Vec::as_slice).unwrap_or_default();
        let older = chain.iter().rev().filter(|entry| slice.after.is_none_or(|after| entry.number < after));
        Ok(older.take(slice.limit as usize).cloned().collect())
    }

    async fn mentions(&self, session: SessionKey, until: u64) -> Result<bool, Fault> {
        let tables = self.tables();
        let chain = tables.chains.get(&session.account).map(Vec::as_slice).unwrap_or_default();
        let mut first = chain.iter().take_while(|entry| entry.number <= until);
        Ok(first.any(|entry| entry.event.session == Some(session.session)))
    }

    async fn entries(&self, slice: Slice<(AccountId, u64)>) -> Result<Vec<Entry>, Fault> {
        let Slice { after, limit } = slice;
        let tables = self.tables();
        let from = after.map_or(Bound::Unbounded, |(account, _)| Bound::Included(account));
        let later = tables.chains.range((from, Bound::Unbounded)).flat_map(|(_, chain)| chain);
        let later =
            later.filter(|entry| after.is_none_or(|after| (entry.event.account, entry.number) > after));
        Ok(later.take(limit as usize).cloned().collect())
    }

    async fn recent(
        &self,
        since: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault> {
        let tables = self.tables();
        let key = |entry: &Entry| (entry.event.at, entry.event.account, entry.number);
        let mut found: Vec<_> =
            tables.chains.values().flatten().filter(|entry| entry.event.at >= since).collect();
        found.retain(|entry| slice.after.is_none_or(|after| key(entry) < after));
        found.sort_by_key(|entry| std::cmp::Reverse(key(entry)));
        Ok(found.into_iter().take(slice.limit as usize).cloned().collect())
    }

    async fn by_time(
        &self,
        before: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault> {
        let tables = self.tables();
        let key = |entry: &Entry| (entry.event.at, entry.event.account, entry.number);
        let mut found: Vec<_> = tables.chains.values().flatten().collect();
        found.retain(|entry| entry.event.at < before && slice.after.is_none_or(|after| key(entry) > after));
        found.sort_by_key(|entry| key(entry));
        Ok(found.into_iter().take(slice.limit as usize).cloned().collect())
    }

    async fn heads(&self, before: Timestamp, slice: Slice<AccountId>) -> Result<Vec<Head>, Fault> {
        let Slice { after, limit } = slice;
        let tables = self.tables();
        let later = tables.chains.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let heads = later.filter_map(|(_, chain)| {
            chain.iter().rev().find(|entry| entry.event.at < before).map(Entry::head)
        });
        Ok(heads.take(limit as usize).collect())
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        Ok(self.tables().checkpoints.last().cloned())
    }

    async fn checkpoints(&self, slice: Slice<u64>) -> Result<Vec<Checkpoint>, Fault> {
        let tables = self.tables();
        let is_later = |number| slice.after.is_none_or(|after| number > after);
        let later = tables.checkpoints.iter().filter(|checkpoint| is_later(checkpoint.number));
        Ok(later.take(slice.limit as usize).cloned().collect())
    }

    async fn add_checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let place = tables.checkpoints.binary_search_by_key(&checkpoint.number, |kept| kept.number);
        if let Err(place) = place {
            tables.checkpoints.insert(place, checkpoint);
        }
        Ok(place.is_err())
    }
}
