//! What says whether a user or session lives: it may be lacking nowhere, and where nothing is said nothing lives.

use rusqlite::Connection;
use serde_json::json;

use crate::given::{HASH, PASSWORD, TOKEN, a_shop, a_shop_with_statuses, lines, user};

#[test]
fn a_source_without_the_status_is_refused_up_front() {
    let shop = a_shop_with_statuses();
    shop.write("users.csv", format!("id,username,hashed_password\n1,ann,{HASH}\n"));
    let told = shop.run(&["user", "import", "--from", "users.csv"]).fails();
    let expected = "sprag: could not read users.csv: it has no column \"is_active\" for is_active (it has \"id\", \"username\", \"hashed_password\"); say where it is with --map is_active=COLUMN; if the source \
                    has none, take the field out of a copy of the page\n";
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
fn a_status_is_never_merely_hoped_for() {
    let shop = a_shop();
    shop.write("lines.jsonl", lines(&[user(1, "ann")]));
    for (kind, field) in
        [("user", "is_active"), ("user", "is_disabled"), ("session", "is_revoked"), ("session", "is_active")]
    {
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
    shop.write("sessions.jsonl", lines(&[session(1, json!(null))]));
    assert_eq!(shop.imports_all(&import)["changed"], 1);
    assert_eq!(shop.sessions().len(), 0);
}
