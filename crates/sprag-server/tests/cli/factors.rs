//! `sprag user factors` and `sprag user reset-factors`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use sprag::clock::{Clock as _, SystemClock};
use sprag::factor::totp::Seed;

use crate::given::{ANNS_PASSWORD, Server, an_empty_folder};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn what_an_account_has_of_second_factors_is_shown_without_a_secret_and_taken_away() {
    let folder = an_empty_folder();
    let code = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let ann = format!(
        r#"{{"id": 1, "user": "ann", "hash": null, "seed": "{SEED}", "codes": ["{code}", "{code}"]}}
{{"id": 2, "user": "bob", "hash": null, "seed": null, "codes": []}}
"#
    );
    folder.write("users.jsonl", ann);
    // An import warns of a source that others may read.
    fs::set_permissions(folder.path("users.jsonl"), Permissions::from_mode(0o600)).unwrap();
    let import = ["user", "import", "--profile", "sprag", "--from", "users.jsonl"];
    let map =
        ["external_id=id", "username=user", "password_hash=hash", "totp_secret=seed", "recovery_codes=codes"];
    let map: Vec<&str> = map.into_iter().flat_map(|column| ["--map", column]).collect();
    folder.run(&[&import[..], &map].concat()).succeeds();

    let shown = folder.run(&["user", "factors", "ann"]).succeeds();
    assert!(shown.contains("totp") && shown.contains("2 recovery codes are left"), "{shown}");
    let listed = folder.json(&["user", "factors", "ann", "--json"]);
    assert_eq!((listed[0]["kind"].as_str(), listed.as_array().map(Vec::len)), (Some("totp"), Some(1)));
    for told in [&shown, &listed.to_string()] {
        assert!(!told.contains(SEED) && !told.contains(code), "{told}");
    }
    let has_none = |who: &str| {
        let told = folder.run(&["user", "factors", who]);
        assert!(told.code == 0 && told.err.contains("it has no second factor"), "{}", told.err);
    };
    has_none("bob");

    let told = folder.run(&["user", "reset-factors", "ann"]).succeeds();
    let expected = "ann has no second factor any more, and no recovery codes; 0 sessions ended. The password alone logs in \
                    until its owner adds one\n";
    assert_eq!(told, expected);
    has_none("ann");
    for who in ["ann", "bob"] {
        let told = folder.run(&["user", "reset-factors", who]).fails();
        assert!(told.contains("has no second factor, so there is nothing to take away"), "{told}");
    }
    assert!(folder.run(&["user", "factors", "nobody"]).fails().contains("nobody"));
    let journal = folder.run(&["audit", "list"]).succeeds();
    assert!(journal.contains("factor_removed"), "{journal}");
}

/// A mail server that is never there, so that letters go on waiting in the outbox, where they can be looked at.
const NOWHERE: &str = "smtp://127.0.0.1:9";

/// Posts something with the access token of a pair, and gives what was answered.
fn posts(server: &Server, pair: &Value, path: &str, body: &Value) -> Value {
    let (token, body) = (pair["access_token"].as_str().unwrap(), body.to_string());
    let head = format!(
        "POST {path} HTTP/1.1\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n",
        body.len()
    );
    let (status, answer) = server.ask(&head, &body);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

#[test]
fn whoever_is_logged_in_is_logged_out_by_a_reset_of_their_factors_and_told_of_it_by_a_letter() {
    let folder = an_empty_folder().set("SPRAG_MAIL_URL", NOWHERE);
    let create = ["user", "create", "--username", "ann", "--email", "ann@example.org", "--password-stdin"];
    folder.run_with(ANNS_PASSWORD, &create).succeeds();
    let server = folder.serve();
    let phone = server.log_in("ann", ANNS_PASSWORD, Some("phone"));
    let begun = posts(&server, &phone, "/api/v1/auth/factors/totp", &json!({}));
    let seed = Seed::from_base32(begun["secret"].as_str().unwrap(), None).unwrap();
    let confirm = format!("/api/v1/auth/factors/totp/{}/confirm", begun["id"].as_str().unwrap());
    posts(&server, &phone, &confirm, &json!({ "code": seed.code(SystemClock.now()) }));
    let asked = json!({ "username": "ann", "password": ANNS_PASSWORD });
    let (status, waiting) = server.post("/api/v1/auth/login", &asked);
    assert_eq!((status, &waiting["code"]), (401, &json!("second_factor_required")));
    let told = |kind: &str| {
        let letters = folder.json(&["mail", "list", "--json"]);
        let letters = letters.as_array().unwrap().clone().into_iter();
        letters.filter(|letter| letter["kind"] == kind).collect::<Vec<Value>>()
    };
    assert_eq!((told("factor_added").len(), told("factor_removed").len()), (1, 0));

    let said = folder.run(&["user", "reset-factors", "ann"]).succeeds();
    assert!(said.contains("; 1 session ended."), "{said}");
    let (status, refused) = server.refresh(&phone);
    assert_eq!((status, &refused["cause"]), (401, &json!("admin")), "{refused}");
    let letters = told("factor_removed");
    let [letter] = &letters[..] else { panic!("one letter, not {letters:?}") };
    assert_eq!(letter["to"], "ann@example.org");
    let goes_on = json!({ "mfa_token": waiting["mfa_token"], "code": "000000" });
    let (status, refused) = server.post("/api/v1/auth/login/factor", &goes_on);
    assert_eq!((status, &refused["code"]), (400, &json!("link_invalid")), "what waited goes on no more");
    server.log_in("ann", ANNS_PASSWORD, Some("phone"));
}
