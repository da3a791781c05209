//! A siege of the framing: requests with a byte too many or too few, a marker behind them, and what may be answered.
//!
//! How many answers there may be, and whether the marker may be among them, is said by a reader of requests that shares
//! nothing with the server's ([`strict`]). Where that reader sees no end, less may be answered, and never more.

use std::fmt::{self, Write as _};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::binary::random::Random;

pub mod mutated;
pub mod strict;

use strict::{End, Reading};

/// Longer than the server waits for anything.
const PATIENCE: Duration = Duration::from_secs(40);

/// How many failures are kept in full.
const MAX_KEPT: usize = 10;

/// What a siege came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: u64,
    /// How many ended in a refusal, in an orderly close, and without an end.
    pub refused: u64,
    pub closed: u64,
    pub unfinished: u64,
    /// How many answers came, and how many of them were markers'.
    pub answers: u64,
    pub markers: u64,
    pub failures: u64,
    /// The first of the failures, told in full.
    pub told: Vec<String>,
}

/// Sends `cases` requests that follow from `seed`, so many connections at once.
pub fn besiege(address: SocketAddr, seed: u64, cases: u64, at_once: u64) -> Tally {
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for first in 0..at_once {
            let tally = &tally;
            scope.spawn(move || {
                for number in (first..cases).step_by(usize::try_from(at_once).unwrap()) {
                    let mut random = Random::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
                    let bytes = mutated::case(&mut random);
                    let expected = strict::read(&bytes);
                    let told = converse(address, &bytes, &mut random, expected.end == End::Unfinished);
                    let mut tally = tally.lock().unwrap();
                    tally.count(&expected, told, || {
                        format!("case {number} of seed {seed}: {}", Shown(&bytes))
                    });
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

/// Everything that is answered to these bytes, which are sent in up to three pieces.
fn converse(
    address: SocketAddr,
    bytes: &[u8],
    random: &mut Random,
    is_unfinished: bool,
) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut rest = bytes;
    for _ in 0..random.below(3) {
        let (piece, others) = rest.split_at(usize::try_from(random.below(rest.len() as u64)).unwrap());
        // Whoever was refused already is not read any more.
        let _ = stream.write_all(piece);
        rest = others;
    }
    let _ = stream.write_all(rest);
    if is_unfinished {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut told = Vec::new();
    match stream.read_to_end(&mut told) {
        Ok(_) => Ok(told),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(told),
        Err(error) => Err(error),
    }
}

impl Tally {
    fn count(&mut self, expected: &Reading, told: io::Result<Vec<u8>>, shown: impl FnOnce() -> String) {
        self.cases += 1;
        match expected.end {
            End::Refused => self.refused += 1,
            End::Closed { .. } => self.closed += 1,
            End::Unfinished => self.unfinished += 1,
        }
        let complaint = match told.as_deref().map(answers) {
            Ok(Ok(answers)) => {
                self.answers += answers.len() as u64;
                self.markers += answers.iter().filter(|answer| answer.is_marker()).count() as u64;
                complaint(expected, &answers)
            }
            Ok(Err(why)) => Some(why),
            Err(error) => Some(format!("the server did not close: {error}")),
        };
        let Some(complaint) = complaint else { return };
        self.failures += 1;
        if self.told.len() < MAX_KEPT {
            let told = told.unwrap_or_default();
            self.told.push(format!("{complaint}; {expected:?}\n  {}\n  told: {}", shown(), Shown(&told)));
        }
    }
}

/// An answer, as far as it matters here.
struct Answer<'a> {
    status: u16,
    closes: bool,
    body: &'a [u8],
}

impl Answer<'_> {
    fn is_marker(&self) -> bool {
        self.status == 200 && self.body == mutated::MARKERS_BODY
    }
}

/// What is wrong with these answers.
fn complaint(expected: &Reading, answers: &[Answer<'_>]) -> Option<String> {
    let markers = answers.iter().filter(|answer| answer.is_marker()).count();
    let (least, most) = match expected.end {
        End::Refused | End::Closed { has_more: false } => (expected.least, expected.answers),
        // A connection that is closed over bytes nobody has read may lose its last answers.
        End::Closed { has_more: true } => (0, expected.answers),
        // What has no end may be answered too, but not the marker in it.
        End::Unfinished => (0, expected.answers + 1),
    };
    if !(least..=most).contains(&answers.len()) {
        return Some(format!("{} answers, not {least} to {most}", answers.len()));
    }
    if markers > expected.markers || (least == most && markers != expected.markers) {
        return Some(format!("the marker was answered {markers} times, not {}", expected.markers));
    }
    let last = answers.last()?;
    let is_whole = answers.len() == expected.answers;
    if is_whole && expected.end == End::Refused && (last.status != 400 || !last.closes) {
        return Some(format!("the last answer is a {}, not a 400 that closes", last.status));
    }
    None
}

/// The answers that these bytes are, without those that only say "go on".
fn answers(mut rest: &[u8]) -> Result<Vec<Answer<'_>>, String> {
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let end =
            rest.windows(4).position(|four| four == b"\r\n\r\n").ok_or("an answer's head has no end")?;
        let head = std::str::from_utf8(&rest[..end]).map_err(|_| "an answer's head is no text")?;
        rest = &rest[end + 4..];
        let head = head.to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("http/1.")?.get(2..5)?.parse().ok());
        let status: u16 = status.ok_or("an answer has no status")?;
        if status < 200 {
            continue;
        }
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let field = |wanted| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let length: usize = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if rest.len() < length {
            return Err("an answer's body is cut short".to_owned());
        }
        let closes = field("connection") == Some("close");
        answers.push(Answer { status, closes, body: &rest[..length] });
        rest = &rest[length..];
    }
    Ok(answers)
}

/// Bytes as a person can read them.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(f, "{}", self.0.escape_ascii())?;
        f.write_char('"')
    }
}
