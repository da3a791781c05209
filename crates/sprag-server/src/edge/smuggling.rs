//! Where one HTTP/1 request ends and the next begins, for whoever might read it otherwise than we do.
//!
//! hyper is as lenient as RFC 9112 lets it be: a line may end in a bare line feed, and of `Content-Length` and
//! `Transfer-Encoding` together the latter counts. A proxy in front that is lenient in another way would see
//! other requests than we do (request smuggling). So such bytes are spoiled before hyper sees them: a zero
//! stands in no head and no chunk's size, and hyper answers 400 and closes.
//!
//! This never decides what a request says. Where hyper is certain to refuse, it stops looking.
//!
//! It is here because hyper has no strict mode that would refuse such requests itself (hyperium/hyper#3860); where a
//! release has one, this file goes.

/// How much of a line is kept: a name and a number. A longer line of the two that frame a body is refused.
const LINE_BYTES: usize = 128;

/// The first line of HTTP/2, which has no lines after it.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";

/// Follows one connection.
pub(crate) struct Framing {
    state: ParserState,
    line: [u8; LINE_BYTES],
    /// The length of the line so far, beyond what is kept of it too.
    length: usize,
    last: u8,
    body_bytes: Option<u64>,
    coding: Option<Coding>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ParserState {
    FirstLine,
    Headers,
    /// So many bytes of it are left; then another request begins.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// HTTP/2, or something that hyper refuses.
    Unseen,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Chunked,
    Other,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            state: ParserState::FirstLine,
            line: [0; LINE_BYTES],
            length: 0,
            last: 0,
            body_bytes: None,
            coding: None,
        }
    }
}

impl Framing {
    /// Looks at the next bytes, and spoils them where they can be read in two ways.
    pub(crate) fn follow(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                ParserState::Unseen => return,
                ParserState::Body(left) | ParserState::Chunk(left) => {
                    let here = left.min((bytes.len() - at) as u64);
                    at += usize::try_from(here).unwrap_or(bytes.len());
                    self.pass(left - here);
                }
                _ => {
                    if self.take(bytes[at]) == Line::Ambiguous {
                        bytes[at] = 0;
                        self.state = ParserState::Unseen;
                    }
                    at += 1;
                }
            }
        }
    }

    fn pass(&mut self, left: u64) {
        self.state = match self.state {
            ParserState::Body(_) if left == 0 => ParserState::FirstLine,
            ParserState::Body(_) => ParserState::Body(left),
            _ if left == 0 => ParserState::ChunkEnd,
            _ => ParserState::Chunk(left),
        };
    }

    /// Takes one byte of a line.
    fn take(&mut self, byte: u8) -> Line {
        let before = std::mem::replace(&mut self.last, byte);
        if byte != b'\n' {
            if let Some(state) = self.line.get_mut(self.length) {
                *state = byte;
            }
            self.length += 1;
            return Line::Plain;
        }
        if before != b'\r' {
            return Line::Ambiguous;
        }
        let length = std::mem::take(&mut self.length) - 1;
        let (line, is_whole) = (self.line, length <= LINE_BYTES);
        self.end_line(&line[..length.min(LINE_BYTES)], is_whole)
    }

    fn end_line(&mut self, line: &[u8], is_whole: bool) -> Line {
        match self.state {
            // hyper skips empty lines before a request.
            ParserState::FirstLine if line.is_empty() => {}
            ParserState::FirstLine if line == HTTP_2 => self.state = ParserState::Unseen,
            ParserState::FirstLine => {
                (self.state, self.body_bytes, self.coding) = (ParserState::Headers, None, None);
            }
            ParserState::Headers if line.is_empty() => self.end_head(),
            ParserState::Headers => return self.header(line, is_whole),
            ParserState::ChunkSize => match chunk_size(line) {
                _ if !is_whole => return Line::Ambiguous,
                Some(0) => self.state = ParserState::Trailers,
                Some(size) => self.state = ParserState::Chunk(size),
                None => self.state = ParserState::Unseen,
            },
            ParserState::ChunkEnd if line.is_empty() => self.state = ParserState::ChunkSize,
            ParserState::Trailers if line.is_empty() => self.state = ParserState::FirstLine,
            ParserState::Trailers => {}
            ParserState::ChunkEnd | ParserState::Body(_) | ParserState::Chunk(_) | ParserState::Unseen => {
                self.state = ParserState::Unseen
            }
        }
        Line::Plain
    }

    fn header(&mut self, line: &[u8], is_whole: bool) -> Line {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Line::Plain };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            match number(value, 10) {
                Some(bytes) => self.body_bytes = Some(bytes),
                None => self.state = ParserState::Unseen,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or(value).trim_ascii();
            let is_chunked = last.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(if is_chunked { Coding::Chunked } else { Coding::Other });
        } else {
            return Line::Plain;
        }
        let is_doubted = !is_whole || (self.body_bytes.is_some() && self.coding.is_some());
        if is_doubted { Line::Ambiguous } else { Line::Plain }
    }

    fn end_head(&mut self) {
        self.state = match (self.coding, self.body_bytes.unwrap_or(0)) {
            (Some(Coding::Chunked), _) => ParserState::ChunkSize,
            (Some(Coding::Other), _) => ParserState::Unseen,
            (None, 0) => ParserState::FirstLine,
            (None, bytes) => ParserState::Body(bytes),
        };
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Plain,
    Ambiguous,
}

