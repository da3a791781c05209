//! Where one HTTP/1 request ends and the next begins, for whoever might read it otherwise than we do.
//!
//! hyper is as lenient as RFC 9112 lets it be. A proxy in front that is lenient in another way would see other requests than
//! we do (request smuggling). So the framing is read here first, and strictly. What is not sure to be read alike by everybody
//! never reaches hyper, and neither does anything behind it: the request is answered 400, the connection closed, and no byte
//! of it looked at again.
//!
//! A head is held until its end has come. hyper gets it whole, or in its place a request that stands for a refusal. Of
//! chunks it gets what has been read; where they go wrong, the body breaks off.
//!
//! It is here because hyper has no strict mode that would refuse such requests itself (hyperium/hyper#3860); where a
//! release has one, this file goes.

use std::ops::Range;
use std::sync::Arc;

use memchr::memchr3;
use tokio::time::Instant;

mod frames;
mod head;
mod refused;

use frames::Frames;
use head::{Ambiguous, Body, Head, sure};
pub(crate) use refused::Refused;

/// The largest request head, in bytes; of a larger one hyper gets as much, and answers 431.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The longest line of a chunk's size, in bytes, without its end.
const MAX_SIZE_BYTES: usize = 8;

/// What begins HTTP/2. It is no request of HTTP/1, and can stand nowhere but at a connection's beginning.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What hyper is given in place of a head that is refused, behind its method. It is told from a request by its number, which
/// no client can choose.
const STAND_IN: &[u8] = b" / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Framing {
    state: ParserState,
    /// What came before and has not been given on.
    held: Vec<u8>,
    /// Where in that and what comes behind it begins what has not been given on, where the line under way, and how far it has been
    /// looked through.
    sure: usize,
    line_at: usize,
    looked: usize,
    head: Head,
    /// How many heads have been given on.
    heads: u64,
    /// Whether an empty line has been left out before the next head.
    has_skipped: bool,
    refused: Arc<Refused>,
    frames: Frames,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ParserState {
    /// Nothing but perhaps a part of HTTP/2's first bytes has come.
    Begun,
    Head,
    /// So many bytes of it are left; then another request begins.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    /// What ends the chunks.
    LastEnd,
    /// HTTP/2 frames its requests itself.
    Http2,
    /// More of its frames have come that ask for nothing than may.
    Flooded,
    /// A head was refused: what stands for it is the last that was given.
    HeadRefused,
    /// A body was refused: it breaks off here.
    BodyRefused,
}

/// What may still come of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outlook {
    Open,
    /// Nothing more, until the answer has been sent.
    AwaitsAnswer,
    /// Nothing more, as if the peer had closed.
    Ended,
    /// Nothing more, as the peer sends what only costs.
    Flooded,
}

impl Framing {
    pub(crate) fn new(refused: Arc<Refused>) -> Self {
        let (held, head) = (Vec::new(), Head::default());
        let (sure, line_at, looked, heads, has_skipped) = (0, 0, 0, 0, false);
        let (state, frames) = (ParserState::Begun, Frames::default());
        Self { state, held, sure, line_at, looked, head, heads, has_skipped, refused, frames }
    }

