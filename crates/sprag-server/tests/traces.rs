//! Traces, as a collector gets them from the real binary: a span for each request, whole at the end, and nothing secret.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use sprag_testkit::binary::people::{Pair, change_password, log_in, login, logout, me, refresh};
use sprag_testkit::binary::server::{Home, PASSWORD, Server, await_some};

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

/// A collector of OpenTelemetry as far as it is needed: it takes what is sent to `/v1/traces`, and keeps the bytes.
struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn listens() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, taken) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let keeps = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keeps = Arc::clone(&keeps);
                std::thread::spawn(move || {
                    while let Some(body) = take(&stream) {
                        keeps.lock().unwrap_or_else(PoisonError::into_inner).push(body);
                    }
                });
            }
        });
        Self { address, taken }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that came, one after the other.
    fn bytes(&self) -> Vec<u8> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }

    fn has(&self, what: &[u8]) -> bool {
        self.bytes().windows(what.len()).any(|window| window == what)
    }
}

/// One request of an exporter, answered; `None` once it has hung up.
fn take(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut line) = (String::new(), 0, String::new());
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    assert_eq!(first, "POST /v1/traces HTTP/1.1\r\n");
    while reader.read_line(&mut line).ok()? > 0 && line != "\r\n" {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if let Some(value) = lower.strip_prefix("content-type:") {
            assert_eq!(value.trim(), "application/x-protobuf");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        .ok()?;
    Some(body)
}

fn started(home: &Home, collector: &Collector) -> Server {
    home.create_user("ann");
    home.start(&["--otlp-endpoint", &collector.url()])
}

#[test]
fn what_was_asked_last_is_sent_before_the_server_ends() {
    let (home, collector) = (Home::new(SPRAG), Collector::listens());
    let server = started(&home, &collector);
    log_in(&mut server.connect(), "ann").unwrap();
    server.stop();
    for told in ["sprag", "login", "service.name", "http.response.status_code", "profile"] {
        assert!(collector.has(told.as_bytes()), "{told}");
    }
}

#[test]
fn a_trace_that_another_service_began_goes_on() {
    let (home, collector) = (Home::new(SPRAG), Collector::listens());
    let server = started(&home, &collector);
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let request = refresh(&pair.refresh).header("traceparent", &format!("00-{trace}-{span}-01"));
    let next = Pair::of(&server.ask(&request.header("X-Request-Id", "canary-of-edge")));
    let unwanted = "11111111111111111111111111111111";
    let request = refresh(&next.refresh).header("traceparent", &format!("00-{unwanted}-{span}-00"));
    Pair::of(&server.ask(&request));
    server.stop();
    let raw = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
    assert!(collector.has(&raw(trace)) && collector.has(&raw(span)), "it is part of that trace");
    assert!(collector.has(b"canary-of-edge") && collector.has(b"rotated"));
    assert!(!collector.has(&raw(unwanted)), "whoever began that one does not keep it");
}

#[test]
fn r52_nothing_secret_and_nobody_is_in_a_trace() {
    let (home, collector) = (Home::new(SPRAG), Collector::listens());
    let server = started(&home, &collector);
    let mut connection = server.connect();
    let first = log_in(&mut connection, "ann").unwrap();
    let second = Pair::of(&server.ask(&refresh(&first.refresh)));
    assert_eq!(server.ask(&me(&second.access)).status, 200);
    assert_eq!(server.ask(&login("ann", "canary-wrong-password")).status, 401);
    assert_eq!(server.ask(&login("canary-in-the-name-field", PASSWORD)).status, 401);
    assert_eq!(server.ask(&change_password(&second, PASSWORD, "canary-new-password")).status, 200);
    let other = log_in_with(&server, "canary-new-password");
    assert_eq!(server.ask(&logout(&other.refresh)).status, 204);
    assert_eq!(server.ask(&refresh("canary-no-token-at-all")).status, 401);
    let account = server_account(&home);
    server.stop();
    await_some(|| collector.has(b"logout").then_some(())).expect("all of it was sent");
    let tokens = [&first, &second, &other].into_iter().flat_map(|pair| [&pair.access, &pair.refresh]);
    let typed = [
        "canary-wrong-password",
        "canary-in-the-name-field",
        "canary-new-password",
        "canary-no-token-at-all",
        PASSWORD,
    ];
    let secrets = tokens.map(String::as_str).chain(typed).chain([account.as_str(), "ann\"", "127.0.0.1"]);
    for secret in secrets {
        let bytes = secret.as_bytes();
        let forms = [
            secret.to_owned(),
            BASE64.encode(bytes),
            BASE64URL_NOPAD.encode(bytes),
            HEXLOWER.encode(bytes),
            HEXUPPER.encode(bytes),
        ];
        for form in forms {
            assert!(!collector.has(form.trim_end_matches('=').as_bytes()), "{secret}");
        }
    }
}

/// Without a filter of its own, the layer would send every span of the crates below, at every level.
#[test]
fn only_requests_are_traced_whatever_the_log_says() {
    let (home, collector) = (Home::new(SPRAG), Collector::listens());
    home.create_user("ann");
    let server = home.start_with(&["--otlp-endpoint", &collector.url()], &[("SPRAG_LOG", "trace")]);
    let mut connection = server.connect();
    let mut pair = log_in(&mut connection, "ann").unwrap();
    for _ in 0..20 {
        pair = Pair::of(&connection.ask(&refresh(&pair.refresh)).unwrap());
    }
    server.stop();
    for below in ["hyper", "h2::", "tokio", "poll", "rusqlite", "code.namespace"] {
        assert!(!collector.has(below.as_bytes()), "{below}");
    }
    let bytes = collector.bytes().len();
    assert!(bytes < 21 * 700, "{bytes} bytes for 21 requests");
}

fn log_in_with(server: &Server, password: &str) -> Pair {
    Pair::of(&server.ask(&login("ann", password)))
}

/// The id of the account, as the command line shows it.
fn server_account(home: &Home) -> String {
    let ran = home.run(home.command(&["user", "list", "--json"]), "");
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    rows[0]["id"].as_str().unwrap().to_owned()
}
