//! Attacks that cost an attacker next to nothing, each in small: frames of HTTP/2 that ask for nothing, and clients that take
//! for ever. Whoever attacks is closed, and whoever asks meanwhile is answered.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sprag_testkit::beside::Over;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::SPRAG;
use crate::people::{REFRESH, log_in, refresh};
use crate::server::{Home, Server};
use crate::wire::Request;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How many bytes of a flood are sent before it is said that nobody stops it.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// How often the server must have counted a flood.
const FLOODING: &str = "sprag_connections_flooding_total ";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of `GET /healthz` or of `POST /x`, without compression.
fn head(method: u8) -> Vec<u8> {
    [&[method, 0x86, 0x04, 0x08][..], b"/healthz", &[0x01, 0x01], b"a"].concat()
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

/// Sends that again and again behind what begins, until the server closes; `false` if it does not.
fn is_closed(server: &Server, begins: &[u8], again: &[u8]) -> bool {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    // Whoever does not read is closed for that; so what comes is read.
    let mut reader = stream.try_clone().unwrap();
    let reading = thread::spawn(move || {
        let mut room = [0; 4096];
        while reader.read(&mut room).is_ok_and(|bytes| bytes > 0) {}
    });
    let mut sent = 0;
    let mut write = |bytes: &[u8]| {
        sent += bytes.len();
        stream.write_all(bytes).is_ok() && sent < MOST_BYTES
    };
    let mut goes_on = write(&[PREFACE, &frame(4, 0, 0, b""), begins].concat());
    let again = again.repeat(64);
    while goes_on {
        goes_on = write(&again);
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    reading.join().unwrap();
    sent < MOST_BYTES
}

fn counted(server: &Server, metric: &str) -> u64 {
    let text = String::from_utf8(server.ask(&Request::get("/metrics")).body).unwrap();
    text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn frames_that_ask_for_nothing_end_their_connection_and_nobody_elses() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    home.create_user("ann");
    let mut pair = log_in(&mut server.connect(), "ann").unwrap();
    let is_over = AtomicBool::new(false);
    let rapid: Vec<u8> = (0..4000_u32)
        .flat_map(|number| {
            let stream = 2 * number + 1;
            [frame(1, 5, stream, &head(GET)), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let upload = frame(1, 4, 1, &head(POST));
    let begun = frame(1, 1, 1, &head(GET));
    let floods: [(&str, &[u8], Vec<u8>); 8] = [
        ("pings", b"", frame(6, 0, 0, &[7; 8])),
        ("settings", b"", frame(4, 0, 0, b"")),
        ("empty data", &upload, frame(0, 0, 1, b"")),
        ("data a byte at a time", &upload, frame(0, 0, 1, b" ")),
        ("a head that goes on", &begun, frame(9, 0, 1, &[&[0, 1, b'x', 60][..], &[b'x'; 60]].concat())),
        ("a head that goes on in empty frames", &begun, frame(9, 0, 1, b"")),
        ("wider windows", b"", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("rapid resets", &rapid, frame(6, 0, 0, &[0; 8])),
    ];
    thread::scope(|scope| {
        let honest = scope.spawn(|| {
            let (mut client, mut served) = (server.connect(), 0);
            while !is_over.load(Ordering::Relaxed) {
                pair = crate::people::Pair::of(&client.ask(&refresh(&pair.refresh)).unwrap());
                served += 1;
            }
            served
        });
        let over = Over(&is_over);
        for (name, begins, again) in &floods {
            assert!(is_closed(&server, begins, again), "nobody stops {name}");
        }
        drop(over);
        assert!(honest.join().unwrap() > 0, "{REFRESH} is answered meanwhile");
    });
    assert!(counted(&server, FLOODING) > 0, "an operator sees it");
}

#[tokio::test]
async fn an_honest_client_of_http2_is_never_taken_for_a_flood() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    // As browsers do: a frame that opens a window would otherwise wait for the answer to the one before.
    stream.set_nodelay(true).unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // The smallest windows that there are, so that each answer takes many frames to open them.
    let builder = builder.initial_stream_window_size(16 * 1024).initial_connection_window_size(64 * 1024);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for number in 0..300 {
        let path = if number % 3 == 0 { "/openapi.json" } else { "/healthz" };
        let uri = format!("http://{}{path}", server.address());
        let request = hyper::Request::builder().uri(uri).body(String::new()).unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{number}");
        http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    }
}

/// Whoever takes for ever over a head, over a body or over an answer.
#[test]
fn whoever_takes_for_ever_is_closed_and_keeps_nobody_waiting() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let slow_head = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: x".to_vec();
    let slow_body = format!(
        "POST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{{"
    );
    let unread = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(400);
    let attackers: Vec<(TcpStream, bool)> = (0..60)
        .map(|number| {
            let (bytes, reads) = match number % 3 {
                0 => (&slow_head[..], true),
                1 => (slow_body.as_bytes(), true),
                _ => (&unread[..], false),
            };
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
            // The answers may fill all room that there is before the last request has been sent.
            stream.set_nonblocking(!reads).unwrap();
            let _ = stream.write(bytes);
            stream.set_nonblocking(false).unwrap();
            (stream, reads)
        })
        .collect();
    assert_eq!(server.ask(&Request::get("/healthz")).status, 200);
    for (mut stream, reads) in attackers {
        if reads {
            let mut rest = Vec::new();
            let end = stream.read_to_end(&mut rest);
            assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it is kept for ever");
        } else {
            // It reads nothing, so that it is closed shows where it sends.
            let closed = (0..600).any(|_| {
                thread::sleep(Duration::from_millis(100));
                stream.write(b"G").is_err()
            });
            assert!(closed, "an answer that nobody reads is kept for ever");
        }
        assert_eq!(server.ask(&Request::get("/healthz")).status, 200);
    }
}
