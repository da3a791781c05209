//! When requests are due, and from when their latency counts.

use std::time::{Duration, Instant};

/// How late a timer of this generator may wake. A request that waited for its moment and left this little after it
/// counts from when it left: the delay is the generator's own, not the server's.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// The moments at which one connection is due to send, at a fixed rate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Schedule {
    start: Instant,
    first_nanos: f64,
    every_nanos: f64,
}

impl Schedule {
    /// The share of connection `index` of `connections` in `rate` requests a second, spread so that all connections
    /// together send at even distances.
    pub(super) fn new(start: Instant, rate: f64, index: usize, connections: usize) -> Self {
        let distance_nanos = 1e9 / rate;
        let (index, connections) = (to_f64(index as u64), to_f64(connections as u64));
        Self { start, first_nanos: distance_nanos * index, every_nanos: distance_nanos * connections }
    }

    /// When request number `number`, from 0, is due. Counted from the start each time: no error adds up.
    pub(super) fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_nanos(to_nanos(self.first_nanos + self.every_nanos * to_f64(number)))
    }

    /// How many requests were due before `end`.
    pub(super) fn due_before(&self, end: Instant) -> u64 {
        let span =
            to_f64(u64::try_from(end.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX));
        if span <= self.first_nanos {
            0
        } else {
            to_nanos(((span - self.first_nanos) / self.every_nanos).ceil())
        }
    }
}

/// From when the latency of a request counts that was due at `due` and left at `sent`.
///
/// From when it was due: where a slow answer kept the connection busy, the time the next request could not leave is
/// the server's, and leaving it out would make the server look better the slower it is (coordinated omission).
pub(super) fn counts_from(due: Instant, sent: Instant, has_waited: bool) -> Instant {
    if has_waited && sent.saturating_duration_since(due) <= TIMER_GRAIN { sent } else { due }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53: 104 days in nanoseconds")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "spans are positive and short")]
fn to_nanos(span: f64) -> u64 {
    span as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_together_send_at_even_distances() {
        let start = Instant::now();
        let schedules: Vec<_> = (0..4).map(|index| Schedule::new(start, 1000.0, index, 4)).collect();
        let mut dues: Vec<_> =
            schedules.iter().flat_map(|s| (0..250).map(|number| s.due(number) - start)).collect();
        dues.sort();
        for (index, due) in dues.iter().enumerate() {
            assert_eq!(*due, Duration::from_millis(index as u64));
        }
    }

    #[test]
    fn what_was_due_is_counted_to_the_end() {
        let start = Instant::now();
        let end = start + Duration::from_secs(10);
        let due: u64 = (0..64).map(|index| Schedule::new(start, 777.0, index, 64).due_before(end)).sum();
        assert_eq!(due, 7770);
        assert_eq!(Schedule::new(start, 1.0, 63, 64).due_before(end), 0);
        assert_eq!(Schedule::new(start, 1.0, 0, 64).due_before(start), 0);
    }

    #[test]
    fn a_request_held_up_by_the_answer_before_counts_from_when_it_was_due() {
        let due = Instant::now();
        let later = due + Duration::from_millis(80);
        assert_eq!(counts_from(due, later, false), due);
        assert_eq!(counts_from(due, due + Duration::from_micros(1), false), due);
    }

    #[test]
    fn a_timer_that_woke_a_little_late_is_not_the_servers_fault_but_a_very_late_one_is_counted() {
        let due = Instant::now();
        let (little, very) = (due + Duration::from_millis(1), due + Duration::from_millis(30));
        assert_eq!(counts_from(due, little, true), little);
        assert_eq!(counts_from(due, very, true), due);
    }
}
