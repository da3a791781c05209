//! What happens often within a window: so many events, or so many different ones.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use super::{Finding, MAX_EVIDENCE};
use crate::audit::{Entry, Severity};
use crate::clock::{Timestamp, millis};
use crate::session::AccountId;

/// How many different ones of a pattern that goes on are told apart.
const MAX_TOLD_APART: usize = 10_000;

/// An entry of the journal.
type Position = (AccountId, u64);

/// How many events there were within the window. Until there are enough, there are fewer than that.
#[derive(Default)]
pub(super) struct Sum {
    seen: VecDeque<(Timestamp, u64, Position)>,
    open: Option<Finding>,
}

/// How many different ones there were within the window.
pub(super) struct Distinct<K> {
    seen: HashMap<K, (Timestamp, Position)>,
    /// Of what goes on: all of them.
    all: HashSet<K>,
    open: Option<Finding>,
}

impl<K> Default for Distinct<K> {
    fn default() -> Self {
        Self { seen: HashMap::new(), all: HashSet::new(), open: None }
    }
}

impl Sum {
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        weight: u64,
        least: u64,
        window: Duration,
        begin: impl FnOnce() -> Finding,
    ) {
        let at = entry.event.at;
        if let Some(open) = &mut self.open {
            open.add(at, weight, place(entry));
            return;
        }
        self.seen.push_back((at, weight, place(entry)));
        while self.seen.front().is_some_and(|(then, ..)| at.millis_since(*then) > millis(window)) {
            self.seen.pop_front();
        }
        if self.seen.iter().map(|(_, weight, _)| weight).sum::<u64>() >= least {
            let mut found = begin();
            self.seen.drain(..).for_each(|(at, weight, place)| found.add(at, weight, place));
            self.open = Some(found);
        }
    }

    /// Whether nothing of it is within the window any more; what was found of it goes to `over`.
    pub(super) fn is_over(&mut self, now: Timestamp, window: Duration, over: &mut Vec<Finding>) -> bool {
        let last = self.open.as_ref().map(|open| open.last).or(self.seen.back().map(|(at, ..)| *at));
        let is_over = last.is_none_or(|last| now.millis_since(last) > millis(window));
        if is_over {
            over.extend(self.open.take());
        }
        is_over
    }
}

impl<K: Copy + Eq + Hash> Distinct<K> {
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        key: K,
        least: usize,
        window: Duration,
        begin: impl FnOnce() -> Finding,
    ) {
        let at = entry.event.at;
        if let Some(open) = &mut self.open {
            let is_new = self.all.len() < MAX_TOLD_APART && self.all.insert(key);
            open.add(at, u64::from(is_new), place(entry));
            return;
        }
        self.seen.insert(key, (at, place(entry)));
        self.seen.retain(|_, (then, _)| at.millis_since(*then) <= millis(window));
        if self.seen.len() >= least {
            let mut found = begin();
            let mut seen: Vec<_> = self.seen.drain().collect();
            seen.sort_by_key(|(_, at_and_place)| *at_and_place);
            for (key, (at, place)) in seen {
                self.all.insert(key);
                found.add(at, 1, place);
            }
            self.open = Some(found);
        }
    }

    /// Whether a pattern goes on to which this belongs.
    pub(super) fn has(&self, key: &K) -> bool {
        self.all.contains(key)
    }

    /// Makes a pattern that goes on critical, if one does.
    pub(super) fn worsen(&mut self, entry: &Entry, why: &str) {
        if let Some(open) = &mut self.open {
            open.severity = Severity::Critical;
            open.note = Some(why.to_owned());
            open.add(entry.event.at, 0, place(entry));
        }
    }

    /// Whether nothing of it is within the window any more; what was found of it goes to `over`.
    pub(super) fn is_over(&mut self, now: Timestamp, window: Duration, over: &mut Vec<Finding>) -> bool {
        let seen = self.seen.values().map(|(at, _)| *at).max();
        let last = self.open.as_ref().map(|open| open.last).or(seen);
        let is_over = last.is_none_or(|last| now.millis_since(last) > millis(window));
        if is_over {
            over.extend(self.open.take());
        }
        is_over
    }
}

impl Finding {
    /// Counts an entry of the journal; of many the first ones and the newest are named.
    fn add(&mut self, at: Timestamp, weight: u64, place: Position) {
        self.count += weight;
        (self.first, self.last) = (self.first.min(at), self.last.max(at));
        if self.evidence.last() == Some(&place) {
            return;
        }
        if self.evidence.len() == MAX_EVIDENCE {
            self.evidence.pop();
        }
        self.evidence.push(place);
    }
}

fn place(entry: &Entry) -> Position {
    (entry.event.account, entry.number)
}
