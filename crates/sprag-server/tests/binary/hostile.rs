//! Connections that mean harm: slow ones, endless ones, and those that say two things at once.

use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::SPRAG;
use crate::people::REFRESH;
use crate::server::{Home, Server};
use crate::wire::Request;

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
    let some = format!("GET /healthz HTTP/1.1\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(98));
    assert!(told(&server, some.as_bytes()).starts_with("HTTP/1.1 200 "), "99 headers are not too many");
    let far = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000));
    let refused = told(&server, far.as_bytes());
    assert!(refused.starts_with("HTTP/1.1 431 ") || refused.starts_with("HTTP/1.1 414 "), "{refused}");
}

#[test]
fn r54_a_body_that_is_too_large_is_refused_however_it_is_sent() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let head = format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n");
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(17));
    let said = told(&server, chunked.as_bytes());
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("request_too_large"), "{said}");
    let whole = format!("{head}Content-Length: 70000\r\n\r\n{}", " ".repeat(70_000));
    assert!(told(&server, whole.as_bytes()).starts_with("HTTP/1.1 413 "));
    let fits = format!("{head}Connection: close\r\nContent-Length: 65536\r\n\r\n{}{{}}", " ".repeat(65_534));
    assert!(told(&server, fits.as_bytes()).starts_with("HTTP/1.1 401 "), "64 KiB are not too large");
}

#[test]
fn r55_there_are_only_so_many_connections() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--max-connections", "3"]);
    let mut held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.ask(&Request::get("/healthz")).unwrap().status, 200);
    }
    assert_eq!(server.connect().rest(), b"", "the fourth is closed without a word");
    held.pop();
    let answer = crate::server::await_some(|| {
        let answer = server.connect().ask(&Request::get("/metrics")).ok()?;
        Some(String::from_utf8_lossy(&answer.body).into_owned())
    });
    let metrics = answer.expect("where one has left there is room");
    let refused = metrics.lines().find_map(|line| line.strip_prefix("sprag_connections_refused_total "));
    assert!(refused.unwrap().parse::<u64>().unwrap() >= 1, "{metrics}");
}

#[tokio::test]
async fn http2_is_spoken_to_whoever_begins_with_it() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for path in ["/healthz", "/readyz"] {
        let uri = format!("http://{}{path}", server.address());
        let request = hyper::Request::get(uri).body(String::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
    }
}
