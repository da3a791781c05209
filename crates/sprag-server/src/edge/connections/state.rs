//! What one connection is at: whether it is idle, since when, and what its client has not taken yet.

use std::time::Duration;

use tokio::time::Instant;

use super::bounds::Bounds;

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection that is at a request is left alone, however many newcomers there are.
pub(super) const LEFT_ALONE: Duration = Duration::from_secs(1);

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct State {
    /// When it was opened, a request began or was answered, or an answer got on.
    last: Instant,
    has_asked: bool,
    under_way: usize,
    /// When the first byte of a head came that is not whole yet.
    head_since: Option<Instant>,
    /// How many bytes of the preface of HTTP/2 have come; `None` where it is another protocol.
    preface: Option<usize>,
    unsent: Vec<Unsent>,
    next_answer: u64,
    held_bytes: usize,
    gives_way: bool,
}

/// An answer that has been made and is not wholly sent.
#[derive(Debug)]
struct Unsent {
    answer: u64,
    /// When the peer took something of it last; `None` while there is nothing to be taken.
    since: Option<Instant>,
}

/// Which connection gives way first: one that is idle before one that is at something, then the one that has been so for
/// longest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    is_busy: bool,
    since: Instant,
}

/// Why a connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// It has asked nothing for too long.
    Idle,
    /// The head of its next request has taken too long.
    SlowHead,
    /// An answer waits, and the peer takes nothing of it.
    Unread,
    /// Its place, or the memory that it holds, is needed by others.
    GivesWay,
}

