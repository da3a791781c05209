//! Budgets: how often something may be done, at once and as time goes by.
//!
//! A budget is one number, the moment at which it is whole again (GCRA, the generic cell rate algorithm): each reservation
//! moves it on by the interval in which one comes back, and there is room as long as it is no further away than a full burst
//! takes. Whose budget it is stands nowhere: its key is a keyed hash.

use std::time::Duration;

use async_trait::async_trait;

use crate::budget::{BudgetState, Rate};
use crate::clock::Timestamp;
use crate::error::Fault;

mod kept;

pub(super) use kept::KeptBudgets;

/// What a budget is found by: a keyed hash of what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BudgetKey(pub [u8; 16]);

/// One reservation that is wanted of a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Of which budget.
    pub key: BudgetKey,
    /// How much it holds.
    pub rate: Rate,
}

/// Reserves of budgets before anything is done.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Reserves one of each, all or none: where one has no room, nothing is taken from the others. No budget is named twice.
    ///
    /// Exact however many ask at once, on however many nodes: no budget gives more than its burst and what has come back. A
    /// stored time is never taken as later than `now` plus a full burst, so a clock that went back shuts nobody out for long.
    ///
    /// One [`BudgetState`] comes back for each, in the order in which they were wanted.
    async fn reserve(&self, wanted: Vec<Wanted>, now: Timestamp) -> Result<Vec<BudgetState>, Fault>;

    /// Gives back what was reserved, to each budget as much time as stands beside it; a budget that is whole stays so.
    async fn give_back(&self, back: Vec<(BudgetKey, Duration)>, now: Timestamp) -> Result<(), Fault>;

    /// Forgets the budgets that are whole, and makes what a restart may not lose durable, where that is not done with each
    /// reservation. Says how many were forgotten.
    async fn sweep_budgets(&self, now: Timestamp) -> Result<u64, Fault>;
}
