//! Connections that mean harm: slow ones, endless ones, and those that say two things at once.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::{self, sleep};
use std::time::Duration;

use crate::SPRAG;
use crate::people::{Pair, REFRESH, login};
use crate::server::{Home, PASSWORD, Server};
use crate::wire::{Request, is_timeout};

/// Far more than the server's deadlines; whoever is still connected then is not cut off at all.
const CUT_OFF: Duration = Duration::from_secs(30);

/// The pace of somebody who wants to stay.
const DRIP: Duration = Duration::from_millis(500);

/// Sends `begin`, then one byte now and then; gives what came until the server closed.
fn drip(server: &Server, begin: &[u8], byte: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(begin).unwrap();
    stream.set_read_timeout(Some(DRIP)).unwrap();
    let mut said = Vec::new();
    for _ in 0..CUT_OFF.as_millis() / DRIP.as_millis() {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(read) => said.extend_from_slice(&chunk[..read]),
            Err(error) if is_timeout(&error) => {
                if stream.write_all(byte).is_err() {
                    return String::from_utf8_lossy(&said).into_owned();
                }
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return String::from_utf8_lossy(&said).into_owned();
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("still connected; said so far: {}", String::from_utf8_lossy(&said));
}

#[test]
fn r55_whoever_is_slow_on_purpose_is_cut_off() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--keep-alive", "10s"]);
    let post = format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n");
    let body = format!("{post}Content-Length: 1000\r\n\r\n{{");
    let chunks = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    let after_one = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let server = &server;
    let said: Vec<String> = thread::scope(|scope| {
        let attacks: [(&str, &[u8], &[u8]); 8] = [
            ("nothing at all", b"", b""),
            ("a head, byte by byte", post.as_bytes(), b"x"),
            ("half the first line of HTTP/2", b"PRI * HT", b""),
            ("HTTP/2 and then nothing", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b""),
            ("empty lines for ever", b"\r\n", b"\r\n"),
            ("a body, byte by byte", body.as_bytes(), b" "),
            ("chunks, byte by byte", chunks.as_bytes(), b"1\r\n \r\n"),
            ("one request and then nothing", after_one.as_bytes(), b""),
        ];
        let cut_off = attacks.map(|(name, begin, byte)| {
            let attack = thread::Builder::new().name(name.into());
            attack.spawn_scoped(scope, move || drip(server, begin, byte)).unwrap()
        });
        let cut_off = cut_off.map(|attack| {
            let name = attack.thread().name().unwrap_or_default().to_owned();
            attack.join().map_err(|_| name)
        });
        let missed: Vec<_> = cut_off.iter().filter_map(|said| said.as_ref().err()).collect();
        assert!(missed.is_empty(), "not cut off: {missed:?}");
        cut_off.into_iter().flatten().collect()
    });
    for slow_body in &said[5..7] {
        assert!(
            slow_body.starts_with("HTTP/1.1 408 ") && slow_body.contains("request_timeout"),
            "{slow_body}"
        );
    }
    assert_eq!(server.ask(&Request::get("/healthz")).status, 200);
}

/// Sends bytes and gives everything that comes until the server closes.
fn told(server: &Server, bytes: &[u8]) -> String {
    let mut connection = server.connect();
    // The server may close before it has read all of it.
    let _ = connection.write(bytes);
    String::from_utf8_lossy(&connection.rest()).into_owned()
}

#[test]
fn r54_a_head_that_is_too_large_is_refused() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(told(&server, long.as_bytes()).starts_with("HTTP/1.1 431 "));
    let many = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101));
    assert!(told(&server, many.as_bytes()).starts_with("HTTP/1.1 431 "));
    let some =
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(97));
    assert!(told(&server, some.as_bytes()).starts_with("HTTP/1.1 200 "), "99 headers are not too many");
    let far = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000));
    let refused = told(&server, far.as_bytes());
    assert!(refused.starts_with("HTTP/1.1 431 ") || refused.starts_with("HTTP/1.1 414 "), "{refused}");
}

#[test]
fn r54_a_body_that_is_too_large_is_refused_however_it_is_sent() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let head = format!(
        "POST {REFRESH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
    );
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(17));
    let said = told(&server, chunked.as_bytes());
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("request_too_large"), "{said}");
    let whole = format!("{head}Content-Length: 70000\r\n\r\n{}", " ".repeat(70_000));
    assert!(told(&server, whole.as_bytes()).starts_with("HTTP/1.1 413 "));
    let fits = format!("{head}Content-Length: 65536\r\n\r\n{}{{}}", " ".repeat(65_534));
    assert!(told(&server, fits.as_bytes()).starts_with("HTTP/1.1 401 "), "64 KiB are not too large");
}

#[test]
fn a_stream_of_requests_whose_answers_nobody_reads_is_cut_off() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_write_timeout(Some(DRIP)).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let mut waited = Duration::ZERO;
    // Until both sides' buffers are full, writing goes on; then it stalls, until the server gives up.
    loop {
        match stream.write(&request) {
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {
                waited += DRIP;
                assert!(waited < CUT_OFF, "the server waits for ever for somebody who does not read");
                sleep(DRIP);
            }
            Err(_) => break,
        }
    }
    assert_eq!(server.ask(&Request::get("/healthz")).status, 200);
}

#[test]
fn t32_the_address_is_the_clients_behind_a_proxy_that_is_named_and_the_peers_otherwise() {
    let home = Home::new(SPRAG);
    let address_of = |environment: &[(&str, &str)]| {
        let server = home.start_with(&[], environment);
        let login = login("ann", PASSWORD).header("X-Forwarded-For", "203.0.113.66, 198.51.100.7");
        let pair = Pair::of(&server.ask(&login));
        let listed = server.ask(&Request::get("/api/v1/auth/sessions").bearer(&pair.access)).json();
        // Whoever has not named a proxy is told once that one seems to be there.
        server.ask(&login);
        let told = server.log().matches("SPRAG_TRUSTED_PROXIES").count();
        assert_eq!(told, usize::from(environment.is_empty()), "{}", server.log());
        server.stop();
        let sessions = listed["sessions"].as_array().unwrap();
        let own = sessions.iter().find(|session| session["current"] == true).unwrap();
        own["ip"].as_str().unwrap().to_owned()
    };
    home.start(&[]).stop();
    home.create_user("ann");
    assert_eq!(address_of(&[]), "127.0.0.1");
    assert_eq!(address_of(&[("SPRAG_TRUSTED_PROXIES", "10.0.0.0/8")]), "127.0.0.1");
    assert_eq!(address_of(&[("SPRAG_TRUSTED_PROXIES", "127.0.0.0/8, ::1")]), "198.51.100.7");
}
