//! Cutting the journal.

use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::{Cut, Entry};
use crate::error::Fault;
use crate::session::AccountId;
use crate::store::{Cuts, Slice};

#[async_trait]
impl Cuts for MemoryStore {
    async fn may_cut(&self) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn beginnings(&self, slice: Slice<AccountId>) -> Result<Vec<Entry>, Fault> {
        let tables = self.tables();
        let after = slice.after.map_or(Bound::Unbounded, Bound::Excluded);
        let firsts = tables.chains.range((after, Bound::Unbounded)).filter_map(|(_, chain)| chain.first());
        Ok(firsts.take(slice.limit as usize).cloned().collect())
    }

    async fn last_cut(&self) -> Result<Option<Cut>, Fault> {
        Ok(self.tables().cuts.last().cloned())
    }

    async fn cuts(&self, slice: Slice<u64>) -> Result<Vec<Cut>, Fault> {
        let tables = self.tables();
        let later = tables.cuts.iter().filter(|cut| slice.after.is_none_or(|after| cut.number > after));
        Ok(later.take(slice.limit as usize).cloned().collect())
    }

    async fn add_cut(&self, cut: Cut, erased: u64) -> Result<bool, Fault> {
        let mut tables = self.tables();
        if tables.erasures.last().map_or(0, |last| last.number) != erased {
            return Ok(false);
        }
        let place = tables.cuts.binary_search_by_key(&cut.number, |kept| kept.number);
        if let Err(place) = place {
            tables.cuts.insert(place, cut);
        }
        Ok(place.is_err())
    }

    async fn cut_off(&self, ends: Vec<(AccountId, u64)>) -> Result<u64, Fault> {
        let mut tables = self.tables();
        let mut removed = 0;
        for (account, end) in ends {
            let Some(chain) = tables.chains.get_mut(&account) else { continue };
            let before = chain.len();
            chain.retain(|entry| entry.number > end);
            removed += (before - chain.len()) as u64;
        }
        tables.chains.retain(|_, chain| !chain.is_empty());
        Ok(removed)
    }
}
