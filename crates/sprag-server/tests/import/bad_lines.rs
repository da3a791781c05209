//! Lines that cannot be taken in: each is refused with its position, and nothing else is lost.

use serde_json::{Value, json};

use crate::given::{HASH, PASSWORD, a_shop, a_shop_with_statuses, lines, user};

fn refused(text: &str) -> Vec<(u64, String)> {
    let one = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let position = record["line"].as_u64().or(record["row"].as_u64()).unwrap();
        (position, record["reason"].as_str().unwrap().to_owned())
    };
    let mut all: Vec<_> = text.lines().map(one).collect();
    all.sort_unstable();
    all
}

#[test]
fn each_bad_json_line_is_refused_by_itself() {
    let shop = a_shop_with_statuses();
    let mut text = lines(&[user(1, "ann")]).into_bytes();
    let bad: [&[u8]; 9] = [
        b"{\"id\": 2, \"username\": ",
        b"not JSON at all",
        b"[1, 2]",
        b"{\"id\": 4, \"username\": \"\xff\xfe\"}",
        &lines(&[json!({ "username": "nobody", "hashed_password": HASH })]).into_bytes(),
        &lines(&[json!({ "id": 5, "username": { "a": 1 }, "hashed_password": HASH })]).into_bytes(),
        &lines(&[json!({ "id": 6, "username": "six", "hashed_password": HASH, "is_active": "maybe" })])
            .into_bytes(),
        &lines(&[json!({ "id": 7, "username": "seven", "hashed_password": HASH, "is_superuser": "soon" })])
            .into_bytes(),
        &lines(&[json!({ "id": 8, "username": "eight", "hashed_password": "x".repeat(1_100_000) })])
            .into_bytes(),
    ];
    for line in bad {
        text.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        text.push(b'\n');
    }
    text.extend_from_slice(lines(&[user(9, "bob")]).as_bytes());
    shop.write("users.jsonl", text);
    let import = ["user", "import", "--from", "users.jsonl", "--refused", "refused.jsonl"];
    let (summary, outcome) = shop.import(&import);
    assert_eq!((outcome.code, &summary["new"], &summary["refused"]), (1, &json!(2), &json!(9)));
    assert_eq!(summary["is_complete"], true);
    let expected = [
        (2, "it is not JSON: it ends too early"),
        (3, "it is not JSON"),
        (4, "it is no JSON object"),
        (5, "it is not UTF-8"),
        (6, "the column \"id\" (external_id) is empty"),
        (7, "the column \"username\" holds an object or array, where a text is needed"),
        (8, "the column \"is_active\" is neither true nor false"),
        (9, "the column \"is_superuser\" (is_admin) is neither true nor false"),
        (10, "it is longer than 1 MiB"),
    ];
    let expected = expected.map(|(line, reason)| (line, reason.to_owned()));
    assert_eq!(refused(&shop.read("refused.jsonl")), expected);
    assert_eq!(shop.usernames(), ["ann", "bob"]);
}

#[test]
fn what_the_engine_refuses_has_its_line_too() {
    let shop = a_shop();
    let records = [
        user(1, "ann"),
        json!({ "id": 2, "username": "bob", "hashed_password": "plain text" }),
        json!({ "id": 3, "username": "ANN", "hashed_password": HASH }),
        json!({ "id": 4, "hashed_password": HASH }),
        json!({ "id": 5, "username": "with\u{200b}nothing seen", "hashed_password": HASH }),
        // A hash that would take days to verify is a bomb, not a password.
        json!({ "id": 6, "username": "bomb", "hashed_password": HASH.replace("$12$", "$31$") }),
        user(7, "zoe"),
    ];
    shop.write("users.jsonl", lines(&records));
    let (summary, outcome) =
        shop.import(&["user", "import", "--from", "users.jsonl", "--refused", "r.jsonl"]);
    assert_eq!((outcome.code, &summary["new"], &summary["refused"]), (1, &json!(5), &json!(2)), "{summary}");
    assert_eq!((&summary["without_password"], &summary["without_name"]), (&json!(2), &json!(1)));
    let list = shop.read("r.jsonl");
    let positions: Vec<_> = refused(&list).into_iter().map(|(line, _)| line).collect();
    assert_eq!(positions, [2, 3, 4, 5, 6]);
    let taken = list.lines().filter(|line| line.contains("\"taken\":\"without a password\""));
    assert_eq!(taken.count(), 2, "{list}");
    assert_eq!(shop.users().len(), 5, "who shares a user name is there without it");
    assert!(
        outcome.err.contains(
            "each line that was refused, or taken without a password or without a name, and its reason is in r.jsonl"
        ),
        "{}",
        outcome.err
    );
}

