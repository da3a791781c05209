//! What is counted of batchers and pools.

use std::collections::BTreeMap;

use super::PostgresStore;
use crate::clock::{Clock as _, SystemClock};
use crate::observe::{OperationObserved, StoreObserved};

/// What a store tells of its work.
pub(super) fn of(store: &PostgresStore) -> StoreObserved {
    let (asked, pool_wait) = store.pool.asked();
    let (marked, _) = store.marks.asked();
    StoreObserved {
        operations: in_order(asked, marked),
        queues: vec![store.finds.observed(), store.rotations.observed()],
        pools: vec![store.marks.observed("mark"), store.pool.observed("shared")],
        pool_wait,
        log: None,
        round_trip: store.health.round_trip(),
        is_away: store.health.is_away(),
        clock_ahead_of_machine: Some(store.database_clock.now().millis_since(SystemClock.now())),
    }
}

/// What two pools were asked, in the order of names. None is asked of both.
fn in_order(one: Vec<OperationObserved>, other: Vec<OperationObserved>) -> Vec<OperationObserved> {
    let by_name: BTreeMap<_, _> = one.into_iter().chain(other).map(|asked| (asked.name, asked)).collect();
    by_name.into_values().collect()
}
