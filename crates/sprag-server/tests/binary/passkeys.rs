//! Passkeys by other people's code: PyPI's fido2 reads what is asked for and writes what is answered, without a browser. And what the
//! start says where there can be none.

use std::process::Command;

use serde_json::json;

use crate::SPRAG;
use crate::people::log_in;
use crate::python::{python, script};
use crate::server::{Home, PASSWORD};
use crate::wire::Request;

const FIDO2: &str = "fido2==2.2.1";
const ORIGIN: &str = "https://auth.example.org";
const OPTIONS: &str = "/api/v1/auth/login/passkey/options";

#[test]
fn other_peoples_keys_open_sessions_and_what_is_wrong_with_one_is_refused_and_counted() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    home.create_user("bob");
    let server = home.start_with(&[], &[("SPRAG_PUBLIC_URL", ORIGIN)]);
    let mut key = Command::new(python("fido2", FIDO2));
    key.arg(script("passkeys.py")).args([&format!("http://{}", server.address()), ORIGIN, PASSWORD]);
    let ran = key.output().unwrap();
    let said = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said:?}");
    let refused = said.0.trim();
    let metrics = String::from_utf8(server.ask(&Request::get("/metrics")).body).unwrap();
    let counted = format!("sprag_login_failures_total{{reason=\"wrong_passkey\"}} {refused}");
    assert!(metrics.lines().any(|line| line == counted), "{counted} is not among\n{metrics}");
    server.stop();
    home.verify_journal();
}

#[test]
fn where_browsers_have_no_passkeys_the_start_says_so_and_calls_refuse() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start_with(&["--log", "info"], &[("SPRAG_PUBLIC_URL", "http://127.0.0.1:8080")]);
    let refused = server.ask(&Request::post(OPTIONS, &json!({})));
    assert_eq!((refused.status, refused.member("code").as_str()), (501, "passkeys_unavailable"));
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let adding = Request::post("/api/v1/auth/factors/passkey/options", &json!({})).bearer(&pair.access);
    assert_eq!(server.ask(&adding).status, 501);
    assert_eq!(server.ask(&Request::get("/.well-known/webauthn")).status, 404);
    assert!(server.log().contains("there are no passkeys"), "{}", server.log());
    server.stop();
}

#[test]
fn only_a_setting_of_passkeys_that_cannot_hold_keeps_a_server_from_starting() {
    let home = Home::new(SPRAG);
    let start = |environment: &[(&str, &str)]| {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(environment.iter().copied());
        home.run(command, "")
    };
    for (url, name, value) in [
        ("http://127.0.0.1:8080", "SPRAG_PASSKEY_RP_ID", "localhost"),
        ("https://auth.example.org", "SPRAG_PASSKEY_RP_ID", "example.com"),
        ("http://127.0.0.1:8080", "SPRAG_PASSKEY_ORIGINS", "https://app.example.com"),
    ] {
        let ran = start(&[("SPRAG_PUBLIC_URL", url), (name, value)]);
        assert!(!ran.status.success(), "{name}={value} at {url}");
        assert!(ran.stderr.contains("passkey-rp-id"), "{}", ran.stderr);
    }
}

#[test]
fn related_origins_are_told_to_browsers() {
    let home = Home::new(SPRAG);
    let related = "https://app.example.com,android:apk-key-hash:k1";
    let environment = [("SPRAG_PUBLIC_URL", ORIGIN), ("SPRAG_PASSKEY_ORIGINS", related)];
    let server = home.start_with(&[], &environment);
    let told = server.ask(&Request::get("/.well-known/webauthn"));
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!(told.json(), json!({ "origins": [ORIGIN, "https://app.example.com"] }));
    server.stop();
}
