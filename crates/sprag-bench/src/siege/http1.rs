//! What attackers write in HTTP/1.1.

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LOGIN: &str = "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";

/// A request that asks for no more after it.
pub(super) fn once(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// A log-in.
pub(super) fn login(name: &str, password: &str) -> String {
    let body = format!("{{\"username\":\"{name}\",\"password\":\"{password}\"}}");
    format!("{LOGIN}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A log-in on a connection that is kept.
pub(super) fn kept_login(name: &str, password: &str) -> String {
    let body = format!("{{\"username\":\"{name}\",\"password\":\"{password}\"}}");
    format!("{LOGIN}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A log-in whose body of that length does not come.
pub(super) fn begun_login(length: usize) -> String {
    format!("{LOGIN}Content-Length: {length}\r\n\r\n")
}

/// Asks for one thing many times.
pub(super) fn many(path: &str, count: usize) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(count)
}

/// Sends a request and reads its answer to the end; its status.
///
/// # Errors
/// The connection broke, or there is no answer of a known length.
pub(super) async fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<u16> {
    stream.write_all(request).await?;
    let (mut answer, mut room) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut room).await?;
        ensure!(count > 0, "the server closed before it answered");
        answer.extend_from_slice(&room[..count]);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = str::from_utf8(&answer[..end])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
        if answer.len() >= end + 4 + length.trim().parse::<usize>()? {
            let status = head.split(' ').nth(1).context("there is no status")?;
            return Ok(status.parse()?);
        }
    }
}

/// So many requests behind each other.
pub(super) fn pipelined(path: &str, bearer: Option<&str>, count: usize) -> Vec<u8> {
    let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n").repeat(count).into_bytes()
}

/// All of the largest body but its last byte.
pub(super) fn unfinished_upload() -> Vec<u8> {
    format!("{LOGIN}Content-Length: 65536\r\n\r\n{}", " ".repeat(65_535)).into_bytes()
}

/// A body in chunks of one byte each, without an end.
pub(super) fn unfinished_chunks() -> Vec<u8> {
    format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n{}", "1\r\n \r\n".repeat(65_000)).into_bytes()
}

/// The largest head without its end.
pub(super) fn unfinished_head() -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(16_000)).into_bytes()
}

/// The largest head with its end, and a body that does not come.
pub(super) fn large_head() -> Vec<u8> {
    let padding = format!("X: {}\r\n", "x".repeat(150)).repeat(90);
    format!("{LOGIN}{padding}Content-Length: 5\r\n\r\n").into_bytes()
}
