//! Accounts by an operator's hand: passwords, names, roles, administrators, and the end of an account.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};
use sprag_rig::Postgres;

use crate::given::{ANNS_PASSWORD, Folder, Server, a_folder_with_ann, an_empty_folder, redacted};
use crate::postgres::a_node_on;

const NEW: &str = "another long password";

/// Does it on a store of each kind, in which `ann` is an administrator.
fn on_each_store(story: fn(&Folder)) {
    let create =
        ["user", "create", "--username", "ann", "--email", "ann@example.org", "--admin", "--password-stdin"];
    let database = Postgres::shared().fresh_database();
    for folder in [an_empty_folder(), a_node_on(&database)] {
        assert_eq!(folder.run_with(ANNS_PASSWORD, &create).code, 0);
        story(&folder);
        assert_eq!(folder.json(&["audit", "verify", "--json"])["is_intact"], json!(true));
    }
}

fn me(server: &Server, pair: &Value) -> (u16, Value) {
    let token = pair["access_token"].as_str().unwrap();
    server.ask(&format!("GET /api/v1/auth/me HTTP/1.1\r\nauthorization: Bearer {token}\r\n"), "")
}

fn login_status(server: &Server, name: &str, password: &str) -> u16 {
    server.post("/api/v1/auth/login", &json!({ "username": name, "password": password })).0
}

#[test]
fn a_password_could_not_be_set_where_there_was_one() {
    on_each_store(|folder| {
        let server = folder.serve();
        let (phone, laptop) =
            (server.log_in("ann", ANNS_PASSWORD, None), server.log_in("ann", ANNS_PASSWORD, None));
        let set = folder.run_with(format!("{NEW}\n"), &["user", "password", "ann", "--password-stdin"]);
        assert_eq!(
            set.succeeds().trim(),
            "ann has another password now, and its 2 sessions have ended; access tokens run out by themselves"
        );
        for pair in [phone, laptop] {
            let (status, refusal) = server.refresh(&pair);
            assert_eq!((status, &refusal["cause"]), (401, &json!("password_changed")), "{refusal}");
            assert_eq!(me(&server, &pair).0, 401, "nor is its access token good here");
        }
        assert_eq!(login_status(&server, "ann", ANNS_PASSWORD), 401);
        server.log_in("ann", NEW, None);
        let command = ["user", "password", "ann", "--password-stdin"];
        assert!(folder.run_with("short", &command).fails().contains("at least 15 characters"));
        assert!(
            folder.run_with(NEW, &["user", "password", "bob", "--password-stdin"]).fails().contains("bob")
        );
        server.log_in("ann", NEW, None);
    });
}

#[test]
fn a_disabled_account_that_is_given_a_password_stays_disabled() {
    let folder = a_folder_with_ann();
    folder.run(&["user", "disable", "ann"]).succeeds();
    let set = folder.run_with(NEW, &["user", "password", "ann", "--password-stdin"]).succeeds();
    assert!(set.contains("it is disabled still: `sprag user enable`"), "{set}");
    assert_eq!(login_status(&folder.serve(), "ann", NEW), 401);
}

#[test]
fn names_role_and_administrator_could_only_be_changed_in_the_database() {
    on_each_store(|folder| {
        let server = folder.serve();
        let pair = server.log_in("ann", ANNS_PASSWORD, None);
        let set = |args: &[&str]| folder.run(&[&["user", "set"], args].concat());
        let told = set(&["ann", "--username", "Annika", "--email", "annika@example.org", "--role", "editor"]);
        assert_eq!(
            redacted(&told.succeeds()).trim(),
            "changed of account an-id-of-the-length-that-ids-do-have, Annika: user name, e-mail address, role"
        );
        let (status, pair) = server.refresh(&pair);
        assert_eq!(status, 200, "its session goes on: {pair}");
        let told = me(&server, &pair).1;
        assert_eq!((&told["username"], &told["email"]), (&json!("Annika"), &json!("annika@example.org")));
        assert_eq!(login_status(&server, "ann", ANNS_PASSWORD), 401, "the old name leads nowhere");
        server.log_in("annika@example.org", ANNS_PASSWORD, None);
        let listed = folder.json(&["user", "list", "--json"]);
        assert_eq!((&listed[0]["role"], &listed[0]["is_admin"]), (&json!("editor"), &json!(true)));

        let demoted = set(&["annika", "--admin", "off"]);
        assert_eq!(demoted.code, 0);
        assert!(demoted.out.contains("administrator: off, and its 2 sessions have ended"), "{}", demoted.out);
        assert!(demoted.err.contains("go on telling the role \"editor\""), "{}", demoted.err);
        assert_eq!(server.refresh(&pair).1["cause"], "revoked");
        assert_eq!(me(&server, &pair).0, 401);
        server.log_in("annika", ANNS_PASSWORD, None);
        assert!(set(&["annika", "--role", "", "--name", "Annika Ek"]).succeeds().contains(": role, name"));
        let listed = folder.json(&["user", "list", "--json"]);
        assert_eq!(listed[0]["role"], "user");
        assert_eq!((&listed[0]["name"], &listed[0]["is_admin"]), (&json!("Annika Ek"), &json!(false)));
        assert!(set(&["annika", "--name", "Annika Ek"]).succeeds().contains("nothing was changed"));

        let bob = ["user", "create", "--username", "bob", "--password-stdin"];
        assert_eq!(folder.run_with(NEW, &bob).code, 0);
        for taken in [["--email", "ANNIKA@example.org"], ["--username", "annika"]] {
            let refused = set(&[&["bob", "--role", "editor"], &taken[..]].concat()).fails();
            assert!(refused.contains("another account has this"), "{refused}");
        }
        assert_eq!(folder.json(&["user", "list", "--json"])[1]["role"], "user", "all of it or nothing");
        set(&["bob", "--email", "bob@example.org", "--admin", "on"]).succeeds();
        server.log_in("bob@example.org", NEW, None);
        server.log_in("bob", NEW, None);
        assert!(set(&["bob", "--username", "b@b"]).fails().contains("a user name has no @"));
        assert!(set(&["bob"]).was_misused().contains("--username"));
    });
}

