//! What attackers write in HTTP/1.1.

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
