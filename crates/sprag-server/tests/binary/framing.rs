//! Requests that somebody in front might read otherwise than the server: each is answered 400, the connection closed, and
//! nothing behind it looked at. And requests that are honest, which are answered all the same.

use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use sprag_testkit::binary::framing;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::SPRAG;
use crate::people::{LOGOUT, ME, REFRESH};
use crate::server::{Home, Server};
use crate::wire::Request;

/// What is behind each request: it shows itself by what it is answered with.
const MARKER: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const MARKERS_BODY: &str = r#"{"status":"ok"}"#;

const LOGOUT_ALL: &str = "/api/v1/auth/logout-all";

/// Sends bytes and gives everything that comes until the server closes.
fn told(server: &Server, bytes: &str) -> String {
    let mut connection = server.connect();
    // The server may close before it has read all of it.
    let _ = connection.write(bytes.as_bytes());
    String::from_utf8_lossy(&connection.rest()).into_owned()
}

/// What is wrong with how each of these requests is refused, alone and behind an honest one.
fn not_refused(server: &Server, cases: &[(&str, String)]) -> Vec<String> {
    let honest = format!(
        "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\nPOST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    );
    let mut wrong = Vec::new();
    for (name, bytes) in cases {
        for (before, answers) in [("", 1), (honest.as_str(), 3)] {
            let said = told(server, &format!("{before}{bytes}{MARKER}"));
            let last = said.rfind("HTTP/1.1 ").map_or("", |at| &said[at..]);
            let is_refused = last.starts_with("HTTP/1.1 400 ")
                && last.contains("\r\nconnection: close\r\n")
                && last.contains("\"code\":\"request_ambiguous\"")
                && said.matches("HTTP/1.1 ").count() == answers
                && !said.contains(MARKERS_BODY);
            if !is_refused {
                wrong.push(format!("{name}: {said}"));
            }
        }
    }
    wrong
}

#[test]
fn r56_a_head_that_can_be_read_in_two_ways_is_answered_400_and_the_connection_closes() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let post = format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n");
    let fields = [
        ("both lengths", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        ("both, turned", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
        ("both, one with a low line", "Transfer-Encoding: chunked\r\nContent_Length: 4\r\n"),
        ("two lengths", "Content-Length: 0\r\nContent-Length: 5\r\n"),
        ("one length twice", "Content-Length: 0\r\nContent-Length: 0\r\n"),
        ("a list of lengths", "Content-Length: 0, 0\r\n"),
        ("a signed length", "Content-Length: +0\r\n"),
        ("a length in hexadecimal", "Content-Length: 0x0\r\n"),
        ("a length with a zero before it", "Content-Length: 00\r\n"),
        ("a length with a blank behind it", "Content-Length: 0 \r\n"),
        ("no length", "Content-Length: \r\n"),
        ("a length beyond all numbers", "Content-Length: 18446744073709551616\r\n"),
        ("chunked not last", "Transfer-Encoding: chunked, identity\r\n"),
        ("chunked last", "Transfer-Encoding: gzip, chunked\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("chunked as a list", "Transfer-Encoding: chunked,\r\n"),
        ("Chunked", "Transfer-Encoding: Chunked\r\n"),
        ("a coding behind a tab", "Transfer-Encoding:\tchunked\r\n"),
        ("a coding nobody knows", "Transfer-Encoding: xchunked\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("a coding with a blank before its colon", "Transfer-Encoding : chunked\r\n"),
        ("a folded field", "X: a\r\n b\r\n"),
        ("a coding that is folded", "Transfer-Encoding:\r\n chunked\r\n"),
        ("a first field that is folded", " X: a\r\n"),
        ("a blank before the colon", "Content-Length : 0\r\n"),
        ("a tab before the colon", "X\t: 0\r\n"),
        ("no colon", "Content-Length 0\r\n"),
        ("no name", ": 0\r\n"),
        ("one bare line feed", "X: a\nContent-Length: 0\r\n"),
        ("a bare carriage return", "X: a\rContent-Length: 0\r\n"),
        ("a carriage return too many", "X: a\r\r\n"),
        ("a zero byte", "X: a\0b\r\n"),
        ("a control character", "X: a\u{1}b\r\n"),
        ("a second Host", "Host: a\r\n"),
        ("another Host", "host: b\r\n"),
        ("two who ask", "Authorization: Bearer a\r\nauthorization: Bearer b\r\n"),
        ("one who asks twice", "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n"),
        ("two types", "Content-Type: application/x-www-form-urlencoded\r\n"),
        ("two retry ids", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"),
        ("two origins", "Origin: https://a\r\nOrigin: https://b\r\n"),
    ];
    let cases = fields.map(|(name, fields)| (name, format!("{post}{fields}\r\n0\r\n\r\n")));
    let wrong = not_refused(&server, &cases);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn r56_a_first_line_or_host_that_can_be_read_in_two_ways_is_answered_400_and_the_connection_closes() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let lines = [
        ("bare line feeds", format!("POST {REFRESH} HTTP/1.1\nHost: a\nContent-Length: 0\n\n")),
        ("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("two blanks", "GET  /readyz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("a blank behind the target", "GET /readyz  HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("a blank in the target", "GET /ready z HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("a blank at the end", "GET /readyz HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned()),
        ("a blank at the beginning", " GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("a tab", "GET\t/readyz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("a fragment", "GET /readyz#a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("another version", "GET /readyz HTTP/1.2\r\nHost: a\r\n\r\n".to_owned()),
        ("HTTP/2 that is not quite it", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r".to_owned()),
        ("no version", "GET /readyz\r\n\r\n".to_owned()),
        ("two empty lines before it", format!("\r\n\r\n{MARKER}")),
        ("an empty line that ends in LF", format!("\n{MARKER}")),
        ("a zero before it", format!("\0{MARKER}")),
        ("no Host", "GET /readyz HTTP/1.1\r\n\r\n".to_owned()),
        ("a target of another host", "GET http://b/readyz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("a target with a user", "GET http://a@b/readyz HTTP/1.1\r\nHost: b\r\n\r\n".to_owned()),
    ];
    let mut wrong = not_refused(&server, &lines);
    let hosts = ["", "a, b", "a b", "a/b", "a@b", "a:b", "a:", "a:1:2", "[::1", "\"a\""];
    let hosts = hosts.map(|host| (host, format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    wrong.extend(not_refused(&server, &hosts));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Most calls never ask for a body, and are answered from their head alone: not where a body has no sure end.
#[test]
fn r56_chunks_that_can_be_read_in_two_ways_are_answered_400_whether_the_call_asks_for_a_body_or_not() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let bodies = [
        ("an extension of nothing but a line feed", "5;\n\r\n{   }\r\n0\r\n\r\n"),
        ("an extension", "5;a=b\r\n{   }\r\n0\r\n\r\n"),
        ("an empty extension", "5;\r\n{   }\r\n0\r\n\r\n"),
        ("an extension of the last chunk", "5\r\n{   }\r\n0;a\r\n\r\n"),
        ("a size with a sign", "+5\r\n{   }\r\n0\r\n\r\n"),
        ("a size in C's way", "0x5\r\n{   }\r\n0\r\n\r\n"),
        ("a size with a blank behind it", "5 \r\n{   }\r\n0\r\n\r\n"),
        ("a size with a blank before it", " 5\r\n{   }\r\n0\r\n\r\n"),
        ("a size with a tab", "5\t\r\n{   }\r\n0\r\n\r\n"),
        ("a size beyond all numbers", "10000000000000005\r\n{   }\r\n0\r\n\r\n"),
        ("no size", "\r\n{   }\r\n0\r\n\r\n"),
        ("a size that ends in LF", "5\n{   }\r\n0\r\n\r\n"),
        ("a size that ends in CR", "5\r{   }\r\n0\r\n\r\n"),
        ("a size with a zero byte", "5\0\r\n{   }\r\n0\r\n\r\n"),
        ("a chunk that ends in LF", "5\r\n{   }\n0\r\n\r\n"),
        ("a chunk that is too long", "4\r\n{   }\r\n0\r\n\r\n"),
        ("a chunk that is too short", "6\r\n{   }\r\n0\r\n\r\n"),
        ("a last chunk that ends in LF", "5\r\n{   }\r\n0\n\r\n"),
        ("an end that is LF", "5\r\n{   }\r\n0\r\n\n"),
        ("a trailer", "5\r\n{   }\r\n0\r\nX: a\r\n\r\n"),
        ("a length behind the body", "5\r\n{   }\r\n0\r\nContent-Length: 4\r\n\r\n"),
    ];
    // One that reads its body, ones that do not, one without the right method, and none at all.
    let calls = [
        ("POST", REFRESH),
        ("POST", LOGOUT_ALL),
        ("GET", ME),
        ("GET", "/readyz"),
        ("POST", "/readyz"),
        ("DELETE", REFRESH),
        ("POST", "/"),
    ];
    let mut wrong = Vec::new();
    for (method, path) in calls {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        wrong.extend(not_refused(&server, &bodies.map(|(name, body)| (name, format!("{head}{body}")))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// FastAPI's 422 is for what can be read; this cannot.
#[test]
fn what_is_refused_for_its_chunks_has_the_shape_of_its_profile() {
    let home = Home::new(SPRAG);
    let server = home
        .start_with(&["--profiles", "fastapi-events"], &[("SECRET_KEY", "0c5f7bd8a9a3417bb9a2f0fbe1c8d6a1")]);
    let post = "POST /api/v1/auth/logout HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let said = told(&server, &format!("{post}5;\n\r\n{{   }}\r\n0\r\n\r\n{MARKER}"));
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("{\"detail\":\"others may read"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
}

#[test]
fn a_head_that_is_refused_is_answered_without_a_body_where_it_asked_for_none() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let said = told(&server, &format!("HEAD /readyz HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n{MARKER}"));
    assert!(said.starts_with("HTTP/1.1 400 ") && said.ends_with("\r\n\r\n"), "{said}");
}

#[test]
fn honest_requests_are_answered_one_after_the_other_on_one_connection() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let post =
        format!("POST {LOGOUT} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n");
    let chunks = "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0a\r\n          \r\n1\r\n}\r\n0\r\n\r\n";
    let pipeline = [
        (MARKER.to_owned(), 200),
        (format!("{post}{chunks}"), 401),
        // As curl sends it.
        (format!("POST {LOGOUT} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"), 401),
        (format!("GET {ME} HTTP/1.1\r\nhost:a\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n"), 401),
        (format!("{post}Content-Length:2\r\n\r\n{{}}"), 401),
        // An old client's empty line behind a body.
        (format!("{post}Content-Length: 2\r\n\r\n{{}}\r\n"), 401),
        (format!("{post}Expect: 100-continue\r\n{chunks}"), 401),
        ("GET /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(), 200),
        ("GET http://A:80/readyz HTTP/1.1\r\nHost: a:80\r\n\r\n".to_owned(), 200),
        ("OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n".to_owned(), 404),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nX: \u{e9}\tb\r\nX: c\r\nCookie: a=b\r\nCookie: c=d\r\nConnection: close\r\n\r\n".to_owned(), 200),
    ];
    let all: String = pipeline.iter().map(|(request, _)| request.as_str()).collect();
    let said = told(&server, &all);
    let statuses: Vec<u16> = said
        .split("HTTP/1.")
        .filter_map(|answer| answer.get(2..5)?.parse().ok())
        .filter(|status| *status != 100)
        .collect();
    assert_eq!(statuses, pipeline.map(|(_, status)| status), "{said}");
}

#[test]
fn a_body_that_is_waited_for_is_asked_for() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut connection = server.connect();
    let head = format!(
        "POST {LOGOUT} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    );
    for (length, body) in
        [("Content-Length: 2", "{}"), ("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n")]
    {
        connection.write(format!("{head}{length}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(connection.receive().unwrap().status, 100, "{length}");
        connection.write(body.as_bytes()).unwrap();
        assert_eq!(connection.receive().unwrap().status, 401, "{length}");
    }
    assert_eq!(connection.ask(&Request::post(LOGOUT, &json!({}))).unwrap().status, 401, "it is kept alive");
}

/// One HTTP/2 connection to a server, spoken by hyper's client.
async fn http2(server: &Server) -> hyper::client::conn::http2::SendRequest<String> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http2_is_spoken_to_whoever_begins_with_it() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut sender = http2(&server).await;
    for path in ["/healthz", "/readyz"] {
        let uri = format!("http://{}{path}", server.address());
        let request = hyper::Request::get(uri).body(String::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
    }
}

#[tokio::test]
async fn r56_over_http2_too_a_request_names_one_host_and_one_who_asks() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut sender = http2(&server).await;
    let cases: [(&[(&str, &str)], u16); 6] = [
        (&[("host", "a:80")], 200),
        (&[("authorization", "Bearer a")], 200),
        (&[("authorization", "Bearer a"), ("authorization", "Bearer b")], 400),
        (&[("host", "b:80")], 400),
        (&[("host", "a:80"), ("host", "a:80")], 400),
        (&[("content-type", "text/plain"), ("content-type", "application/json")], 400),
    ];
    for (fields, status) in cases {
        let mut request = hyper::Request::get("http://a:80/readyz");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{fields:?}");
    }
}

/// Over HTTP/2 a client may send each cookie in a field of its own (RFC 9113 section 8.2.3).
#[tokio::test]
async fn over_http2_a_cookie_is_found_in_whichever_field_it_came() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut sender = http2(&server).await;
    let ours: &[u8] = b"__Host-sprag_refresh=\"x\"";
    let cases: [(&[&[u8]], &str); 4] = [
        (&[b"a=1", b"b=2"], "token_missing"),
        (&[b"a=1", ours, b"b=2"], "token_invalid"),
        (&[b"name=J\xf6rg", ours], "token_invalid"),
        (&[ours, b"name=J\xc3\xb6rg; \xff"], "token_invalid"),
    ];
    for (cookies, code) in cases {
        let origin = format!("http://{}", server.address());
        let mut request = hyper::Request::post(format!("{origin}{REFRESH}")).header("origin", origin);
        for cookie in cookies {
            request = request.header("cookie", hyper::header::HeaderValue::from_bytes(cookie).unwrap());
        }
        let answer = sender.send_request(request.body(String::new()).unwrap()).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(code), "{cookies:?}: {body:?}");
    }
}

/// A head of nothing but the method, the scheme and the path, all three from HPACK's table.
#[tokio::test]
async fn r56_over_http2_a_request_that_names_no_host_is_refused() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let head = [0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
    let bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings, &head].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("request_ambiguous") {
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "{}", said.escape_ascii());
    }
}

#[test]
fn r56_a_byte_too_many_or_too_few_never_gets_an_answer_too_many() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let tally = framing::besiege(server.address(), 1, 20_000, 4);
    assert_eq!(tally.failures, 0, "{}", tally.told.join("\n\n"));
    assert_eq!(tally.cases, 20_000);
    let kinds = [tally.refused, tally.closed, tally.unfinished, tally.markers];
    assert!(kinds.iter().all(|many| *many > 100), "{tally:?}");
}
