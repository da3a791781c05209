//! Whether the database answers, and what follows from its having been away.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ratchet::Rotation;
use crate::session::{Generation, SessionKey};

/// A database that is away for less is only slow.
const OUTAGE: Duration = Duration::from_secs(1);

/// How long after an outage nobody is accused of reuse. What had been under way when the database went away may turn
/// out to have happened, here or on another node, and must be dated anew before a client's honest retry is judged.
const GRACE: Duration = Duration::from_millis(1500);

/// How long a rotation of unknown outcome is watched after the database has come back. By then its statement has
/// ended, whatever became of it.
const WATCH: Duration = Duration::from_secs(60);

/// How many such are watched. More come together only if connections break over and over; the oldest are given up.
const MAX_WATCHED: usize = 8192;

/// A rotation of which nobody was told whether it happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unsure {
    pub(super) key: SessionKey,
    pub(super) to: Generation,
    /// The moment it would be dated from.
    pub(super) at: crate::clock::Timestamp,
}

impl Unsure {
    pub(super) fn of(rotation: &Rotation) -> Self {
        Self { key: rotation.key, to: rotation.to, at: rotation.at }
    }
}

/// What one node has seen of the database: whether it answers its heartbeat, which asks for next to nothing, so that one
/// slow statement or one locked row is not taken for more than it is. No verdict follows from it; only that one is put
/// off.
#[derive(Debug, Default)]
pub(super) struct Health {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    failing_since: Option<Instant>,
    back_at: Option<Instant>,
    unsure: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    unsure: Unsure,
    asked_at: Instant,
    looked_for_since: Option<Instant>,
}

impl Health {
    /// The database has answered the heartbeat; `asked_at` is when it was asked.
    pub(super) fn works(&self, asked_at: Instant) {
        let mut seen = self.lock();
        let since = seen.failing_since.take().unwrap_or(asked_at);
        let now = Instant::now();
        if now.duration_since(since) >= OUTAGE {
            seen.back_at = Some(now);
            tracing::info!("the database is back after {:?}", now.duration_since(since));
        }
    }

    /// The database has not answered the heartbeat; `asked_at` is when it was asked.
    pub(super) fn fails(&self, asked_at: Instant, why: &dyn std::fmt::Display) {
        let mut seen = self.lock();
        if seen.failing_since.is_none() {
            seen.failing_since = Some(asked_at);
            tracing::error!("the database does not answer; requests get 503 until it does: {why}");
        }
    }

    /// Whether it has been away so long that waiting for it makes no sense.
    pub(super) fn is_away(&self) -> bool {
        self.lock().failing_since.is_some_and(|since| since.elapsed() >= OUTAGE)
    }

    /// Whether it has only just come back.
    pub(super) fn is_only_just_back(&self) -> bool {
        let seen = self.lock();
        seen.failing_since.is_some() || seen.back_at.is_some_and(|back| back.elapsed() < GRACE)
    }

    /// Remembers rotations whose answer never came, and when each was asked for.
    pub(super) fn watch<'a>(&self, rotations: impl Iterator<Item = (&'a Rotation, Instant)>) {
        let mut seen = self.lock();
        seen.unsure.extend(rotations.map(|(rotation, asked_at)| Watched {
            unsure: Unsure::of(rotation),
            asked_at,
            looked_for_since: None,
        }));
        let beyond = seen.unsure.len().saturating_sub(MAX_WATCHED);
        if beyond > 0 {
            seen.unsure.drain(..beyond);
            tracing::warn!(
                "the outcome of {beyond} rotations is unknown and no longer watched; where one happened, a late retry \
                 may seem theft"
            );
        }
    }

    /// Those that may still have happened, and how long ago each was asked for.
    pub(super) fn watched(&self) -> Vec<(Unsure, Duration)> {
        self.lock().unsure.iter().map(|watched| (watched.unsure, watched.asked_at.elapsed())).collect()
    }

    /// After all have been looked for: forgets those that were found, and those looked for long enough.
    pub(super) fn settle(&self, found: &[Unsure]) {
        let now = Instant::now();
        self.lock().unsure.retain_mut(|watched| {
            let since = *watched.looked_for_since.get_or_insert(now);
            now.duration_since(since) < WATCH && !found.contains(&watched.unsure)
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
