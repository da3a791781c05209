//! How much waits to leave the server, for whoever watches.

use std::sync::Arc;

use async_trait::async_trait;
use sprag::{Engine, seldom};

use super::Work;
use crate::metrics::Metrics;

/// Looks how much waits.
pub(super) struct OutboxDepth {
    pub(super) engine: Arc<Engine>,
    pub(super) metrics: Arc<Metrics>,
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
