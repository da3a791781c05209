//! Budgets, which nothing outlives here.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::store::{BudgetKey, BudgetState, Budgets, Wanted};

#[async_trait]
impl Budgets for MemoryStore {
    async fn reserve(&self, wanted: Vec<Wanted>, now: Timestamp) -> Result<Vec<BudgetState>, Fault> {
        Ok(self.tables().budgets.reserve(&wanted, now))
    }

    async fn give_back(&self, back: Vec<(BudgetKey, Duration)>, _: Timestamp) -> Result<(), Fault> {
        self.tables().budgets.give_back(&back);
        Ok(())
    }

    async fn sweep_budgets(&self, now: Timestamp) -> Result<u64, Fault> {
        let budgets = &mut self.tables().budgets;
        let forgotten = budgets.sweep(now);
        // There is no file to tell.
        drop(budgets.take_unwritten());
        Ok(forgotten)
    }
}
