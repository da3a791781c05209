//! What whoever answers a call may tell of the budgets that were asked for it.
//!
//! Of a network's budget everything may be told: whoever asks from there spends it. Of an account's or a device's nothing may
//! while it has room: how much is left tells a thief whether its owner, or another thief, has been there.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use tokio::task_local;

use crate::budget::{Budget, BudgetState, Rate};
use crate::clock::Timestamp;

task_local! {
    static TOLD: RefCell<Vec<Told>>;
}

/// A budget that was asked, as far as it may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Which.
    pub budget: Budget,
    /// How much it holds.
    pub rate: Rate,
    /// What is left of it, where that may be told.
    pub left: Option<Left>,
}

/// What is left of a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// How many there is room for now.
    pub remaining: u32,
    /// How long until there is room for one more; `None` where it is whole, and nothing is to come back.
    pub next: Option<Duration>,
}

/// Carries out what a client asks, and says which budgets were asked for it.
pub async fn told_of<T>(asked: impl Future<Output = T>) -> (T, Vec<Told>) {
    TOLD.scope(RefCell::default(), async {
        let done = asked.await;
        (done, TOLD.with(RefCell::take))
    })
    .await
}

/// Notes how a budget stands, as far as that is known, where somebody will ask.
pub(super) fn note(budget: Budget, rate: Rate, standing: Option<BudgetState>, now: Timestamp) {
    if matches!(budget, Budget::LoginDevice | Budget::LoginKnown) {
        // Nobody is refused by it, and whoever shows a device learns nothing of what else was tried on it.
        return;
    }
    let told = standing.filter(|standing| budget.is_by_network() || !standing.had_room);
    let left = told.map(|standing| Left {
        remaining: rate.remaining(standing.due, now),
        next: next(rate, standing, now),
    });
    let told = Told { budget, rate, left };
    // Nobody asks where no client is answered.
    let _nobody_asks = TOLD.try_with(|all| {
        let mut all = all.borrow_mut();
        all.retain(|earlier| earlier.budget != budget);
        all.push(told);
    });
}

/// How long until one more has come back, where one is to.
fn next(rate: Rate, standing: BudgetState, now: Timestamp) -> Option<Duration> {
    if !standing.had_room {
        return Some(rate.wait(standing.due, now));
    }
    let missing = u64::try_from(standing.due.millis_since(now)).ok().filter(|missing| *missing > 0)?;
    let interval = u64::try_from(rate.interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Some(Duration::from_millis((missing - 1) % interval + 1))
}
