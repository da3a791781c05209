//! What a running server does by itself.

use std::time::Duration;

use super::Engine;
use crate::audit::verify::{self, Sealing};
use crate::error::Fault;
use crate::session::SessionKey;
use crate::store::{Slice, Swept};

/// How many rows a sweep looks at in one transaction: few enough that no refresh notices.
const SWEEP_ROWS: u32 = 500;

impl Engine {
    /// Sweeps one slice: ends what has expired and removes what ended longer ago than `keep_ended`.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn sweep(&self, after: Option<SessionKey>, keep_ended: Duration) -> Result<Swept, Fault> {
        self.store.sweep(Slice { after, rows: SWEEP_ROWS, now: self.now(), keep_ended }).await
    }

    /// Binds all chains of the journal together by a checkpoint, if there is anything new to bind.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn seal_journal(&self) -> Result<Sealing, Fault> {
        verify::checkpoint(self.store.as_ref(), self.keys().as_ref(), self.now()).await
    }
}
