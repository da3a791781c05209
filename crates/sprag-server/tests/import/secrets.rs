//! No hash and no token leaves the source but into the store.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::given::{HASH, TOKEN, a_shop, lines, user};

#[test]
fn what_is_refused_is_told_without_its_secrets() {
    let shop = a_shop();
    let bad_hash = "$2b$12$this-hash-is-nobodys-business";
    let users = [
        user(1, "ann"),
        json!({ "id": 2, "username": "bob", "hashed_password": bad_hash }),
        // The columns are confused, so that the hash stands where the id belongs.
        json!({ "id": bad_hash, "username": "with space", "hashed_password": HASH }),
        json!({ "id": HASH, "username": "with space", "hashed_password": HASH }),
    ];
    let mut text = lines(&users);
    text += &format!("\"{bad_hash}\"\n{{\"hashed_password\": \"{bad_hash}\", \n");
    shop.write("users.jsonl", &text);
    let sessions = [
        json!({ "user_id": 99, "token": TOKEN, "expires_at": "2100-01-01T00:00:00Z" }),
        json!({ "user_id": TOKEN, "token": TOKEN, "expires_at": "2100-01-01T00:00:00Z" }),
        json!({ "user_id": 1, "token": TOKEN, "expires_at": TOKEN }),
    ];
    shop.write("sessions.jsonl", lines(&sessions));
    for what in ["user", "session"] {
        let from = format!("{what}s.jsonl");
        for more in
            [&["--refused", "refused.jsonl"][..], &[], &["--json"], &["--log", "trace"], &["--dry-run"]]
        {
            let outcome = shop.run(&[&[what, "import", "--from", &from], more].concat());
            assert_eq!(outcome.code, 1);
            for text in [outcome.out, outcome.err, shop.read("refused.jsonl")] {
                assert!(!text.contains(bad_hash) && !text.contains(HASH) && !text.contains(TOKEN), "{text}");
            }
        }
        assert_eq!(shop.read("refused.jsonl").lines().count(), if what == "user" { 5 } else { 3 });
        let mode = shop.path("refused.jsonl").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn no_file_but_an_older_list_is_written_over() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    let before = shop.read("users.jsonl");
    let import = ["user", "import", "--from", "users.jsonl", "--refused"];
    let told = shop.run(&[&import[..], &["users.jsonl"]].concat()).fails();
    assert!(told.contains("users.jsonl is there already and no list of refused lines"), "{told}");
    assert_eq!(shop.read("users.jsonl"), before);
    shop.write("refused.jsonl", "{\"line\":3,\"reason\":\"of a run before\"}\n");
    shop.imports_all(&[&import[..], &["refused.jsonl"]].concat());
    assert_eq!(shop.read("refused.jsonl"), "");
}
