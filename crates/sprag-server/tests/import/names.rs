//! Names that look like other names: who gets which.

use serde_json::json;

use crate::given::{HASH, PASSWORD, a_shop, lines};

#[test]
fn a_user_name_took_somebody_elses_address_because_it_came_first() {
    let import = ["user", "import", "--from", "users.jsonl"];
    let user = |id: u64, username: &str, email: Option<&str>| json!({ "id": id, "username": username, "email": email, "hashed_password": HASH });
    let users = [
        user(1, "victim@example.org", Some("thief@example.org")),
        user(2, "Victim@bücher.example", None),
        user(3, "ann", Some("victim@example.org")),
        user(4, "bob", Some("victim@xn--bcher-kva.example")),
        user(5, "old@example.org", Some("new@example.org")),
        user(6, "cy@example.org", None),
    ];
    let shop = a_shop();
    shop.write("users.jsonl", lines(&users));
    for arguments in [[&import[..], &["--dry-run"]].concat(), import.to_vec()] {
        let (summary, outcome) = shop.import(&arguments);
        assert_eq!(
            (&summary["new"], &summary["without_name"], &summary["refused"]),
            (&json!(6), &json!(1), &json!(0)),
            "{summary} {}",
            outcome.err
        );
        let left_out =
            "line 1 (user 1): taken with something left out: its user name is the e-mail address of another";
        assert!(outcome.err.contains(left_out), "{}", outcome.err);
        assert!(
            outcome.err.contains(
                "line 2 (user 2): taken without a name: its e-mail address is another account's, which keeps it (user 4)"
            ),
            "{}",
            outcome.err
        );
    }
    let names = |typed: &str| {
        let told = shop.run(&["user", "disable", typed]).succeeds();
        shop.run(&["user", "enable", typed]).succeeds();
        told.split(" is disabled").next().unwrap().to_owned()
    };
    assert_eq!(names("victim@example.org"), "ann");
    assert_eq!(names("victim@BÜCHER.example"), "bob");
    assert_eq!(names("thief@example.org"), "victim@example.org", "what it is called stays as it was");
    assert_eq!(
        (names("old@example.org"), names("new@example.org")),
        ("old@example.org".into(), "old@example.org".into())
    );
    let (again, outcome) = shop.import(&import);
    assert_eq!(
        (&again["already_there"], &again["without_name"], &again["refused"]),
        (&json!(6), &json!(1), &json!(0)),
        "{again} {}",
        outcome.err
    );

    let server = shop.serve();
    let login = |name: &str| server.post("/login", &json!({ "name": name, "password": PASSWORD })).0;
    assert_eq!((login("VICTIM@example.org"), login("cy@example.org"), login("nobody")), (200, 200, 401));
}

#[test]
fn a_user_name_with_a_blank_was_refused_and_one_that_nobody_can_see_was_taken() {
    let shop = a_shop();
    let user = |id: u64, username: &str| json!({ "id": id, "username": username, "hashed_password": HASH, "full_name": "क्\u{200d}ष" });
    shop.write(
        "users.jsonl",
        lines(&[user(1, "Ann  Smith"), user(2, "ann\u{200d}a"), user(3, "ＡＮＮ ＳＭＩＴＨ")]),
    );
    let (summary, outcome) = shop.import(&["user", "import", "--from", "users.jsonl"]);
    assert_eq!((&summary["new"], &summary["refused"]), (&json!(2), &json!(1)), "{summary} {}", outcome.err);
    assert!(
        outcome.err.contains("line 2 (user 2): a name has no character that cannot be seen"),
        "{}",
        outcome.err
    );
    assert!(
        outcome.err.contains("line 3 (user 3): taken without a name: its user name is another account's"),
        "{}",
        outcome.err
    );
    let server = shop.serve();
    let login = |name: &str| server.post("/login", &json!({ "name": name, "password": PASSWORD })).0;
    assert_eq!((login(" ann smith"), login("ann\u{200d}a"), login("ann\0")), (200, 401, 401));
}
