//! What is counted while this crate works: plain numbers, for whoever shows them.
//!
//! Nothing is decided by them, and nobody waits for them: each is an atomic that is added to without a lock. A server reads
//! them through [`Store::observed`](crate::store::Store::observed), [`Engine::observed`](crate::Engine::observed) and
//! [`Hasher::observed`](crate::password::Hasher::observed), and gives them names and units of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

mod engine;
mod hashing;
mod operations;
mod queue;

pub use engine::{BreachChecks, BudgetObserved, EngineObserved, LoginFailures, MarkObserved};
pub use hashing::{Hashing, HashingObserved};
pub use operations::{OperationObserved, Operations};
pub use queue::{QueueCounts, QueueObserved};

/// Upper bounds of how long something took, in microseconds.
pub const TIMES: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000,
];

/// Upper bounds of how many there were.
pub const SIZES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// A number that grows only.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down, and stands at nothing at first.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// One more, until what this gives is dropped.
    #[must_use = "it is taken down again when this is dropped"]
    pub fn up(&self) -> Up<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Up(self)
    }

    /// Where it stands.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// By one that a [`Level`] stands higher.
#[derive(Debug)]
pub struct Up<'a>(&'a Level);

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many of what came lie below which bound: a histogram of whole numbers.
#[derive(Debug)]
pub struct Spread<const N: usize> {
    bounds: &'static [u64; N],
    below: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

/// A histogram of how long something took, in microseconds.
pub type Times = Spread<{ TIMES.len() }>;

/// A histogram of how many there were.
pub type Sizes = Spread<{ SIZES.len() }>;

impl Default for Times {
    fn default() -> Self {
        Self::of(&TIMES)
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::of(&SIZES)
    }
}

impl<const N: usize> Spread<N> {
    /// An empty one with these upper bounds, which ascend.
    #[must_use]
    pub fn of(bounds: &'static [u64; N]) -> Self {
        let zero = || AtomicU64::new(0);
        Self { bounds, below: std::array::from_fn(|_| zero()), beyond: zero(), sum: zero() }
    }

    /// Takes one in.
    pub fn add(&self, value: u64) {
        let place = self.bounds.iter().position(|bound| value <= *bound);
        let slot = place.and_then(|at| self.below.get(at)).unwrap_or(&self.beyond);
        slot.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Takes in how long something took.
    pub fn took(&self, span: Duration) {
        self.add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// What it holds now.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let read = |slot: &AtomicU64| slot.load(Ordering::Relaxed);
        let below = self.bounds.iter().copied().zip(self.below.iter().map(read)).collect();
        Observed { below, beyond: read(&self.beyond), sum: read(&self.sum) }
    }
}

/// What a [`Spread`] held at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observed {
    /// Each upper bound, and how many lay below it and above the one before.
    pub below: Vec<(u64, u64)>,
    /// How many lay above the last bound.
    pub beyond: u64,
    /// All of them together.
    pub sum: u64,
}

impl Observed {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.below.iter().map(|(_, count)| count).sum::<u64>() + self.beyond
    }
}

/// What a store tells of its work; what an engine does not have is empty.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StoreObserved {
    /// What was asked of it, by what its faults call it, in the order of the names.
    pub operations: Vec<OperationObserved>,
    /// What leaves together.
    pub queues: Vec<QueueObserved>,
    /// The pools of connections.
    pub pools: Vec<PoolObserved>,
    /// How long whoever wanted a connection waited for one.
    pub pool_wait: Observed,
    /// The log that is written ahead of the file.
    pub log: Option<LogObserved>,
    /// How far away the database is, where it stands on another machine.
    pub round_trip: Option<Duration>,
    /// Whether the database has not answered for a second or more.
    pub is_away: bool,
    /// How far the store's clock is ahead of this machine's, in milliseconds, where the two are not one.
    pub clock_ahead_of_machine: Option<i64>,
}

/// A pool of connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolObserved {
    /// Which.
    pub name: &'static str,
    /// How many connections it may have.
    pub bound: u64,
    /// How many it has.
    pub open: u64,
    /// How many of these nobody uses.
    pub idle: u64,
    /// How many wait for one.
    pub waiting: u64,
    /// How many were made since the start.
    pub connected: u64,
    /// How many could not be made.
    pub failed: u64,
}

/// The log that a store writes ahead of its file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogObserved {
    /// How large it is on the disk.
    pub bytes: u64,
    /// How long copying it into the file took.
    pub checkpoints: Observed,
    /// How often that failed.
    pub failed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_a_bound_lies_below_it_and_none_is_lost() {
        let sizes = Sizes::default();
        for size in [1, 2, 3, 4, 256, 257, 10_000] {
            sizes.add(size);
        }
        let observed = sizes.observed();
        let counts: Vec<u64> = observed.below.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [1, 1, 2, 0, 0, 0, 0, 0, 1]);
        assert_eq!((observed.beyond, observed.count(), observed.sum), (2, 7, 10_523));
    }
}
