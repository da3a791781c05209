//! Files and pipes.

use serde_json::json;

use crate::given::{HASH, PASSWORD, a_shop, a_shop_with_statuses, lines, user};

/// Of another password.
const OTHER_HASH: &str = "$2b$10$htEouFwO4hcUqvU1DzGzF.j9.IWRfqlgrK9YMrFuogxZOEElfUW.y";

#[test]
fn users_come_from_json_lines_and_log_in_with_their_old_passwords() {
    let shop = a_shop_with_statuses();
    let ann = json!({
        "id": 7, "username": "ann", "email": "Ann@Example.org", "hashed_password": HASH, "is_superuser": true,
        "is_active": true, "created_at": "2024-12-13T10:00:00.123456+00:00", "something_else": [1, 2],
    });
    let bob = json!({ "id": "8", "username": "bob", "hashed_password": HASH, "is_active": "f" });
    shop.write("users.jsonl", lines(&[ann, bob]));
    let summary = shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    assert_eq!((&summary["new"], &summary["already_there"]), (&json!(2), &json!(0)));

    let users = shop.users();
    let of = |name: &str| users.iter().find(|user| user["username"] == name).unwrap();
    assert_eq!(of("ann")["email"], "Ann@Example.org", "names stay exactly as they were");
    assert_eq!(of("ann")["is_admin"], true);
    assert_eq!(of("ann")["created_at"], "2024-12-13T10:00:00.123Z");
    assert_eq!(of("ann")["disabled_at"], json!(null));
    assert!(of("bob")["disabled_at"].is_string());
    let server = shop.serve();
    let (status, pair) = server.post("/login", &json!({ "name": "ann", "password": PASSWORD }));
    assert_eq!((status, &pair["isAdmin"]), (200, &json!(true)), "{pair}");
    assert_eq!(server.post("/login", &json!({ "name": "ann", "password": "another" })).0, 401);
    assert_eq!(server.post("/login", &json!({ "name": "bob", "password": PASSWORD })).0, 401);
}

#[test]
fn running_it_again_changes_nothing_and_adds_what_is_new() {
    let shop = a_shop();
    let records: Vec<_> = (0..10).map(|number| user(number, &format!("user{number}"))).collect();
    shop.write("users.ndjson", lines(&records[..6]));
    let import = ["user", "import", "--from", "users.ndjson"];
    assert_eq!(shop.imports_all(&import)["new"], 6);
    let before = shop.users();
    assert_eq!(shop.imports_all(&import)["already_there"], 6);
    assert_eq!(shop.users(), before);
    shop.write("users.ndjson", lines(&records));
    let summary = shop.imports_all(&import);
    assert_eq!((&summary["new"], &summary["already_there"]), (&json!(4), &json!(6)));
    assert_eq!(shop.users().len(), 10);
}

#[test]
fn what_changed_there_meanwhile_comes_along_where_nothing_changed_here() {
    let shop = a_shop_with_statuses();
    let line = |id: u32, name: &str, hash: &str, is_active: bool| json!({ "id": id, "username": name, "hashed_password": hash, "is_active": is_active });
    let import = ["user", "import", "--from", "users.jsonl"];
    shop.write("users.jsonl", lines(&[line(1, "ann", OTHER_HASH, true), line(2, "bob", HASH, true)]));
    shop.imports_all(&import);
    shop.write("users.jsonl", lines(&[line(1, "ann", HASH, true), line(2, "bob", HASH, false)]));
    assert_eq!(shop.imports_all(&import)["changed"], 2);
    let server = shop.serve();
    let log_in = |name: &str| server.post("/login", &json!({ "name": name, "password": PASSWORD })).0;
    assert_eq!(["ann", "bob"].map(log_in), [200, 401]);
    // She has logged in here, which made her hash anew: from now on it is hers here.
    shop.write("users.jsonl", lines(&[line(1, "ann", OTHER_HASH, true)]));
    shop.imports_all(&import);
    assert_eq!(log_in("ann"), 200);
}

#[test]
fn standard_input_is_json_lines() {
    let shop = a_shop();
    let input = format!("\u{feff}{}\r\n\n  \n{}", user(1, "ann"), user(2, "bob"));
    let (summary, outcome) = shop.import_from(&input, &["user", "import", "--from", "-"]);
    assert_eq!((outcome.code, &summary["new"]), (0, &json!(2)), "{}", outcome.err);
    assert_eq!(summary["last"]["line"], 4, "empty lines count");
    assert_eq!(shop.usernames(), ["ann", "bob"]);
}