#[test]
fn who_has_no_hash_that_can_be_verified_is_taken_without_a_password() {
    let shop = a_shop();
    let records = [
        user(1, "ann"),
        json!({ "id": 2, "username": "bob", "hashed_password": "plain text" }),
        json!({ "id": 3, "username": "bomb", "hashed_password": HASH.replace("$12$", "$31$") }),
        // Who never had one is as before.
        json!({ "id": 4, "username": "zoe", "hashed_password": null }),
        json!({ "id": 5, "username": "eve", "hashed_password": "plain text" }),
    ];
    shop.write("users.jsonl", lines(&records));
    let import = ["user", "import", "--from", "users.jsonl"];
    let cut = "this is not a password hash; look whether it comes from the right column";
    let costly = "this hash asks for more than 15 as the cost of bcrypt, too much for one log-in; let this user set a new \
                  password";
    let told = format!(
        "line 2 (user 2): taken without a password: {cut}\nline 3 (user 3): taken without a password: {costly}\n\
         line 5 (user 5): taken without a password: {cut}\n"
    );
    let table = format!(
        "  5  new\n  3  of them taken without a password; they need a new one\n     2  {cut}\n     1  {costly}\n  0  already \
         there\n  1  of all these without a password there, too: it is empty or says so\n  0  refused\n"
    );
    for (more, heading) in [
        (
            &["--dry-run"][..],
            "a dry run of users from users.jsonl: nothing was written; the same without --dry-run would have\n",
        ),
        (&[], "users from users.jsonl\n"),
    ] {
        let outcome = shop.run(&[&import[..], more].concat());
        assert_eq!((outcome.code, outcome.err), (0, told.clone()));
        assert_eq!(outcome.out, format!("{heading}{table}"));
    }
    let (summary, _) = shop.import(&import);
    let counts = ["already_there", "without_password", "still_without_password"].map(|of| &summary[of]);
    assert_eq!(counts, [&json!(5), &json!(0), &json!(3)]);
    let server = shop.serve();
    assert_eq!(server.post("/login", &json!({ "name": "ann", "password": PASSWORD })).0, 200);
    assert_eq!(server.post("/login", &json!({ "name": "bob", "password": "plain text" })).0, 401);
}

#[test]
fn bad_csv_lines_are_refused_by_themselves() {
    let shop = a_shop();
    let long = "x".repeat(1_100_000);
    let rows = [
        "id,username,hashed_password".to_owned(),
        format!("1,ann,{HASH}"),
        "2,too,many,fields".to_owned(),
        "3".to_owned(),
        format!("4,\"{long}\",{HASH}"),
        format!("5,bob,{HASH}"),
        // MySQL writes a quote within quotes so, and a reader that takes it would call them O\Brien".
        format!("6,\"O\\\"Brien\",{HASH}"),
        format!("7,5\" nail,{HASH}"),
        format!("8,\"carl,{HASH}\n9,\"dora,{HASH}"),
        format!("10,eve,{HASH}"),
    ];
    shop.write("users.csv", rows.join("\n"));
    let (summary, _) = shop.import(&["user", "import", "--from", "users.csv", "--refused", "r.jsonl"]);
    assert_eq!((&summary["new"], &summary["refused"]), (&json!(3), &json!(6)), "{summary}");
    let behind = "text follows the quote that closes one of its fields; a quote within a quoted field is written twice";
    let expected = [
        (3, "it has 4 fields, and the header has 3"),
        (4, "it has 1 fields, and the header has 3"),
        (5, "it is longer than 1 MiB"),
        (7, behind),
        (
            8,
            "there is a quote in a field that does not begin with one; put the field in quotes, and write a quote within it \
             twice",
        ),
        (9, &format!("{behind}; lines 9 to 10 are one record here")),
    ];
    let expected = expected.map(|(line, reason)| (line, reason.to_owned()));
    assert_eq!(refused(&shop.read("r.jsonl")), expected);
    assert_eq!(shop.usernames(), ["ann", "bob", "eve"]);
}

