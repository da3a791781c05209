//! Budgets that had no room a moment ago: whoever comes again meanwhile is refused without the store being asked, so that a flood
//! of refusals costs no statements.
//!
//! Nothing is let through by it. What another node gives back is noticed a second later at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::budget::BudgetState;
use crate::clock::{Timestamp, millis};
use crate::store::BudgetKey;

/// For how long the store is not asked, at most.
const LASTS: Duration = Duration::from_secs(1);

/// How many are remembered, at most; of any more the store is asked each time.
const MOST: usize = 10_000;

/// Budgets that had no room a moment ago.
#[derive(Debug, Default)]
pub(super) struct WithoutRoom(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    budgets: HashMap<BudgetKey, (BudgetState, Timestamp)>,
    /// When the earliest of them may be due, so that a full map is not gone through at each refusal.
    next_due: Option<Timestamp>,
    /// How often something was given back: an answer that the store gave before that is not remembered after it.
    given_back: u64,
}

impl WithoutRoom {
    /// How a budget stands that has no room for certain.
    pub(super) fn state(&self, key: BudgetKey, now: Timestamp) -> Option<BudgetState> {
        let mut kept = self.kept();
        let (state, until) = *kept.budgets.get(&key)?;
        if lasts(until, now) {
            return Some(state);
        }
        kept.budgets.remove(&key);
        None
    }

    /// How often something was given back so far, which [`remember`](Self::remember) is told.
    pub(super) fn given_back(&self) -> u64 {
        self.kept().given_back
    }

    /// Remembers a budget that had no room, and has none for so long; unless something was given back since the store was asked.
    pub(super) fn remember(
        &self,
        key: BudgetKey,
        (state, wait): (BudgetState, Duration),
        given_back: u64,
        now: Timestamp,
    ) {
        let mut kept = self.kept();
        if wait.is_zero() || kept.given_back != given_back {
            return;
        }
        if kept.budgets.len() >= MOST && !kept.budgets.contains_key(&key) {
            if kept.next_due.is_some_and(|due| lasts(due, now)) {
                return;
            }
            kept.budgets.retain(|_, (_, until)| lasts(*until, now));
            kept.next_due = kept.budgets.values().map(|(_, until)| *until).min();
            if kept.budgets.len() >= MOST {
                return;
            }
        }
        let until = now.plus(wait.min(LASTS));
        kept.next_due = Some(kept.next_due.map_or(until, |due| due.min(until)));
        kept.budgets.insert(key, (state, until));
    }

    /// Forgets budgets that something was given back to.
    pub(super) fn forget(&self, keys: impl Iterator<Item = BudgetKey>) {
        let mut kept = self.kept();
        kept.given_back = kept.given_back.wrapping_add(1);
        for key in keys {
            kept.budgets.remove(&key);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether that moment is still to come, and soon: a clock that went back makes none last longer.
fn lasts(until: Timestamp, now: Timestamp) -> bool {
    let left = until.millis_since(now);
    left > 0 && left <= millis(LASTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn key(number: u128) -> BudgetKey {
        BudgetKey(number.to_be_bytes())
    }

    fn spent() -> BudgetState {
        BudgetState { had_room: false, due: NOW.plus(MINUTE) }
    }

    fn after(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    #[test]
    fn a_budget_without_room_is_remembered_for_a_second_or_until_it_has_room() {
        let gone = WithoutRoom::default();
        gone.remember(key(1), (spent(), MINUTE), 0, NOW);
        gone.remember(key(2), (spent(), Duration::from_millis(10)), 0, NOW);
        assert_eq!(gone.state(key(1), after(999)), Some(spent()));
        assert_eq!(gone.state(key(2), after(9)), Some(spent()));
        assert_eq!(gone.state(key(2), after(10)), None);
        assert_eq!(gone.state(key(1), after(1000)), None);
        assert_eq!(gone.kept().budgets.len(), 0, "what is due is forgotten");
    }

    #[test]
    fn what_is_given_back_is_asked_of_the_store_again() {
        let gone = WithoutRoom::default();
        let asked = gone.given_back();
        gone.remember(key(1), (spent(), MINUTE), asked, NOW);
        gone.forget(std::iter::once(key(1)));
        assert_eq!(gone.state(key(1), NOW), None);
        gone.remember(key(1), (spent(), MINUTE), asked, NOW);
        assert_eq!(gone.state(key(1), NOW), None, "the store may have said so before it was given back");
    }

    #[test]
    fn a_clock_that_goes_back_makes_none_last_longer() {
        let gone = WithoutRoom::default();
        gone.remember(key(1), (spent(), MINUTE), 0, after(5_000));
        assert_eq!(gone.state(key(1), NOW), None);
    }

    #[test]
    fn budgets_without_end_take_no_memory_without_end() {
        let gone = WithoutRoom::default();
        for number in 0..25_000 {
            gone.remember(key(number), (spent(), MINUTE), 0, NOW);
        }
        assert_eq!(gone.kept().budgets.len(), MOST);
        assert_eq!(gone.state(key(20_000), NOW), None);
        gone.remember(key(20_000), (spent(), MINUTE), 0, after(1000));
        assert_eq!(gone.state(key(20_000), after(1000)), Some(spent()));
        assert_eq!(gone.kept().budgets.len(), 1);
    }
}