    /// Takes the next bytes, and gives what may go on.
    pub(crate) fn follow(&mut self, bytes: &[u8], give: &mut impl FnMut(&[u8])) {
        match self.state {
            ParserState::Http2 => {
                self.follow_frames(bytes);
                return give(bytes);
            }
            ParserState::HeadRefused | ParserState::BodyRefused | ParserState::Flooded => return,
            _ => {}
        }
        let mut held = std::mem::take(&mut self.held);
        let here = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        while self.sure < here.len() {
            match self.step(here, give) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Ambiguous(why)) => return self.refuse(why, give),
            }
        }
        if matches!(self.state, ParserState::HeadRefused) {
            return;
        }
        self.held = if self.sure == 0 && !held.is_empty() {
            held
        } else {
            // Copied rather than moved to the front: the room of what has gone on would be kept as long as half a head is here.
            here[self.sure..].to_vec()
        };
        self.line_at -= self.sure;
        self.looked -= self.sure;
        self.sure = 0;
    }

    /// Whether it is HTTP/2; `None` until enough has come to tell.
    pub(crate) fn is_http2(&self) -> Option<bool> {
        let is_http2 = matches!(self.state, ParserState::Http2 | ParserState::Flooded);
        (self.state != ParserState::Begun).then_some(is_http2)
    }

    fn follow_frames(&mut self, bytes: &[u8]) {
        if !self.frames.follow(bytes, Instant::now) {
            self.state = ParserState::Flooded;
        }
    }

    /// So many bytes have been sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if self.state == ParserState::Http2 {
            self.frames.sent(bytes);
        }
    }

    /// What may still come.
    pub(crate) fn outlook(&self) -> Outlook {
        match self.state {
            ParserState::HeadRefused => Outlook::AwaitsAnswer,
            ParserState::BodyRefused => Outlook::Ended,
            ParserState::Flooded => Outlook::Flooded,
            _ => Outlook::Open,
        }
    }

    /// Goes on as far as one state goes; whether there was enough to go on with.
    fn step(&mut self, here: &[u8], give: &mut impl FnMut(&[u8])) -> Result<bool, Ambiguous> {
        match self.state {
            ParserState::Begun => return Ok(self.begin(here, give)),
            ParserState::Head => return self.head_line(here, give),
            ParserState::Body(left) => {
                let left = self.pass(left, here, give);
                self.state = if left == 0 { ParserState::Head } else { ParserState::Body(left) };
            }
            ParserState::Chunk(left) => {
                let left = self.pass(left, here, give);
                self.state = if left == 0 { ParserState::ChunkEnd } else { ParserState::Chunk(left) };
            }
            ParserState::ChunkSize => {
                let Some(line) = self.line(here, MAX_SIZE_BYTES, head::NO_SIZE)? else { return Ok(false) };
                match head::chunk_size(&here[line])? {
                    // It is given on with the line behind it, so that a body ends only where its end is sure.
                    0 => {
                        self.state = ParserState::LastEnd;
                        return Ok(self.line_at < here.len());
                    }
                    size => self.state = ParserState::Chunk(size),
                }
                self.release(here, give);
            }
            ParserState::ChunkEnd => {
                if self.line(here, 0, head::LONG_CHUNK)?.is_none() {
                    return Ok(false);
                }
                self.state = ParserState::ChunkSize;
                self.release(here, give);
            }
            ParserState::LastEnd => {
                if self.line(here, 0, head::TRAILERS)?.is_none() {
                    return Ok(false);
                }
                self.state = ParserState::Head;
                self.release(here, give);
            }
            ParserState::Http2
            | ParserState::Flooded
            | ParserState::HeadRefused
            | ParserState::BodyRefused => return Ok(false),
        }
        Ok(true)
    }

    /// Tells HTTP/2 from HTTP/1 by a connection's first bytes, once there are enough of them.
    fn begin(&mut self, here: &[u8], give: &mut impl FnMut(&[u8])) -> bool {
        let common = here.len().min(PREFACE.len());
        if here[..common] != PREFACE[..common] {
            self.state = ParserState::Head;
        } else if common == PREFACE.len() {
            self.state = ParserState::Http2;
            (self.line_at, self.looked) = (here.len(), here.len());
            self.follow_frames(&here[PREFACE.len()..]);
            self.release(here, give);
        } else {
            return false;
        }
        true
    }

    fn head_line(&mut self, here: &[u8], give: &mut impl FnMut(&[u8])) -> Result<bool, Ambiguous> {
        let line = match self.line(here, usize::MAX, "")? {
            Some(line) => line,
            None if here.len() - self.sure < MAX_HEAD_BYTES => return Ok(false),
            None => return Ok(self.overflow(here, give)),
        };
        // RFC 9112 section 2.2 lets an empty line stand before a request; hyper needs none.
        if line.start == self.sure && line.is_empty() {
            if std::mem::replace(&mut self.has_skipped, true) {
                return Err(Ambiguous("empty lines stand before it"));
            }
            self.sure = self.line_at;
            return Ok(true);
        }
        if self.line_at - self.sure > MAX_HEAD_BYTES {
            return Ok(self.overflow(here, give));
        }
        if !line.is_empty() {
            self.head.read(&here[line])?;
            return Ok(self.line_at < here.len());
        }
        self.state = match self.head.body()? {
            Body::Bytes(0) => ParserState::Head,
            Body::Bytes(bytes) => ParserState::Body(bytes),
            Body::Chunks => ParserState::ChunkSize,
        };
        (self.head, self.has_skipped) = (Head::default(), false);
        self.heads += 1;
        self.release(here, give);
        Ok(true)
    }

    /// Gives on what is sure to be too much for a head, and not its end.
    fn overflow(&mut self, here: &[u8], give: &mut impl FnMut(&[u8])) -> bool {
        self.refused.whole("its head is too large");
        give(&here[self.sure..self.sure + MAX_HEAD_BYTES]);
        self.stop(ParserState::HeadRefused);
        false
    }

    /// The next whole line without its end; `None` until it has come. A line ends in CR LF, and has neither within. One that
    /// is longer than `max_bytes` is `excess`.
    fn line(
        &mut self,
        here: &[u8],
        max_bytes: usize,
        excess: &'static str,
    ) -> Result<Option<Range<usize>>, Ambiguous> {
        let longest = self.line_at.saturating_add(max_bytes);
        while let Some(byte) = here.get(self.looked) {
            let is_after_cr = self.looked > self.line_at && here[self.looked - 1] == b'\r';
            match byte {
                b'\n' if is_after_cr => {
                    let line = self.line_at..self.looked - 1;
                    self.looked += 1;
                    self.line_at = self.looked;
                    return Ok(Some(line));
                }
                b'\n' => return Err(Ambiguous("a line ends in a line feed alone")),
                0 => return Err(Ambiguous("there is a zero byte in it")),
                _ if is_after_cr => return Err(Ambiguous("a carriage return stands within a line")),
                b'\r' => self.looked += 1,
                _ => {
                    let rest = &here[self.looked..];
                    // A line may end at the first two of these, and never ends well at the third.
                    self.looked += memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    sure(self.looked <= longest, excess)?;
                }
            }
        }
        Ok(None)
    }

    /// Gives on what is left of a body, as far as it has come; how much is left then.
    fn pass(&mut self, left: u64, here: &[u8], give: &mut impl FnMut(&[u8])) -> u64 {
        let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(here.len() - self.sure);
        self.line_at = self.sure + bytes;
        self.looked = self.line_at;
        self.release(here, give);
        left - bytes as u64
    }

    /// Gives on everything up to the line under way.
    fn release(&mut self, here: &[u8], give: &mut impl FnMut(&[u8])) {
        give(&here[self.sure..self.line_at]);
        self.sure = self.line_at;
    }

    /// Nothing of what comes is looked at from now on.
    fn refuse(&mut self, why: &'static str, give: &mut impl FnMut(&[u8])) {
        if matches!(self.state, ParserState::Begun | ParserState::Head) {
            self.refused.head(self.heads, why);
            // A HEAD is answered without a body: what follows the head of an answer to it would be read as another answer.
            give(if self.head.is_of_head() { b"HEAD" } else { b"GET" });
            give(STAND_IN);
            self.stop(ParserState::HeadRefused);
        } else {
            self.refused.body(why);
            self.stop(ParserState::BodyRefused);
        }
    }

    fn stop(&mut self, state: ParserState) {
        self.state = state;
        self.held = Vec::new();
        (self.sure, self.line_at, self.looked) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests;
