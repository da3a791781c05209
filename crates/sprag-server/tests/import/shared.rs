//! Users who share an address or a user name, and who keeps it.

use serde_json::{Value, json};

use crate::given::{Folder, HASH, PASSWORD, a_shop, lines};

const IMPORT: [&str; 4] = ["user", "import", "--from", "users.jsonl"];

/// Three of whom two have one address, and two of whom one has the other's user name in capitals.
fn a_shop_with_namesakes() -> Folder {
    let shop = a_shop();
    let user = |id: u32, name: &str, email: &str, made: u32| {
        json!({
            "id": id, "username": name, "email": email, "hashed_password": HASH,
            "created_at": format!("20{made}-01-01T00:00:00Z"),
        })
    };
    shop.write(
        "users.jsonl",
        lines(&[
            user(1, "ann", "family@example.org", 20),
            user(2, "bob", "Family@Example.org", 24),
            user(3, "cy", "family@example.org", 18),
            user(4, "BOB", "other@example.org", 22),
            json!({ "id": 5, "username": "OTHER@example.org", "hashed_password": HASH, "created_at": "2010-01-01T00:00:00Z" }),
        ]),
    );
    shop
}

/// Who logs in with which name, by their id in the source.
fn owners(shop: &Folder) -> Vec<Option<String>> {
    let of = |name: &str| {
        let outcome = shop.run(&["user", "disable", name]);
        (outcome.code == 0).then(|| {
            shop.run(&["user", "enable", name]).succeeds();
            let users = shop.users();
            let is_it = |user: &&Value| {
                let is = |field: &str| user[field].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name));
                is("username") || is("email")
            };
            users.iter().find(is_it).unwrap()["created_at"].as_str().unwrap()[2..4].to_owned()
        })
    };
    ["family@example.org", "bob", "other@example.org"].map(of).into()
}

fn some(years: [&str; 3]) -> Vec<Option<String>> {
    years.map(|year| Some(year.to_owned())).into()
}

#[test]
fn whoever_shared_an_address_was_refused_and_lost_their_sessions() {
    let shop = a_shop_with_namesakes();
    for more in [&["--dry-run"][..], &[], &["--dry-run"], &[]] {
        let (summary, outcome) = shop.import(&[&IMPORT[..], more].concat());
        assert_eq!(
            (outcome.code, &summary["without_name"], &summary["refused"]),
            (0, &json!(4), &json!(0)),
            "{summary}"
        );
        let told = [
            "line 2 (user 2): taken without a name: its e-mail address is another account's, which keeps it (user 1)",
            "line 3 (user 3): taken without a name: its e-mail address is another account's, which keeps it (user 1)",
            "line 4 (user 4): taken without a name: its user name is another account's, which keeps it (user 2)",
            "line 5 (user 5): taken without a name: its e-mail address is another account's, which keeps it (user 4)",
        ];
        assert_eq!(outcome.err.lines().collect::<Vec<_>>(), told);
    }
    assert_eq!(shop.users().len(), 5);
    assert_eq!(owners(&shop), some(["20", "24", "22"]));
    let server = shop.serve();
    let login = |name: &str| server.post("/login", &json!({ "name": name, "password": PASSWORD })).0;
    assert_eq!(
        ["cy", "family@example.org"].map(login),
        [200; 2],
        "by the name that is left, and by the one that is kept"
    );
}

#[test]
fn nobody_could_say_who_keeps_a_shared_address() {
    for (who, without, expected) in [("oldest", 3, ["18", "22", "10"]), ("newest", 4, ["24", "24", "22"])] {
        let shop = a_shop_with_namesakes();
        let import = [&IMPORT[..], &["--same-name", who]].concat();
        for more in [&["--dry-run"][..], &[], &[]] {
            let (summary, outcome) = shop.import(&[&import[..], more].concat());
            let counts = (outcome.code, &summary["without_name"], &summary["refused"]);
            assert_eq!(counts, (0, &json!(without), &json!(0)), "{who}: {summary} {}", outcome.err);
        }
        assert_eq!(owners(&shop), some(expected), "{who}");
    }
    let shop = a_shop_with_namesakes();
    shop.write("keep.txt", "2\n 4 \n\n");
    let (summary, outcome) = shop.import(&[&IMPORT[..], &["--same-name", "@keep.txt"]].concat());
    assert_eq!((outcome.code, &summary["without_name"]), (0, &json!(4)), "{summary} {}", outcome.err);
    assert_eq!(owners(&shop), some(["24", "24", "22"]));
}

#[test]
fn shared_names_can_still_be_refused() {
    let shop = a_shop_with_namesakes();
    let (summary, outcome) = shop.import(&[&IMPORT[..], &["--same-name", "refuse"]].concat());
    assert_eq!((outcome.code, &summary["new"], &summary["refused"]), (1, &json!(2), &json!(3)), "{summary}");
    assert!(
        outcome.err.contains("line 2 (user 2): another account has this e-mail address"),
        "{}",
        outcome.err
    );
}

