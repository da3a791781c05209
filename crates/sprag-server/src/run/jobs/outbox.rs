//! How much waits to leave the server, for whoever watches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sprag::{Engine, seldom};

use super::{Job, Work};
use crate::metrics::Metrics;
use crate::run::node::Node;

/// How often it is looked how much waits.
const INTERVAL: Duration = Duration::from_secs(15);

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
