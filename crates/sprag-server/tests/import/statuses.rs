//! What says whether a user or session lives: it may be lacking nowhere, and where nothing is said nothing lives.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::given::{Folder, HASH, PASSWORD, TOKEN, a_shop, a_shop_with_statuses, lines, user};

#[test]
fn a_source_without_the_status_is_refused_up_front() {
    let shop = a_shop_with_statuses();
    shop.write("users.csv", format!("id,username,hashed_password\n1,ann,{HASH}\n"));
    let told = shop.run(&["user", "import", "--from", "users.csv"]).fails();
    let expected = "sprag: could not read users.csv: it has no column \"is_active\" for is_active (it has \"id\", \"username\", \"hashed_password\"); say where it is with --map is_active=COLUMN; if the source \
                    has none, take the field out of a copy of the profile\n";
    assert_eq!(told, expected);
    assert!(!shop.path("sprag-data").exists());

    let source = Connection::open(shop.path("app.db")).unwrap();
    source.execute_batch("create table refresh_tokens (user_id, token, expires_at, is_revokd)").unwrap();
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    let told = shop.run(&["session", "import", "--from", "app.db"]).fails();
    assert!(told.contains("no column \"is_revoked\" for is_revoked; did you mean \"is_revokd\"?"), "{told}");
    shop.imports_all(&["session", "import", "--from", "app.db", "--map", "is_revoked=is_revokd"]);
}

#[test]
fn a_status_is_never_merely_expected() {
    let shop = a_shop();
    shop.write("lines.jsonl", lines(&[user(1, "ann")]));
    for (kind, field) in [
        ("user", "is_active"),
        ("user", "is_disabled"),
        ("session", "is_revoked"),
        ("session", "revoked_at"),
        ("session", "is_active"),
    ] {
        let map = format!("{field}=x?");
        let told = shop.run(&[kind, "import", "--from", "lines.jsonl", "--map", &map]).was_misused();
        assert!(told.contains(&format!("{field} takes no question mark: ")), "{told}");
        assert!(
            told.contains("name the column alone, or leave the field out if the source has none"),
            "{told}"
        );
    }
}

#[test]
fn a_user_of_whom_nothing_is_said_may_not_log_in() {
    let shop = a_shop_with_statuses();
    let status = |id: u32, name: &str, status: serde_json::Value| json!({ "id": id, "username": name, "hashed_password": HASH, "is_active": status });
    let records = [
        status(1, "ann", json!(true)),
        status(2, "bob", json!(null)),
        status(3, "eve", json!("")),
        user(4, "zoe"),
    ];
    shop.write("users.jsonl", lines(&records));
    assert_eq!(shop.imports_all(&["user", "import", "--from", "users.jsonl"])["new"], 4);
    let disabled =
        json!({ "id": 5, "username": "una", "hashed_password": HASH, "is_active": 1, "is_disabled": null });
    shop.write("more.jsonl", lines(&[disabled]));
    shop.imports_all(&["user", "import", "--from", "more.jsonl", "--map", "is_disabled=is_disabled"]);
    shop.write(
        "users.csv",
        format!("id,username,hashed_password,is_active\n6,uwe,{HASH},NULL\n7,jan,{HASH},t\n"),
    );
    shop.imports_all(&["user", "import", "--from", "users.csv"]);
    let server = shop.serve();
    let log_in = |name: &str| server.post("/login", &json!({ "name": name, "password": PASSWORD })).0;
    let statuses = ["ann", "bob", "eve", "zoe", "una", "uwe", "jan"].map(log_in);
    assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 200]);
}

