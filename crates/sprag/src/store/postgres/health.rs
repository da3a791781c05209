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

/// What one node has seen of the database. No verdict follows from it; only that one is put off.
#[derive(Debug, Default)]
pub(super) struct Health {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    answered_at: Option<Instant>,
    failing_since: Option<Instant>,
    back_at: Option<Instant>,
    unsure: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    unsure: Unsure,
    asked_at: Instant,
    looked_for_since: Option<Instant>,
    redated_at: Option<Instant>,
}

impl Health {
    /// The database has answered.
    pub(super) fn works(&self) {
        let (mut seen, now) = (self.lock(), Instant::now());
        seen.answered_at = Some(now);
        let Some(since) = seen.failing_since.take() else { return };
        if now.duration_since(since) >= OUTAGE {
            seen.back_at = Some(now);
            tracing::info!("the database is back after {:?}", now.duration_since(since));
        }
    }

    /// The database has not answered, or a connection to it broke; `asked_at` is when it was asked. Whatever it has
    /// answered since, it was not away then: somebody may only wait there for somebody else's lock.
    pub(super) fn fails(&self, asked_at: Instant, why: &dyn std::fmt::Display) {
        let mut seen = self.lock();
        if seen.failing_since.is_none() {
            let since = seen.answered_at.map_or(asked_at, |answered_at| answered_at.max(asked_at));
            seen.failing_since = Some(since);
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
            redated_at: None,
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

    /// Those to look for, and how long ago each was asked for: all that have not been found, and after an outage the
    /// others too, for whoever asked may have been put off all the time since.
    pub(super) fn watched(&self) -> Vec<(Unsure, Duration)> {
        let seen = self.lock();
        let is_due = |watched: &&Watched| watched.redated_at.is_none_or(|at| seen.back_at > Some(at));
        let due = seen.unsure.iter().filter(is_due);
        due.map(|watched| (watched.unsure, watched.asked_at.elapsed())).collect()
    }

    /// After those were looked for: notes which were found and dated anew, and forgets who was watched for long enough.
    pub(super) fn settle(&self, found: &[Unsure]) {
        let now = Instant::now();
        self.lock().unsure.retain_mut(|watched| {
            if found.contains(&watched.unsure) {
                watched.redated_at = Some(now);
            }
            let since = *watched.looked_for_since.get_or_insert(now);
            now.duration_since(since) < WATCH
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
