//! What a store tells of its work.

use std::fmt;

use sprag::observe::{LaneObserved, Observed, OperationObserved, PoolObserved, StoreObserved};

use super::page::{Labels, Page};

pub(super) fn tell(page: &mut Page<'_>, store: &StoreObserved) -> fmt::Result {
    tell_operations(page, store)?;
    tell_lanes(page, &store.lanes)?;
    tell_pools(page, store)?;
    let bytes = store.log.as_ref().map(|log| (Vec::new(), log.bytes));
    page.bytes("store_log", "Size of the log that SQLite writes ahead of the file", bytes)?;
    let checkpoints = store.log.as_ref().map(|log| (Vec::new(), log.checkpoints.clone()));
    page.times("store_checkpoint", "How long copying that log into the file took", checkpoints)?;
    let failed = store.log.as_ref().map(|log| (Vec::new(), log.failed));
    page.counter("store_checkpoint_failures", "How often copying it failed; it is copied later", failed)?;
    let round_trip = store.round_trip.map(|trip| (Vec::new(), trip.as_secs_f64()));
    page.seconds("store_round_trip", "The quickest of the last few round trips to the database", round_trip)?;
    let away = [(Vec::new(), u64::from(store.is_away))];
    page.gauge("store_away", "1 while the database has not answered for a second or more", away)?;
    let ahead = store.clock_ahead_of_machine.map(|millis| (Vec::new(), millis as f64 / 1000.0));
    page.seconds("store_clock_offset", "How far the database's clock is ahead of this machine's", ahead)
}

/// Operations by name: those that are batched are told by their lanes.
fn tell_operations(page: &mut Page<'_>, store: &StoreObserved) -> fmt::Result {
    let batched = store.lanes.iter().filter(|lane| !lane.operation.is_empty());
    let batched = batched.map(|lane| (lane.operation, lane.took.clone(), lane.faults));
    let named = |one: &OperationObserved| (one.name, one.took.clone(), one.faults);
    let mut all: Vec<(&'static str, Observed, u64)> =
        batched.chain(store.operations.iter().map(named)).collect();
    all.sort_unstable_by_key(|(name, ..)| *name);
    let labelled = |name: &'static str| vec![("operation", name)];
    let took = all.iter().map(|(name, took, _)| (labelled(name), took.clone()));
    page.times("store_operation", "How long the store took for what it was asked, waiting included", took)?;
    let faults = all.iter().map(|(name, _, faults)| (labelled(name), *faults));
    page.counter("store_faults", "What was asked of the store and failed", faults)
}

fn tell_lanes(page: &mut Page<'_>, lanes: &[LaneObserved]) -> fmt::Result {
    let each = |value: fn(&LaneObserved) -> u64| {
        lanes.iter().map(move |lane| (vec![("lane", lane.name)], value(lane))).collect::<Vec<_>>()
    };
    page.gauge(
        "store_queue",
        "What waits to be sent to the store, or for one of its threads",
        each(|lane| lane.waiting),
    )?;
    page.gauge("store_queue_bound", "How much may wait", each(|lane| lane.bound))?;
    page.counter("store_queue_refused", "What found that queue full", each(|lane| lane.refused))?;
    let batched = lanes.iter().filter(|lane| !lane.operation.is_empty());
    let batches = batched.map(|lane| (vec![("lane", lane.name)], lane.batches.clone()));
    page.sizes("store_batch_size", "How many leave for the store together", batches)
}

fn tell_pools(page: &mut Page<'_>, store: &StoreObserved) -> fmt::Result {
    let each = |value: fn(&PoolObserved) -> u64| {
        store.pools.iter().map(move |pool| (vec![("pool", pool.name)], value(pool))).collect::<Vec<_>>()
    };
    page.gauge("store_pool", "Connections that a pool has", each(|pool| pool.open))?;
    page.gauge("store_pool_idle", "Connections of a pool that nobody uses", each(|pool| pool.idle))?;
    page.gauge("store_pool_bound", "Connections that a pool may have", each(|pool| pool.bound))?;
    page.gauge("store_pool_waiting", "Who waits for a connection of a pool", each(|pool| pool.waiting))?;
    let is_there = !store.pools.is_empty();
    let waited = is_there.then(|| (Vec::new(), store.pool_wait.clone()));
    page.times("store_pool_wait", "How long whoever wanted a connection waited for it", waited)?;
    let connecting = store.lanes.iter().map(|lane| (vec![("lane", lane.name)], lane.connecting));
    page.gauge("store_connecting", "Connections of a lane that are being made now", connecting)?;
    let made = connections(store, |lane| lane.connected, |pool| pool.connected);
    page.counter("store_connects", "Connections to the store that were made", made)?;
    let failed = connections(store, |lane| lane.failed, |pool| pool.failed);
    page.counter("store_connect_failures", "Connections to the store that could not be made", failed)
}

/// Lanes and pools alike.
fn connections<'a>(
    store: &'a StoreObserved,
    of_lane: fn(&LaneObserved) -> u64,
    of_pool: fn(&PoolObserved) -> u64,
) -> impl Iterator<Item = (Labels<'a>, u64)> {
    let lanes = store.lanes.iter().map(move |lane| (vec![("of", lane.name)], of_lane(lane)));
    lanes.chain(store.pools.iter().map(move |pool| (vec![("of", pool.name)], of_pool(pool))))
}