/// The size at the beginning of a chunk's line; blanks or an extension may follow.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    number(&line[..digits], 16)
}

/// Digits and nothing else, or it is no number.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_plain = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_plain)?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hyper would be given, the bytes coming `step` at a time.
    fn given(text: &str, step: usize) -> String {
        let mut framing = Framing::default();
        let mut bytes = text.as_bytes().to_vec();
        for part in bytes.chunks_mut(step) {
            framing.follow(part);
        }
        String::from_utf8(bytes).unwrap()
    }

    fn is_left_alone(text: &str) {
        for step in [1, 2, 3, 7, 4096] {
            assert_eq!(given(text, step), text, "{step} at a time");
        }
    }

    fn is_spoiled_after(honest: &str, rest: &str) {
        for step in [1, 2, 3, 7, 4096] {
            let given = given(&format!("{honest}{rest}"), step);
            assert!(given.starts_with(honest), "{step} at a time: {given:?}");
            assert!(given[honest.len()..].contains('\0'), "{step} at a time: {given:?}");
        }
    }

    #[test]
    fn honest_requests_are_left_alone_one_after_the_other() {
        is_left_alone(concat!(
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\nbare\nlines\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n",
            "3;of=it\r\na\nb\r\nA\r\n\n\n\n\n\n\n\n\n\n\n\r\n0\r\nX: trailer\r\n\r\n",
            "GET /last HTTP/1.1\r\n\r\n",
        ));
    }

    #[test]
    fn http2_is_not_looked_at() {
        is_left_alone("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\n\x04\n\n");
    }

    #[test]
    fn r56_a_bare_line_feed_is_spoiled_wherever_a_line_ends() {
        is_spoiled_after("", "GET / HTTP/1.1\n\n");
        is_spoiled_after("GET / HTTP/1.1\r\n", "X: a\nContent-Length: 5\r\n\r\n");
        is_spoiled_after("GET / HTTP/1.1\r\nX: a\r\n", "\n");
        is_spoiled_after("GET / HTTP/1.1\r\n\r\n", "\nGET / HTTP/1.1\r\n\r\n");
        is_spoiled_after("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\n", "GET / HTTP/1.1\n\n");
        is_spoiled_after("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "0\n\r\n");
        is_spoiled_after("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: a\n\r\n");
    }

    #[test]
    fn r56_two_ways_to_tell_the_length_are_one_too_many() {
        let length = "content-LENGTH: 4\r\n";
        let coding = "Transfer-Encoding: chunked\r\n";
        is_spoiled_after(&format!("POST / HTTP/1.1\r\n{length}"), &format!("X: y\r\n{coding}\r\n"));
        is_spoiled_after(&format!("POST / HTTP/1.1\r\n{coding}"), &format!("X: y\r\n{length}\r\n"));
        // The head before has no say in it.
        is_left_alone(&format!(
            "POST / HTTP/1.1\r\n{length}\r\n1234POST / HTTP/1.1\r\n{coding}\r\n0\r\n\r\n"
        ));
    }

    #[test]
    fn a_line_that_frames_a_body_and_is_longer_than_what_is_kept_is_spoiled() {
        let blanks = " ".repeat(200);
        is_spoiled_after("POST / HTTP/1.1\r\n", &format!("Content-Length: {blanks}5\r\n\r\n"));
        is_spoiled_after("POST / HTTP/1.1\r\n", &format!("Transfer-Encoding: {blanks}chunked\r\n\r\n"));
        is_left_alone(&format!("GET / HTTP/1.1\r\nCookie: {blanks}\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
    }
}
