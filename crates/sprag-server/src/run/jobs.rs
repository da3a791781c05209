//! What a running server does by itself: move its mark of life, sweep, read the key ring again, add a checkpoint to the
//! journal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::run::keeper::{Keeper, settle};
use crate::run::node::Node;
use crate::run::ring_file::{self, RingSource, Stamp};
use sprag::checkpoints::Checkpointing;
use sprag::clock::{ClockNews, Doubt, TakenFor};
use sprag::keys::KeyRing;
use sprag::{Engine, Fault};

/// How often the node's mark of life is moved.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the key ring's file is looked at.
const RING_INTERVAL: Duration = Duration::from_secs(2);

/// How often the journal's chains are bound together by a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(3600);

/// The pause between two slices of a sweep, in which refreshes go first.
pub(crate) const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// Something that a running server does by itself, again and again.
struct Job {
    /// What the log calls it.
    name: &'static str,
    every: Duration,
    work: Box<dyn Work>,
}

/// What a job does each time. Every node does it for itself.
#[async_trait]
trait Work: Send {
    async fn run(&mut self);
}

/// Starts the jobs; they stop when the set is dropped. From now on the node serves, and whoever ends that in order says so
/// ([`leave`]).
pub fn start(node: &Node) -> JoinSet<()> {
    node.engine.upkeep().serve_at(&node.place());
    let mut jobs: JoinSet<()> = jobs(node).into_iter().map(Job::repeat).collect();
    jobs.spawn(Keeper::of(node).keep());
    jobs
}

/// Removes the node's mark of life, once nobody is served any more.
pub async fn leave(node: &Node) {
    if let Err(fault) = node.engine.upkeep().leave().await {
        tracing::warn!(
            %fault,
            "the node's mark of life could not be removed; the time until somebody serves again counts as an outage"
        );
    }
    if let Err(fault) = settle(node).await {
        tracing::warn!(%fault, "what was committed last is not counted; if it is lost, nobody is told");
    }
}

/// All jobs of a server.
fn jobs(node: &Node) -> Vec<Job> {
    let (engine, metrics) = (&node.engine, &node.metrics);
    let sweep = node.config.sessions.sweep_interval.map(|every| {
        let (engine, metrics) = (Arc::clone(engine), Arc::clone(metrics));
        Job {
            name: "sweep",
            every,
            work: Box::new(Sweep { engine, metrics, keep: node.config.sessions.keep_ended }),
        }
    });
    let watch = RingWatch::of(node);
    let watch = watch.map(|watch| Job { name: "key ring", every: RING_INTERVAL, work: Box::new(watch) });
    let checkpoints = Box::new(Checkpoints { engine: Arc::clone(engine) });
    let checkpoints = Job { name: "checkpoint", every: CHECKPOINT_INTERVAL, work: checkpoints };
    let marks = Box::new(Marks { engine: Arc::clone(engine), is_failing: false, untold: Vec::new() });
    let marks = Job { name: "mark", every: MARK_INTERVAL, work: marks };
    [Some(marks), sweep, watch, Some(checkpoints)].into_iter().flatten().collect()
}

impl Job {
    /// Does it at once, and then again and again.
    async fn repeat(mut self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            tracing::trace!(job = self.name, "a job runs");
            self.work.run().await;
        }
    }
}

/// Moves the node's mark of life, and tells what became of the clock.
struct Marks {
    engine: Arc<Engine>,
    is_failing: bool,
    /// What the journal does not know yet.
    untold: Vec<ClockNews>,
}

#[async_trait]
impl Work for Marks {
    async fn run(&mut self) {
        let upkeep = self.engine.upkeep();
        let moved = upkeep.mark().await;
        match (&moved, self.is_failing) {
            (Err(fault), false) => {
                tracing::warn!(%fault, "the node's mark of life does not move; until it does, no time counts for reuse");
            }
            (Ok(()), true) => tracing::info!("the node's mark of life moves again"),
            _ => {}
        }
        self.is_failing = moved.is_err();
        for news in upkeep.clock_news() {
            tell_of_clock(news);
            self.untold.push(news);
        }
        while let Some(news) = self.untold.first() {
            if upkeep.journal_clock(*news).await.is_err() {
                return;
            }
            self.untold.remove(0);
        }
    }
}

