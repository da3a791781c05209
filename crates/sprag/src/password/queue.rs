//! The queue in front of the hashing threads: bounded, and served one network after the other.
//!
//! However many passwords one network sends, another one's next password waits for one of each network at most. Where the
//! queue is full, the network that has most in it gives its newest place up; a newcomer of a quiet network is let in.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::hands::{Hands, Waiting};
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
        let lines = Lines { lines: HashMap::new(), turns: VecDeque::new(), waiting: 0, places };
        let state = State { lines, hands: Hands::default(), is_closed: false };
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

/// A line for each network that waits, and whose turn it is.
#[derive(Debug)]
struct Lines<T> {
    /// None of them is empty.
    lines: HashMap<Prefix, VecDeque<T>>,
    /// Each network that has a line, once.
    turns: VecDeque<Prefix>,
    waiting: usize,
    places: usize,
}

impl<T: Waiting> Lines<T> {
    fn add(&mut self, prefix: Prefix, one: T) -> Option<T> {
        let mut left_over = None;
        if self.waiting >= self.places {
            self.forget_those_who_left();
        }
        if self.waiting >= self.places {
            let own = self.lines.get(&prefix).map_or(0, VecDeque::len) + 1;
            let Some(longest) = self.longest().filter(|(_, length)| *length > own) else { return Some(one) };
            left_over = self.lines.get_mut(&longest.0).and_then(VecDeque::pop_back);
            self.waiting -= 1;
        }
        let line = self.lines.entry(prefix).or_default();
        if line.is_empty() {
            self.turns.push_back(prefix);
        }
        line.push_back(one);
        self.waiting += 1;
        left_over
    }

    fn next(&mut self) -> Option<T> {
        while let Some(prefix) = self.turns.pop_front() {
            let Some(line) = self.lines.get_mut(&prefix) else { continue };
            let mut found = None;
            while let Some(one) = line.pop_front() {
                self.waiting -= 1;
                if !one.is_gone() {
                    found = Some(one);
                    break;
                }
            }
            if line.is_empty() {
                self.lines.remove(&prefix);
            } else {
                self.turns.push_back(prefix);
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn longest(&self) -> Option<(Prefix, usize)> {
        let lengths = self.lines.iter().map(|(prefix, line)| (*prefix, line.len()));
        lengths.max_by_key(|(_, length)| *length)
    }

    fn forget_those_who_left(&mut self) {
        self.lines.retain(|_, line| {
            line.retain(|one| !one.is_gone());
            !line.is_empty()
        });
        self.turns.retain(|prefix| self.lines.contains_key(prefix));
        self.waiting = self.lines.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// Somebody in a queue, who can leave.
    #[derive(Clone, PartialEq, Eq, Debug)]
    struct Somebody(&'static str, Rc<Cell<bool>>);

    impl Waiting for Somebody {
        fn is_gone(&self) -> bool {
            self.1.get()
        }

        fn patience(&self) -> Duration {
            IDLE
        }
    }

    fn somebody(name: &'static str) -> Somebody {
        Somebody(name, Rc::default())
    }

    fn network(number: u8) -> Prefix {
        Prefix::of(Some(&format!("10.0.{number}.1")))
    }

    fn lines(places: usize) -> Lines<Somebody> {
        Lines { lines: HashMap::new(), turns: VecDeque::new(), waiting: 0, places }
    }

    fn order(mut lines: Lines<Somebody>) -> Vec<&'static str> {
        let order = std::iter::from_fn(|| lines.next().map(|one| one.0)).collect();
        assert!(lines.lines.is_empty() && lines.turns.is_empty() && lines.waiting == 0);
        order
    }

    #[test]
    fn a_network_with_many_passwords_keeps_no_other_one_waiting() {
        let mut lines = lines(16);
        for name in ["a1", "a2", "a3", "a4"] {
            assert_eq!(lines.add(network(1), somebody(name)), None);
        }
        lines.add(network(2), somebody("b1"));
        lines.add(network(3), somebody("c1"));
        lines.add(network(2), somebody("b2"));
        assert_eq!(order(lines), ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
    }

    #[test]
    fn the_newest_of_the_longest_line_gives_way_to_a_newcomer() {
        let mut lines = lines(4);
        for name in ["a1", "a2", "a3"] {
            lines.add(network(1), somebody(name));
        }
        lines.add(network(2), somebody("b1"));
        assert_eq!(lines.add(network(3), somebody("c1")).map(|one| one.0), Some("a3"));
        assert_eq!(lines.add(network(1), somebody("a4")).map(|one| one.0), Some("a4"), "it has most itself");
        assert_eq!(
            lines.add(network(2), somebody("b2")).map(|one| one.0),
            Some("b2"),
            "it would have as many"
        );
        assert_eq!(order(lines), ["a1", "b1", "c1", "a2"]);
    }

    #[test]
    fn who_left_keeps_no_place_and_has_no_turn() {
        let mut lines = lines(3);
        let waiting = ["a1", "a2", "b1"].map(somebody);
        for (one, number) in waiting.iter().zip([1, 1, 2]) {
            lines.add(network(number), one.clone());
        }
        waiting[0].1.set(true);
        waiting[2].1.set(true);
        assert_eq!(lines.add(network(1), somebody("a3")), None, "two places have become free");
        assert_eq!(lines.add(network(3), somebody("c1")), None);
        waiting[1].1.set(true);
        assert_eq!(order(lines), ["a3", "c1"]);
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        struct Ever;
        impl Waiting for Ever {
            fn is_gone(&self) -> bool {
                false
            }

            fn patience(&self) -> Duration {
                IDLE
            }
        }
        let queue = Queue::of(2);
        assert!(queue.add(network(1), Ever).is_none());
        queue.close();
        assert!(queue.next(|| ()).is_some());
        assert!(queue.next(|| ()).is_none());
    }
}
