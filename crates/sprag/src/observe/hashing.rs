//! What is counted of the threads that hash passwords.

use super::{Count, Level, Observed, Times};

/// What is counted of the threads that hash passwords.
#[derive(Debug, Default)]
pub struct Hashing {
    /// How long a comparison stood in the queue.
    pub waited: Times,
    /// How long a thread was at one job.
    pub took: Times,
    /// How many threads are at work.
    pub busy: Level,
    /// How many were told that there is no place.
    pub refused: Count,
}

/// What the threads that hash passwords did until one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HashingObserved {
    /// How many threads there are.
    pub threads: u64,
    /// How many of them are at work.
    pub busy: u64,
    /// How many passwords wait.
    pub waiting: u64,
    /// How many may wait.
    pub bound: u64,
    /// How many were told that there is no place.
    pub refused: u64,
    /// How long comparisons stood in the queue.
    pub waited: Observed,
    /// How long a thread was at one job.
    pub took: Observed,
}
