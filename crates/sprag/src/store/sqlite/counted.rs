//! What is counted of the writer, the readers and the log.

use std::path::{Path, PathBuf};

use super::job::ROTATING;
use crate::observe::{Count, LogObserved, Operations, QueueCounts, StoreObserved, Times};

/// What is counted of one store.
#[derive(Debug)]
pub(super) struct Kept {
    /// The writer; what waited for a rotation is told apart, for it is by far the most.
    pub(super) writes: QueueCounts,
    /// What waits for a reader.
    pub(super) reads: QueueCounts,
    /// All but rotations.
    pub(super) operations: Operations,
    pub(super) checkpoints: Times,
    pub(super) checkpoints_failed: Count,
    log: PathBuf,
}

impl Kept {
    /// Of the store at that path.
    pub(super) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let (writes, reads) = (QueueCounts::default(), QueueCounts::default());
        let (operations, checkpoints) = (Operations::default(), Times::default());
        let checkpoints_failed = Count::default();
        Self { writes, reads, operations, checkpoints, checkpoints_failed, log: log.into() }
    }

    /// What it is now, with how much waits for the writer and for the readers, and how much may.
    pub(super) fn observed(&self, writes: (usize, usize), reads: (usize, usize)) -> StoreObserved {
        let bytes = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let (checkpoints, failed) = (self.checkpoints.observed(), self.checkpoints_failed.get());
        StoreObserved {
            operations: self.operations.observed(),
            queues: vec![
                self.reads.observed("read", "", reads),
                self.writes.observed("write", ROTATING, writes),
            ],
            log: Some(LogObserved { bytes, checkpoints, failed }),
            ..StoreObserved::default()
        }
    }
}
