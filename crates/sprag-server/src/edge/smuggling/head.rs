//! What stands in the head of an HTTP/1 request, line by line, as strictly as nobody reads it otherwise.

use memchr::{memchr, memchr_iter};

/// What is said of a chunk's line that is not its size alone.
pub(super) const NO_SIZE: &str =
    "the line before a chunk is more or less than its size in hexadecimal digits (extensions are not taken)";

/// What is said where no line ends behind a chunk.
pub(super) const LONG_CHUNK: &str = "a chunk is longer than its size says";

/// What is said of fields behind the last chunk.
pub(super) const TRAILERS: &str =
    "something stands between the last chunk and the end (trailers are not taken)";

/// One head as far as it has been read.
#[derive(Clone, Default, Debug)]
pub(super) struct Head {
    version: Option<Version>,
    is_of_head: bool,
    /// Whom the target names, where it is not a path.
    authority: Option<Vec<u8>>,
    has_host: bool,
    /// Whether that is another than the target names.
    is_another: bool,
    body_bytes: Option<u64>,
    is_chunked: bool,
    has_authorization: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    Http10,
    Http11,
}

/// What comes after a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    /// So many bytes, perhaps none.
    Bytes(u64),
    Chunks,
}

/// Somebody else might read it otherwise, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ambiguous(pub(super) &'static str);

impl Head {
    /// Reads one line without its end: the first is the request's own, each further one a field.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        if self.version.is_none() {
            return self.read_first(line);
        }
        let (name, value) = field(line)?;
        match Named::of(name)? {
            Named::Length => self.read_length(value),
            Named::Coding => self.read_coding(value),
            Named::Host => {
                let host = value.trim_ascii();
                self.is_another =
                    self.authority.as_ref().is_some_and(|authority| !host.eq_ignore_ascii_case(authority));
                let is_first = !std::mem::replace(&mut self.has_host, true);
                sure(is_first, "Host stands in it twice")?;
                sure(is_host(host), "its Host is not a host with perhaps a port")
            }
            Named::Authorization => {
                let is_first = !std::mem::replace(&mut self.has_authorization, true);
                sure(is_first, "Authorization stands in it twice")
            }
            Named::Else => Ok(()),
        }
    }

    /// What comes after the head, whose end has been read.
    pub(super) fn body(&self) -> Result<Body, Ambiguous> {
        sure(self.has_host || self.version == Some(Version::Http10), "it has no Host")?;
        sure(!self.is_another, "its target names another host than Host")?;
        Ok(if self.is_chunked { Body::Chunks } else { Body::Bytes(self.body_bytes.unwrap_or(0)) })
    }

    /// Whether it is one of a HEAD.
    pub(super) fn is_of_head(&self) -> bool {
        self.is_of_head
    }

    /// Method, target and version with one blank between them.
    fn read_first(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        const NO_LINE: &str =
            "its first line is not a method, a target and a version we know with one blank between them";
        let mut blanks = memchr_iter(b' ', line);
        let (Some(first), Some(second), None) = (blanks.next(), blanks.next(), blanks.next()) else {
            return Err(Ambiguous(NO_LINE));
        };
        let (method, target, version) = (&line[..first], &line[first + 1..second], &line[second + 1..]);
        let is_plain = |target: &[u8]| target.iter().all(|byte| is_visible(byte) && *byte != b'#');
        sure(is_token(method) && !target.is_empty() && is_plain(target), NO_LINE)?;
        self.version = Some(match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ => return Err(Ambiguous(NO_LINE)),
        });
        self.authority = authority(target)?;
        self.is_of_head = method == b"HEAD";
        Ok(())
    }

    fn read_length(&mut self, value: &[u8]) -> Result<(), Ambiguous> {
        let is_first = self.body_bytes.replace(number(value)?).is_none();
        sure(is_first, "Content-Length stands in it twice")?;
        sure(!self.is_chunked, BOTH)
    }

    fn read_coding(&mut self, value: &[u8]) -> Result<(), Ambiguous> {
        let is_first = !std::mem::replace(&mut self.is_chunked, true);
        sure(is_first, "Transfer-Encoding stands in it twice")?;
        sure(self.body_bytes.is_none(), BOTH)?;
        sure(bare(value) == b"chunked", "its Transfer-Encoding is not exactly chunked")?;
        sure(
            self.version == Some(Version::Http11),
            "it has a Transfer-Encoding, which HTTP/1.0 does not know",
        )
    }
}

const BOTH: &str = "it has a Content-Length and a Transfer-Encoding";

pub(super) fn sure(is_sure: bool, why: &'static str) -> Result<(), Ambiguous> {
    if is_sure { Ok(()) } else { Err(Ambiguous(why)) }
}

