//! Time in which nobody could be answered: what marks tell of it, and where the reuse interval begins without it.
//!
//! Each node that serves moves a mark of its own once a second, by a write that really commits, and removes it when it
//! leaves in order. A mark that has not been moved for [`STALE`] tells of an outage: the node is down or frozen, the
//! database away, the disk full. Everything here is arithmetic; the store keeps the rows ([`Marks`](crate::store::Marks)),
//! and the engine moves the mark.
//!
//! ```
//! use std::time::Duration;
//!
//! use sprag::clock::Timestamp;
//! use sprag::outages::{Outages, Span};
//!
//! let second = |second: i64| Timestamp(second * 1000);
//! let away = Span { from: second(100), until: second(160) };
//! // Ten seconds of service lie between 94 and 164, for there was none from 100 to 160.
//! let outages = Outages::of(vec![away]);
//! assert_eq!(outages.window_start(second(164), Duration::from_secs(10)), second(94));
//! ```

use std::time::Duration;

use uuid::Uuid;

use crate::clock::{Timestamp, millis};

/// A mark older than this tells of an outage.
pub const STALE: Duration = Duration::from_secs(3);

/// A node whose own mark is older than this notes the gap before it judges anything.
pub const OWN_GAP: Duration = Duration::from_secs(2);

/// For how long at most a node that stays away counts as an outage: the others serve meanwhile.
pub const LONGEST_ABSENCE: Duration = Duration::from_secs(600);

/// How long an outage is remembered once it is over. The longest reuse interval is 300 s.
pub const KEPT: Duration = Duration::from_secs(3600);

/// Where no mark is near the time that a starting process reads, nobody serves, or the clock has just jumped. A mark that
/// moves within this long shows which.
const MOVES_WITHIN: Duration = Duration::from_secs(2);

/// Within this long a node that serves notices that the clock has jumped, and says so in its mark.
const NOTICES_WITHIN: Duration = Duration::from_secs(4);

/// How often a starting process looks whether a mark has moved.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A mark that is no further from the time that is read is near it, in milliseconds. The clock itself takes no more for small.
const NEAR: i64 = 5_000;

/// One run of one node: from its start to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub Uuid);

/// That a node serves, and when it last did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Which.
    pub node: NodeId,
    /// Where it serves. Who starts there takes the place of whoever was there before.
    pub place: String,
    /// When it last served.
    pub moved_at: Timestamp,
    /// How far the clock that it reads is ahead of the time it goes by, in milliseconds, where it does not believe that
    /// clock.
    pub clock_off_by: Option<i64>,
}

/// Time in which a node could answer nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Outage {
    /// Which node.
    pub node: NodeId,
    /// When it last could.
    pub from: Timestamp,
    /// When it could again. Of a node that left in order the same moment, so that whoever starts next knows when
    /// somebody served last.
    pub until: Timestamp,
}

/// What a store knows of marks and outages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marked {
    /// Of each node that serves, or has not left in order.
    pub marks: Vec<Mark>,
    /// Those that are over.
    pub outages: Vec<Outage>,
}

/// The last that a process which starts could learn of the time, as [`Marked::last_known`] tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Known(pub(crate) Option<(Timestamp, Option<i64>)>);

/// What a node writes about itself: all of it or nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marking {
    /// Its mark, moved; none where it leaves.
    pub mark: Option<Mark>,
    /// Outages that are over. One that is known already grows if it must.
    pub outages: Vec<Outage>,
    /// Whose marks go.
    pub forgets: Vec<NodeId>,
    /// Outages that were over before this moment go.
    pub forgets_before: Timestamp,
}

/// A stretch of time, its end not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Mark {
    /// For how long it has not been moved.
    fn age(&self, now: Timestamp) -> i64 {
        now.millis_since(self.moved_at)
    }

    /// Whether it tells of an outage.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.age(now) > millis(STALE)
    }
}

impl Marked {
    /// The last that anybody knew of the time, and whether the node that knew it believed its clock.
    #[must_use]
    pub fn last_known(&self) -> Option<(Timestamp, Option<i64>)> {
        let marks = self.marks.iter().map(|mark| (mark.moved_at, mark.clock_off_by));
        let outages = self.outages.iter().map(|outage| (outage.until, None));
        marks.chain(outages).max_by_key(|(at, _)| *at)
    }

