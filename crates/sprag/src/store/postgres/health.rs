//! Whether the database answers, and what follows from its having been away.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ratchet::Rotation;
use crate::seldom;
use crate::session::{Generation, SessionKey};

/// A database that is away for less is only slow.
const OUTAGE: Duration = Duration::from_secs(1);

/// How long after an outage nobody is accused of reuse. What had been under way when the database went away may turn
/// out to have happened, here or on another node, and must be dated anew before a client's honest retry is judged.
const GRACE: Duration = Duration::from_millis(1500);

/// How long rotations of unknown outcome are looked for with every heartbeat, and then with every twentieth. A statement
/// that waits for a standby may take effect at any time.
const WATCH: Duration = Duration::from_secs(60);

/// How many such are watched. More come together only if connections break over and over.
const MAX_WATCHED: usize = 8192;

/// A rotation of which nobody was told whether it happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unsure {
    pub(super) key: SessionKey,
    pub(super) from: Generation,
    pub(super) to: Generation,
    /// The moment it would be dated from.
    pub(super) at: crate::clock::Timestamp,
}

impl Unsure {
    pub(super) fn of(rotation: &Rotation) -> Self {
        Self { key: rotation.key, from: rotation.from, to: rotation.to, at: rotation.at }
    }
}

/// What one node has seen of the database: whether it answers its heartbeat, which asks for next to nothing, so that one
/// slow statement or one locked row is not taken for more than it is. No verdict follows from it; only that one is put
/// off.
#[derive(Debug, Default)]
pub(super) struct Health {
    seen: Mutex<Seen>,
    /// Whether something was committed that has not been counted yet.
    has_written: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    failing_since: Option<Instant>,
    failed_at: Option<Instant>,
    back_at: Option<Instant>,
    unsure: Vec<Watched>,
    beats: u32,
}

#[derive(Debug)]
struct Watched {
    unsure: Unsure,
    asked_at: Instant,
    looked_for_since: Option<Instant>,
    redated_at: Option<Instant>,
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
        seen.failed_at = Some(Instant::now());
        if seen.failing_since.is_none() {
            seen.failing_since = Some(asked_at);
            // A database that comes and goes would otherwise be told of with every heartbeat.
            if let Some(left_out) = seldom::left_out("hear from the database") {
                tracing::error!(
                    left_out,
                    "the database does not answer; requests get 503 until it does: {why}"
                );
            }
        }
    }

    /// Something was committed, and this node has heard so.
    pub(super) fn has_committed(&self) {
        self.has_written.store(true, Ordering::Release);
    }

    /// Whether something was committed since this was last asked.
    pub(super) fn take_committed(&self) -> bool {
        self.has_written.swap(false, Ordering::AcqRel)
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

    /// Whether it has been away since that long ago.
    pub(super) fn was_away_within(&self, span: Duration) -> bool {
        self.lock().failed_at.is_some_and(|failed| failed.elapsed() <= span)
    }

    /// Remembers rotations whose answer never came, and when each was asked for.
    pub(super) fn watch<'a>(&self, rotations: impl Iterator<Item = (&'a Rotation, Instant)>) {
        let mut seen = self.lock();
        let mut beyond = 0;
        for (rotation, asked_at) in rotations {
            let unsure = Unsure::of(rotation);
            if seen.unsure.len() >= MAX_WATCHED {
                beyond += 1;
            } else {
                seen.unsure.push(Watched { unsure, asked_at, looked_for_since: None, redated_at: None });
            }
        }
        if beyond > 0
            && let Some(left_out) = seldom::left_out("watch what has become of rotations")
        {
            tracing::warn!(
                left_out,
                "the outcome of {beyond} rotations is unknown, and too many others are watched already; where one \
                 happened, a late retry may seem theft"
            );
        }
    }

    /// Those to look for now, in the order of keys, and how long ago each was asked for: all that have not been found, and
    /// after an outage the others too, for whoever asked may have been put off all the time since.
    pub(super) fn watched(&self) -> Vec<(Unsure, Duration)> {
        let mut seen = self.lock();
        seen.beats = seen.beats.wrapping_add(1);
        let looks_for_old = seen.beats.is_multiple_of(20);
        let is_due = |watched: &&Watched| match (watched.redated_at, watched.looked_for_since) {
            (Some(redated_at), _) => seen.back_at > Some(redated_at),
            (None, Some(since)) => looks_for_old || since.elapsed() < WATCH,
            (None, None) => true,
        };
        let due = seen.unsure.iter().filter(is_due);
        let mut due: Vec<_> = due.map(|watched| (watched.unsure, watched.asked_at.elapsed())).collect();
        due.sort_unstable_by_key(|(unsure, _)| (unsure.key, unsure.to, unsure.at));
        due
    }

    /// After some have been looked for: notes which were found and dated anew, and forgets those that can matter no more,
    /// and those found long ago.
    pub(super) fn settle(&self, looked_for: &[(Unsure, Duration)], found: &[Unsure], over: &[Unsure]) {
        let now = Instant::now();
        let looked_for: HashSet<_> = looked_for.iter().map(|(unsure, _)| unsure).collect();
        let (found, over): (HashSet<_>, HashSet<_>) = (found.iter().collect(), over.iter().collect());
        self.lock().unsure.retain_mut(|watched| {
            if looked_for.contains(&watched.unsure) {
                watched.looked_for_since.get_or_insert(now);
            }
            if found.contains(&watched.unsure) {
                watched.redated_at = Some(now);
            }
            let is_fresh = watched.redated_at.is_none_or(|at| now.duration_since(at) < WATCH);
            is_fresh && !over.contains(&watched.unsure)
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
