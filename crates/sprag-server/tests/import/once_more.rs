//! What stands twice in a source, what a second run says, and two imports at once.

use std::fs;

use serde_json::{Value, json};
use sprag_rig::Postgres;

use crate::given::{Folder, HASH, TOKEN, a_shop, a_shop_with_statuses, lines, user};

const USERS: [&str; 4] = ["user", "import", "--from", "users.jsonl"];
const SESSIONS: [&str; 4] = ["session", "import", "--from", "sessions.jsonl"];

/// Another hash of the same password, as a system writes that has got dearer.
const OTHER_HASH: &str = "$2b$04$abcdefghijklmnopqrstuuWGW7zmTSO6WQ8Vv1q3bYb5PBDjnzGZS";

fn session(user: u64, token: &str, is_revoked: bool) -> Value {
    json!({ "user_id": user, "token": token, "expires_at": "2100-01-01", "is_revoked": is_revoked })
}

/// A shop with Ann and Bob in it, whose sessions say whether they are revoked.
fn a_shop_with_two() -> Folder {
    let shop = a_shop_with_statuses();
    let active = |id: u64, name: &str| json!({ "id": id, "username": name, "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[active(1, "ann"), active(2, "bob")]));
    shop.imports_all(&USERS);
    shop
}

fn reasons(summary: &Value, of: &str) -> Vec<(String, u64)> {
    let reasons = summary[of].as_array().unwrap().iter();
    reasons.map(|one| (one["reason"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
}

#[test]
fn a_token_that_stands_twice_is_over_where_one_row_says_so_in_any_order() {
    for revoked_first in [true, false] {
        let shop = a_shop_with_two();
        let (over, live) = (session(1, TOKEN, true), session(1, TOKEN, false));
        let both = if revoked_first { [over, live] } else { [live, over] };
        let other = session(1, &TOKEN.to_lowercase(), false);
        let mut records = vec![other];
        records.extend(both);
        shop.write("sessions.jsonl", lines(&records));
        let dry = shop.imports_all(&[&SESSIONS[..], &["--dry-run"]].concat());
        let mut runs = Vec::new();
        for _ in 0..3 {
            let summary = shop.imports_all(&SESSIONS);
            runs.push(["new", "already_there", "changed", "over"].map(|count| summary[count].clone()));
            let server = shop.serve();
            assert_eq!(server.post("/refresh", &json!({ "refreshToken": TOKEN })).0, 401);
            assert_eq!(shop.sessions().len(), 1, "{summary}");
        }
        let [first, next] = if revoked_first {
            [json!([1, 0, 0, 2]), json!([0, 1, 0, 2])]
        } else {
            [json!([2, 0, 1, 0]), json!([0, 2, 0, 1])]
        };
        assert_eq!(json!(runs), json!([first, next, next]));
        assert_eq!(json!(["new", "already_there", "changed", "over"].map(|count| dry[count].clone())), first);
    }
}

#[test]
fn a_row_that_is_over_counts_whatever_else_of_it_cannot_be_read() {
    for (column, broken) in [
        ("user_id", json!(null)),
        ("expires_at", json!("soon")),
        ("expires_at", json!(null)),
        ("ip", json!([1])),
    ] {
        for revoked_first in [true, false] {
            let shop = a_shop_with_two();
            let mut over = session(1, TOKEN, true);
            over[column] = broken.clone();
            let live = session(1, TOKEN, false);
            shop.write("sessions.jsonl", lines(&if revoked_first { [over, live] } else { [live, over] }));
            shop.imports_all(&SESSIONS);
            assert_eq!(shop.sessions().len(), 0, "{column}: {broken}");
        }
    }
}

#[test]
fn a_token_opens_the_account_that_it_was_taken_for() {
    let shop = a_shop_with_two();
    shop.write("sessions.jsonl", lines(&[session(1, TOKEN, false), session(2, TOKEN, false)]));
    for new in [1, 0] {
        let (summary, outcome) = shop.import(&SESSIONS);
        assert_eq!((&summary["new"], &summary["refused"]), (&json!(new), &json!(1)), "{summary}");
        let told = "line 2 (user 2): its token is here already, for a session of another user";
        assert!(outcome.err.contains(told), "{}", outcome.err);
    }
    let ann = shop.users().into_iter().find(|user| user["username"] == "ann").unwrap();
    let sessions = shop.sessions();
    assert_eq!((sessions.len(), &sessions[0]["account_id"]), (1, &ann["id"]));
}

#[test]
fn who_was_taken_without_a_password_is_named_until_there_is_one() {
    let shop = a_shop();
    let cut = json!({ "id": 2, "username": "bob", "hashed_password": "cut off" });
    shop.write("users.jsonl", lines(&[user(1, "ann"), cut]));
    let import = [&USERS[..], &["--refused", "r.jsonl"]].concat();
    let first = shop.imports_or_remarks(&import);
    assert_eq!((&first["without_password"], &first["still_without_password"]), (&json!(1), &json!(0)));
    let named = shop.read("r.jsonl");
    assert!(named.contains(r#""user":"2","taken":"without a password""#), "{named}");
    for more in [&[][..], &["--dry-run"]] {
        let again = shop.imports_or_remarks(&[&import[..], more].concat());
        let counts = [&again["new"], &again["already_there"], &again["still_without_password"]];
        assert_eq!(counts, [&json!(0), &json!(2), &json!(1)], "{again}");
        assert_eq!(shop.read("r.jsonl"), named);
    }
    let told = shop.run(&USERS).out;
    assert!(told.contains("  2  already there\n  1  of them still without a password; they need"), "{told}");

    // In the order of their names: both were made in the same moment.
    let has_password = || {
        let mut users = shop.users();
        users.sort_by_key(|user| user["username"].to_string());
        users.iter().map(|user| user["has_password"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(has_password(), [true, false]);
    let listed = shop.run(&["user", "list"]).out;
    assert!(listed.contains("enabled, no password\n"), "{listed}");
    shop.run_with("a long password", &["user", "password", "bob", "--password-stdin"]).succeeds();
    assert_eq!(has_password(), [true, true]);
    let last = shop.imports_or_remarks(&import);
    assert_eq!((&last["still_without_password"], shop.read("r.jsonl").as_str()), (&json!(0), ""));
}

#[test]
fn what_a_second_run_changes_is_counted_told_and_can_be_rehearsed() {
    let shop = a_shop_with_two();
    shop.write("sessions.jsonl", lines(&[session(1, TOKEN, false)]));
    shop.imports_all(&SESSIONS);
    let users = [
        json!({ "id": 1, "username": "ann", "hashed_password": OTHER_HASH, "is_active": true }),
        json!({ "id": 2, "username": "bob", "hashed_password": HASH, "is_active": false }),
    ];
    shop.write("users.jsonl", lines(&users));
    shop.write("sessions.jsonl", lines(&[session(1, TOKEN, true)]));
    for (import, expected) in [
        (SESSIONS, vec![("it has ended in the source system", 1)]),
        (USERS, vec![("it has another password hash there", 1), ("it may not log in there any more", 1)]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(why, count)| (why.to_owned(), count)).collect();
        for more in [&["--dry-run"][..], &["--dry-run"], &[]] {
            let summary = shop.imports_all(&[&import[..], more].concat());
            assert_eq!(summary["changed"], expected.len(), "{summary}");
            assert_eq!(reasons(&summary, "changed_reasons"), expected);
        }
        let summary = shop.imports_all(&import);
        assert_eq!((&summary["changed"], &summary["new"]), (&json!(0), &json!(0)), "once: {summary}");
    }
    shop.write(
        "users.jsonl",
        lines(&[json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true })]),
    );
    let told = shop.run(&USERS).out;
    assert!(
        told.contains(
            "  0  already there\n  1  changed here, for they have changed there\n     1  it has another password hash there\n"
        ),
        "{told}"
    );
}

#[test]
fn what_nobody_needs_is_left_out_and_its_user_is_taken() {
    let shop = a_shop();
    let profile = shop
        .read("shop.toml")
        .replace("name = \"full_name?\"", "name = \"full_name?\", family_name = \"username\"");
    shop.write("shop.toml", profile);
    let with = |id: u64, column: &str, value: Value| {
        let mut user = user(id, &format!("user{id}"));
        user[column] = value;
        user
    };
    let records = [
        with(1, "full_name", json!("Ann\nBell")),
        with(2, "full_name", json!("x".repeat(256))),
        with(3, "full_name", json!({ "given": "Cy" })),
        with(4, "created_at", json!("last spring")),
        with(5, "role", json!("boss\u{7}")),
        with(6, "full_name", json!("Flo")),
    ];
    shop.write("users.jsonl", lines(&records));
    for (more, new) in [(&["--dry-run"][..], 6), (&[], 6), (&[], 0)] {
        let (summary, outcome) = shop.import(&[&USERS[..], more].concat());
        assert_eq!((outcome.code, &summary["new"], &summary["left_out"]), (0, &json!(new), &json!(5)));
        let told = outcome.err;
        let name = "taken with something left out: the column \"full_name\" (name)";
        for told_of in [
            format!("line 1 (user 1): {name} has more than 255 bytes or a control character\n"),
            format!("line 2 (user 2): {name} has more than 255 bytes or a control character\n"),
            format!("line 3 (user 3): {name} holds an object or array, where a text is needed\n"),
            "line 4 (user 4): taken with something left out: the column \"created_at\" holds no moment"
                .to_owned(),
            "line 5 (user 5): taken with something left out: the column \"role\" has more than".to_owned(),
        ] {
            assert!(told.contains(&told_of), "{told}");
        }
    }
    let (_, outcome) = shop.import(&[&USERS[..], &["--refused", "r.jsonl"]].concat());
    let said = "each line that was refused, or taken with something left out, and its reason is in r.jsonl\n";
    assert_eq!(outcome.err, said);
    assert_eq!(
        fs::read_to_string(shop.path("r.jsonl")).unwrap().matches("with something left out").count(),
        5
    );
    assert!(
        shop.users().iter().all(|user| user["is_admin"] == false),
        "a role that is left out makes no admin"
    );
    let server = shop.serve();
    assert_eq!(server.post("/login", &json!({ "name": "user1", "password": "secret" })).0, 200);
}

#[test]
fn two_imports_at_once_bring_each_line_once_and_refuse_none() {
    const MANY: u64 = 300;
    let on_postgres = |target: &sprag_rig::Database| a_shop().set("SPRAG_DATABASE_URL", &target.url());
    let target = Postgres::shared().fresh_database();
    for shop in [a_shop(), on_postgres(&target)] {
        let users: Vec<_> = (1..=MANY).map(|id| user(id, &format!("user{id}"))).collect();
        // Somebody must come first, who makes the key ring.
        shop.write("users.jsonl", lines(&[user(MANY + 1, "first")]));
        shop.imports_all(&USERS);
        shop.write("users.jsonl", lines(&users));
        let sessions: Vec<_> = (1..=MANY)
            .map(|id| json!({ "user_id": id % 7 + 1, "token": format!("{id:08}{TOKEN}"), "expires_at": "2100-01-01" }))
            .collect();
        shop.write("sessions.jsonl", lines(&sessions));
        for import in [USERS, SESSIONS] {
            let args = [&import[..], &["--json"]].concat();
            let running: Vec<_> = (0..2).map(|_| shop.command(&args).spawn().unwrap()).collect();
            let summaries: Vec<Value> = running
                .into_iter()
                .map(|child| {
                    let output = child.wait_with_output().unwrap();
                    let told = String::from_utf8_lossy(&output.stderr).into_owned();
                    let other = told.lines().find(|line| !line.starts_with("store: "));
                    assert_eq!((output.status.code(), other), (Some(0), None));
                    serde_json::from_slice(&output.stdout).unwrap()
                })
                .collect();
            let sum = |of: &str| summaries.iter().map(|summary| summary[of].as_u64().unwrap()).sum::<u64>();
            assert_eq!((sum("new"), sum("already_there"), sum("refused")), (MANY, MANY, 0), "{summaries:?}");
        }
        assert_eq!((shop.users().len() as u64, shop.sessions().len() as u64), (MANY + 1, MANY));
    }
}

impl Folder {
    /// Imports what is all taken, if not all as it should be.
    fn imports_or_remarks(&self, args: &[&str]) -> Value {
        let (summary, outcome) = self.import(args);
        assert_eq!((outcome.code, &summary["refused"]), (0, &json!(0)), "{summary}");
        summary
    }
}
