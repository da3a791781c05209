//! Hooks by HTTP: signed as the standard wants it, bounded in time, and nothing of them in the log or on the disk.

use std::fs;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::SPRAG;
use crate::people::{Pair, log_in, login, refresh};
use crate::receiver::{Receiver, SECRET};
use crate::secrecy::find_nothing;
use crate::server::{Home, PASSWORD, Server};
use crate::wire::Answer;

const OLD: &str = "the password of the old system";

fn start(home: &Home, receiver: &Receiver, hooks: &[&str]) -> Server {
    let hooks: Vec<String> = hooks.iter().map(|hook| hook.replace("URL", &receiver.url())).collect();
    let text = format!("extends = \"sprag\"\nid = 1000\nabout = \"ours\"\n[hooks]\n{}\n", hooks.join("\n"));
    fs::write(home.path().join("ours.toml"), text).unwrap();
    let environment = [("SPRAG_WEBHOOK_SECRET", SECRET), ("SPRAG_HOOK_NETWORKS", "127.0.0.1")];
    home.start_with(&["--profiles", "./ours.toml", "--log", "trace"], &environment)
}

fn claim(answer: &Answer, name: &str) -> Value {
    let token = Pair::of(answer).access;
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()[name].clone()
}

#[test]
fn another_system_lets_in_and_says_what_tokens_tell_and_is_waited_for_half_a_second() {
    let receiver = Receiver::start();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    receiver.answers_to("before_login", r#"200 {"decision":"allow"}"#);
    receiver.answers_to("access_token_claims", r#"200 {"claims":{"plan":"paid"}}"#);
    let hooks = ["before_login = \"URL\"", "claims = \"URL\"", "claims_away = \"refuse\""];
    let server = start(&home, &receiver, &hooks);
    let mut connection = server.connect();
    let pair = log_in(&mut connection, "ann").unwrap();
    let asked = receiver.told_of("before_login").pop().unwrap().1;
    assert_eq!(asked["data"]["profile"], "ours");
    assert_eq!(asked["data"]["account"]["username"], "ann");
    assert_eq!((&asked["data"]["methods"], &asked["data"]["ip"]), (&json!(["pwd"]), &json!("127.0.0.1")));
    receiver.answers_to("access_token_claims", r#"200 {"claims":{"plan":"free"}}"#);
    let turned = connection.ask(&refresh(&pair.refresh)).unwrap();
    assert_eq!(claim(&turned, "plan"), "free");
    let next = Pair::of(&turned);
    for odd in ["500 ", "200 plainly", "302 http://127.0.0.1:1/", r#"200 {"claims":{"sub":"x"}}"#, "0 "] {
        receiver.answers_to("access_token_claims", odd);
        assert_eq!(connection.ask(&refresh(&next.refresh)).unwrap().status, 503, "{odd}");
    }
    receiver.answers_to("access_token_claims", r#"200 {"claims":{}}"#);
    assert_eq!(connection.ask(&refresh(&next.refresh)).unwrap().status, 200, "nothing had turned");
    receiver.answers_to("before_login", r#"200 {"decision":"refuse"}"#);
    let refused = connection.ask(&login("ann", PASSWORD)).unwrap();
    assert_eq!((refused.status, refused.member("code").as_str()), (403, "login_refused"));
    receiver.answers_to("before_login", "0 ");
    assert_eq!(connection.ask(&login("ann", PASSWORD)).unwrap().status, 503, "nobody said");
    server.stop();
    home.verify_journal();
}

#[test]
fn an_account_comes_from_the_old_system_and_its_password_is_nowhere_but_in_the_question() {
    let receiver = Receiver::start();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    receiver.answers_to("old_account_login", r#"200 {"account":null}"#);
    let server = start(&home, &receiver, &["old_accounts = \"URL\""]);
    let mut connection = server.connect();
    assert_eq!(connection.ask_until_served(&login("carol", OLD)).unwrap().status, 401);
    let told = receiver.told_of("old_account_login").len();
    assert_eq!(connection.ask_until_served(&login("ann", OLD)).unwrap().status, 401);
    assert_eq!(receiver.told_of("old_account_login").len(), told, "who is known here is not asked about");
    let carol =
        r#"{"id":"4711","username":"carol","email":"carol@example.org","role":"admin","is_admin":true}"#;
    receiver.answers_to("old_account_login", &format!("200 {{\"account\":{carol}}}"));
    log_in_with(&server, "carol@example.org");
    receiver.answers_to("old_account_login", "500 ");
    log_in_with(&server, "carol");
    let listed = home.run(home.command(&["user", "list", "--json"]), "");
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let found = listed.as_array().or(listed["users"].as_array()).unwrap();
    let carol = found.iter().find(|user| user["username"] == "carol").unwrap();
    assert_eq!(carol["is_admin"], false, "{carol}");
    server.stop();
    find_nothing(&home, &[("password of the old system", OLD.into())]);
    home.verify_journal();
}

fn log_in_with(server: &Server, name: &str) {
    let answer = server.ask(&login(name, OLD));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_profile_with_hooks_and_nothing_to_sign_with_does_not_start() {
    let home = Home::new(SPRAG);
    let text =
        "extends = \"sprag\"\nid = 1000\nabout = \"ours\"\n[hooks]\nclaims = \"https://example.org/\"\n";
    fs::write(home.path().join("ours.toml"), text).unwrap();
    let ran = home.run(home.command(&["serve", "--profiles", "./ours.toml"]), "");
    assert!(!ran.status.success() && ran.stderr.contains("SPRAG_WEBHOOK_SECRET"), "{ran:?}");
}
