//! Keeping the high-water mark while a node serves, and noticing a store that goes back meanwhile.

use std::sync::Arc;
use std::time::Duration;

use sprag::high_water::Progress;
use sprag::{Engine, Fault};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::run::high_water::{Doubt, HighWater, went_back};
use crate::run::node::Node;

/// The mark is written at once after the first commit that follows a pause, and then at most so often.
const PAUSE: Duration = Duration::from_millis(200);

/// How often commits are counted, where that is not done with each.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// After how many failures to count running somebody is told.
const PATIENCE: u32 = 10;

/// Keeps the mark of a node that serves.
pub struct Keeper {
    engine: Arc<Engine>,
    /// `None` where no mark can be kept; then only what happens meanwhile is noticed.
    high_water: Option<HighWater>,
    is_failing: bool,
    /// How often running commits could not be counted.
    uncounted: u32,
}

impl Keeper {
    /// Of that node.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let high_water = node.high_water.clone();
        Self { engine: Arc::clone(&node.engine), high_water, is_failing: false, uncounted: 0 }
    }

    /// Keeps it, until it is dropped.
    pub async fn keep(mut self) {
        let Some(mut followed) = self.engine.store().progress() else { return };
        let mut newest = *followed.borrow_and_update();
        let mut ticks = interval(COUNT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = followed.changed() => if changed.is_err() { return },
                _ = ticks.tick() => {
                    self.count().await;
                    continue;
                }
            }
            let found = *followed.borrow_and_update();
            if found.store == newest.store && found.position >= newest.position && !found.has_lost {
                newest = found;
                self.write(found).await;
            } else if self.tell(newest, found).await.is_err() {
                // The store is away again; it is told as soon as that is written down.
                followed.mark_changed();
            } else {
                newest = *followed.borrow_and_update();
            }
            sleep(PAUSE).await;
        }
    }

    /// What cannot be counted now is counted at the next tick. A store that is away is told elsewhere.
    async fn count(&mut self) {
        match self.engine.store().count_commits().await {
            Ok(()) => self.uncounted = 0,
            Err(fault) => {
                self.uncounted += 1;
                if self.uncounted == PATIENCE {
                    tracing::warn!(
                        %fault,
                        "what is committed cannot be counted, so its loss would not be noticed; does the role have the grant on \
                         store_position (docs/guide/production.md)?"
                    );
                }
            }
        }
    }

    /// A failover, for instance, lost what this node saw committed.
    async fn tell(&self, seen: Progress, found: Progress) -> anyhow::Result<()> {
        let doubt = Doubt::between(seen, found);
        went_back(self.engine.store().as_ref(), doubt, Some(self.engine.now())).await
    }

    async fn write(&mut self, progress: Progress) {
        let Some(high_water) = self.high_water.clone() else { return };
        let (keys, now) = (self.engine.keys(), self.engine.now());
        let written = tokio::task::spawn_blocking(move || high_water.write(&keys, now, progress)).await;
        let outcome = written.map_err(anyhow::Error::from).and_then(|outcome| outcome);
        match (&outcome, self.is_failing) {
            (Err(error), false) => {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "the high-water mark cannot be written; what is lost from now on is not noticed"
                );
            }
            (Ok(()), true) => tracing::info!("the high-water mark is written again"),
            _ => {}
        }
        self.is_failing = outcome.is_err();
    }
}

/// Counts what was committed last, and writes the mark: whoever wrote to the store is about to leave.
///
/// # Errors
/// A [`Fault`] of the store.
pub async fn settle(node: &Node) -> Result<(), Fault> {
    let store = node.engine.store();
    store.count_commits().await?;
    let Some(followed) = store.progress() else { return Ok(()) };
    let progress = *followed.borrow();
    if progress.position != node.opened_at {
        Keeper::of(node).write(progress).await;
    }
    Ok(())
}
