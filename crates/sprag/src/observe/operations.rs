//! What is asked of a store: how long it took, and how often nothing came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::{Count, Observed, Times};

/// What was asked of a store under one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationObserved {
    /// What faults call it: *rotate a session*.
    pub name: &'static str,
    /// How long it took, whatever came of it.
    pub took: Observed,
    /// How often it failed, or was given up by whoever asked.
    pub faults: u64,
}

/// Operations by name. There are as many names as there are in the code, all of them constants.
#[derive(Debug, Default)]
pub struct Operations(RwLock<BTreeMap<&'static str, Arc<Operation>>>);

#[derive(Debug, Default)]
struct Operation {
    took: Times,
    faults: Count,
}

impl Operations {
    /// Counts what is done until then under that name; given up in between, it counts as a fault.
    pub async fn counted<T, E>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let under_way = UnderWay { operation: self.named(name), since: Instant::now(), is_well: false };
        let outcome = work.await;
        under_way.ended(outcome.is_ok());
        outcome
    }

    /// All of them, in the order of their names.
    #[must_use]
    pub fn observed(&self) -> Vec<OperationObserved> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let each = known.iter().map(|(name, operation)| OperationObserved {
            name,
            took: operation.took.observed(),
            faults: operation.faults.get(),
        });
        each.collect()
    }

    fn named(&self, name: &'static str) -> Arc<Operation> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(operation) = known.get(name) {
            return Arc::clone(operation);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name).or_default())
    }
}

/// An operation under way. Dropped before its end, it was given up.
struct UnderWay {
    operation: Arc<Operation>,
    since: Instant,
    is_well: bool,
}

impl UnderWay {
    fn ended(mut self, is_well: bool) {
        self.is_well = is_well;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.operation.took.took(self.since.elapsed());
        if !self.is_well {
            self.operation.faults.one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_given_up_counts_as_a_fault() {
        let operations = Operations::default();
        assert_eq!(operations.counted("b", ready(Ok::<_, ()>(1))).now_or_never(), Some(Ok(1)));
        assert_eq!(operations.counted("b", ready(Err::<(), _>(2))).now_or_never(), Some(Err(2)));
        assert_eq!(operations.counted("a", pending::<Result<(), ()>>()).now_or_never(), None);
        let observed = operations.observed();
        let told: Vec<_> = observed.iter().map(|one| (one.name, one.took.count(), one.faults)).collect();
        assert_eq!(told, [("a", 1, 1), ("b", 2, 1)]);
    }
}