#[test]
fn a_quote_that_is_not_closed_swallows_nobody_in_silence() {
    // In a column that nobody reads, so that no other rule would find it.
    let head = format!("id,username,hashed_password,bio\n1,ann,{HASH},ok\n2,bob,{HASH},\"oops\n");
    let rest: String = (3..2000).map(|id| format!("{id},user{id},{HASH},ok\n")).collect();
    let short = rest.lines().take(3).collect::<Vec<_>>().join("\n");
    let cut_off = format!("id,username,hashed_password,bio\n1,ann,{HASH},ok\n2,bob,{HASH},\"a bi");
    for text in
        [format!("{head}{rest}"), format!("{head}{short}"), format!("{head}{rest}9,z,x,\"\n"), cut_off]
    {
        let shop = a_shop();
        shop.write("users.csv", text);
        for more in [&["--dry-run"][..], &[]] {
            let (summary, outcome) =
                shop.import(&[&["user", "import", "--from", "users.csv"], more].concat());
            assert_eq!((outcome.code, &summary["is_complete"]), (1, &json!(false)), "{summary}");
            let expected = "the quote that opens on line 3 is not closed, so all below it would be read as its field; write a \
                            quote within a quoted field twice, or leave that column out of the export";
            assert!(outcome.err.contains(expected), "{}", outcome.err);
        }
        assert_eq!(shop.usernames(), ["ann"]);
    }
}

#[test]
fn two_stray_quotes_make_no_record_of_several() {
    let shop = a_shop();
    let row = |id: u32, name: &str, bio: &str| format!("{id},{name},{HASH},{bio}\n");
    let rows = [
        row(1, "ann", "\"I like:\n1, cats, dogs, mice\""),
        row(2, "bob", "\"oops"),
        row(3, "carl", ""),
        row(4, "dora", "5\""),
    ];
    shop.write("users.csv", format!("id,username,hashed_password,bio\n{}", rows.concat()));
    let (summary, outcome) = shop.import(&["user", "import", "--from", "users.csv"]);
    assert_eq!((outcome.code, &summary["new"], &summary["refused"]), (1, &json!(1), &json!(1)), "{summary}");
    let told = "line 4: a line within a quoted field of it looks like a record; look for a quote too many before it; lines 4 to \
                6 are one record here\n";
    assert_eq!(outcome.err, told);
}

#[test]
fn a_header_with_other_separators_is_told_and_one_without_a_name_is_passed_over() {
    let shop = a_shop();
    for (separator, name) in [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")] {
        shop.write("users.csv", ["id", "username", "hashed_password\n"].join(separator));
        let told = shop.run(&["user", "import", "--from", "users.csv"]).fails();
        let expected = "and no comma; export it anew, with commas between the fields";
        assert!(told.contains(&format!("its first line has {name} {expected}")), "{told}");
    }
    shop.write("users.csv", format!("id,username,hashed_password,,\n1,ann,{HASH},,\n"));
    assert_eq!(shop.imports_all(&["user", "import", "--from", "users.csv"])["new"], 1);
}

#[test]
fn the_first_twenty_are_shown_in_order_and_the_rest_is_counted() {
    let shop = a_shop();
    let records: Vec<_> =
        (1..=50).map(|id| json!({ "id": id, "username": "a\u{200b}b", "hashed_password": HASH })).collect();
    shop.write("users.jsonl", lines(&records));
    let outcome = shop.run(&["user", "import", "--from", "users.jsonl"]);
    assert_eq!(outcome.code, 1);
    let told: Vec<_> = outcome.err.lines().collect();
    assert_eq!(told.len(), 21, "{}", outcome.err);
    for (index, line) in told[..20].iter().enumerate() {
        assert!(line.starts_with(&format!("line {} (user {}): ", index + 1, index + 1)), "{line}");
    }
    assert_eq!(told[20], "and 30 more; --refused FILE keeps all of them");
    let reason =
        "a name has no character that cannot be seen, that turns the direction of reading or breaks the line";
    let expected = format!(
        "users from users.jsonl\n   0  new\n   0  already there\n  50  refused\n      50  {reason}\n"
    );
    assert_eq!(outcome.out, expected);
}

#[test]
fn a_strangers_text_reaches_no_terminal() {
    let shop = a_shop();
    let harm = "\u{1b}[2J\u{202e}";
    let record = json!({ "id": harm, "username": "a\u{200b}b", "hashed_password": HASH });
    shop.write("users.jsonl", lines(&[record]));
    let outcome = shop.run(&["user", "import", "--from", "users.jsonl"]);
    assert!(!outcome.err.contains(['\u{1b}', '\u{202e}']), "{:?}", outcome.err);
    assert!(outcome.err.starts_with("line 1 "), "{:?}", outcome.err);
}
