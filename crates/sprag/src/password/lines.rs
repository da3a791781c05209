//! Lines in which somebody waits: bounded, and served one network after the other.
//!
//! However many one network sends, another one's next waits for one of each network at most. Where there is no place, the network
//! that has most in its line gives its newest place up; a newcomer of a quiet network is let in.

use std::collections::{HashMap, VecDeque};

use crate::prefix::Prefix;

/// What can wait in a line, and leave it.
pub(super) trait Leaving {
    /// Whether nobody waits for it any more. It is dropped when its turn comes, or when its place is needed.
    fn is_gone(&self) -> bool;
}

/// A line for each network that waits, and whose turn it is.
#[derive(Debug)]
pub(super) struct Lines<T> {
    /// None of them is empty.
    lines: HashMap<Prefix, VecDeque<T>>,
    /// Each network that has a line, once.
    turns: VecDeque<Prefix>,
    pub(super) waiting: usize,
    pub(super) places: usize,
}

impl<T: Leaving> Lines<T> {
    pub(super) fn of(places: usize) -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new(), waiting: 0, places }
    }

    /// Lets one more wait, and gives back who has no place any more: nobody, the newest of the longest line, or itself.
    pub(super) fn add(&mut self, prefix: Prefix, one: T) -> Option<T> {
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

    /// Whoever is next.
    pub(super) fn next(&mut self) -> Option<T> {
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

    impl Leaving for Somebody {
        fn is_gone(&self) -> bool {
            self.1.get()
        }
    }

    fn somebody(name: &'static str) -> Somebody {
        Somebody(name, Rc::default())
    }

    fn network(number: u8) -> Prefix {
        Prefix::of(Some(&format!("10.0.{number}.1")))
    }

    fn lines(places: usize) -> Lines<Somebody> {
        Lines::of(places)
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
}
