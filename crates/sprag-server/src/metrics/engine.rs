//! What an engine tells of its hashing threads, its mark of life and its clock.

use std::fmt;

use sprag::observe::EngineObserved;

use super::exposition::{Exposition, counts};

pub(super) fn tell(out: &mut Exposition<'_>, observed: &EngineObserved, clock_jumps: u64) -> fmt::Result {
    let hashing = &observed.hashing;
    let one = |value: u64| [(Vec::new(), value)];
    out.gauge("hash_threads", "Threads that hash passwords", one(hashing.threads))?;
    out.gauge("hash_threads_busy", "Threads that hash a password now", one(hashing.busy))?;
    out.gauge("hash_queue", "Passwords that wait to be hashed", one(hashing.waiting))?;
    out.gauge("hash_queue_bound", "How many passwords may wait", one(hashing.bound))?;
    out.counter("hash_refused", "Passwords that found the queue full", counts(hashing.refused))?;
    let waited = [(Vec::new(), hashing.waited.clone())];
    out.times("hash_wait", "How long passwords waited before they were compared", waited)?;
    let took = [(Vec::new(), hashing.took.clone())];
    out.times("hash_work", "How long a thread was at one password", took)?;
    let checks = observed.breach_checks.iter().map(|(outcome, count)| (vec![("outcome", *outcome)], *count));
    out.counter("breach_checks", "Passwords that were looked for among stolen ones", checks)?;
    let budgets = &observed.budgets;
    let reserved = budgets.iter().map(|one| (vec![("budget", one.name)], one.reserved));
    out.counter("budget_reserved", "What was let through by a budget", reserved)?;
    let refused = budgets.iter().map(|one| (vec![("budget", one.name)], one.refused));
    out.counter("budget_refused", "What a budget had no room for", refused)?;
    out.seconds(
        "clock_offset",
        "How far the clock that is read is ahead of the time that is told; 0 unless it has jumped",
        [(Vec::new(), observed.clock_off_by as f64 / 1000.0)],
    )?;
    out.counter("clock_jumps", "Jumps of the clock that were not believed", counts(clock_jumps))?;
    let age = observed.mark.map(|mark| (Vec::new(), mark.age.as_secs_f64()));
    out.seconds("mark_age", "How long ago this node moved its mark of life", age)?;
    let failures = observed.mark.map(|mark| (Vec::new(), mark.failures));
    out.counter("mark_failures", "Attempts to move the mark of life that failed", failures)?;
    let outages = observed.mark.map(|mark| (Vec::new(), mark.outages));
    out.counter(
        "outages",
        "Outages that this node has noted, of its own and of nodes that went away",
        outages,
    )?;
    let went_back = one(u64::from(observed.store_went_back));
    out.gauge(
        "store_went_back",
        "1 while the store is known to have gone back in time and nobody has accepted it",
        went_back,
    )
}