#[test]
fn what_mongodb_exports_is_understood() {
    let shop = a_shop();
    let ann = json!({
        "_id": { "$oid": "507f1f77bcf86cd799439011" },
        "username": "ann",
        "password": HASH,
        "role": "boss",
        "createdAt": { "$date": { "$numberLong": "1734084000123" } },
    });
    let bob = json!({
        "_id": { "$oid": "507f1f77bcf86cd799439012" },
        "username": "bob",
        "password": HASH,
        "role": "user",
        "createdAt": { "$date": "2024-12-13T10:00:00Z" },
        "__v": { "$numberInt": "0" },
    });
    shop.write("users.json", lines(&[ann, bob]));
    let maps = ["external_id=_id", "password_hash=password", "created_at=createdAt"];
    let maps = maps.map(|map| ["--map", map]).concat();
    shop.imports_all(&[&["user", "import", "--from", "users.json"], &maps[..]].concat());
    let users = shop.users();
    let of = |name: &str| users.iter().find(|user| user["username"] == name).unwrap();
    assert_eq!(
        (&of("ann")["is_admin"], &of("ann")["created_at"]),
        (&json!(true), &json!("2024-12-13T10:00:00.123Z"))
    );
    assert_eq!(
        (&of("bob")["is_admin"], &of("bob")["created_at"]),
        (&json!(false), &json!("2024-12-13T10:00:00.000Z"))
    );
}

#[test]
fn csv_has_its_quotes_line_ends_and_empty_fields() {
    let shop = a_shop();
    let rows = [
        "\u{feff}id,username,full_name,hashed_password,is_superuser,created_at,notes".to_owned(),
        format!(
            "1,ann,\"Ann \"\"the shop\"\", Smith\",{HASH},t,2024-12-13 10:00:00.5 +00:00,\"two\r\nlines\""
        ),
        String::new(),
        format!("\"2\",\"bob\",,\"{HASH}\",0,1734084000,\"a, b\""),
        format!("3,é.ü,,{HASH},,,"),
    ];
    shop.write("users.csv", rows.join("\r\n"));
    let summary = shop.imports_all(&["user", "import", "--from", "users.csv"]);
    assert_eq!((&summary["new"], &summary["last"]), (&json!(3), &json!({ "line": 6 })));
    let users = shop.users();
    let of = |name: &str| users.iter().find(|user| user["username"] == name).unwrap();
    assert_eq!(of("ann")["created_at"], "2024-12-13T10:00:00.500Z");
    assert_eq!(of("bob")["created_at"], "2024-12-13T10:00:00.000Z");
    assert_eq!([&of("ann")["is_admin"], &of("bob")["is_admin"]], [&json!(true), &json!(false)]);
    assert_eq!(shop.usernames(), ["ann", "bob", "é.ü"]);
}

#[test]
fn csv_says_that_there_is_nothing_as_databases_write_it() {
    let shop = a_shop();
    let rows = [
        "id,username,email,full_name,hashed_password,created_at".to_owned(),
        format!("1,ann,NULL,null,{HASH},NULL"),
        format!("2,bob,\\N,\\N,{HASH},\\N"),
        format!("3,NULL,\\N,Nobody,{HASH},"),
    ];
    shop.write("users.csv", rows.join("\n"));
    let (summary, outcome) = shop.import(&["user", "import", "--from", "users.csv"]);
    assert_eq!((&summary["new"], &summary["refused"]), (&json!(2), &json!(1)), "{summary}");
    let told = "line 4 (user 3): it has neither a user name nor an e-mail address\n";
    assert_eq!(outcome.err, told);
    let users = shop.users();
    let of = |name: &str| users.iter().find(|user| user["username"] == name).unwrap();
    assert_eq!([&of("ann")["email"], &of("bob")["email"]], [&json!(null), &json!(null)]);
}

#[test]
fn an_empty_file_is_no_error_but_a_missing_one_is() {
    let shop = a_shop();
    shop.write("users.jsonl", "");
    let summary = shop.imports_all(&["user", "import", "--from", "users.jsonl"]);
    assert_eq!((&summary["new"], &summary["last"]), (&json!(0), &json!(null)));
    shop.write("users.csv", "");
    let told = shop.run(&["user", "import", "--from", "users.csv"]).fails();
    assert!(told.contains("users.csv: it is empty; its first line must name the columns"), "{told}");
    for (from, expected) in [
        ("nowhere.jsonl", "could not read nowhere.jsonl: there is no such file"),
        ("shop.toml", "its kind cannot be told: a file of JSON lines ends in .jsonl"),
        (".", "it is a folder; name a file in it"),
        ("@nowhere", "could not read @nowhere: could not read the URL in that file"),
        ("sqlite:nowhere.db", "could not read nowhere.db: unable to open database file"),
        ("sqlite:nowhere.db", "there is no such file; look whether its path is right"),
        ("sqlite:none/nowhere.db", "there is no folder none; make it, or look whether the path is right"),
        ("sqlite:///app.db", "write sqlite:/app.db or sqlite:./app.db"),
        ("sqlite:~/app.db", "write the whole path, like /srv/ann/app.db"),
        ("~/app.db", "write the whole path, like /srv/ann/app.db"),
        ("file:./app.db", "has a scheme that is not read; write ./app.db"),
    ] {
        let told = shop.run(&["user", "import", "--from", from]).fails();
        assert!(told.contains(expected), "{told}");
    }
}
