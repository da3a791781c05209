//! Whether the database answers, and what follows from its having been away.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

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

/// Of so many heartbeats the quickest tells how far away the database is: one that is only busy answers some of them soon.
const MEASURED: usize = 4;

/// A round trip that takes no longer fits into every deadline as often as a request needs it.
const NEAR: Duration = Duration::from_millis(100);

/// Nobody waits for a database that is farther away.
const FARTHEST: Duration = Duration::from_millis(500);

/// How many round trips a request to the store takes at most, with one to spare for a lock that is waited for.
const ROUND_TRIPS: u32 = 12;

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
    /// What every request asks, beside the lock: whether `failing_since` is set, and by how many microseconds the quickest
    /// round trip is longer than one to a database that is near.
    is_failing: AtomicBool,
    extra_micros: AtomicU32,
    reconnected: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    failing_since: Option<Instant>,
    failed_at: Option<Instant>,
    back_at: Option<Instant>,
    unsure: Vec<Watched>,
    beats: u32,
    round_trips: VecDeque<Duration>,
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
        self.is_failing.store(false, Ordering::Release);
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
            self.is_failing.store(true, Ordering::Release);
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
        // Only read where it is set already: every request sets it, on every core.
        if !self.has_written.load(Ordering::Acquire) {
            self.has_written.store(true, Ordering::Release);
        }
    }

    /// Whether something was committed since this was last asked.
    pub(super) fn take_committed(&self) -> bool {
        self.has_written.swap(false, Ordering::AcqRel)
    }

    /// The database has answered after that long, asked for next to nothing.
    pub(super) fn measured(&self, round_trip: Duration) {
        let trips = &mut self.lock().round_trips;
        trips.truncate(MEASURED - 1);
        trips.push_front(round_trip);
        let quickest = trips.iter().min().copied().unwrap_or_default();
        let extra = quickest.min(FARTHEST).saturating_sub(NEAR).as_micros();
        self.extra_micros.store(u32::try_from(extra).unwrap_or(u32::MAX), Ordering::Release);
    }

    /// How long the quickest of the last few round trips took.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.lock().round_trips.iter().min().copied()
    }

    /// How much longer than where the database is near this takes that needs so many round trips.
    pub(super) fn detour(&self, round_trips: u32) -> Duration {
        Duration::from_micros(u64::from(self.extra_micros.load(Ordering::Acquire))) * round_trips
    }

    /// A deadline for a request to the store, where `near` is that of one whose database is near.
    pub(super) fn patience(&self, near: Duration) -> Duration {
        near + self.detour(ROUND_TRIPS)
    }

    /// The heartbeat has had to connect anew, so others may have to as well.
    pub(super) fn is_reconnected(&self) {
        self.reconnected.notify_waiters();
    }

    /// Resolves when the heartbeat has connected anew.
    pub(super) async fn reconnected(&self) {
        self.reconnected.notified().await;
    }

    /// Whether it has been away so long that waiting for it makes no sense.
    pub(super) fn is_away(&self) -> bool {
        self.is_failing.load(Ordering::Acquire)
            && self.lock().failing_since.is_some_and(|since| since.elapsed() >= OUTAGE)
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

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_millis(2500);

    fn after(millis: &[u64]) -> Duration {
        let health = Health::default();
        for millis in millis {
            health.measured(Duration::from_millis(*millis));
        }
        health.patience(DEADLINE)
    }

    #[test]
    fn who_asks_a_database_that_is_near_waits_no_longer() {
        for near in [&[][..], &[0], &[100], &[1, 1900, 1900, 1900], &[1900, 1900, 1900, 1]] {
            assert_eq!(after(near), DEADLINE, "{near:?}");
        }
    }

    #[test]
    fn who_asks_a_database_that_is_far_away_is_given_the_way_there_and_back() {
        assert_eq!(after(&[400, 400, 420]), Duration::from_millis(2500 + 12 * 300));
        assert_eq!(after(&[1, 400, 400, 400, 400]), Duration::from_millis(2500 + 12 * 300), "once it is");
        assert_eq!(after(&[1900; 9]), Duration::from_millis(2500 + 12 * 400), "but not for ever");
    }
}
