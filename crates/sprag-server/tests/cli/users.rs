//! `sprag user`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::given::{ANNS_PASSWORD, a_folder_with_ann, an_empty_folder, redacted};

#[test]
fn an_account_is_made_and_listed() {
    let folder = an_empty_folder();
    let made = folder.run_with(
        "ann's long password\n",
        &["user", "create", "--username", "Ann", "--email", "ann@example.org", "--password-stdin", "--admin"],
    );
    assert_snapshot!(
        redacted(&made.succeeds()),
        @"made account an-id-of-the-length-that-ids-do-have for Ann, an administrator"
    );
    let made = folder.run_with(
        "bob's long password",
        &["user", "create", "--email", "bob@example.org", "--password-stdin"],
    );
    assert_snapshot!(
        redacted(&made.succeeds()),
        @"made account an-id-of-the-length-that-ids-do-have for bob@example.org"
    );
    assert_snapshot!(redacted(&folder.run(&["user", "list"]).succeeds()), @r"
    ACCOUNT                               USER NAME  E-MAIL           MADE (UTC)        STATE
    an-id-of-the-length-that-ids-do-have  Ann        ann@example.org  2026-mm-dd hh:mm  admin
    an-id-of-the-length-that-ids-do-have  -          bob@example.org  2026-mm-dd hh:mm  enabled
    ");
    let list = folder.json(&["user", "list", "--json"]);
    assert_eq!((&list[0]["username"], &list[1]["username"]), (&json!("Ann"), &Value::Null));
    assert_eq!((&list[0]["is_admin"], &list[1]["is_admin"]), (&json!(true), &json!(false)));
}

#[test]
fn an_account_is_refused_with_the_reason() {
    let folder = a_folder_with_ann();
    let create =
        |password: &[u8], args: &[&str]| folder.run_with(password, &[&["user", "create"], args].concat());
    let good = b"a long password";
    assert_snapshot!(
        create(good, &["--username", "ANN", "--password-stdin"]).fails(),
        @"sprag: another account has this user name or e-mail; choose another"
    );
    assert_snapshot!(
        create(b"short\n", &["--username", "bob", "--password-stdin"]).fails(),
        @"sprag: a password has 8 to 1024 bytes, and none of them is zero; choose another"
    );
    assert_snapshot!(
        create(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", &["--username", "bob", "--password-stdin"]).fails(),
        @"sprag: could not read the password from standard input: it is not UTF-8; write it in UTF-8"
    );
    assert_snapshot!(
        create(good, &["--username", "b@b", "--password-stdin"]).fails(),
        @"sprag: a user name has no @, white space or control character"
    );
    assert!(
        create(good, &["--username", "bob"]).was_misused().contains("add --password-stdin and pipe it in")
    );
    assert!(
        create(good, &["--password-stdin"]).was_misused().contains("--username <USERNAME>|--email <EMAIL>")
    );
    assert_eq!(folder.json(&["user", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn who_is_disabled_is_out_at_once_and_may_come_back() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pair = server.log_in("ann", ANNS_PASSWORD, None);
    assert_snapshot!(
        folder.run(&["user", "disable", "ann@example.org"]).succeeds(),
        @"ann is disabled, and its sessions have ended; access tokens run out by themselves"
    );
    assert_eq!(server.refresh(&pair).0, 401);
    assert_eq!(folder.json(&["session", "list", "--all", "--json"])[0]["state"], "disabled");
    let again = folder.run(&["user", "disable", "ann"]).succeeds();
    assert_snapshot!(
        redacted(&again),
        @"ann was disabled already, since 2026-mm-dd hh:mm:ss UTC; nothing was changed"
    );
    let id = folder.json(&["user", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    assert_snapshot!(
        folder.run(&["user", "enable", &id]).succeeds(),
        @"ann may log in again; the sessions it had stay ended"
    );
    assert_snapshot!(
        folder.run(&["user", "enable", &id]).succeeds(),
        @"ann is not disabled; nothing was changed"
    );
    assert_eq!(server.refresh(&pair).0, 401);
    server.log_in("ann", ANNS_PASSWORD, None);
    assert_snapshot!(
        folder.run(&["user", "disable", "bob"]).fails(),
        @r#"sprag: there is no account "bob"; `sprag user list` shows all there are"#
    );
}

#[test]
fn an_account_that_came_without_a_password_is_given_one_once() {
    let folder = an_empty_folder();
    folder.write("users.jsonl", "{\"id\": 1, \"email\": \"ann@example.org\", \"hash\": null}\n");
    let import = ["user", "import", "--profile", "sprag", "--from", "users.jsonl"];
    let map = ["--map", "external_id=id", "--map", "email=email", "--map", "password_hash=hash"];
    folder.run(&[&import[..], &map].concat()).succeeds();
    let command = ["user", "password", "ann@example.org", "--password-stdin"];
    let told = folder.run_with("short", &command).fails();
    assert!(told.contains("password"), "{told}");
    let set = folder.run_with(format!("{ANNS_PASSWORD}\n"), &command).succeeds();
    assert_snapshot!(set, @"ann@example.org can log in with a password now");
    folder.serve().log_in("ann@example.org", ANNS_PASSWORD, None);
    let told = folder.run_with("another long password", &command).fails();
    assert!(told.contains("has a password, which stays as it is"), "{told}");
    assert!(folder.run(&["user", "password", "ann@example.org"]).was_misused().contains("--password-stdin"));
}
