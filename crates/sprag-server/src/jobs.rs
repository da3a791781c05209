//! What a running server does by itself: sweep, read the key ring again, add a checkpoint to the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::ring_file::{self, RingSource};
use sprag::checkpoints::Checkpointing;
use sprag::keys::KeyRing;
use sprag::{Engine, Fault};

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
    jobs.spawn(add_checkpoints(Arc::clone(&node.engine)));
    jobs
}

async fn sweep_now_and_then(engine: Arc<Engine>, metrics: Arc<Metrics>, every: Duration, keep: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut after = None;
        loop {
            match engine.upkeep().sweep(after, keep).await {
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
                if change_ring(&engine, keys).await.is_ok() {
                    known = found;
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

/// Puts a changed ring in force, unless it is of other descent and the store knows none of its keys. Fails where only
/// the store can tell and does not answer.
async fn change_ring(engine: &Engine, keys: KeyRing) -> Result<(), Fault> {
    let (before, after) = (engine.keys().fingerprints(), keys.fingerprints());
    let is_kin = after.iter().any(|fingerprint| before.contains(fingerprint));
    match engine.store().admit(after, engine.now()).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::error!(
                "the key ring has changed and shares no key with the one that this database's tokens were made with, so \
                 everybody would be refused; the one before stays in force: put it back, or, if it is lost for good, run: \
                 sprag key replace"
            );
            return Ok(());
        }
        // A leaked key must be retired even while the store is away.
        Err(fault) if is_kin => tracing::warn!(%fault, "the store does not know of the new key ring yet"),
        Err(fault) => {
            tracing::error!(%fault, "the key ring has changed, and nothing tells yet that it is this database's");
            return Err(fault);
        }
    }
    tracing::info!("the key ring has changed and was read again");
    if let Err(fault) = engine.upkeep().change_keys(keys).await {
        tracing::error!(%fault, "the new key ring is in force, but the journal does not say so");
    }
    Ok(())
}

async fn add_checkpoints(engine: Arc<Engine>) {
    let mut ticks = interval(CHECKPOINT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match engine.upkeep().add_checkpoint().await {
            Ok(Checkpointing::Added(checkpoint)) => {
                // In the log as well, so that a copy of it stands where a writer to the database cannot reach.
                let tag = data_encoding::HEXLOWER.encode(&checkpoint.tag);
                tracing::info!(
                    number = checkpoint.number,
                    entries = checkpoint.entries,
                    tag,
                    "journal checkpoint"
                );
            }
            Ok(Checkpointing::NothingNew) => {}
            Ok(Checkpointing::Broken(flaw)) => {
                tracing::error!(%flaw, "the journal was tampered with and got no checkpoint; run: sprag audit verify");
            }
            Err(fault) => tracing::warn!(%fault, "the journal got no checkpoint; trying again in an hour"),
        }
    }
}

#[cfg(test)]
mod tests {
    use sprag::access::Algorithm;
    use sprag::clock::{HandClock, Timestamp};
    use sprag::password::Hasher;
    use sprag::random::SeededRandom;
    use sprag::store::memory::MemoryStore;

    use super::*;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(Algorithm::EdDsa, &SeededRandom::new(seed), NOW).unwrap()
    }

    async fn engine_with(keys: KeyRing) -> Engine {
        let engine = Engine::builder(Arc::new(MemoryStore::default())).keys(keys).issuer("http://localhost");
        let engine = engine.clock(Arc::new(HandClock::at(NOW))).hasher(Hasher::start(1, 1).unwrap());
        let engine = engine.build().unwrap();
        assert!(engine.store().admit(engine.keys().fingerprints(), NOW).await.unwrap());
        engine
    }

    #[tokio::test]
    async fn a_ring_that_was_added_to_comes_into_force_and_is_known_from_then_on() {
        let engine = engine_with(ring(1)).await;
        let mut keys = ring(1);
        keys.add_refresh(&SeededRandom::new(2), NOW, NOW);
        change_ring(&engine, keys).await.unwrap();
        let known = engine.keys().fingerprints();
        assert_eq!(known.len(), 2);
        assert!(engine.store().admit(vec![known[1]], NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_ring_of_other_descent_stays_out_until_it_replaces_the_others() {
        let engine = engine_with(ring(1)).await;
        change_ring(&engine, ring(2)).await.unwrap();
        assert_eq!(engine.keys().fingerprints(), ring(1).fingerprints());
        engine.store().replace(ring(2).fingerprints(), NOW).await.unwrap();
        change_ring(&engine, ring(2)).await.unwrap();
        assert_eq!(engine.keys().fingerprints(), ring(2).fingerprints());
    }
}
