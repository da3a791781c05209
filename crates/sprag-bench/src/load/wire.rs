//! The least HTTP/1.1 that can load a server: requests written from prepared pieces, answers read by their length.
//!
//! The generator shares the machine with what it measures, so it parses no JSON and copies little.

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The largest answer, head and body, that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How long one request may take, connecting included.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// How much is read at a time; most answers come at once.
const READ_BYTES: usize = 4 * 1024;

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, complete.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Whether the server will close the connection.
    pub(crate) closes: bool,
}

/// A field of a JSON object as it stands before its text: `"name":"`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Field(Vec<u8>);

impl Field {
    pub(crate) fn named(name: &str) -> Self {
        Self(format!("\"{name}\":\"").into_bytes())
    }
}

/// Where an answer's parts lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    status: u16,
    body_at: usize,
    body_bytes: usize,
    closes: bool,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let mut head = None;
        loop {
            self.received.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            if self.received.len() > MAX_ANSWER_BYTES {
                return Err(io::Error::new(ErrorKind::InvalidData, "the answer is larger than 64 KiB"));
            }
            if head.is_none() {
                head = read_head(&self.received)?;
            }
            if let Some(head) = head
                && self.received.len() >= head.body_at + head.body_bytes
            {
                let body = &self.received[head.body_at..head.body_at + head.body_bytes];
                return Ok(Answer { status: head.status, body, closes: head.closes });
            }
        }
    }
}

/// A client that logs people in and out: one connection, opened when it is first needed and again when it has closed.
pub(crate) struct Client {
    address: SocketAddr,
    wire: Option<Wire>,
}

/// An answer that is kept.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, wire: None }
    }

    /// Sends a JSON body and reads the answer, whatever its status. Nothing is sent a second time: the server may have done
    /// what was asked.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> io::Result<Reply> {
        let body = body.to_string();
        let mut request = post_head(&self.address.to_string(), path);
        write!(request, "content-length: {}\r\n\r\n{body}", body.len())?;
        let kept = self.wire.take();
        let asked = async {
            let mut wire = match kept {
                Some(wire) => wire,
                None => Wire::open(self.address).await?,
            };
            let answer = wire.exchange(&request).await?;
            let reply = Reply { status: answer.status, body: answer.body.to_vec() };
            let closes = answer.closes;
            Ok((reply, (!closes).then_some(wire)))
        };
        let (reply, wire) = in_time(asked).await?;
        self.wire = wire;
        Ok(reply)
    }
}

/// Gives an exchange up that takes longer than [`DEADLINE`].
pub(crate) async fn in_time<T>(asked: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| {
        io::Error::new(ErrorKind::TimedOut, format!("no complete answer within {} s", DEADLINE.as_secs()))
    };
    tokio::time::timeout(DEADLINE, asked).await.map_err(late)?
}

/// The head of an answer; `None` until all of it is there.
fn read_head(received: &[u8]) -> io::Result<Option<Head>> {
    let invalid = |why| io::Error::new(ErrorKind::InvalidData, why);
    let Some(end) = find(received, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end]).map_err(|_| invalid("the answer's head is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .ok_or_else(|| invalid("the answer is not HTTP/1.1"))?;
    let (mut length, mut closes) = (None, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().map_err(|_| invalid("the answer's Content-Length is no number"))?);
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        }
    }
    let body_bytes = match (status, length) {
        (204 | 304, _) => 0,
        (_, Some(bytes)) if bytes <= MAX_ANSWER_BYTES => bytes,
        (_, Some(_)) => return Err(invalid("the answer is larger than 64 KiB")),
        (_, None) => return Err(invalid("the answer has no Content-Length, which this client needs")),
    };
    Ok(Some(Head { status, body_at: end + 4, body_bytes, closes }))
}

/// The text in `field` of an answer's body, without parsing the body: the bytes between its name and the next quote.
pub(crate) fn text_in<'a>(body: &'a [u8], field: &Field) -> Option<&'a [u8]> {
    let begin = find(body, &field.0)? + field.0.len();
    let length = body[begin..].iter().position(|byte| *byte == b'"')?;
    Some(&body[begin..begin + length])
}

/// Where `needle`, which is not empty, first stands in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + hay[from..].iter().position(|byte| *byte == needle[0])?;
        if hay[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The whole text of `GET path`.
pub(crate) fn get_request(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
}

/// What every request that sends one field in a JSON object begins with; [`write_request`] adds the rest.
pub(crate) fn post_head(host: &str, path: &str) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    head.into_bytes()
}

/// Writes the request that sends `text` in `field`, under a retry id if there is one. The text must need no escape
/// in JSON, as no token does.
pub(crate) fn write_request(
    request: &mut Vec<u8>,
    head: &[u8],
    retry_id: Option<u64>,
    field: &Field,
    text: &[u8],
) {
    request.clear();
    request.extend_from_slice(head);
    if let Some(id) = retry_id {
        write!(request, "idempotency-key: {id}\r\n").expect("writing into memory does not fail");
    }
    let body_bytes = 1 + field.0.len() + text.len() + 2;
    write!(request, "content-length: {body_bytes}\r\n\r\n{{").expect("writing into memory does not fail");
    request.extend_from_slice(&field.0);
    request.extend_from_slice(text);
    request.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        let field = Field::named("refresh_token");
        let found =
            |text: &'static str| text_in(text.as_bytes(), &field).map(|t| std::str::from_utf8(t).unwrap());
        assert_eq!(found(r#"{"refresh_token":"spr_AQ","expires_in":9}"#), Some("spr_AQ"));
        assert_eq!(found(r#"{"data":{"access_token":"a.b.c","refresh_token":"spr_AQ"}}"#), Some("spr_AQ"));
        assert_eq!(found(r#"""refresh_token":"x""#), Some("x"), "a false start does not hide it");
        assert_eq!(found(r#"{"refresh_token":"spr_AQ"#), None, "no end, no token");
        assert_eq!(found(r#"{"access_token":"a.b.c"}"#), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_request_says_its_own_length() {
        let mut request = vec![1, 2, 3];
        let field = Field::named("refreshToken");
        write_request(&mut request, &post_head("127.0.0.1:8080", "/r"), Some(7), &field, b"spr_AQ");
        let text = String::from_utf8(request).unwrap();
        assert!(text.contains("\r\nidempotency-key: 7\r\n"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"refreshToken":"spr_AQ"}"#);
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    }

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let whole = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n{}";
        for part in 0..whole.len() - 2 {
            assert_eq!(read_head(&whole[..part]).unwrap(), None);
        }
        let head = read_head(whole).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.closes), (401, 2, true));
        assert_eq!(&whole[head.body_at..], b"{}");
        assert_eq!(read_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body_bytes, 0);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (answer, why) in [
            ("SMTP ready\r\n\r\n", "not HTTP/1.1"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "no Content-Length"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "larger than"),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "no number"),
        ] {
            let error = read_head(answer.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{answer:?}: {error}");
        }
    }

    #[tokio::test]
    async fn an_answer_may_come_in_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut wire = Wire::open(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.set_nodelay(true).unwrap();
        let server = tokio::spawn(async move {
            for piece in ["HTTP/1.1 200 OK\r\ncontent-", "length: 4\r\n\r\nab", "cd"] {
                peer.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer
        });
        let answer = wire.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((answer.status, answer.body), (200, b"abcd".as_slice()));
        drop(server.await.unwrap());
        assert!(wire.exchange(b"GET / HTTP/1.1\r\n\r\n").await.is_err(), "the server has gone");
    }
}
