//! How much waits to leave the server, for whoever watches; and what is kept of it no longer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sprag::{Engine, seldom};

use super::{Job, Work};
use crate::metrics::Metrics;
use crate::run::node::Node;

/// How often it is looked how much waits.
const INTERVAL: Duration = Duration::from_secs(15);

/// How often what was settled long ago is forgotten, and one-time tokens that have expired.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// Looks how much waits.
struct OutboxDepth {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
}

/// The job that looks how much waits.
pub(super) fn job(node: &Node) -> Job {
    let (engine, metrics) = (Arc::clone(&node.engine), Arc::clone(&node.metrics));
    Job { name: "outbox", every: INTERVAL, work: Box::new(OutboxDepth { engine, metrics }) }
}

/// Forgets what was settled long ago, and one-time tokens that have expired: those are written where letters are off, too, as for
/// invitations, second factors and passkeys.
struct OutboxSweep {
    engine: Arc<Engine>,
}

/// The job that forgets.
pub(super) fn sweep(engine: &Arc<Engine>) -> Job {
    Job {
        name: "outbox sweep",
        every: SWEEP_INTERVAL,
        work: Box::new(OutboxSweep { engine: Arc::clone(engine) }),
    }
}

#[async_trait]
impl Work for OutboxSweep {
    async fn run(&mut self) {
        if let Err(fault) = self.engine.outbox().sweep().await {
            tracing::warn!(
                %fault,
                "letters sent long ago and links that have expired are not forgotten yet; trying again in ten minutes"
            );
        }
    }
}

#[async_trait]
impl Work for OutboxDepth {
    async fn run(&mut self) {
        match self.engine.outbox().waiting().await {
            Ok(waiting) => self.metrics.messages_wait(waiting, self.engine.now()),
            Err(fault) => {
                if let Some(left_out) = seldom::left_out("look at the outbox") {
                    tracing::warn!(%fault, left_out, "how much waits to be sent is not known; looking again in 15 seconds");
                }
            }
        }
    }
}
