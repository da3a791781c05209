//! Frames of HTTP/2 that ask for nothing: how many of them a client may send.
//!
//! h2 bounds what frames have it hold, and not how many come: a client that sends nothing but pings keeps a server busy for no
//! price of its own. An honest one sends such frames with its requests and with what it is answered.

use std::time::Duration;

use tokio::time::Instant;

/// How many may come at once.
const BURST: u32 = 1024;

/// How long until one more may.
const EACH: Duration = Duration::from_millis(10);

/// What a request allows beside itself: its stream may be reset, or its window opened.
const OF_REQUEST: u32 = 2;

/// How much that is sent allows one more, in bytes: whoever reads opens windows.
const SENT_BYTES: usize = 2048;

/// What a reset takes: more than its request has allowed, so that requests which are reset at once use up what there is.
const OF_RESET: u32 = 3;

/// A part of a body below this length, in bytes, is as good as none.
const SMALL_BYTES: usize = 64;

/// How long a frame's head is.
const HEAD_BYTES: usize = 9;

/// Where in a frame's head stand its kind and its flags; its length stands before them.
const KIND: usize = 3;
const FLAGS: usize = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// The head of the frame that comes, as far as it has come.
    head: [u8; HEAD_BYTES],
    come: usize,
    /// How much of the frame is still to come behind its head.
    left: usize,
    allowed: u32,
    /// Since when it has been so many.
    since: Option<Instant>,
}

impl Default for Frames {
    fn default() -> Self {
        Self { head: [0; HEAD_BYTES], come: 0, left: 0, allowed: BURST, since: None }
    }
}

impl Frames {
    /// Takes the next bytes; `false` where more has come than may.
    pub(super) fn follow(&mut self, mut bytes: &[u8], now: impl Fn() -> Instant) -> bool {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let here = (HEAD_BYTES - self.come).min(bytes.len());
            if self.left > 0 || here == 0 {
                break;
            }
            self.head[self.come..self.come + here].copy_from_slice(&bytes[..here]);
            self.come += here;
            bytes = &bytes[here..];
            if self.come == HEAD_BYTES {
                self.come = 0;
                if !self.begins(&now) {
                    return false;
                }
            }
        }
        true
    }

    /// So many bytes have been sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.allow(u32::try_from(bytes / SENT_BYTES).unwrap_or(BURST));
    }

    /// A frame begins; `false` where it is one too many.
    fn begins(&mut self, now: &impl Fn() -> Instant) -> bool {
        let [high, middle, low, ..] = self.head;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_last = self.head[FLAGS] & END_STREAM != 0;
        match self.head[KIND] {
            HEADERS => {
                self.allow(OF_REQUEST);
                true
            }
            DATA if is_last || self.left >= SMALL_BYTES => true,
            RST_STREAM => self.takes(OF_RESET, now),
            _ => self.takes(1, now),
        }
    }

    fn allow(&mut self, more: u32) {
        self.allowed = self.allowed.saturating_add(more).min(BURST);
    }

    fn takes(&mut self, count: u32, now: &impl Fn() -> Instant) -> bool {
        if self.allowed < count {
            // The time is asked for no more often than that, or it would be what a flood costs.
            let now = now();
            let waited = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            self.allow(u32::try_from(waited.as_millis() / EACH.as_millis()).unwrap_or(BURST));
            self.since = Some(now);
        } else if self.since.is_none() {
            self.since = Some(now());
        }
        let is_allowed = self.allowed >= count;
        self.allowed = self.allowed.saturating_sub(count);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &[0; 4], &vec![0; payload][..]].concat()
    }

    /// How many of them may come at once.
    fn may_come(frames: &mut Frames, frame: &[u8], now: Instant) -> usize {
        let count = (0..100_000).take_while(|_| frames.follow(frame, || now)).count();
        // What the one too many carries is not looked at any more: its connection is closed.
        frames.left = 0;
        count
    }

    #[test]
    fn whatever_asks_for_nothing_may_come_a_thousand_times_at_once_and_a_hundred_a_second() {
        let begun = Instant::now();
        let (ping, settings, priority) = (frame(6, 0, 8), frame(4, 0, 0), frame(2, 0, 5));
        let (empty, wider, goes_on, unknown) =
            (frame(0, 0, 0), frame(8, 0, 4), frame(9, 0, 9), frame(77, 0, 3));
        for asks_nothing in [ping, settings, priority, empty, wider, goes_on, unknown] {
            let mut frames = Frames::default();
            assert_eq!(may_come(&mut frames, &asks_nothing, begun), 1024);
            assert_eq!(may_come(&mut frames, &asks_nothing, begun + Duration::from_secs(1)), 100);
            assert_eq!(may_come(&mut frames, &asks_nothing, begun + Duration::from_secs(3600)), 1024);
        }
    }

    #[test]
    fn requests_that_are_reset_at_once_use_up_what_there_is() {
        let mut frames = Frames::default();
        let rapid = [frame(1, 5, 40), frame(3, 0, 4)].concat();
        assert_eq!(may_come(&mut frames, &rapid, Instant::now()), 1022);
    }

    #[test]
    fn honest_clients_are_never_too_many() {
        let (mut frames, now) = (Frames::default(), Instant::now());
        let request = frame(1, 5, 40);
        assert_eq!(may_come(&mut frames, &request, now), 100_000, "requests");
        let upload = [frame(1, 4, 40), frame(0, 0, 16_384), frame(0, 1, 0)].concat();
        assert_eq!(may_come(&mut frames, &upload, now), 100_000, "uploads");
        let reads = (0..10_000).all(|_| {
            frames.sent(32 * 1024);
            frames.follow(&[frame(8, 0, 4), frame(8, 0, 4)].concat(), || now)
        });
        assert!(reads, "whoever reads opens the windows of the stream and of the connection");
    }

    #[test]
    fn frames_are_followed_however_their_bytes_come() {
        let now = Instant::now();
        let mut frames = Frames::default();
        let all = [frame(1, 5, 300), frame(0, 0, 1000), frame(6, 0, 8)].concat().repeat(600);
        assert!(all.chunks(7).all(|bytes| frames.follow(bytes, || now)));
        assert_eq!(
            frames.allowed,
            BURST - 1,
            "each ping takes one and each request gives two, as far as there is room"
        );
    }
}
