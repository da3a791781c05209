//! The moment at which a failed attempt is answered, which says nothing of what it was compared with.
//!
//! How long a comparison takes tells an unknown name from an imported hash, and one kind of hash from another. Instead of
//! making all of them do the work of the dearest, a failure waits, on no hashing thread, until a moment that depends on when
//! the request came, on how long it stood in the queue (which others decide) and on randomness.

use std::time::{Duration, Instant};

/// Twice what the dearest hash may take that an import brings unasked.
pub(super) const SLOT: Duration = Duration::from_secs(1);

/// What covers the looks at the store that come before a try is turned away unseen: a known name takes one more than an unknown one.
pub(super) const TURNED_AWAY: Duration = Duration::from_millis(20);

/// By how much of the slot, at most, randomness puts a failure off, to cover what is left: one part in so many,
const SPREAD: u32 = 10;

/// and no longer than this: it covers what a timer and a socket may tell, some tenths of a millisecond, and a longer one would
/// only keep anybody from measuring that there is no more to cover.
const MOST_SPREAD: Duration = Duration::from_millis(10);

/// How many slots a failure takes at least where what was typed has other forms, however many: one more, or the answer would
/// come too late to be one.
pub(super) const SLOTS_OF_FORMS: u32 = 2;

/// When a failed attempt is answered.
///
/// That is so many slots and a little after the request came, its time in the queue apart; where the work has taken longer,
/// the next whole slot.
pub(super) fn of_failure(
    came: Instant,
    queued: Duration,
    done: Instant,
    (slot, slots): (Duration, u32),
    random: u16,
) -> Instant {
    let little = (slot / SPREAD).min(MOST_SPREAD) * u32::from(random) / u32::from(u16::MAX);
    let mut moment = came + queued + slot * slots + little;
    while !slot.is_zero() && moment < done {
        moment += slot;
    }
    moment
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn whatever_it_was_compared_with_a_failure_is_answered_at_the_same_moment() {
        let came = Instant::now();
        for queued in [0, 40, 700].map(MILLIS) {
            let moments = [0, 26, 250, 500, 999].map(|work| {
                let done = came + queued + MILLIS(work);
                of_failure(came, queued, done, (SLOT, 1), 0)
            });
            assert!(moments.iter().all(|moment| *moment == came + queued + SLOT), "{queued:?} in the queue");
        }
    }

    #[test]
    fn what_takes_longer_than_a_slot_waits_for_the_next_one() {
        let came = Instant::now();
        let moment = |work: u64| of_failure(came, MILLIS(5), came + MILLIS(5 + work), (SLOT, 1), 0);
        assert_eq!(moment(1001), came + MILLIS(5) + 2 * SLOT);
        assert_eq!(moment(2000), came + MILLIS(5) + 2 * SLOT);
    }

    #[test]
    fn randomness_puts_it_off_by_ten_milliseconds_at_most() {
        let came = Instant::now();
        let moment = |slot, random| of_failure(came, Duration::ZERO, came, (slot, 1), random);
        assert_eq!(moment(SLOT, u16::MAX), came + SLOT + MILLIS(10));
        assert_eq!(moment(TURNED_AWAY, u16::MAX), came + TURNED_AWAY + MILLIS(2), "a tenth of a short slot");
        let half = moment(SLOT, u16::MAX / 2);
        assert!(half > came + SLOT && half < moment(SLOT, u16::MAX));
    }

    #[test]
    fn without_a_slot_it_is_answered_at_once() {
        let came = Instant::now();
        assert_eq!(of_failure(came, Duration::ZERO, came + SLOT, (Duration::ZERO, 1), 9), came);
    }
}