#[test]
fn an_account_could_not_be_deleted() {
    on_each_store(|folder| {
        let server = folder.serve();
        let pair = server.log_in("ann", ANNS_PASSWORD, None);
        let (session, id) =
            (pair["session_id"].as_str().unwrap(), &folder.json(&["user", "list", "--json"])[0]["id"]);
        let asked = folder.run(&["user", "delete", "ann"]).was_misused();
        assert!(asked.contains("add --yes"), "nobody can be asked: {asked}");
        let deleted = folder.run(&["user", "delete", "ann", "--yes"]).succeeds();
        assert_eq!(
            deleted.trim(),
            "ann is deleted, and its session has ended; the access token runs out by itself; its journal stays"
        );
        let (status, refusal) = server.refresh(&pair);
        assert_eq!((status, &refusal["cause"]), (401, &json!("admin")), "{refusal}");
        assert_eq!(me(&server, &pair).0, 401);
        for name in ["ann", "ann@example.org"] {
            assert_eq!(login_status(&server, name, ANNS_PASSWORD), 401);
        }
        assert_eq!(folder.json(&["user", "list", "--json"]), json!([]));
        for command in ["enable", "disable"] {
            assert!(
                folder.run(&["user", command, id.as_str().unwrap()]).fails().contains("there is no account")
            );
        }
        let why = folder.run(&["why", session]).succeeds();
        assert!(why.contains("cause admin"), "{why}");
        assert_eq!(folder.json(&["audit", "verify", "--json"])["is_intact"], json!(true));

        let again = ["user", "create", "--username", "Ann", "--email", "ann@example.org", "--password-stdin"];
        folder.run_with(NEW, &again).succeeds();
        server.log_in("ann", NEW, None);
        assert_eq!(server.refresh(&pair).0, 401, "who has the name now has nothing of who had it");
        assert_ne!(&folder.json(&["user", "list", "--json"])[0]["id"], id);
    });
}

/// The command at a terminal: types each answer once what stands before it has been asked, and gives its exit code and all
/// that the terminal showed.
fn at_a_terminal(folder: &Folder, command: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let line = format!("{} {command}", env!("CARGO_BIN_EXE_sprag"));
    let mut script = folder.command_of("script", &["-qec", &line, "/dev/null"]);
    let mut script = script.stderr(Stdio::null()).spawn().unwrap();
    let (mut keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut look = |until: Option<&str>| {
        let mut byte = [0];
        while !until.is_some_and(|question| shown.ends_with(question.as_bytes())) {
            match screen.read(&mut byte) {
                Ok(1) => shown.push(byte[0]),
                _ => break,
            }
        }
        shown.len()
    };
    for (question, answer) in answers {
        look(Some(question));
        keys.write_all(answer.as_bytes()).unwrap();
    }
    look(None);
    let code = script.wait().unwrap().code().unwrap();
    (code, String::from_utf8(shown).unwrap())
}

#[test]
fn a_password_could_not_be_typed_and_would_have_been_seen() {
    let folder = a_folder_with_ann();
    let (first, again) = ("new password (it is not shown): ", "once more: ");
    let line = |text: &str| format!("{text}\n");
    let (typed, other) = (line(NEW), line("a typing mistake"));
    let password = |answers: &[(&str, &str)]| at_a_terminal(&folder, "user password ann", answers);

    let (code, shown) = password(&[(first, &typed), (again, &other)]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("the two passwords differ; nothing was changed"), "{shown}");
    assert!(!shown.contains(NEW) && !shown.contains("mistake"), "{shown}");
    let (code, shown) = password(&[(first, "half of it\u{3}")]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("interrupted; nothing was changed") && !shown.contains("half"), "{shown}");
    let (code, shown) = password(&[(first, "short\n")]);
    assert!(code == 1 && shown.contains("at least 8 characters") && !shown.contains(again), "{shown}");
    folder.serve().log_in("ann", ANNS_PASSWORD, None);

    let (code, shown) = password(&[(first, &typed), (again, &typed)]);
    assert!(code == 0 && shown.contains("ann has another password now"), "{shown}");
    assert!(!shown.contains(NEW), "{shown}");
    let create = "user create --username bob";
    let (code, shown) = at_a_terminal(&folder, create, &[(first, &typed), (again, &typed)]);
    assert!(code == 0 && shown.contains("made account") && !shown.contains(NEW), "{shown}");
    let server = folder.serve();
    server.log_in("ann", NEW, None);
    server.log_in("bob", NEW, None);
}

#[test]
fn whoever_deletes_an_account_at_a_terminal_is_asked() {
    let folder = a_folder_with_ann();
    let delete = |answer| at_a_terminal(&folder, "user delete ann", &[("[y/N] ", answer)]);
    for no in ["n\n", "\n", "ann\n"] {
        let (code, shown) = delete(no);
        assert!(code == 1 && shown.contains("ann stays; nothing was changed"), "{shown}");
        assert!(shown.contains("delete ann <ann@example.org>, account "), "{shown}");
    }
    assert_eq!(folder.json(&["user", "list", "--json"]).as_array().unwrap().len(), 1);
    let (code, shown) = delete("y\n");
    assert!(code == 0 && shown.contains("ann is deleted"), "{shown}");
    assert_eq!(folder.json(&["user", "list", "--json"]), json!([]));
}
