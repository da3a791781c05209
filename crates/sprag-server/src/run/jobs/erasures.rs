//! Accounts whose owners wanted them erased, once their time has come.

use std::sync::Arc;

use async_trait::async_trait;
use sprag::Engine;
use sprag::engine::AccountErasure;

use super::Work;

/// Erases what is due.
pub(super) struct Erasures {
    pub(super) engine: Arc<Engine>,
    pub(super) has_said_who: bool,
}

#[async_trait]
impl Work for Erasures {
    async fn run(&mut self) {
        let mut is_not_allowed = false;
        let told = |account, outcome: &AccountErasure| match outcome {
            AccountErasure::Done(erased) => {
                tracing::info!(%account, sessions = erased.sessions, "an account was erased, as its owner wanted");
            }
            AccountErasure::JournalStays { finding, .. } => tracing::error!(
                %account,
                "an account was erased, as its owner wanted; but the journal was tampered with, and goes on telling of them: \
                 {finding}; run: sprag audit verify"
            ),
            AccountErasure::NotAllowed => is_not_allowed = true,
        };
        if let Err(fault) = self.engine.accounts().erase_due(told).await {
            tracing::warn!(%fault, "not all accounts that are due were erased; trying again in an hour");
        }
        if is_not_allowed && !std::mem::replace(&mut self.has_said_who, true) {
            tracing::warn!(
                "accounts are to be erased, as their owners wanted, and this server's role may not change entries of the journal; \
                 run `sprag user erase --due` now and then as the owner of the tables (docs/guide/deletion.md)"
            );
        }
    }
}
