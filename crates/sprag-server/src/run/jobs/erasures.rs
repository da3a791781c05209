//! Accounts whose owners wanted them erased, once their time has come.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sprag::Engine;
use sprag::engine::AccountErasure;

use super::{Job, Work};

/// How often accounts are looked for.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Erases what is due.
struct Erasures {
    engine: Arc<Engine>,
    has_said_who: bool,
}

/// The job that does it.
pub(super) fn job(engine: &Arc<Engine>) -> Job {
    let work = Box::new(Erasures { engine: Arc::clone(engine), has_said_who: false });
    Job { name: "erasures", every: INTERVAL, work }
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