fn tell_of_clock(news: ClockNews) {
    match news {
        ClockNews::Jumped(Doubt { off_by, .. }) => tracing::error!(
            off_by_millis = off_by,
            "the clock has jumped and is not believed; the time before the jump goes on. Look at the clock and its time \
             server; if the clock is right now, send this process SIGUSR1, or wait five minutes"
        ),
        ClockNews::Returned => tracing::info!("the clock is back where it was expected, and counts again"),
        ClockNews::Taken { by, why: TakenFor::WantOfAnother } => tracing::error!(
            by_millis = by,
            "critical: the clock was not steady for an hour and nobody confirmed it; it is taken as it stands now, and \
             sessions may expire by it. Look at the clock and its time server"
        ),
        ClockNews::Taken { by, why: _ } => {
            tracing::warn!(by_millis = by, "the clock that had jumped is believed where it stands now");
        }
    }
}

/// Ends the sessions that have expired, and removes those that ended long ago.
struct Sweep {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    keep: Duration,
}

#[async_trait]
impl Work for Sweep {
    async fn run(&mut self) {
        let mut after = None;
        loop {
            match self.engine.upkeep().sweep(after, self.keep).await {
                Ok(swept) => {
                    self.metrics.swept_ended.inc_by(swept.ended);
                    self.metrics.swept_removed.inc_by(swept.removed);
                    after = swept.next;
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a sweep stopped half way; the next one begins again");
                    after = None;
                }
            }
            if after.is_none() {
                return;
            }
            sleep(SWEEP_PAUSE).await;
        }
    }
}

/// Reads the key ring's file again when it has changed.
struct RingWatch {
    engine: Arc<Engine>,
    config: Config,
    source: RingSource,
    path: PathBuf,
    known: Option<Stamp>,
}

impl RingWatch {
    /// `None` where the ring is in no file.
    fn of(node: &Node) -> Option<Self> {
        let path = node.ring.file()?;
        let (engine, config, source) = (Arc::clone(&node.engine), node.config.clone(), node.ring.clone());
        Some(Self { engine, config, source, path: path.to_owned(), known: ring_file::stamp(path) })
    }
}

#[async_trait]
impl Work for RingWatch {
    async fn run(&mut self) {
        let found = ring_file::stamp(&self.path);
        if found == self.known || found.is_none() {
            return;
        }
        match self.source.read(&self.config) {
            Ok(keys) => {
                if change_ring(&self.engine, keys).await.is_ok() {
                    self.known = found;
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

/// Binds the journal's chains together.
struct Checkpoints {
    engine: Arc<Engine>,
}

#[async_trait]
impl Work for Checkpoints {
    async fn run(&mut self) {
        match self.engine.upkeep().add_checkpoint().await {
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
    use crate::config::Flags;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(Algorithm::Es256, &SeededRandom::new(seed), NOW).unwrap()
    }

    async fn engine_with(keys: KeyRing) -> Engine {
        let engine = Engine::builder(Arc::new(MemoryStore::default())).keys(keys).issuer("http://localhost");
        let engine = engine.clock(Arc::new(HandClock::at(NOW))).hasher(Hasher::start(1, 1).unwrap());
        let engine = engine.build().unwrap();
        assert!(engine.store().admit(engine.keys().fingerprints(), NOW).await.unwrap());
        engine
    }

    /// The jobs of a server with these settings.
    async fn names(settings: &[(&str, &str)]) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let given = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = given.chain([("SPRAG_DATA_DIR".to_owned(), data)]);
        let config = Config::resolve(Flags::new(), environment, folder.path()).unwrap();
        let node = Node::make(config, Vec::new()).await.unwrap();
        jobs(&node).into_iter().map(|job| job.name).collect()
    }

    #[tokio::test]
    async fn a_server_marks_its_life_sweeps_watches_its_ring_and_adds_checkpoints() {
        assert_eq!(names(&[]).await, ["mark", "sweep", "key ring", "checkpoint"]);
        let ring = ring(1).to_json();
        let without = [("SPRAG_SWEEP_INTERVAL", "0s"), ("SPRAG_KEY_RING", ring.as_str())];
        assert_eq!(names(&without).await, ["mark", "checkpoint"], "no file to watch, and nothing to sweep");
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
