//! Honest requests, a byte too many or too few in them, and a marker behind.

use crate::binary::random::Random;

/// What stands behind: it is answered at most once, and the connection ends with it.
const MARKER: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: sprag.test\r\nConnection: close\r\n\r\n";

/// A marker within a body, which is no request.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: sprag.test\r\n\r\n";

/// Where the marker goes.
pub const MARKERS_PATH: &str = "/healthz";

/// The one call here that asks for its body.
pub const READING_PATH: &str = "/api/v1/auth/refresh";

/// What the marker is answered with, and nothing else.
pub const MARKERS_BODY: &[u8] = br#"{"status":"ok"}"#;

/// What is put in, or left out.
const BYTES: &[u8] = b"\r\n\0 \t0123456789\r\n\r\n\n\n";

const JSON: &str = "Host: sprag.test\r\nContent-Type: application/json\r\n";

/// Requests that clients send, none of them the marker.
fn honest(random: &mut Random) -> String {
    let refresh = format!("POST {READING_PATH} HTTP/1.1\r\n{JSON}");
    let token = r#"{"refresh_token":"spr_none"}"#;
    let length = token.len();
    match random.below(16) {
        0 => "GET /.well-known/jwks.json HTTP/1.1\r\nHost: sprag.test\r\n\r\n".to_owned(),
        1 | 2 => format!("{refresh}Content-Length: {length}\r\n\r\n{token}"),
        3 | 4 => format!(
            "{refresh}Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            &token[..5],
            length - 5,
            &token[5..]
        ),
        5 => format!("{refresh}Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()),
        6 => {
            format!("{refresh}Transfer-Encoding: chunked\r\n\r\n{:X}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len())
        }
        7 => format!(
            "POST /api/v1/auth/logout-all HTTP/1.1\r\n{JSON}Authorization: Bearer x\r\nContent-Length: 0\r\n\r\n"
        ),
        8 => "GET /api/v1/auth/me HTTP/1.1\r\nHost: sprag.test\r\nAuthorization: Bearer x\r\n\r\n".to_owned(),
        9 => format!(
            "POST /nowhere HTTP/1.1\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        ),
        10 => format!(
            "GET /readyz HTTP/1.1\r\nHost: sprag.test\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
            HIDDEN.len()
        ),
        11 => format!(
            "{refresh}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{token}\r\n0\r\n\r\n"
        ),
        12 => "GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(),
        13 => format!("POST /nowhere HTTP/1.0\r\n{JSON}Content-Length: 2\r\n\r\n{{}}"),
        14 => format!("GET http://sprag.test/nowhere HTTP/1.1\r\n{JSON}\r\n"),
        _ => format!(
            "POST /.well-known/jwks.json HTTP/1.1\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{HIDDEN}\r\n0\r\n\r\n",
            HIDDEN.len()
        ),
    }
}

/// One or two requests with mostly one byte wrong, and the marker.
pub fn case(random: &mut Random) -> Vec<u8> {
    let mut bytes = honest(random).into_bytes();
    if random.happens(25) {
        bytes.extend_from_slice(honest(random).as_bytes());
    }
    let wrong = match random.below(20) {
        0 => 0,
        1 | 2 => 2,
        _ => 1,
    };
    for _ in 0..wrong {
        mutate(&mut bytes, random);
    }
    bytes.extend_from_slice(MARKER);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let byte = BYTES[usize::try_from(random.below(BYTES.len() as u64)).unwrap()];
    let at = position(bytes, random);
    match random.below(5) {
        0 | 1 => {
            bytes.remove(at);
        }
        2 => bytes[at] = byte,
        _ => bytes.insert(at, byte),
    }
}

/// Mostly beside one of the bytes by which requests are told apart.
fn position(bytes: &[u8], random: &mut Random) -> usize {
    let of_frame = |at: &usize| BYTES.contains(&bytes[*at]) || bytes[*at] == b':';
    let framing: Vec<usize> = (0..bytes.len()).filter(of_frame).collect();
    let (places, many) =
        if random.happens(80) { (Some(&framing), framing.len()) } else { (None, bytes.len()) };
    let chosen = usize::try_from(random.below(many as u64)).unwrap();
    places.map_or(chosen, |places| places[chosen])
}
