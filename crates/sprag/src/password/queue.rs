//! The queue in front of the hashing threads: bounded, and served one network after the other.
//!
//! However many passwords one network sends, another one's next password waits for one of each network at most. Where the
//! queue is full, the network that has most in it gives its newest place up; a newcomer of a quiet network is let in.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::hands::{Hands, Waiting};
use super::lines::Lines;
use crate::prefix::Prefix;

/// Who waits longer than this for the next has nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// Who waits for no moment looks again after so long.
const LONG: Duration = Duration::from_secs(3600);

/// A queue that hashing threads are handed from by their attendants; where they get no core, stand-ins take from it.
#[derive(Debug)]
pub(super) struct Queue<T: Waiting> {
    state: Mutex<State<T>>,
    has_more: Condvar,
    /// For stand-ins: something was taken in hand, or is to be done by them.
    may_starve: Condvar,
}

#[derive(Debug)]
struct State<T> {
    lines: Lines<T>,
    hands: Hands<T>,
    is_closed: bool,
}

/// What a hashing thread has in hand, until this is dropped.
pub(super) struct InHand<'a, T: Waiting> {
    queue: &'a Queue<T>,
    number: u64,
    one: Arc<T>,
}

impl<T: Waiting> Queue<T> {
    pub(super) fn of(places: usize) -> Self {
        let state = State { lines: Lines::of(places), hands: Hands::default(), is_closed: false };
        Self { state: Mutex::new(state), has_more: Condvar::new(), may_starve: Condvar::new() }
    }

    /// Lets one more wait, and gives back who has no place any more: nobody, the newest of the longest line, or itself.
    pub(super) fn add(&self, prefix: Prefix, one: T) -> Option<T> {
        let mut state = self.lock();
        let left_over = state.lines.add(prefix, one);
        if state.hands.are_starved(Instant::now()) {
            self.may_starve.notify_one();
        }
        drop(state);
        self.has_more.notify_one();
        left_over
    }

    /// For the attendant of a hashing thread: whoever is next; waits until there is one, and calls `idles` once where that takes longer than a
    /// second. `None` once the queue is closed and empty.
    pub(super) fn next(&self, idles: impl FnOnce()) -> Option<InHand<'_, T>> {
        self.wait(&self.has_more, idles, |state, now| match state.lines.next() {
            Some(one) => {
                let (number, one) = state.hands.take(one, now);
                self.may_starve.notify_one();
                Ok(Some(InHand { queue: self, number, one }))
            }
            None if state.is_closed => Ok(None),
            None => Err(LONG),
        })
    }

    /// For a stand-in: whoever hashing threads that get no core keep waiting; else as [`next`](Self::next). `None` once the queue
    /// is closed and nobody waits any more.
    pub(super) fn next_starved(&self, idles: impl FnOnce()) -> Option<Arc<T>> {
        self.wait(&self.may_starve, idles, |state, now| {
            let late = state.hands.for_stand_in(now);
            let one = match late {
                None if state.hands.are_starved(now) => state.lines.next().map(Arc::new),
                late => late,
            };
            if one.is_some() {
                // There may be one more, for another.
                self.may_starve.notify_one();
                return Ok(one);
            }
            if state.is_closed && state.lines.waiting == 0 && !state.hands.are_waited_for() {
                return Ok(None);
            }
            Err(state.hands.until_late(now).unwrap_or(LONG))
        })
    }

    /// Waits for its `turn` until something is found. What is not found is looked for again after the span that is told.
    fn wait<R>(
        &self,
        turn: &Condvar,
        idles: impl FnOnce(),
        mut find: impl FnMut(&mut State<T>, Instant) -> Result<R, Duration>,
    ) -> R {
        let (mut state, mut idles, begun) = (self.lock(), Some(idles), Instant::now());
        loop {
            let now = Instant::now();
            let again = match find(&mut state, now) {
                Ok(found) => return found,
                Err(again) => again,
            };
            let idle = IDLE.saturating_sub(now - begun);
            if idle.is_zero()
                && let Some(idles) = idles.take()
            {
                drop(state);
                idles();
                state = self.lock();
                continue;
            }
            let span = if idles.is_some() { again.min(idle) } else { again };
            state = turn.wait_timeout(state, span).expect(WHOLE).0;
        }
    }

    /// How many wait, and how many may.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.lines.waiting, state.lines.places)
    }

    /// Lets the threads end once nobody waits any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.has_more.notify_all();
        self.may_starve.notify_all();
    }

    fn done(&self, number: u64) {
        let mut state = self.lock();
        state.hands.done(number, Instant::now());
        if state.is_closed {
            self.may_starve.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect(WHOLE)
    }
}

/// Why a lock can be taken.
const WHOLE: &str = "no holder of this lock panics";

impl<T: Waiting> InHand<'_, T> {
    pub(super) fn one(&self) -> &Arc<T> {
        &self.one
    }
}

impl<T: Waiting> Drop for InHand<'_, T> {
    fn drop(&mut self) {
        self.queue.done(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Leaving;
    use super::*;

    #[test]
    fn a_closed_queue_is_emptied_first() {
        struct Ever;
        impl Leaving for Ever {
            fn is_gone(&self) -> bool {
                false
            }
        }

        impl Waiting for Ever {
            fn patience(&self) -> Duration {
                IDLE
            }
        }
        let queue = Queue::of(2);
        assert!(queue.add(Prefix::default(), Ever).is_none());
        queue.close();
        assert!(queue.next(|| ()).is_some());
        assert!(queue.next(|| ()).is_none());
    }
}
