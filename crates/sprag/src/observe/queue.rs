//! A queue before a store: what waits leaves together.

use super::{Count, Level, Observed, Sizes, Times};

/// What is counted of orders that wait and leave together.
#[derive(Debug, Default)]
pub struct QueueCounts {
    /// How long whoever asked waited for an outcome.
    pub took: Times,
    /// How many were answered with a fault.
    pub faults: Count,
    /// How many were refused at once, since the queue was full.
    pub refused: Count,
    /// How many left together.
    pub batches: Sizes,
    /// How many of its connections are being made now.
    pub connecting: Level,
    /// How many connections were made since the start.
    pub connected: Count,
    /// How many could not be made.
    pub failed: Count,
}

/// What a [`QueueCounts`] counted until one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QueueObserved {
    /// Which.
    pub name: &'static str,
    /// What faults call what it does.
    pub operation: &'static str,
    /// How many wait now.
    pub waiting: u64,
    /// How many may wait.
    pub bound: u64,
    /// How long whoever asked waited for an outcome.
    pub took: Observed,
    /// How many were answered with a fault.
    pub faults: u64,
    /// How many were refused at once, since the queue was full.
    pub refused: u64,
    /// How many left together.
    pub batches: Observed,
    /// How many of its connections are being made now.
    pub connecting: u64,
    /// How many connections were made since the start.
    pub connected: u64,
    /// How many could not be made.
    pub failed: u64,
}

impl QueueCounts {
    /// What it counted until now; its owner knows what it is called, how many wait, and how many may.
    #[must_use]
    pub fn observed(
        &self,
        name: &'static str,
        operation: &'static str,
        waiting: (usize, usize),
    ) -> QueueObserved {
        let (waiting, bound) = waiting;
        QueueObserved {
            name,
            operation,
            waiting: waiting as u64,
            bound: bound as u64,
            took: self.took.observed(),
            faults: self.faults.get(),
            refused: self.refused.get(),
            batches: self.batches.observed(),
            connecting: self.connecting.get(),
            connected: self.connected.get(),
            failed: self.failed.get(),
        }
    }
}
