//! A reader of HTTP/1 requests that takes nothing that two readers might read differently. It looks at everything at once
//! and shares nothing with the server's, which takes bytes as they come.

use super::mutated::{MARKERS_PATH, READING_PATH};

/// What a strict reader sees in the bytes of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// How many answers there are, the refusal among them.
    pub answers: usize,
    /// How many there are at least: a call that does not ask for its body may end the connection over it.
    pub least: usize,
    /// How many of them are the marker's.
    pub markers: usize,
    pub end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The last answer refuses something, and nothing is read behind it.
    Refused,
    /// The last request asks for the connection to be closed; there may be more behind it.
    Closed { has_more: bool },
    /// The last request has no end.
    Unfinished,
}

/// Why there is no next request.
enum No {
    Ambiguous,
    Unfinished,
}

struct Request<'a> {
    is_marker: bool,
    /// Whether it has a body that its call leaves unread.
    may_be_last: bool,
    closes: bool,
    rest: &'a [u8],
}

pub fn read(mut rest: &[u8]) -> Reading {
    let (mut answers, mut markers, mut least) = (0, 0, None);
    loop {
        let end = match request(rest) {
            Ok(request) => {
                answers += 1;
                markers += usize::from(request.is_marker);
                rest = request.rest;
                if request.may_be_last {
                    least.get_or_insert(answers);
                }
                if !request.closes {
                    continue;
                }
                End::Closed { has_more: !rest.is_empty() }
            }
            Err(No::Ambiguous) => {
                answers += 1;
                End::Refused
            }
            Err(No::Unfinished) => End::Unfinished,
        };
        return Reading { answers, least: least.unwrap_or(answers), markers, end };
    }
}

/// A line that ends in CR LF and has no other CR, LF or NUL, and what is behind it.
fn line(bytes: &[u8]) -> Result<(&str, &[u8]), No> {
    let odd = bytes.iter().position(|byte| b"\r\n\0".contains(byte)).ok_or(No::Unfinished)?;
    match &bytes[odd..] {
        [b'\r'] => Err(No::Unfinished),
        [b'\r', b'\n', rest @ ..] => {
            Ok((std::str::from_utf8(&bytes[..odd]).map_err(|_| No::Ambiguous)?, rest))
        }
        _ => Err(No::Ambiguous),
    }
}

fn is(condition: bool) -> Result<(), No> {
    if condition { Ok(()) } else { Err(No::Ambiguous) }
}

fn request(bytes: &[u8]) -> Result<Request<'_>, No> {
    let (mut first, mut rest) = line(bytes)?;
    if first.is_empty() {
        (first, rest) = line(rest)?;
    }
    let words: Vec<&str> = first.split(' ').collect();
    let [method, target, version] = words[..] else { return Err(No::Ambiguous) };
    is(is_token(method) && !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic()))?;
    is(version == "HTTP/1.1" || version == "HTTP/1.0")?;
    let mut fields: Vec<(String, &str)> = Vec::new();
    loop {
        let (field, behind) = line(rest)?;
        rest = behind;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':').ok_or(No::Ambiguous)?;
        is(is_token(name)
            && value.bytes().all(|byte| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic()))?;
        fields.push((name.to_ascii_lowercase(), value));
        whole_head(&fields, version)?;
    }
    let named = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let host = named("host").map(str::trim);
    is(host.is_some() || version == "HTTP/1.0")?;
    if !target.starts_with('/') {
        let named = target.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        is(named.is_some() && host.is_none_or(|host| Some(host) == named))?;
    }
    let mut may_be_last = false;
    let rest = match (named("content-length"), named("transfer-encoding")) {
        (_, Some(_)) => behind_chunks(rest)?,
        (Some(length), _) => {
            let length: usize = length.trim().parse().map_err(|_| No::Ambiguous)?;
            may_be_last = length > 0 && !(method == "POST" && target == READING_PATH);
            rest.get(length..).ok_or(No::Unfinished)?
        }
        (None, None) => rest,
    };
    let connection = named("connection").unwrap_or_default().trim().to_ascii_lowercase();
    let closes = connection == "close" || (version == "HTTP/1.0" && connection != "keep-alive");
    Ok(Request { is_marker: method == "GET" && target == MARKERS_PATH, may_be_last, closes, rest })
}

/// What can be said of a head as soon as a field of it is there.
fn whole_head(fields: &[(String, &str)], version: &str) -> Result<(), No> {
    let count = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).count();
    is(["host", "authorization"].iter().all(|name| count(name) < 2))?;
    is(count("content-length") + count("transfer-encoding") < 2)?;
    for (name, value) in fields {
        let bare = value.strip_prefix(' ').unwrap_or(value);
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match name.as_str() {
            "content-length" => {
                is(is_digits(bare) && bare.len() < 19 && (bare == "0" || !bare.starts_with('0')))?
            }
            "transfer-encoding" => is(bare == "chunked" && version == "HTTP/1.1")?,
            "host" => {
                let (name, port) = value.trim().split_once(':').unwrap_or((value.trim(), "0"));
                let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
                is(!name.is_empty() && is_plain && is_digits(port) && port.len() < 6)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is behind a body in chunks: sizes, an end behind each chunk, an empty line behind the last size.
fn behind_chunks(mut rest: &[u8]) -> Result<&[u8], No> {
    loop {
        let (size, behind) = line(rest)?;
        is((1..9).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let size = usize::from_str_radix(size, 16).map_err(|_| No::Ambiguous)?;
        let behind = behind.get(size..).ok_or(No::Unfinished)?;
        match behind {
            [b'\r', b'\n', after @ ..] => rest = after,
            [] | [b'\r'] => return Err(No::Unfinished),
            _ => return Err(No::Ambiguous),
        }
        if size == 0 {
            return Ok(rest);
        }
    }
}

fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const MARKER: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    fn seen(text: &str) -> (usize, usize, End) {
        let reading = read(text.as_bytes());
        (reading.answers, reading.markers, reading.end)
    }

    #[test]
    fn what_a_strict_reader_sees() {
        let closed = End::Closed { has_more: false };
        assert_eq!(seen(&format!("{GET}{GET}{MARKER}")), (3, 1, closed));
        assert_eq!(seen(&format!("{GET}GET / HTTP/1.1\n{MARKER}")), (2, 0, End::Refused));
        assert_eq!(seen(&format!("GET / HTTP/1.0\r\n\r\n{MARKER}")), (1, 0, End::Closed { has_more: true }));
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(seen(&format!("{chunked}5;\n\r\n{{   }}\r\n0\r\n\r\n{MARKER}")), (1, 0, End::Refused));
        assert_eq!(seen(&format!("{chunked}5\r\n{{   }}\r\n0\r\n\r\n{MARKER}")), (2, 1, closed));
        assert_eq!(
            seen(&format!("{chunked}5\r\n{{   }}\r\n0\r\nX: y\r\n\r\n{MARKER}")),
            (1, 0, End::Refused)
        );
        assert_eq!(seen(&format!("{chunked}ffff\r\n{MARKER}")), (0, 0, End::Unfinished));
        let long = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n";
        assert_eq!(seen(&format!("{long}{MARKER}")), (0, 0, End::Unfinished));
    }
}