/// The size of a chunk: hexadecimal digits and nothing else, no extension either.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Ambiguous> {
    let text = str::from_utf8(line).map_err(|_| Ambiguous(NO_SIZE))?;
    sure(!line.is_empty() && line.iter().all(u8::is_ascii_hexdigit), NO_SIZE)?;
    u64::from_str_radix(text, 16).map_err(|_| Ambiguous(NO_SIZE))
}

/// Whom a target names between `http://` and its path, where it is not just a path or `*`. One that only names somebody is for
/// proxies.
fn authority(target: &[u8]) -> Result<Option<Vec<u8>>, Ambiguous> {
    if target[0] == b'/' || target == b"*" {
        return Ok(None);
    }
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let is_of =
        |scheme: &&[u8]| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    let scheme = schemes.into_iter().find(is_of);
    let scheme = scheme.ok_or(Ambiguous("its target is neither a path nor the address of one"))?;
    let named = target[scheme.len()..].split(|byte| b"/?".contains(byte)).next().unwrap_or_default();
    Ok(Some(named.to_vec()))
}

/// A field's name and value. A line that begins with a blank goes on with the one before it, for some; a blank before the
/// colon belongs to the name, for some.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Ambiguous> {
    let folded = line.first().is_some_and(|byte| b" \t".contains(byte));
    sure(!folded, "a line begins with a blank, as if it went on with the one before")?;
    let colon = memchr(b':', line).ok_or(Ambiguous("a line has no colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    sure(is_token(name), "a field's name is none, or a blank stands before its colon")?;
    // It looks at every byte and adds up bytes, and so the compiler has it look at many at once.
    let odd = value.iter().fold(0, |any, byte| any | u8::from(!is_of_value(byte)));
    sure(odd == 0, "a field's value has a control character")?;
    Ok((name, value))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named {
    Length,
    Coding,
    Host,
    Authorization,
    Else,
}

impl Named {
    /// The field of that name. Some take a low line for a hyphen, so a name that is one of these but for that is doubted.
    fn of(name: &[u8]) -> Result<Self, Ambiguous> {
        let like = |known: &[u8]| {
            let same = |(byte, known): (&u8, &u8)| {
                byte.eq_ignore_ascii_case(known) || (*byte, *known) == (b'_', b'-')
            };
            name.len() == known.len() && name.iter().zip(known).all(same)
        };
        let named = match () {
            () if like(b"content-length") => Self::Length,
            () if like(b"transfer-encoding") => Self::Coding,
            () if like(b"host") => Self::Host,
            () if like(b"authorization") => Self::Authorization,
            () => Self::Else,
        };
        let is_doubted = named != Self::Else && name.contains(&b'_');
        sure(!is_doubted, "a field that frames it is written with a low line instead of a hyphen")?;
        Ok(named)
    }
}

/// A value without the one blank that may stand before it; where a body's end depends on it, no other is taken.
fn bare(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// Digits and nothing else: no sign, no list, no zero before others, and no more than anything here is long.
fn number(value: &[u8]) -> Result<u64, Ambiguous> {
    const NO_LENGTH: &str = "its Content-Length is not a number in plain digits";
    let digits = bare(value);
    let is_padded = digits.len() > 1 && digits.starts_with(b"0");
    let is_plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    sure(is_plain && !is_padded, NO_LENGTH)?;
    let number = str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    number.ok_or(Ambiguous(NO_LENGTH))
}

/// A name or an address, and perhaps a port behind it.
fn is_host(value: &[u8]) -> bool {
    let is_address = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| is_of(byte, b":.%-_~"));
    let is_name =
        |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| is_of(byte, b".-_~%!$&'()*+;="));
    let (is_plain, port) = match value.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            (is_address(&rest[..end]), &rest[end + 1..])
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            (is_name(&value[..end]), &value[end..])
        }
    };
    let is_port = |digits: &[u8]| (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_plain && (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port))
}

fn is_of(byte: &u8, others: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || others.contains(byte)
}

fn is_token(bytes: &[u8]) -> bool {
    /// Which bytes may stand in one: every name of a field is looked through.
    const MAY: [bool; 256] = {
        let (mut may, mut byte) = ([false; 256], 0);
        while byte < 128_u8 {
            may[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let (others, mut at) = (b"!#$%&'*+-.^_`|~", 0);
        while at < others.len() {
            may[others[at] as usize] = true;
            at += 1;
        }
        may
    };
    !bytes.is_empty() && bytes.iter().all(|byte| MAY[usize::from(*byte)])
}

fn is_visible(byte: &u8) -> bool {
    *byte > b' ' && *byte != 0x7f
}

fn is_of_value(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' ') || is_visible(byte)
}