#[test]
fn support_gets_a_list_of_who_shares_what_with_whom() {
    let shop = a_shop_with_namesakes();
    shop.import(&[&IMPORT[..], &["--refused", "list.jsonl"]].concat());
    let list = shop.read("list.jsonl");
    let mut list: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    list.sort_by_key(|entry| entry["line"].as_u64());
    let expected = json!({
        "line": 2, "user": "2", "taken": "without a name", "name": "Family@Example.org", "kept_by": "1",
        "reason": "its e-mail address is another account's, which keeps it",
    });
    assert_eq!((list.len(), &list[0]), (4, &expected));
}

#[test]
fn a_user_without_a_name_keeps_its_sessions_and_gets_one_from_support() {
    let shop = a_shop();
    let user = |id: u32, email: &str| json!({ "id": id, "username": email, "email": email, "hashed_password": HASH });
    shop.write("users.jsonl", lines(&[user(1, "ann@example.org"), user(2, "ANN@example.org")]));
    let (summary, _) = shop.import(&IMPORT);
    assert_eq!((&summary["new"], &summary["without_name"]), (&json!(2), &json!(1)), "{summary}");
    let token = "q8Jt3vY0pXw5LmN7kRz1dFh2sGb4cVa6TeUoIyPj9QxZ";
    let session = json!({ "user_id": 2, "token": token, "expires_at": "2100-01-01T00:00:00Z" });
    shop.write("sessions.jsonl", lines(&[session]));
    assert_eq!(shop.imports_all(&["session", "import", "--from", "sessions.jsonl"])["new"], 1);
    let users = shop.users();
    let nameless = users.iter().find(|user| user["email"].is_null()).unwrap();
    shop.run(&["user", "set", nameless["id"].as_str().unwrap(), "--email", "anna@example.org"]).succeeds();
    let mut promoted = user(2, "ANN@example.org");
    promoted["role"] = json!("editor");
    shop.write("users.jsonl", lines(&[user(1, "ann@example.org"), promoted]));
    for more in [&["--dry-run"][..], &[]] {
        let (summary, outcome) = shop.import(&[&IMPORT[..], more].concat());
        let counts = [&summary["refused"], &summary["changed"]];
        assert_eq!((outcome.code, counts), (0, [&json!(0), &json!(1)]), "{summary} {}", outcome.err);
    }
    let users = shop.users();
    let named = users.iter().find(|user| user["email"] == "anna@example.org").unwrap();
    assert_eq!(named["role"], "editor", "it is the same user still");
    let server = shop.serve();
    assert_eq!(server.post("/refresh", &json!({ "refreshToken": token })).0, 200);
    assert_eq!(server.post("/login", &json!({ "name": "anna@example.org", "password": PASSWORD })).0, 200);
}

#[test]
fn a_shared_name_went_to_a_user_who_was_deleted_here_and_so_to_nobody() {
    let shop = a_shop_with_namesakes();
    let all = shop.read("users.jsonl");
    shop.write("users.jsonl", all.lines().nth(2).unwrap());
    shop.imports_all(&IMPORT);
    shop.run(&["user", "delete", "cy", "--yes"]).succeeds();
    shop.write("users.jsonl", all);
    let import = [&IMPORT[..], &["--same-name", "oldest"]].concat();
    let mut told = Vec::new();
    for more in [&["--dry-run"][..], &[]] {
        let (summary, outcome) = shop.import(&[&import[..], more].concat());
        let counts = [&summary["new"], &summary["over"], &summary["without_name"], &summary["refused"]];
        assert_eq!((outcome.code, counts), (0, [&json!(4), &json!(1), &json!(2), &json!(0)]), "{summary}");
        told.push(outcome.err);
    }
    assert_eq!(told[0], told[1], "a dry run says what comes");
    assert_eq!(owners(&shop), some(["20", "22", "10"]));
}

#[test]
fn what_same_name_cannot_do_is_told_before_anything_is_made() {
    let shop = a_shop();
    let input =
        lines(&[json!({ "id": 1, "username": "ann", "hashed_password": HASH, "created_at": "2020-01-01" })]);
    shop.write("users.jsonl", &input);
    let told = |args: &[&str]| shop.run_with(&input, args).fails();
    let bad = shop.run(&[&IMPORT[..], &["--same-name", "tallest"]].concat()).was_misused();
    assert!(bad.contains("--same-name takes first, oldest, newest, refuse, or @FILE"), "{bad}");
    let piped = told(&["user", "import", "--from", "-", "--same-name", "newest"]);
    assert!(piped.contains("the source is read twice, which a pipe cannot be"), "{piped}");
    assert!(!shop.path("sprag-data").exists());
    let missing = told(&[&IMPORT[..], &["--same-name", "@nothing.txt"]].concat());
    assert!(missing.contains("could not read the list of ids in nothing.txt"), "{missing}");
    let profile = shop.read("shop.toml").replace(", created_at = \"created_at?\" }\nadmin", " }\nadmin");
    shop.write("shop.toml", profile);
    let ageless = told(&[&IMPORT[..], &["--same-name", "oldest"]].concat());
    assert!(
        ageless.contains("ask when a user was made") && ageless.contains("--map created_at=COLUMN"),
        "{ageless}"
    );
}
