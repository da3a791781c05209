//! Having the journal forget people.

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::{Cover, Entry, Erasure};
use crate::error::Fault;
use crate::security;
use crate::store::{ChainedAnew, Erasures, Forgetting, Slice};

#[async_trait]
impl Erasures for MemoryStore {
    async fn may_erase(&self) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn last_erasure(&self) -> Result<Option<Erasure>, Fault> {
        Ok(self.tables().erasures.last().cloned())
    }

    async fn erasures(&self, slice: Slice<u64>) -> Result<Vec<Erasure>, Fault> {
        let tables = self.tables();
        let is_later = |number| slice.after.is_none_or(|after| number > after);
        let later = tables.erasures.iter().filter(|erasure| is_later(erasure.number));
        Ok(later.take(slice.limit as usize).cloned().collect())
    }

    async fn erase(&self, forgetting: Forgetting) -> Result<bool, Fault> {
        let Forgetting { head, last, erasure, links, checkpoint, cut } = forgetting;
        let mut tables = self.tables();
        let is_next = tables.erasures.last().map_or(1, |last| last.number + 1) == erasure.number
            && tables.cuts.last().map_or(0, |last| last.number) == cut;
        let newest = tables.checkpoints.last().map_or(0, |newest| newest.number);
        let is_covered = checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.number == newest + 1);
        let chain = tables.chains.get_mut(&head.account).filter(|chain| {
            chain.last().map(Entry::head) == Some(head)
                && links.iter().all(|link| chain.iter().any(|entry| entry.number == link.number))
        });
        let Some(chain) = chain.filter(|_| is_next && is_covered) else { return Ok(false) };
        let mut links = links.iter().peekable();
        for entry in chain.iter_mut() {
            *entry = match links.next_if(|link| link.number == entry.number) {
                Some(ChainedAnew { mac, previous, hash, .. }) => {
                    let cover = Cover::Salted { mac: *mac, salt: None };
                    Entry { cover, previous: *previous, hash: *hash, ..entry.erased() }
                }
                None => entry.erased(),
            };
        }
        security::journalled(std::slice::from_ref(&last.event));
        let messages = self.along.messages([&last.event]);
        chain.push(last);
        tables.erasures.push(erasure);
        tables.checkpoints.extend(checkpoint);
        tables.put_messages(messages);
        Ok(true)
    }
}
