//! Waiting for a database that is not ready yet, as where it starts at the same time.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Settings;
use super::error::QueryError;
use crate::error::Fault;

/// The pause before the second try. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// And no longer than this: whoever waits for us waits for it too.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Tries again as long as the database may only not be ready, for [`Settings::start_patience`]; says each time what it
/// waits for.
pub(super) async fn patiently<T, F>(settings: &Settings, attempt: impl Fn() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let fault = match attempt().await {
            Err(fault) if may_pass(&fault) => fault,
            outcome => return outcome,
        };
        let left = settings.start_patience.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(fault);
        }
        let next = pause.min(left);
        let why = fault.source.as_ref().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(
            "waiting for the database {}: {why}; trying again in {} ms, for {} s more at most",
            settings.server,
            next.as_millis(),
            left.as_secs()
        );
        sleep(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn may_pass(fault: &Fault) -> bool {
    let source = fault.source.as_ref().and_then(|source| source.downcast_ref::<QueryError>());
    source.is_some_and(QueryError::may_pass)
}
