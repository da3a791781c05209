//! What a request is called, in its answer and in the log.

use sprag_testkit::binary::people::{log_in, login, refresh};
use sprag_testkit::binary::server::Home;
use sprag_testkit::binary::wire::Request;

use super::SPRAG;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn parent() -> String {
    format!("00-{TRACE}-b7ad6b7169203331-01")
}

#[test]
fn every_answer_names_its_request_as_it_came_or_anew() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&[]);
    let name = |request: Request| server.ask(&request).header("x-request-id").map(str::to_owned);
    let mut made = Vec::new();
    for request in [
        login("ann", "wrong"),
        refresh("nothing"),
        Request::get("/nowhere"),
        Request::get("/api/v1/auth/login"),
        Request::get("/api/v1/auth/me"),
    ] {
        let name = name(request).expect("a name");
        assert!(name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        assert!(!made.contains(&name), "each is another one");
        made.push(name);
    }
    let given = |id: &str| name(login("ann", "wrong").header("X-Request-Id", id)).expect("a name");
    assert_eq!(given("edge-7f3a.0001"), "edge-7f3a.0001");
    for odd in ["two words", "a,b", "{}", "\"x\"", &"x".repeat(65)] {
        assert_ne!(given(odd), odd);
    }
}

#[test]
fn every_line_that_is_logged_for_a_request_names_it_and_its_trace() {
    for (format, expected) in [
        ("text", format!(" request_id=edge-1 trace_id={TRACE}")),
        ("json", format!(",\"request_id\":\"edge-1\",\"trace_id\":\"{TRACE}\"}}")),
    ] {
        let home = Home::new(SPRAG);
        let server = home.start(&["--log-format", format]);
        let request =
            login("nobody", "wrong").header("X-Request-Id", "edge-1").header("traceparent", &parent());
        assert_eq!(server.ask(&request).status, 401);
        let log = server.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("edge-1")).collect();
        assert!(!lines.is_empty(), "{log}");
        for line in &lines {
            assert!(line.ends_with(&expected), "{line}");
            assert!(format == "text" || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
        let others = log.lines().filter(|line| line.contains("store:"));
        assert!(others.into_iter().all(|line| !line.contains("request_id")), "{log}");
    }
}

/// At the level DEBUG the spans of requests are there to see; nothing in them says who asked.
#[test]
fn a_span_says_what_was_asked_and_never_who_asked() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&["--log", "debug"]);
    let mut connection = server.connect();
    let pair = log_in(&mut connection, "ann").unwrap();
    assert_eq!(server.ask(&login("ann", "wrong")).status, 401);
    assert_eq!(server.ask(&refresh("nothing")).status, 401);
    let log = server.log();
    let spans: Vec<&str> =
        log.lines().filter_map(|line| Some(line.split_once("request{")?.1.split_once('}')?.0)).collect();
    assert!(
        spans.iter().any(|span| span.contains("action=\"login\"") && span.contains("profile=\"sprag\"")),
        "{log}"
    );
    for span in spans {
        for secret in ["ann", "wrong", "127.0.0.1", pair.refresh.as_str(), pair.access.as_str()] {
            assert!(!span.contains(secret), "{span}");
        }
    }
}

#[cfg(not(feature = "otel"))]
#[test]
fn a_build_that_cannot_send_traces_says_so_at_the_start() {
    let home = Home::new(SPRAG);
    let mut server = home.begin(&["--otlp-endpoint", "http://127.0.0.1:4318"], &[]);
    assert!(!server.wait().success());
    let log = server.log();
    assert!(
        log.contains("otlp-endpoint is set, and this build cannot send traces; leave the setting out"),
        "{log}"
    );
    let command = home.command(&["user", "list", "--otlp-endpoint", "http://127.0.0.1:4318"]);
    assert!(!home.run(command, "").stderr.contains("traces"), "a command sends none and does not mind");
}