    /// What a process that starts knows of the time before it, once it has looked at the marks for so long and found
    /// `first` at first; `None` while it must look again. It must where all marks are far from the time that it reads: they
    /// may be those of nodes that serve, and of a clock that jumped a moment ago, so that they have not said so yet.
    #[must_use]
    pub(crate) fn known_at_start(&self, first: &Self, now: Timestamp, looked_for: Duration) -> Option<Known> {
        let last = self.last_known();
        // A mark that tells how wrong the clock is may stand still: then too nothing more is to be learned from it.
        let ahead =
            |at: Timestamp, off_by: Option<i64>| now.millis_since(at).saturating_sub(off_by.unwrap_or(0));
        let is_near = last.is_some_and(|(at, off_by)| ahead(at, off_by).saturating_abs() <= NEAR);
        if self.marks.is_empty() || is_near {
            return Some(Known(last));
        }
        let has_moved = |mark: &&Mark| {
            first.marks.iter().any(|then| then.node == mark.node && then.moved_at != mark.moved_at)
        };
        let newest_moved = self.marks.iter().filter(has_moved).max_by_key(|mark| mark.moved_at);
        match newest_moved {
            Some(Mark { moved_at, clock_off_by: Some(off_by), .. }) => {
                Some(Known(Some((*moved_at, Some(*off_by)))))
            }
            Some(Mark { moved_at, .. }) if looked_for >= NOTICES_WITHIN => {
                Some(Known(Some((*moved_at, Some(now.millis_since(*moved_at))))))
            }
            None if looked_for >= MOVES_WITHIN => Some(Known(last)),
            _ => None,
        }
    }

    /// The outages of all nodes, seen from `own` at `now`: those that are over, and those of the others whose marks have
    /// not been moved. What lies in the future is of a clock that went wrong, and counts for nothing.
    #[must_use]
    pub fn outages(&self, own: Option<NodeId>, now: Timestamp) -> Outages {
        let over = self.outages.iter().map(|outage| Span { from: outage.from, until: outage.until });
        let others = self.marks.iter().filter(|mark| Some(mark.node) != own && mark.is_stale(now));
        let absent = others.map(|mark| mark.absence(now));
        let is_past = |span: &Span| span.until.millis_since(now) <= millis(STALE);
        Outages::of(over.chain(absent).filter(is_past).collect())
    }

    /// What a node that serves at `place` since `started_at` notes of those whose place it takes, or who are gone.
    ///
    /// A node that stops being heard of and is started again at the same place was away for all that time. Where nobody
    /// serves any more (`is_first`, at a start) the time since the last of them served is one outage, however long.
    #[must_use]
    pub fn taken_over(
        &self,
        own: &Mark,
        started_at: Timestamp,
        is_first: bool,
    ) -> (Vec<Outage>, Vec<NodeId>) {
        let now = own.moved_at;
        let others: Vec<&Mark> = self.marks.iter().filter(|mark| mark.node != own.node).collect();
        let is_alone = is_first && others.iter().all(|mark| mark.is_stale(now));
        let mut outages = Vec::new();
        let mut forgotten = Vec::new();
        for mark in others {
            // What moved since then is another that is told the same place.
            let was_there_before = mark.moved_at < started_at;
            let is_replaced = mark.place == own.place && mark.is_stale(now) && was_there_before;
            let is_long_gone = mark.age(now) > millis(KEPT);
            if is_replaced {
                outages.push(Outage { node: mark.node, from: mark.moved_at, until: started_at });
            } else if is_alone {
                let Span { from, until } = mark.absence(now);
                outages.push(Outage { node: mark.node, from, until });
            } else if !is_long_gone {
                continue;
            }
            forgotten.push(mark.node);
        }
        if let (true, Some((last, _))) = (is_alone, self.last_known()) {
            outages.push(Outage { node: own.node, from: last, until: started_at });
        }
        outages.retain(|outage| outage.from < outage.until);
        (outages, forgotten)
    }
}

impl Mark {
    /// The outage that a mark tells of which has not been moved: what is known of it, or ten minutes.
    fn absence(&self, now: Timestamp) -> Span {
        Span { from: self.moved_at, until: now.min(self.moved_at.plus(LONGEST_ABSENCE)) }
    }
}

