//! What a running server does by itself: sweep, read the key ring again, seal the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::ring_file::{self, RingSource};
use sprag::Engine;
use sprag::audit::verify::Sealing;

/// How often the key ring's file is looked at.
const RING_INTERVAL: Duration = Duration::from_secs(2);

/// How often the journal's chains are bound together by a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(3600);

/// The pause between two slices of a sweep, in which refreshes go first.
pub(crate) const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// Starts the jobs; they stop when the set is dropped.
pub fn start(node: &Node) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    if let Some(every) = node.config.sweep_interval {
        let (engine, metrics) = (Arc::clone(&node.engine), Arc::clone(&node.metrics));
        jobs.spawn(sweep_now_and_then(engine, metrics, every, node.config.keep_ended));
    }
    if let RingSource::File(_) = &node.ring {
        jobs.spawn(watch_ring(Arc::clone(&node.engine), node.ring.clone(), node.config.clone()));
    }
    jobs.spawn(seal_now_and_then(Arc::clone(&node.engine)));
    jobs
}

async fn sweep_now_and_then(engine: Arc<Engine>, metrics: Arc<Metrics>, every: Duration, keep: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut after = None;
        loop {
            match engine.sweep(after, keep).await {
                Ok(swept) => {
                    metrics.swept_ended.inc_by(swept.ended);
                    metrics.swept_removed.inc_by(swept.removed);
                    after = swept.next;
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a sweep stopped half way; the next one begins again");
                    after = None;
                }
            }
            if after.is_none() {
                break;
            }
            sleep(SWEEP_PAUSE).await;
        }
    }
}

async fn watch_ring(engine: Arc<Engine>, source: RingSource, config: Config) {
    let RingSource::File(path) = &source else { return };
    let mut known = ring_file::stamp(path);
    let mut ticks = interval(RING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let found = ring_file::stamp(path);
        if found == known || found.is_none() {
            continue;
        }
        match source.read(&config) {
            Ok(keys) => {
                known = found;
                tracing::info!("the key ring has changed and was read again");
                if let Err(fault) = engine.change_keys(keys).await {
                    tracing::error!(%fault, "the new key ring is in force, but the journal does not say so");
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the key ring has changed and cannot be read; the one before stays in force"
                );
            }
        }
    }
}

async fn seal_now_and_then(engine: Arc<Engine>) {
    let mut ticks = interval(CHECKPOINT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match engine.seal_journal().await {
            Ok(Sealing::Sealed(sealed)) => {
                // In the log as well, so that a copy of it stands where a writer to the database cannot reach.
                let tag = data_encoding::HEXLOWER.encode(&sealed.tag);
                tracing::info!(number = sealed.number, entries = sealed.entries, tag, "journal checkpoint");
            }
            Ok(Sealing::NothingNew) => {}
            Ok(Sealing::Broken(flaw)) => {
                tracing::error!(%flaw, "the journal was tampered with and is not sealed; run: sprag audit verify");
            }
            Err(fault) => tracing::warn!(%fault, "the journal was not sealed; trying again in an hour"),
        }
    }
}
