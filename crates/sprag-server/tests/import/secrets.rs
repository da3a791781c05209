//! No hash and no token leaves the source but into the store.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

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
        json!({ "id": bad_hash, "username": "with\u{200b}nothing seen", "hashed_password": HASH }),
        json!({ "id": HASH, "username": "with\u{200b}nothing seen", "hashed_password": HASH }),
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

#[test]
fn a_list_that_cannot_be_written_is_told_before_anything_is_made() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    let told = shop.run(&["user", "import", "--from", "users.jsonl", "--refused", "/nonexistent/x"]).fails();
    assert!(told.contains("could not write what is refused into /nonexistent/x: No such file"), "{told}");
    assert!(!shop.path("sprag-data").exists());
}

#[test]
fn an_older_list_becomes_its_owners_alone() {
    let shop = a_shop();
    shop.write(
        "users.jsonl",
        lines(&[json!({ "id": 1, "username": "a\u{200b}b", "hashed_password": HASH })]),
    );
    shop.write("refused.jsonl", format!("{{\"line\":3,\"reason\":\"{}\"}}\n", "long ".repeat(100)));
    fs::set_permissions(shop.path("refused.jsonl"), Permissions::from_mode(0o644)).unwrap();
    shop.import(&["user", "import", "--from", "users.jsonl", "--refused", "refused.jsonl"]);
    let mode = shop.path("refused.jsonl").metadata().unwrap().permissions().mode();
    assert_eq!((mode & 0o777, shop.read("refused.jsonl").lines().count()), (0o600, 1));
    assert!(shop.read("refused.jsonl").starts_with("{\"line\":1,"));
}

#[test]
fn a_link_is_not_followed() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    shop.write("precious", "");
    fs::set_permissions(shop.path("precious"), Permissions::from_mode(0o644)).unwrap();
    symlink(shop.path("precious"), shop.path("link")).unwrap();
    symlink(shop.path("nowhere"), shop.path("dangling")).unwrap();
    let import = ["user", "import", "--from", "users.jsonl", "--refused"];
    for (name, expected) in [
        ("link", "link is a link, and links are not followed; name a file with --refused"),
        ("dangling", "dangling is a link, and links are not followed; name a file with --refused"),
        ("/dev/null", "/dev/null is no ordinary file; name another with --refused"),
    ] {
        let told = shop.run(&[&import[..], &[name]].concat()).fails();
        assert!(told.contains(expected), "{told}");
    }
    let mode = shop.path("precious").metadata().unwrap().permissions().mode();
    assert_eq!((mode & 0o777, shop.path("nowhere").exists()), (0o644, false));
}

#[test]
fn a_first_line_of_data_is_not_repeated() {
    let shop = a_shop();
    shop.write("users.csv", format!("1,annabel,a@example.org,{HASH}\n2,bob,b@example.org,{HASH}\n"));
    shop.write("twice.csv", format!("1,annabel,annabel,{HASH}\n"));
    shop.write("users.jsonl", lines(&[json!({ TOKEN: "annabel", "annabel": HASH })]));
    let session = json!({ "user_id": 1, TOKEN: true });
    shop.write("sessions.jsonl", lines(&[session]));
    shop.run(&["migrate"]).succeeds();
    for (kind, from, expected) in [
        (
            "user",
            "users.csv",
            "looks like data, and is not shown; the first line of a CSV file must name the columns",
        ),
        ("user", "twice.csv", "its first line, which must name the columns, has the name twice"),
        ("user", "users.jsonl", "looks like data, and is not shown"),
        ("session", "sessions.jsonl", "looks like data, and is not shown"),
    ] {
        for more in [&[][..], &["--json"], &["--log", "trace"]] {
            let told = shop.run(&[&[kind, "import", "--from", from], more].concat()).fails();
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("annabel") && !told.contains(HASH) && !told.contains(TOKEN), "{told}");
        }
    }
}
