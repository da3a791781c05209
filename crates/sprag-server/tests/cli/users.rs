//! `sprag user`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

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
        @"sprag: a password has at least 15 characters; choose a longer one, as a few words that belong together only for you"
    );
    assert_snapshot!(
        create(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", &["--username", "bob", "--password-stdin"]).fails(),
        @"sprag: could not read the password from standard input: it is not UTF-8; write it in UTF-8"
    );
    assert_snapshot!(
        create(good, &["--username", "b@b", "--password-stdin"]).fails(),
        @"sprag: a user name has no @"
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
fn an_operator_has_an_address_count_as_confirmed_or_not() {
    let folder = an_empty_folder();
    let args = ["user", "create", "--username", "ann", "--email", "ann@example.org", "--password-stdin"];
    folder.run_with("a long password", &args).succeeds();
    let set = |args: &[&str]| folder.run(&[&["user", "set", "ann"], args].concat());
    assert_snapshot!(
        redacted(&set(&["--email-verified", "on"]).succeeds()),
        @"changed of account an-id-of-the-length-that-ids-do-have, ann: e-mail address confirmed"
    );
    assert_snapshot!(set(&["--email-verified", "on"]).succeeds(), @"ann was so already; nothing was changed");
    assert_snapshot!(
        redacted(&set(&["--email-verified", "off"]).succeeds()),
        @"changed of account an-id-of-the-length-that-ids-do-have, ann: e-mail address not confirmed"
    );
    assert_snapshot!(
        redacted(&set(&["--email", "ann@new.example", "--email-verified", "on"]).succeeds()),
        @"changed of account an-id-of-the-length-that-ids-do-have, ann: e-mail address, e-mail address confirmed"
    );
    set(&["--email", "ann@third.example", "--closes-undo"]).succeeds();
    assert!(
        set(&["--role", "editor", "--closes-undo"]).was_misused().contains("--email"),
        "no undo to close"
    );
    let args = ["user", "create", "--username", "bob", "--password-stdin"];
    folder.run_with("a long password", &args).succeeds();
    assert_snapshot!(
        folder.run(&["user", "set", "bob", "--email-verified", "on"]).fails(),
        @"sprag: the account has no e-mail address that could be confirmed; give it one along with that"
    );
}

#[test]
fn an_account_that_came_without_a_password_is_given_one_and_its_sessions_go_on() {
    let folder = an_empty_folder();
    folder.write("users.jsonl", "{\"id\": 1, \"email\": \"ann@example.org\", \"hash\": null}\n");
    // An import warns of a source that others may read.
    fs::set_permissions(folder.path("users.jsonl"), Permissions::from_mode(0o600)).unwrap();
    let import = ["user", "import", "--profile", "sprag", "--from", "users.jsonl"];
    let map = ["--map", "external_id=id", "--map", "email=email", "--map", "password_hash=hash"];
    folder.run(&[&import[..], &map].concat()).succeeds();
    let command = ["user", "password", "ann@example.org", "--password-stdin"];
    let told = folder.run_with("short", &command).fails();
    assert!(told.contains("password"), "{told}");
    let set = folder.run_with(format!("{ANNS_PASSWORD}\n"), &command).succeeds();
    assert_snapshot!(set, @"ann@example.org can log in with a password now");
    folder.serve().log_in("ann@example.org", ANNS_PASSWORD, None);
    assert!(folder.run(&["user", "password", "ann@example.org"]).was_misused().contains("--password-stdin"));
}

#[test]
fn an_operator_could_not_tell_which_accounts_have_names_alike() {
    let folder = a_folder_with_ann();
    let create = |name: &str| {
        let made =
            folder.run_with("a long password", &["user", "create", "--username", name, "--password-stdin"]);
        made.succeeds()
    };
    create("first");
    create("second");
    // As a build before schema V6 would have left them.
    let database = rusqlite::Connection::open(folder.path("sprag-data/sprag.db")).unwrap();
    for (name, value) in [("first", "σίσυφος"), ("second", "ςίσυφος")] {
        let earlier = "update identity set value = ?2, form = 'σίσυφοσ' where value = ?1";
        database.execute(earlier, [name, value]).unwrap();
        database.execute("update account set username = ?2 where username = ?1", [name, value]).unwrap();
    }
    let listed = folder.json(&["user", "names", "--json"]);
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|name| (&name["name"], &name["form"])).collect();
    let form = json!("σίσυφοσ");
    assert_eq!(names, [(&json!("ςίσυφος"), &form), (&json!("σίσυφος"), &form)]);
    assert_eq!(listed[0]["also_of"], json!([listed[1]["account"]]));
    assert!(
        folder.run(&["user", "disable", "σίσυφοσ"]).fails().contains("there is no account"),
        "who of them?"
    );

    let taken = folder.run(&["user", "rename", "ςίσυφος", "--username", "ann"]).fails();
    assert_snapshot!(taken, @"sprag: another account has this user name, or one that looks like it; nothing was changed");
    let renamed = folder.run(&["user", "rename", "ςίσυφος", "--username", "Sisyphos II"]).succeeds();
    assert!(renamed.trim_end().ends_with(" is Sisyphos II now, and logs in so"), "{renamed}");
    assert!(folder.run(&["user", "disable", "σίσυφοσ"]).succeeds().starts_with("σίσυφος is disabled"));
    assert_eq!(folder.json(&["user", "names", "--json"])[0]["also_of"], json!([]));
    let none = folder.run(&["user", "rename", "sisyphos  ii", "--email", "s@example.org"]).fails();
    assert!(none.contains("has no e-mail address that leads to it"), "{none}");
}

#[test]
fn what_a_person_reads_of_an_account_turned_the_line_around() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    server.log_in("ann", ANNS_PASSWORD, None);
    drop(server);
    let database = rusqlite::Connection::open(folder.path("sprag-data/sprag.db")).unwrap();
    database.execute("update account set username = 'a\u{202e}nn\u{2028}x\u{85}'", []).unwrap();
    for args in [&["user", "list"][..], &["session", "list", "--all"], &["user", "list", "--json"]] {
        let told = folder.run(args).succeeds();
        assert!(!told.contains(['\u{202e}', '\u{2028}', '\u{85}']), "{args:?}: {told:?}");
    }
    let listed = folder.json(&["user", "list", "--json"]);
    assert_eq!(listed[0]["username"], "a\u{202e}nn\u{2028}x\u{85}", "a machine reads what it is");
}
