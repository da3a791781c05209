//! The database's clock, as a node follows it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::connection::{Connection, Sql};
use super::error::QueryError;
use crate::clock::{BootClock, Clock, Timestamp};

/// A measurement is replaced by one of a shorter round trip, which tells more exactly when the server looked at its
/// clock, by any that it cannot agree with, or after this long by any: clocks drift.
const STALE: Duration = Duration::from_secs(10);

const NOW: Sql =
    Sql { text: "select (extract(epoch from clock_timestamp()) * 1000000)::bigint as micros", types: &[] };

/// Tells the database's time: what it said when it was last asked, and what has passed here since, suspended time
/// included. The node's own clock is never read, so it may be wrong or jump.
#[derive(Debug)]
pub(super) struct DatabaseClock {
    /// The database's time when this machine was started, in microseconds.
    offset: AtomicI64,
    /// When it was last measured, in milliseconds after the start of the machine.
    measured: AtomicI64,
    /// The round trip of that measurement, in microseconds.
    round_trip: AtomicI64,
}

impl DatabaseClock {
    /// A clock set by that database.
    pub(super) async fn set_by(connection: &Connection) -> Result<Self, QueryError> {
        let zero = || AtomicI64::new(0);
        let clock = Self { offset: zero(), measured: zero(), round_trip: zero() };
        let (offset, round_trip) = clock.measure(connection).await?;
        clock.set(offset, round_trip);
        Ok(clock)
    }

    /// How long the answer took by which it was last set.
    pub(super) fn round_trip(&self) -> Duration {
        let micros = u64::try_from(self.round_trip.load(Ordering::Relaxed)).unwrap_or(0);
        Duration::from_micros(micros)
    }

    /// Asks the database again, and says how long its answer took.
    pub(super) async fn adjust(&self, connection: &Connection) -> Result<Duration, QueryError> {
        let (offset, round_trip) = self.measure(connection).await?;
        let known_to_within = self.round_trip.load(Ordering::Relaxed);
        let is_better = micros(round_trip) <= known_to_within;
        // More than both measurements can be wrong by: the clock was set.
        let apart = offset.saturating_sub(self.offset.load(Ordering::Relaxed)).saturating_abs();
        let has_moved = apart > micros(round_trip).saturating_add(known_to_within);
        if is_better || has_moved || self.age() >= STALE {
            self.set(offset, round_trip);
        }
        Ok(round_trip)
    }

    /// How long ago it was last measured.
    pub(super) fn age(&self) -> Duration {
        let measured = u64::try_from(self.measured.load(Ordering::Relaxed)).unwrap_or(0);
        BootClock.elapsed().saturating_sub(Duration::from_millis(measured))
    }

    fn set(&self, offset: i64, round_trip: Duration) {
        self.round_trip.store(micros(round_trip), Ordering::Relaxed);
        self.offset.store(offset, Ordering::Relaxed);
        self.measured.store(crate::clock::millis(BootClock.elapsed()), Ordering::Relaxed);
    }

    /// The database's time when this machine was started, taking it that the server looked half way through the round trip.
    async fn measure(&self, connection: &Connection) -> Result<(i64, Duration), QueryError> {
        let asked = BootClock.elapsed();
        let row = connection.one(&NOW, &[]).await?;
        let answered = BootClock.elapsed();
        let now: i64 = row.try_get("micros")?;
        Ok((now - micros((asked + answered) / 2), answered.saturating_sub(asked)))
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let now = self.offset.load(Ordering::Relaxed).saturating_add(micros(BootClock.elapsed()));
        Timestamp(now.div_euclid(1000))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
