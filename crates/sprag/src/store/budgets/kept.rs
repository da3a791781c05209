//! Budgets in memory, for stores that one process has to itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{BudgetKey, BudgetState, Wanted};
use crate::clock::{Timestamp, millis};

/// How many budgets are kept at most. Beyond it those are forgotten that are nearest to being whole, half of all: whoever makes
/// many budgets to have others forgotten makes fresh ones, which go first.
const MOST: usize = 200_000;

/// The budgets that are not whole, and which of them a file does not know of yet.
#[derive(Debug, Default)]
pub(in crate::store) struct KeptBudgets {
    due: HashMap<BudgetKey, Timestamp>,
    unwritten: HashSet<BudgetKey>,
}

impl KeptBudgets {
    /// Those that a file had.
    #[cfg(feature = "sqlite")]
    pub(in crate::store) fn read(rows: impl IntoIterator<Item = (BudgetKey, Timestamp)>) -> Self {
        Self { due: rows.into_iter().collect(), unwritten: HashSet::new() }
    }

    /// Reserves one of each, or none.
    pub(in crate::store) fn reserve(&mut self, wanted: &[Wanted], now: Timestamp) -> Vec<BudgetState> {
        let standing = |Wanted { key, rate }: &Wanted| rate.reserve(self.due.get(key).copied(), now);
        let mut standings: Vec<BudgetState> = wanted.iter().map(standing).collect();
        if standings.iter().all(|standing| standing.had_room) {
            for (Wanted { key, .. }, standing) in wanted.iter().zip(&standings) {
                self.put(*key, standing.due);
            }
            return standings;
        }
        for (Wanted { key, rate }, standing) in wanted.iter().zip(&mut standings) {
            if standing.had_room {
                standing.due = standing.due.minus(rate.interval).max(now);
            } else if self.due.get(key).is_some_and(|due| *due > standing.due) {
                // Of a clock that went back: it comes back from now on.
                self.put(*key, standing.due);
            }
        }
        standings
    }

    /// Gives back what was reserved.
    pub(in crate::store) fn give_back(&mut self, back: &[(BudgetKey, Duration)]) {
        for (key, time) in back {
            if let Some(due) = self.due.get_mut(key) {
                *due = due.minus(*time);
                self.unwritten.insert(*key);
            }
        }
    }

    /// Forgets those that are whole, and says how many there were.
    pub(in crate::store) fn sweep(&mut self, now: Timestamp) -> u64 {
        let before = self.due.len();
        let Self { due, unwritten } = self;
        due.retain(|key, due| {
            let is_whole = *due <= now;
            if is_whole {
                unwritten.insert(*key);
            }
            !is_whole
        });
        (before - due.len()) as u64
    }

    /// What a file does not know yet, and from now on does: each budget as it stands, or that it is whole.
    pub(in crate::store) fn take_unwritten(&mut self) -> Vec<(BudgetKey, Option<Timestamp>)> {
        let unwritten = std::mem::take(&mut self.unwritten);
        unwritten.into_iter().map(|key| (key, self.due.get(&key).copied())).collect()
    }

    /// Says of these that the file does not know them after all.
    #[cfg(feature = "sqlite")]
    pub(in crate::store) fn put_back(&mut self, keys: impl IntoIterator<Item = BudgetKey>) {
        self.unwritten.extend(keys);
    }

    fn put(&mut self, key: BudgetKey, due: Timestamp) {
        if self.due.len() >= MOST && !self.due.contains_key(&key) {
            self.forget_half();
        }
        self.due.insert(key, due);
        self.unwritten.insert(key);
    }

    fn forget_half(&mut self) {
        let mut dues: Vec<i64> = self.due.values().map(|due| due.0).collect();
        let middle = dues.len() / 2;
        let (_, middle, _) = dues.select_nth_unstable(middle);
        let least = Timestamp(middle.saturating_add(millis(Duration::from_millis(1))));
        self.sweep(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Rate;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn key(number: u64) -> BudgetKey {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        BudgetKey(key)
    }

    #[test]
    fn memory_is_bounded_and_who_floods_it_loses_his_own_budgets_first() {
        let mut kept = KeptBudgets::default();
        let rate = Rate { burst: 10, interval: Duration::from_secs(60) };
        let guessed = Wanted { key: key(u64::MAX), rate };
        for _ in 0..10 {
            kept.reserve(&[guessed], NOW);
        }
        for number in 0..2 * MOST as u64 {
            kept.reserve(&[Wanted { key: key(number), rate }], NOW);
        }
        assert!(kept.due.len() <= MOST, "{}", kept.due.len());
        assert!(!kept.reserve(&[guessed], NOW)[0].had_room, "the guessed account's budget was kept");
    }

    #[test]
    fn a_file_is_told_once_of_what_changed_and_of_what_is_whole() {
        let mut kept = KeptBudgets::default();
        let rate = Rate { burst: 1, interval: Duration::from_secs(60) };
        kept.reserve(&[Wanted { key: key(1), rate }], NOW);
        let whole_at = NOW.plus(rate.interval);
        assert_eq!(kept.take_unwritten(), [(key(1), Some(whole_at))]);
        assert_eq!(kept.take_unwritten(), []);
        assert_eq!(kept.sweep(whole_at), 1);
        assert_eq!(kept.take_unwritten(), [(key(1), None)]);
    }
}
