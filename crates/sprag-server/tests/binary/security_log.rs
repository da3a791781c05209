//! The security log: who failed, who came in, what ended and why, from where; never what was typed.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::SPRAG;
use crate::people::{LOGIN, Pair, REFRESH, log_in, login, logout, refresh};
use crate::server::{Home, PASSWORD, Server};
use crate::wire::Request;

const WRONG: &str = "nobody's password, typed wrong";
const TURNED: &str = "curl\u{202e}/8 \u{9b}31m forged=\"yes\"";

/// The lines of the security log, as their fields.
fn told(server: &Server) -> Vec<Value> {
    let lines = server.log();
    let each = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    each.filter(|line| line["target"] == "sprag::security").map(|line| line["fields"].clone()).collect()
}

fn of<'a>(told: &'a [Value], name: &str) -> Vec<&'a Value> {
    told.iter().filter(|fields| fields["message"] == name).collect()
}

#[test]
fn nothing_was_said_of_failed_log_ins_reuse_or_whatever_ended() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&["--log-format", "json", "--reuse-interval", "0s"]);
    let mut client = server.connect();
    for (name, password) in [("ann", WRONG), ("nobody-has-this-name", PASSWORD)] {
        let request = login(name, password).header("User-Agent", TURNED);
        assert_eq!(client.ask(&request).unwrap().status, 401);
    }
    let first = log_in(&mut client, "ann").unwrap();
    let second = Pair::of(&client.ask(&refresh(&first.refresh)).unwrap());
    Pair::of(&client.ask(&refresh(&second.refresh)).unwrap());
    assert_eq!(client.ask(&refresh(&first.refresh)).unwrap().status, 401, "an old token is reuse");
    assert_eq!(client.ask(&refresh(&first.refresh)).unwrap().status, 401, "the session has ended");
    let forged = format!("{}x", first.refresh);
    assert_eq!(client.ask(&refresh(&forged)).unwrap().status, 401);
    let third = log_in(&mut client, "ann").unwrap();
    assert_eq!(client.ask(&Request::get("/api/v1/auth/me").bearer("eyJmb3JnZWQ.e30.x")).unwrap().status, 401);
    let change = json!({ "current_password": WRONG, "new_password": PASSWORD });
    let change = Request::post("/api/v1/auth/password", &change).bearer(&third.access);
    assert_eq!(client.ask(&change).unwrap().status, 403);
    let explain = Request::get("/api/v1/auth/admin/sessions/01980000-0000-7000-8000-000000000002");
    let explained = client.ask(&explain.bearer(&third.access)).unwrap().status;
    assert_eq!(client.ask(&logout(&third.refresh)).unwrap().status, 204);

    let told = told(&server);
    let failed = of(&told, "login_failed");
    assert_eq!(failed.len(), 3, "{told:#?}");
    let ann = failed[0]["account"].as_str().expect("an account");
    assert_eq!(ann.len(), 36, "by its id: {ann}");
    assert_eq!(failed[1]["account"], "nobody");
    for line in &failed {
        assert_eq!((&line["ip"], &line["client"]), (&json!("127.0.0.1"), &json!("sprag")), "{line}");
        assert_eq!(line["severity"], "warning");
    }
    assert_eq!(failed[0]["user_agent"], "curl/8 31m forged=\"yes\"", "nothing turns the line around");
    let opened = of(&told, "session_opened");
    assert_eq!((opened.len(), &opened[0]["account"]), (2, &json!(ann)));
    let ended = of(&told, "session_ended");
    assert_eq!(ended.len(), 2, "{told:#?}");
    assert_eq!((&ended[0]["cause"], &ended[0]["severity"]), (&json!("reuse"), &json!("critical")));
    assert_eq!(ended[0]["session"], opened[0]["session"]);
    assert_eq!((&ended[1]["cause"], &ended[1]["session"]), (&json!("logout"), &opened[1]["session"]));
    let refused = of(&told, "refused");
    let by = |code: &str| refused.iter().filter(|line| line["refusal"] == code).collect::<Vec<_>>();
    let dead = by("session_ended");
    assert_eq!((dead.len(), &dead[0]["cause"], &dead[0]["verdict"]), (1, &json!("reuse"), &json!("ended")));
    let invalid = by("token_invalid");
    assert_eq!(invalid.len(), 2, "a forged refresh token, and a forged access token: {told:#?}");
    assert_eq!((&invalid[0]["verdict"], &invalid[0]["account"]), (&json!("malformed"), &json!("nobody")));
    assert_eq!((explained, &by("forbidden")[0]["account"]), (403, &json!(ann)));
    for typed in [WRONG, PASSWORD, "nobody-has-this-name", &first.refresh, &third.access, "eyJmb3JnZWQ"] {
        assert!(!server.log().contains(typed), "{typed} is in the log");
    }
}

#[test]
fn people_tell_its_lines_by_their_target_and_can_leave_them_out() {
    for (filter, is_told) in [
        ("info", true),
        ("warn", false),
        ("warn,sprag::security=info", true),
        ("info,sprag::security=off", false),
    ] {
        let home = Home::new(SPRAG);
        home.create_user("ann");
        let server = home.start(&["--log", filter]);
        assert_eq!(server.ask(&login("ann", WRONG)).status, 401);
        let log = server.log();
        let line = log.lines().find(|line| line.contains("sprag::security"));
        assert_eq!(line.is_some(), is_told, "{filter}: {log}");
        if let Some(line) = line {
            assert!(
                line.contains(" INFO sprag::security: login_failed severity=\"warning\" account=\""),
                "{line}"
            );
        }
    }
}

#[test]
fn a_flood_of_forged_tokens_left_a_flood_of_lines() {
    let home = Home::new(SPRAG);
    let mut server = home.start(&["--log-format", "json"]);
    let mut client = server.connect();
    let mut sent = 0_u64;
    for _ in 0..500 {
        let body = json!({ "refresh_token": format!("spr_forged{sent}") });
        assert_eq!(client.ask(&Request::post(REFRESH, &body)).unwrap().status, 401);
        sent += 1;
    }
    server.signal(Signal::INT);
    assert!(server.wait().success());
    let log = server.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone()).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["refusal"] == "token_invalid").collect();
    let left_out: u64 = told.iter().filter_map(|line| line["left_out"].as_u64()).sum();
    let whole = told.iter().filter(|line| line["network"].is_null()).count() as u64;
    assert!(told.len() < 100, "{} lines", told.len());
    assert_eq!(whole + left_out, sent, "each is told or counted");
    assert!(!log.contains(LOGIN), "no path");
}