/// All the time in which somebody could not be answered: stretches that neither meet nor overlap, the latest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outages(Vec<Span>);

impl Outages {
    /// All that lies in one of them at least.
    #[must_use]
    pub fn of(mut spans: Vec<Span>) -> Self {
        spans.retain(|span| span.from < span.until);
        spans.sort_unstable_by_key(|span| (span.from, span.until));
        let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
                _ => joined.push(span),
            }
        }
        joined.reverse();
        Self(joined)
    }

    /// The moment before which `window` lies in which everybody could be answered, counted back from `now`.
    #[must_use]
    pub fn window_start(&self, now: Timestamp, window: Duration) -> Timestamp {
        let mut left = millis(window);
        let mut reached = now;
        for span in self.0.iter().filter(|span| span.from < now) {
            let served = reached.millis_since(span.until.min(reached));
            if served > left {
                break;
            }
            left -= served;
            reached = span.from;
        }
        reached.minus(Duration::from_millis(left.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1000)
    }

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    fn mark(number: u128, place: &str, second: i64) -> Mark {
        Mark { node: node(number), place: place.to_owned(), moved_at: at(second), clock_off_by: None }
    }

    fn outage(number: u128, from: i64, until: i64) -> Outage {
        Outage { node: node(number), from: at(from), until: at(until) }
    }

    fn start(outages: &[(i64, i64)], now: i64, window: u64) -> i64 {
        let spans = outages.iter().map(|(from, until)| Span { from: at(*from), until: at(*until) });
        Outages::of(spans.collect()).window_start(at(now), Duration::from_secs(window)).0 / 1000
    }

    #[test]
    fn the_window_begins_where_enough_service_lies_behind_it() {
        assert_eq!(start(&[], 100, 30), 70);
        assert_eq!(start(&[(80, 90)], 100, 30), 60, "ten seconds do not count");
        assert_eq!(start(&[(80, 90), (85, 95)], 100, 30), 55, "what two nodes miss at once counts once");
        assert_eq!(start(&[(80, 90), (40, 60)], 100, 30), 40, "at its edge the outage is inside");
        assert_eq!(start(&[(80, 90), (40, 59)], 100, 30), 60);
        assert_eq!(start(&[(10, 20)], 100, 30), 70, "long over");
        assert_eq!(start(&[(40, 100)], 100, 30), 10, "it has only just ended");
        assert_eq!(start(&[(90, 200)], 100, 30), 60, "and of one that lasts only what has been");
        assert_eq!(start(&[(200, 300)], 100, 30), 70, "not what will be");
        assert_eq!(start(&[(80, 80)], 100, 30), 70);
    }

    #[test]
    fn served_time_is_the_window_however_the_outages_lie() {
        // Small enough to count second by second.
        let mut seed = 7_u64;
        let mut next = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from((seed >> 33) % most).unwrap()
        };
        for _ in 0..2000 {
            let mut spans = Vec::new();
            for _ in 0..next(6) {
                let from = next(120);
                spans.push((from, from + next(40)));
            }
            let (now, window) = (100 + next(40), 1 + next(50));
            let begins = start(&spans, now, window.unsigned_abs());
            let is_out = |second: i64| spans.iter().any(|(from, until)| (*from..*until).contains(&second));
            let served = (begins..now).filter(|second| !is_out(*second)).count();
            assert_eq!(i64::try_from(served).unwrap(), window, "{spans:?} at {now}");
        }
    }

    #[test]
    fn a_stale_mark_is_an_outage_for_ten_minutes_at_most() {
        let marked = Marked { marks: vec![mark(1, "a", 100), mark(2, "b", 1000)], outages: Vec::new() };
        let starts = |now: i64| {
            marked.outages(Some(node(2)), at(now)).window_start(at(now), Duration::from_secs(30)).0 / 1000
        };
        assert_eq!(starts(103), 73, "three seconds are nothing");
        assert_eq!(starts(104), 70);
        assert_eq!(starts(700), 70);
        assert_eq!(starts(720), 90);
        assert_eq!(starts(2000), 1970);
    }

    #[test]
    fn what_a_clock_gone_wrong_wrote_of_the_future_counts_for_nothing() {
        let marked = Marked { marks: Vec::new(), outages: vec![outage(1, 50, 90_000)] };
        assert_eq!(marked.outages(None, at(100)), Outages::default());
    }

    #[test]
    fn who_is_started_again_was_away_for_all_the_time_in_between() {
        let own = mark(9, "a", 5000);
        let marked = Marked { marks: vec![mark(1, "a", 100), mark(2, "b", 4999)], outages: Vec::new() };
        let (outages, forgotten) = marked.taken_over(&own, at(5000), true);
        assert_eq!((outages, forgotten), (vec![outage(1, 100, 5000)], vec![node(1)]));
        // One that was killed and started again within three seconds is noticed a little later.
        let marked = Marked { marks: vec![mark(1, "a", 4999), own.clone()], outages: Vec::new() };
        assert_eq!(marked.taken_over(&own, at(5000), true), (Vec::new(), Vec::new()));
        let later = Mark { moved_at: at(5003), ..own };
        assert_eq!(marked.taken_over(&later, at(5000), false).0, [outage(1, 4999, 5000)]);
        let beside = Marked { marks: vec![mark(1, "a", 5001)], outages: Vec::new() };
        let later = Mark { moved_at: at(5010), ..later };
        assert_eq!(beside.taken_over(&later, at(5000), false), (Vec::new(), Vec::new()), "it serves beside");
    }

    #[test]
    fn where_nobody_was_left_all_the_time_since_the_last_is_an_outage() {
        let own = mark(9, "c", 5000);
        let marked = Marked { marks: vec![mark(1, "a", 100), mark(2, "b", 2000)], outages: Vec::new() };
        let (outages, forgotten) = marked.taken_over(&own, at(5000), true);
        assert_eq!(outages, [outage(1, 100, 700), outage(2, 2000, 2600), outage(9, 2000, 5000)]);
        assert_eq!(forgotten, [node(1), node(2)]);
        // They left in order: when was written down, and nothing else.
        let left = Marked { marks: Vec::new(), outages: vec![outage(1, 90, 90), outage(2, 4000, 4000)] };
        assert_eq!(left.taken_over(&own, at(5000), true).0, [outage(9, 4000, 5000)]);
        assert_eq!(Marked::default().taken_over(&own, at(5000), true), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_node_that_is_gone_for_good_is_forgotten_and_one_that_stays_away_is_not() {
        let own = mark(9, "c", 5000);
        let marks = vec![mark(1, "a", 100), mark(2, "b", 2000), mark(3, "d", 4999)];
        let (outages, forgotten) = Marked { marks, outages: Vec::new() }.taken_over(&own, at(4000), false);
        assert_eq!((outages, forgotten), (Vec::new(), vec![node(1)]));
    }

    #[test]
    fn who_starts_far_from_every_mark_waits_whether_one_moves() {
        let marks = |second: i64, clock_off_by: Option<i64>| Marked {
            marks: vec![mark(1, "a", 100), Mark { clock_off_by, ..mark(2, "b", second) }],
            outages: Vec::new(),
        };
        let (first, late) = (marks(1000, None), Duration::from_secs(9));
        let known = |marked: &Marked, now: i64, looked_for: Duration| {
            marked.known_at_start(&first, at(now), looked_for).map(|Known(known)| known)
        };
        assert_eq!(known(&first, 1004, Duration::ZERO), Some(Some((at(1000), None))), "one is near");
        assert_eq!(known(&first, 9000, Duration::ZERO), None);
        assert_eq!(known(&first, 9000, MOVES_WITHIN), Some(Some((at(1000), None))), "nobody serves");
        assert_eq!(known(&marks(1001, None), 9000, MOVES_WITHIN), None, "somebody does, and will say more");
        assert_eq!(known(&marks(1002, Some(7)), 9000, Duration::ZERO), Some(Some((at(1002), Some(7)))));
        assert_eq!(
            known(&marks(1005, None), 9005, late),
            Some(Some((at(1005), Some(8_000_000)))),
            "or does not"
        );
        assert_eq!(known(&marks(1001, None), 5, MOVES_WITHIN), None, "before all marks it is the same");
        let left = Marked { marks: Vec::new(), outages: vec![outage(1, 90, 90)] };
        assert_eq!(left.known_at_start(&left, at(9000), Duration::ZERO), Some(Known(Some((at(90), None)))));
    }
}