#[test]
fn a_session_of_which_nothing_is_said_is_over() {
    let shop = a_shop_with_statuses();
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    let session = |number: u32, revoked: serde_json::Value| json!({ "user_id": 1, "token": format!("{number}{TOKEN}"), "expires_at": "2100-01-01", "is_revoked": revoked });
    let mut silent = session(3, json!(null));
    silent.as_object_mut().unwrap().remove("is_revoked");
    let records = [
        session(1, json!(false)),
        session(2, json!(null)),
        silent,
        session(4, json!(true)),
        session(5, json!("")),
    ];
    shop.write("sessions.jsonl", lines(&records));
    let import = ["session", "import", "--from", "sessions.jsonl"];
    let (dry, _) = shop.import(&[&import[..], &["--dry-run"]].concat());
    let summary = shop.imports_all(&import);
    assert_eq!((&summary["new"], &summary["over"]), (&json!(1), &json!(4)), "{summary}");
    let reasons = json!([
        { "reason": "its status is empty there", "count": 3 },
        { "reason": "it is revoked or inactive there", "count": 1 },
    ]);
    assert_eq!((&summary["over_reasons"], &dry["over_reasons"]), (&reasons, &reasons));
    assert_eq!(shop.sessions().len(), 1);
    // It was taken in while it lived there; now nothing is said of it any more.
    shop.write("sessions.jsonl", lines(&[session(1, json!(null)), session(4, json!(true))]));
    let summary = shop.imports_all(&import);
    assert_eq!((&summary["changed"], &summary["over"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(shop.sessions().len(), 0);
}

/// A shop with ann, whose profile says nothing of what is revoked.
fn a_shop_with_ann() -> Folder {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    shop
}

fn session(number: usize) -> Value {
    json!({ "user_id": 1, "token": format!("{number}{TOKEN}"), "expires_at": "2100-01-01" })
}

fn with(mut record: Value, member: &str, value: Value) -> Value {
    record[member] = value;
    record
}

#[test]
fn a_session_may_be_revoked_by_the_moment_at_which_it_was() {
    let shop = a_shop_with_ann();
    let at = |number: usize, at: Value| with(session(number), "revokedAt", at);
    let records = [
        at(1, json!(null)),
        at(2, json!("2024-12-13T10:00:00Z")),
        at(3, json!(1_734_084_000)),
        at(4, json!("")),
        at(5, json!("soon")),
        session(6),
    ];
    shop.write("sessions.jsonl", lines(&records));
    let import = ["session", "import", "--from", "sessions.jsonl", "--map", "revoked_at=revokedAt"];
    let (summary, outcome) = shop.import(&import);
    assert_eq!((&summary["new"], &summary["over"], &summary["refused"]), (&json!(2), &json!(3), &json!(1)));
    let reasons = json!([
        { "reason": "it is revoked or inactive there", "count": 2 },
        { "reason": "its status is empty there", "count": 1 },
    ]);
    assert_eq!(summary["over_reasons"], reasons);
    assert!(outcome.err.contains("line 5 (user 1): the column \"revokedAt\" (revoked_at) holds no moment"));
    // Revoked since: it ends here too.
    shop.write("sessions.jsonl", lines(&[at(1, json!("2024-12-13T10:00:00Z"))]));
    assert_eq!((&shop.imports_all(&import)["changed"], shop.sessions().len()), (&json!(1), 1));

    let told = shop.run(&[&import[..5], &["revoked_at=revokedAt?"]].concat()).was_misused();
    assert!(told.contains("revoked_at takes no question mark"), "{told}");
    let told = shop.run(&[&import[..5], &["revoked_at=revoked_on"]].concat()).fails();
    assert!(told.contains("no column \"revoked_on\" for revoked_at"), "{told}");
    assert!(told.contains("write null into the others: jq -c '.revoked_on //= null'"), "{told}");
}

#[test]
fn a_moment_does_where_the_profile_looks_for_a_yes_or_no() {
    let shop = a_shop_with_statuses();
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    let import = |more: &str| {
        let rows = format!("user_id,token,expires_at,revoked_at{more}\n");
        let row = |number: u32, statuses: &str| format!("1,{number}{TOKEN},2100-01-01,{statuses}\n");
        let statuses = match more {
            "" => ["", "2024-12-13", "NULL"],
            _ => [",f", "2024-12-13,f", ",t"],
        };
        let row = |(number, statuses): (u32, &str)| row(number, statuses);
        shop.write("sessions.csv", rows + &(1..).zip(statuses).map(row).collect::<String>());
        shop.imports_all(&["session", "import", "--from", "sessions.csv", "--map", "revoked_at=revoked_at"])
    };
    // Without the column of the profile, and then with it: either of the two ends a session.
    let summary = import("");
    assert_eq!((&summary["new"], &summary["over"]), (&json!(2), &json!(1)), "{summary}");
    let summary = import(",is_revoked");
    let counts = ["already_there", "changed", "over"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!((counts, shop.sessions().len()), ([1, 1, 1], 1), "{summary}");
}

#[test]
fn a_line_that_has_neither_the_moment_nor_the_yes_or_no_does_not_live() {
    let shop = a_shop_with_statuses();
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    let with_both =
        |number, flag: Value, at: Value| with(with(session(number), "is_revoked", flag), "revokedAt", at);
    let records = [
        with_both(1, json!(false), json!(null)),
        with_both(2, json!(true), json!("2024-12-13T10:00:00Z")),
        session(3),
        with(session(4), "is_revoked", json!(null)),
        with(session(5), "revokedAt", json!(null)),
    ];
    shop.write("sessions.jsonl", lines(&records));
    let import = ["session", "import", "--from", "sessions.jsonl", "--map", "revoked_at=revokedAt"];
    let summary = shop.imports_all(&import);
    assert_eq!((&summary["new"], &summary["over"]), (&json!(1), &json!(4)), "{summary}");
    // And where the source has the moment alone, it must be in each line.
    let shop = a_shop_with_ann();
    shop.write("sessions.jsonl", lines(&[session(1), with(session(2), "revokedAt", json!(null))]));
    let summary = shop.imports_all(&import);
    assert_eq!((&summary["new"], &summary["over"]), (&json!(1), &json!(1)), "{summary}");
}

#[test]
fn a_source_in_which_no_status_says_anything_is_pointed_out() {
    let shop = a_shop_with_ann();
    let live = |number| with(session(number), "revokedAt", json!(null));
    let import = |records: &[Value]| {
        shop.write("sessions.jsonl", lines(records));
        shop.import(&["session", "import", "--from", "sessions.jsonl", "--map", "is_revoked=revokedAt"])
    };
    let (summary, outcome) = import(&[live(1), live(2)]);
    assert_eq!((&summary["new"], &summary["over"], outcome.code), (&json!(0), &json!(2), 0));
    let told = "sprag: every session was left out, for its status is empty there; look whether the column is the right one. \
                Where it holds the moment at which a session was revoked, and nothing as long as it lives, use --map \
                revoked_at=COLUMN\n";
    assert_eq!(outcome.err, told);
    let (_, outcome) = import(&[live(1), with(session(2), "revokedAt", json!(false))]);
    assert_eq!(outcome.err, "");
}

#[test]
fn a_status_that_only_later_lines_have_is_taken_on_somebodys_word() {
    let shop = a_shop_with_statuses();
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    let late =
        [with(session(200), "is_revoked", json!(false)), with(session(201), "is_revoked", json!(true))];
    let records: Vec<_> = (0..120).map(session).chain(late).collect();
    shop.write("sessions.jsonl", lines(&records));
    let import = ["session", "import", "--from", "sessions.jsonl"];
    let told = shop.run(&import).fails();
    let expected = "sprag: could not read sessions.jsonl: its first 100 lines have no column \"is_revoked\" for is_revoked (it \
                    has \"user_id\", \"token\", \"expires_at\"); say where it is with --map is_revoked=COLUMN; if later lines \
                    have it, --map is_revoked=is_revoked says so, and a line without it counts as over or disabled\n";
    assert_eq!(told, expected);
    let summary = shop.imports_all(&[&import[..], &["--map", "is_revoked=is_revoked"]].concat());
    assert_eq!((&summary["new"], &summary["over"]), (&json!(1), &json!(121)), "{summary}");
    // Where all lines were looked at, nobody's word makes a column.
    shop.write("sessions.jsonl", lines(&records[..99]));
    let told = shop.run(&[&import[..], &["--map", "is_revoked=is_revoked"]].concat()).fails();
    assert!(told.contains("it has no column \"is_revoked\" for is_revoked"), "{told}");
    // And nobody's word lets live what is only not said to be over.
    shop.write("sessions.jsonl", lines(&records));
    let told = shop.run(&[&import[..], &["--map", "revoked_at=revokedAt"]].concat()).fails();
    assert!(told.contains("its first 100 lines have no column \"revokedAt\" for revoked_at"), "{told}");
}
