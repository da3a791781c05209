//! What a store tells of its work.

use std::fmt;

use sprag::observe::{Observed, OperationObserved, PoolObserved, QueueObserved, StoreObserved};

use super::exposition::{Exposition, Labels};

pub(super) fn tell(out: &mut Exposition<'_>, store: &StoreObserved) -> fmt::Result {
    tell_operations(out, store)?;
    tell_queues(out, &store.queues)?;
    tell_pools(out, store)?;
    let bytes = store.log.as_ref().map(|log| (Vec::new(), log.bytes));
    out.bytes("store_log", "Size of the log that SQLite writes ahead of the file", bytes)?;
    let checkpoints = store.log.as_ref().map(|log| (Vec::new(), log.checkpoints.clone()));
    out.times("store_checkpoint", "How long copying that log into the file took", checkpoints)?;
    let failed = store.log.as_ref().map(|log| (Vec::new(), log.failed));
    out.counter("store_checkpoint_failures", "How often copying it failed; it is copied later", failed)?;
    let round_trip = store.round_trip.map(|trip| (Vec::new(), trip.as_secs_f64()));
    out.seconds("store_round_trip", "The quickest of the last few round trips to the database", round_trip)?;
    let away = [(Vec::new(), u64::from(store.is_away))];
    out.gauge("store_away", "1 while the database has not answered for a second or more", away)?;
    let ahead = store.clock_ahead_of_machine.map(|millis| (Vec::new(), millis as f64 / 1000.0));
    out.seconds("store_clock_offset", "How far the database's clock is ahead of this machine's", ahead)
}

/// Operations by name: those that are batched are told by their queues.
fn tell_operations(out: &mut Exposition<'_>, store: &StoreObserved) -> fmt::Result {
    let batched = store.queues.iter().filter(|queue| !queue.operation.is_empty());
    let batched = batched.map(|queue| (queue.operation, queue.took.clone(), queue.faults));
    let named = |one: &OperationObserved| (one.name, one.took.clone(), one.faults);
    let mut all: Vec<(&'static str, Observed, u64)> =
        batched.chain(store.operations.iter().map(named)).collect();
    all.sort_unstable_by_key(|(name, ..)| *name);
    let labelled = |name: &'static str| vec![("operation", name)];
    let took = all.iter().map(|(name, took, _)| (labelled(name), took.clone()));
    out.times("store_operation", "How long the store took for what it was asked, waiting included", took)?;
    let faults = all.iter().map(|(name, _, faults)| (labelled(name), *faults));
    out.counter("store_faults", "What was asked of the store and failed", faults)
}

fn tell_queues(out: &mut Exposition<'_>, queues: &[QueueObserved]) -> fmt::Result {
    let each = |value: fn(&QueueObserved) -> u64| {
        queues.iter().map(move |queue| (vec![("queue", queue.name)], value(queue))).collect::<Vec<_>>()
    };
    out.gauge(
        "store_queue",
        "What waits to be sent to the store, or for one of its threads",
        each(|queue| queue.waiting),
    )?;
    out.gauge("store_queue_bound", "How much may wait", each(|queue| queue.bound))?;
    out.counter("store_queue_refused", "What found that queue full", each(|queue| queue.refused))?;
    let batched = queues.iter().filter(|queue| !queue.operation.is_empty());
    let batches = batched.map(|queue| (vec![("queue", queue.name)], queue.batches.clone()));
    out.sizes("store_batch_size", "How many leave for the store together", batches)
}

fn tell_pools(out: &mut Exposition<'_>, store: &StoreObserved) -> fmt::Result {
    let each = |value: fn(&PoolObserved) -> u64| {
        store.pools.iter().map(move |pool| (vec![("pool", pool.name)], value(pool))).collect::<Vec<_>>()
    };
    out.gauge("store_pool", "Connections that a pool has", each(|pool| pool.open))?;
    out.gauge("store_pool_idle", "Connections of a pool that nobody uses", each(|pool| pool.idle))?;
    out.gauge("store_pool_bound", "Connections that a pool may have", each(|pool| pool.bound))?;
    out.gauge("store_pool_waiting", "Who waits for a connection of a pool", each(|pool| pool.waiting))?;
    let is_there = !store.pools.is_empty();
    let waited = is_there.then(|| (Vec::new(), store.pool_wait.clone()));
    out.times("store_pool_wait", "How long whoever wanted a connection waited for it", waited)?;
    let connecting = store.queues.iter().map(|queue| (vec![("queue", queue.name)], queue.connecting));
    out.gauge("store_connecting", "Connections to carry a queue that are being made now", connecting)?;
    let made = connections(store, |queue| queue.connected, |pool| pool.connected);
    out.counter("store_connects", "Connections to the store that were made", made)?;
    let failed = connections(store, |queue| queue.failed, |pool| pool.failed);
    out.counter("store_connect_failures", "Connections to the store that could not be made", failed)
}

/// Queues and pools alike.
fn connections<'a>(
    store: &'a StoreObserved,
    of_queue: fn(&QueueObserved) -> u64,
    of_pool: fn(&PoolObserved) -> u64,
) -> impl Iterator<Item = (Labels<'a>, u64)> {
    let queues = store.queues.iter().map(move |queue| (vec![("of", queue.name)], of_queue(queue)));
    queues.chain(store.pools.iter().map(move |pool| (vec![("of", pool.name)], of_pool(pool))))
}