/// What is due with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Over(Over),
    Again(Instant),
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last: now,
            has_asked: false,
            under_way: 0,
            head_since: None,
            preface: Some(0),
            unsent: Vec::new(),
            next_answer: 0,
            held_bytes: 0,
            gives_way: false,
        }
    }

    /// Bytes have come. Where nothing is under way they begin a head, except in HTTP/2, where they may be anything.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) {
        self.follow_preface(bytes);
        if self.preface != Some(PREFACE.len()) && self.is_idle() && !bytes.is_empty() {
            self.head_since.get_or_insert(now);
        }
    }

    fn follow_preface(&mut self, bytes: &[u8]) {
        let Some(matched) = self.preface else { return };
        let left = &PREFACE[matched..];
        let here = left.len().min(bytes.len());
        self.preface = (left[..here] == bytes[..here]).then_some(matched + here);
        if self.preface == Some(PREFACE.len()) {
            self.head_since = None;
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        (self.has_asked, self.head_since, self.last) = (true, None, now);
        self.under_way += 1;
    }

    pub(super) fn finish(&mut self, now: Instant) {
        self.under_way -= 1;
        self.last = now;
    }

    /// An answer has been made; it is known by this number.
    pub(super) fn answer(&mut self, now: Instant) -> u64 {
        let answer = self.next_answer;
        self.next_answer += 1;
        self.unsent.push(Unsent { answer, since: Some(now) });
        self.last = now;
        answer
    }

    /// The peer has taken something of an answer, and there is more.
    pub(super) fn gets_on(&mut self, answer: u64, now: Instant) {
        self.last = now;
        self.set_since(answer, Some(now));
    }

    /// There is nothing of an answer to be taken at the moment.
    pub(super) fn pauses(&mut self, answer: u64) {
        self.set_since(answer, None);
    }

    fn set_since(&mut self, answer: u64, since: Option<Instant>) {
        let found = self.unsent.iter_mut().find(|unsent| unsent.answer == answer);
        found.into_iter().for_each(|unsent| unsent.since = since);
    }

    pub(super) fn is_sent(&mut self, answer: u64, now: Instant) {
        self.unsent.retain(|unsent| unsent.answer != answer);
        self.last = now;
    }

    /// Its client's requests and answers take so many bytes more; `false` where they no longer count.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        self.held_bytes += bytes;
        !self.gives_way
    }

    pub(super) fn release(&mut self, bytes: usize) -> bool {
        self.held_bytes -= bytes;
        !self.gives_way
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// It is going to be closed: what it holds no longer counts.
    pub(super) fn give_way(&mut self) {
        self.gives_way = true;
    }

    /// Whether it is going to be closed for others.
    pub(super) fn gives_way(&self) -> bool {
        self.gives_way
    }

    /// When it gives way to others; `None` where it does already.
    pub(super) fn rank(&self) -> Option<Rank> {
        (!self.gives_way).then_some(Rank { is_busy: !self.is_idle(), since: self.last })
    }

    /// When its client was last at something: now, while a request is under way; `None` where it has asked nothing yet.
    pub(super) fn last_at_something(&self, now: Instant) -> Option<Instant> {
        match (self.is_idle(), self.has_asked) {
            (false, _) => Some(now),
            (true, true) => Some(self.last),
            (true, false) => None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.unsent.is_empty()
    }

    /// Whether it is over, or else when to look again. What begins after a look runs out no earlier than a new look.
    pub(super) fn look(&self, bounds: &Bounds, now: Instant) -> Due {
        let waiting = self.unsent.iter().filter_map(|unsent| unsent.since).min();
        let idle = match self.head_since {
            _ if !self.is_idle() => None,
            Some(since) => Some((since + bounds.head, Over::SlowHead)),
            None if self.has_asked => Some((self.last + bounds.keep_alive, Over::Idle)),
            None => Some((self.last + bounds.head, Over::Idle)),
        };
        let unread = waiting.map(|since| (since + bounds.unread, Over::Unread));
        let ends = || idle.into_iter().chain(unread);
        if let Some((_, over)) = ends().find(|(end, _)| *end <= now) {
            return Due::Over(over);
        }
        let soonest =
            [bounds.head, bounds.keep_alive, bounds.unread].into_iter().fold(Duration::MAX, Duration::min);
        Due::Again(ends().map(|(end, _)| end).fold(now + soonest, Instant::min))
    }
}

impl Rank {
    /// Whether it may be closed for a newcomer: what is idle, and what has been at one thing for a while.
    pub(super) fn may_go(self, now: Instant) -> bool {
        !self.is_busy || now.saturating_duration_since(self.since) >= LEFT_ALONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    fn bounds() -> Bounds {
        Bounds { head: seconds(10), keep_alive: seconds(75), unread: seconds(10), ..Bounds::default() }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A connection, and the moment it was opened.
    fn opened() -> (State, Instant) {
        let start = Instant::now();
        (State::new(start), start)
    }

    fn over(state: &State, at: Instant) -> Option<Over> {
        match state.look(&bounds(), at) {
            Due::Over(over) => Some(over),
            Due::Again(_) => None,
        }
    }

    #[test]
    fn between_requests_a_connection_may_idle_longer_than_a_head_may_take() {
        let (mut state, start) = opened();
        state.read(REQUEST, start);
        state.begin(start);
        state.finish(start + seconds(1));
        assert_eq!(over(&state, start + seconds(75)), None, "the idle time counts from the answer");
        assert_eq!(over(&state, start + seconds(76)), Some(Over::Idle));
        state.read(b"G", start + seconds(70));
        assert_eq!(over(&state, start + seconds(79)), None, "the head's time counts from its first byte");
        state.read(b"E", start + seconds(79));
        assert_eq!(over(&state, start + seconds(80)), Some(Over::SlowHead), "and not from its last");
    }

    #[test]
    fn whoever_asks_nothing_at_all_is_not_idle_between_requests() {
        let (mut state, start) = opened();
        assert_eq!(over(&state, start + seconds(10)), Some(Over::Idle));
        state.read(&PREFACE[..20], start);
        assert_eq!(
            over(&state, start + seconds(10)),
            Some(Over::SlowHead),
            "nor is half a preface a request"
        );
    }

    #[test]
    fn what_comes_over_http2_between_requests_begins_no_head() {
        let (mut state, start) = opened();
        state.read(&PREFACE[..10], start);
        state.read(&[&PREFACE[10..], b"\0\0\0\x04\0\0\0\0\0"].concat(), start);
        state.begin(start);
        state.finish(start);
        state.read(b"\0\0\x08\x06\x01\0\0\0\0........", start + seconds(30));
        assert_eq!(over(&state, start + seconds(74)), None, "an answered ping is no request");
        assert_eq!(over(&state, start + seconds(75)), Some(Over::Idle));
    }

    #[test]
    fn an_answer_that_does_not_get_on_ends_its_connection_whatever_the_others_do() {
        let (mut state, start) = opened();
        state.begin(start);
        let (one, other, quiet) = (state.answer(start), state.answer(start), state.answer(start));
        state.finish(start);
        state.gets_on(one, start + seconds(9));
        state.pauses(quiet);
        assert_eq!(over(&state, start + seconds(9)), None);
        assert_eq!(over(&state, start + seconds(10)), Some(Over::Unread));
        state.is_sent(other, start + seconds(10));
        assert_eq!(over(&state, start + seconds(18)), None);
        state.is_sent(one, start + seconds(18));
        assert_eq!(over(&state, start + seconds(200)), None, "what has nothing to send is not waited for");
    }

    #[test]
    fn it_is_looked_at_again_before_anything_that_begins_meanwhile_can_run_out() {
        let (mut state, start) = opened();
        state.begin(start);
        state.finish(start);
        let Due::Again(at) = state.look(&bounds(), start) else { panic!("it has just asked") };
        assert!(at <= start + seconds(10), "an answer may be left unread from now on");
    }

    #[test]
    fn the_idle_give_way_before_the_busy_and_the_longest_idle_first() {
        let (mut idle, start) = opened();
        let fresh = State::new(start + seconds(5));
        let mut busy = State::new(start);
        busy.begin(start + seconds(1));
        idle.begin(start);
        idle.finish(start + seconds(2));
        assert!(idle.rank() < fresh.rank() && fresh.rank() < busy.rank());
        assert!(
            !busy.rank().unwrap().may_go(start + seconds(1)),
            "a request that has just begun is left alone"
        );
        assert!(busy.rank().unwrap().may_go(start + seconds(3)));
        busy.give_way();
        assert_eq!(busy.rank(), None, "nobody gives way twice");
    }
}
