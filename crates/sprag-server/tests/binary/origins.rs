//! What the log says of pages of other origins that were refused: who, and what to set.

use serde_json::json;

use crate::SPRAG;
use crate::people::REFRESH;
use crate::server::{Home, Server};
use crate::wire::Request;

/// A refresh by cookie from a page of that origin.
fn from(origin: &str) -> Request {
    let call = Request::post(REFRESH, &json!({})).header("Cookie", "__Host-sprag_refresh=x");
    call.header("Origin", origin)
}

fn line<'a>(log: &'a str, server: &Server, what: &str) -> &'a str {
    let found = log.lines().find(|line| line.contains(what));
    found.unwrap_or_else(|| panic!("{what} is not told by {}:\n{log}", server.address()))
}

#[test]
fn a_refused_origin_left_no_line_that_says_what_to_set() {
    let home = Home::new(SPRAG);
    let server =
        home.start_with(&[], &[("SPRAG_CORS_ORIGINS", "https://app.example.com,capacitor://localhost")]);
    let requests = 400;
    let mut connection = server.connect();
    for _ in 0..requests {
        let answer = connection.ask(&from("https://new.example.com")).unwrap();
        assert_eq!((answer.status, answer.member("code").as_str()), (403, "origin_refused"));
    }
    assert_eq!(
        server.ask(&from("capacitor://localhost")).member("code"),
        "token_invalid",
        "this one is named"
    );
    let log = server.log();
    let todo = "set SPRAG_CORS_ORIGINS=https://app.example.com,capacitor://localhost,https://new.example.com";
    assert!(line(&log, &server, todo).contains("WARN"), "{log}");
    let lines = log.lines().filter(|line| line.contains(todo)).count();
    assert!(lines * 2 < requests, "{lines} lines for {requests} refusals");
}

#[test]
fn a_page_that_a_browser_keeps_out_is_told_of_where_no_site_is_named_too() {
    let home = Home::new(SPRAG);
    for named in [None, Some("https://app.example.com")] {
        let environment: Vec<_> = named.map(|named| ("SPRAG_CORS_ORIGINS", named)).into_iter().collect();
        let server = home.start_with(&[], &environment);
        let preflight = Request::bare("OPTIONS", REFRESH)
            .header("Origin", "chrome-extension://abcdefghijklmnopabcdefghijklmnop");
        server.ask(&preflight.header("Access-Control-Request-Method", "POST"));
        let log = server.log();
        line(&log, &server, "a browser keeps a page of another origin from this server");
        line(&log, &server, "chrome-extension://abcdefghijklmnopabcdefghijklmnop");
        server.stop();
        let server = home.start_with(&[], &environment);
        let script = Request::get("/api/v1/auth/me").header("Origin", "https://new.example.com");
        server.ask(&script.header("Sec-Fetch-Mode", "cors").header("Sec-Fetch-Site", "cross-site"));
        line(&server.log(), &server, "https://new.example.com");
    }
}

#[test]
fn an_origin_that_is_none_does_not_reach_the_terminal_as_it_is() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    server.ask(&from("https://a\u{202e}b.example\u{85}"));
    let log = server.log();
    line(&log, &server, "it cannot be named in SPRAG_CORS_ORIGINS");
    assert!(!log.contains(['\u{202e}', '\u{85}']), "{log}");
    let server = home.start(&[]);
    let answer = server.ask(&from("http://192.168.1.5:8080"));
    let told = answer.member("detail");
    assert!(told.contains("browsers send Sec-Fetch-* to secure origins only"), "{told}");
    assert!(told.contains(&format!("open it by http://{}", server.address())), "{told}");
    line(&server.log(), &server, "an origin of plain http on another machine cannot be named");
}

#[test]
fn a_line_of_the_log_has_three_digits_after_its_second_in_either_form() {
    let home = Home::new(SPRAG);
    for (format, begins) in [("text", ""), ("json", "{\"timestamp\":\"")] {
        let server = home.start_with(&[], &[("SPRAG_LOG_FORMAT", format)]);
        server.ask(&from("https://new.example.com"));
        let log = server.log();
        let told = line(&log, &server, "https://new.example.com");
        let moment = told.strip_prefix(begins).and_then(|rest| rest.split(['"', ' ']).next()).unwrap();
        let shape: String = moment.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{told}");
    }
}
