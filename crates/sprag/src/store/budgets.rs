//! Budgets: how often something may be done, at once and as time goes by.
//!
//! A budget is one number, the moment at which it is whole again (GCRA, the generic cell rate algorithm): each reservation
//! moves it on by the interval in which one comes back, and there is room as long as it is no further away than a full burst
//! takes. Whose budget it is stands nowhere: its key is a keyed hash.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Timestamp, millis};
use crate::error::Fault;

mod kept;

pub(super) use kept::Kept;

/// What a budget is found by: a keyed hash of what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BudgetKey(pub [u8; 16]);

/// How much a budget holds, and how fast it comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many may be reserved at once, at least one.
    pub burst: u32,
    /// In which time one of them comes back, at least a millisecond.
    pub interval: Duration,
}

/// One reservation that is wanted of a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Of which budget.
    pub key: BudgetKey,
    /// How much it holds.
    pub rate: Rate,
}

/// How one of the wanted budgets stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Whether there was room for the reservation.
    pub had_room: bool,
    /// When the budget is whole again, as it stands now; never before the present moment, nor later than a full burst takes.
    pub due: Timestamp,
}

/// Reserves of budgets before anything is done.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Reserves one of each, all or none: where one has no room, nothing is taken from the others. No budget is named twice.
    ///
    /// Exact however many ask at once, on however many nodes: no budget gives more than its burst and what has come back. A
    /// stored time is never taken as later than `now` plus a full burst, so a clock that went back shuts nobody out for long.
    ///
    /// One [`Standing`] comes back for each, in the order in which they were wanted.
    async fn reserve(&self, wanted: Vec<Wanted>, now: Timestamp) -> Result<Vec<Standing>, Fault>;

    /// Gives back what was reserved, to each budget as much time as stands beside it; a budget that is whole stays so.
    async fn give_back(&self, back: Vec<(BudgetKey, Duration)>, now: Timestamp) -> Result<(), Fault>;

    /// Forgets the budgets that are whole, and makes what a restart may not lose durable, where that is not done with each
    /// reservation. Says how many were forgotten.
    async fn sweep_budgets(&self, now: Timestamp) -> Result<u64, Fault>;
}

impl Rate {
    /// How long it takes until all of a burst has come back.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }

    /// When the budget is whole again once one more is reserved; where there is no room, when it is as it stands.
    pub(crate) fn reserve(&self, due: Option<Timestamp>, now: Timestamp) -> Standing {
        let full = now.plus(self.span());
        let due = due.map_or(now, |due| due.clamp(now, full));
        let next = due.plus(self.interval);
        if next <= full { Standing { had_room: true, due: next } } else { Standing { had_room: false, due } }
    }

    /// How many there is room for at a moment, where the budget is whole again when it is `due`.
    #[must_use]
    pub fn remaining(&self, due: Timestamp, now: Timestamp) -> u32 {
        let room = now.plus(self.span()).millis_since(due.max(now)).max(0);
        u32::try_from(room / millis(self.interval).max(1)).unwrap_or(u32::MAX).min(self.burst)
    }

    /// How long it takes until there is room for one; nothing where there is.
    #[must_use]
    pub fn wait(&self, due: Timestamp, now: Timestamp) -> Duration {
        let missing = due.plus(self.interval).millis_since(now.plus(self.span()));
        Duration::from_millis(u64::try_from(missing).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const RATE: Rate = Rate { burst: 3, interval: Duration::from_secs(60) };

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_burst_is_had_at_once_and_then_one_per_interval() {
        let mut due = None;
        for left in [2, 1, 0] {
            let standing = RATE.reserve(due, NOW);
            assert!(standing.had_room);
            assert_eq!(RATE.remaining(standing.due, NOW), left);
            due = Some(standing.due);
        }
        let refused = RATE.reserve(due, after(59));
        assert_eq!(refused, Standing { had_room: false, due: after(180) });
        assert_eq!(RATE.wait(refused.due, after(59)), Duration::from_secs(1));
        let one_more = RATE.reserve(due, after(60));
        assert_eq!(one_more, Standing { had_room: true, due: after(240) });
        assert_eq!(RATE.wait(one_more.due, after(60)), Duration::from_secs(60));
    }

    #[test]
    fn a_budget_whose_time_has_passed_is_whole() {
        assert_eq!(RATE.reserve(Some(after(0)), after(500)), RATE.reserve(None, after(500)));
        assert_eq!(RATE.remaining(after(0), after(500)), 3);
        assert_eq!(RATE.wait(after(0), after(500)), Duration::ZERO);
    }

    #[test]
    fn a_stored_time_is_never_taken_as_later_than_a_full_burst() {
        let refused = RATE.reserve(Some(after(1_000_000)), NOW);
        assert_eq!(refused, Standing { had_room: false, due: after(180) });
        assert_eq!(RATE.wait(refused.due, NOW), Duration::from_secs(60));
    }
}
