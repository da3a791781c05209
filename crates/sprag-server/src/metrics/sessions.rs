//! Sessions, as the last sweep found them, and what sweeps came to.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sprag::clock::Timestamp;
use sprag::observe::{Count, Observed};
use sprag::store::SessionHistogram;

use super::exposition::{Exposition, counts};

/// What a sweep found that went through all sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pass {
    /// When it was at its end.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How many accounts have how many live sessions.
    pub per_account: SessionHistogram,
}

/// Sessions, as the last sweep found them, and what sweeps came to.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    seen: Count,
    ended: Count,
    removed: Count,
    stopped: Count,
    last: Mutex<Option<Pass>>,
}

impl Sessions {
    pub(super) fn swept(&self, seen: u64, ended: u64, removed: u64) {
        self.seen.add(seen);
        self.ended.add(ended);
        self.removed.add(removed);
    }

    pub(super) fn ended(&self, pass: Option<Pass>) {
        match pass {
            Some(pass) => *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(pass),
            None => self.stopped.one(),
        }
    }

    pub(super) fn tell(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let live = last.map(|pass| (Vec::new(), pass.per_account.sessions));
        out.gauge("sessions_live", "Live sessions, as the last sweep counted them", live)?;
        let accounts = last.map(|pass| (Vec::new(), observed(&pass.per_account)));
        out.sizes(
            "sessions_per_account",
            "Live sessions of each account that has any, as the last sweep counted them: a state, not a sum over time",
            accounts,
        )?;
        out.counter("swept_seen", "Sessions that sweeps looked at", counts(self.seen.get()))?;
        out.counter("swept_ended", "Expired sessions ended by a sweep", counts(self.ended.get()))?;
        out.counter("swept_removed", "Ended sessions removed by a sweep", counts(self.removed.get()))?;
        out.counter("sweeps_stopped", "Sweeps that stopped half way", counts(self.stopped.get()))?;
        let took = last.map(|pass| (Vec::new(), pass.took.as_secs_f64()));
        out.seconds("sweep_last", "How long the last sweep through all sessions took", took)?;
        let at = last.map(|pass| (Vec::new(), pass.at.0 as f64 / 1000.0));
        out.seconds("sweep_last_timestamp", "When the last sweep through all sessions was at its end", at)
    }
}

fn observed(accounts: &SessionHistogram) -> Observed {
    let mut observed = Observed { sum: accounts.sessions, ..Observed::default() };
    for (bound, count) in accounts.by_bucket() {
        match bound {
            Some(bound) => observed.below.push((bound, count)),
            None => observed.beyond = count,
        }
    }
    observed
}
