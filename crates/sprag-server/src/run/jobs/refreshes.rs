//! Budgets of refreshes, which stand in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::Work;
use crate::edge::refresh_limits::RefreshLimits;

/// Forgets the budgets of refreshes that are whole again.
pub(super) struct Refreshes {
    pub(super) limits: Arc<RefreshLimits>,
}

#[async_trait]
impl Work for Refreshes {
    async fn run(&mut self) {
        self.limits.forget_whole();
    }
}
