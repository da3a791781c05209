//! What the hashing threads have in hand, and whether they get on with it.
//!
//! They run only where no other thread wants the core. Where other programs keep all cores busy they hardly run at all, and
//! whoever logs in would wait for ever: what has been in hand for too long is done by a stand-in, which gets its share
//! of the cores, and so is everything from then on, until a hashing thread gets something done in time again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::Leaving;

/// What can wait for a hashing thread.
pub(super) trait Waiting: Leaving {
    /// How long a thread may have it in hand before that thread seems to get no core.
    fn patience(&self) -> Duration;
}

/// All that is in hand, the oldest first.
#[derive(Debug)]
pub(super) struct Hands<T> {
    in_hand: Vec<InHand<T>>,
    /// How many were ever taken.
    taken: u64,
    is_starved: bool,
}

#[derive(Debug)]
struct InHand<T> {
    number: u64,
    one: Arc<T>,
    since: Instant,
    has_stand_in: bool,
}

impl<T> Default for Hands<T> {
    fn default() -> Self {
        Self { in_hand: Vec::new(), taken: 0, is_starved: false }
    }
}

impl<T: Waiting> Hands<T> {
    /// A hashing thread takes one on; the number is to be given back with it.
    pub(super) fn take(&mut self, one: T, now: Instant) -> (u64, Arc<T>) {
        let (number, one) = (self.taken, Arc::new(one));
        self.taken += 1;
        let in_hand = Arc::clone(&one);
        self.in_hand.push(InHand { number, one: in_hand, since: now, has_stand_in: false });
        (number, one)
    }

    /// A hashing thread is done with one.
    pub(super) fn done(&mut self, number: u64, now: Instant) {
        let Some(place) = self.in_hand.iter().position(|taken| taken.number == number) else { return };
        if !self.in_hand.remove(place).is_late(now) {
            self.is_starved = false;
        }
    }

    /// Whether hashing threads have had no share of the cores since one of them was late.
    pub(super) fn are_starved(&mut self, now: Instant) -> bool {
        self.is_starved |= self.in_hand.iter().any(|taken| taken.is_late(now));
        self.is_starved
    }

    /// The oldest that is to be done by a stand-in. Nobody is told of it again.
    pub(super) fn for_stand_in(&mut self, now: Instant) -> Option<Arc<T>> {
        if !self.are_starved(now) {
            return None;
        }
        for taken in self.in_hand.iter_mut().filter(|taken| !taken.has_stand_in) {
            taken.has_stand_in = true;
            if !taken.one.is_gone() {
                return Some(Arc::clone(&taken.one));
            }
        }
        None
    }

    /// How long it takes at least until there is something for a stand-in; `None` where nothing is in hand that may come to it.
    pub(super) fn until_late(&self, now: Instant) -> Option<Duration> {
        let without = self.in_hand.iter().filter(|taken| !taken.has_stand_in);
        without.map(|taken| taken.late_at().saturating_duration_since(now)).min()
    }

    /// Whether somebody waits for something in hand that no stand-in has.
    pub(super) fn are_waited_for(&self) -> bool {
        self.in_hand.iter().any(|taken| !taken.has_stand_in && !taken.one.is_gone())
    }
}

impl<T: Waiting> InHand<T> {
    fn late_at(&self) -> Instant {
        self.since + self.one.patience()
    }

    fn is_late(&self, now: Instant) -> bool {
        now >= self.late_at()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A password that takes so many milliseconds at most, and whose client can leave.
    #[derive(PartialEq, Debug)]
    struct One(u64, Cell<bool>);

    impl Leaving for One {
        fn is_gone(&self) -> bool {
            self.1.get()
        }
    }

    impl Waiting for One {
        fn patience(&self) -> Duration {
            Duration::from_millis(self.0)
        }
    }

    fn one(patience_millis: u64) -> One {
        One(patience_millis, Cell::new(false))
    }

    const MILLIS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn what_is_done_in_time_needs_no_stand_in() {
        let (mut hands, begun) = (Hands::default(), Instant::now());
        for taken in 0..10 {
            let (number, _) = hands.take(one(500), begun + MILLIS(taken * 400));
            assert_eq!(hands.until_late(begun + MILLIS(taken * 400)), Some(MILLIS(500)));
            assert!(hands.for_stand_in(begun + MILLIS(taken * 400 + 399)).is_none());
            hands.done(number, begun + MILLIS(taken * 400 + 399));
        }
        assert_eq!(hands.until_late(begun), None, "nothing is in hand");
    }

    #[test]
    fn where_a_hashing_thread_gets_no_core_a_stand_in_does_what_it_has_in_hand_once() {
        let (mut hands, begun) = (Hands::default(), Instant::now());
        let (number, first) = hands.take(one(500), begun);
        let (_, second) = hands.take(one(500), begun + MILLIS(10));
        assert!(hands.for_stand_in(begun + MILLIS(499)).is_none());
        let late = begun + MILLIS(500);
        assert!(hands.for_stand_in(late).is_some_and(|one| Arc::ptr_eq(&one, &first)));
        assert!(
            hands.for_stand_in(late).is_some_and(|one| Arc::ptr_eq(&one, &second)),
            "at once from now on"
        );
        assert!(hands.for_stand_in(late).is_none() && !hands.are_waited_for());
        hands.done(number, begun + MILLIS(4000));
        assert!(hands.are_starved(late), "what was done too late tells of no core that is free");
    }

    #[test]
    fn a_hashing_thread_that_gets_something_done_in_time_sends_the_stand_ins_away() {
        let (mut hands, begun) = (Hands::default(), Instant::now());
        let (late, _) = hands.take(one(500), begun);
        assert!(hands.for_stand_in(begun + MILLIS(600)).is_some());
        let (number, _) = hands.take(one(500), begun + MILLIS(700));
        hands.done(late, begun + MILLIS(710));
        assert!(hands.are_starved(begun + MILLIS(710)));
        hands.done(number, begun + MILLIS(720));
        assert!(!hands.are_starved(begun + MILLIS(720)));
        hands.take(one(500), begun + MILLIS(730));
        assert!(hands.for_stand_in(begun + MILLIS(740)).is_none());
    }

    #[test]
    fn for_whoever_has_left_nothing_is_done_twice() {
        let (mut hands, begun) = (Hands::default(), Instant::now());
        let (_, left) = hands.take(one(500), begun);
        let (_, dear) = hands.take(one(2000), begun);
        left.1.set(true);
        assert!(hands.for_stand_in(begun + MILLIS(600)).is_some_and(|one| Arc::ptr_eq(&one, &dear)));
    }

    #[test]
    fn what_takes_long_by_itself_is_not_late_so_soon() {
        let (mut hands, begun) = (Hands::default(), Instant::now());
        hands.take(one(2000), begun);
        assert!(hands.for_stand_in(begun + MILLIS(1999)).is_none());
        assert!(hands.for_stand_in(begun + MILLIS(2000)).is_some());
    }
}
