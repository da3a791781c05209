//! What the guides quote is what is printed.

use serde_json::json;

use crate::given::{HASH, TOKEN, a_shop, lines, user};

const IMPORTING: &str = include_str!("../../../../docs/guide/importing.md");
const MOVING: &str = include_str!("../../../../docs/guide/moving.md");

#[test]
fn the_report_is_as_the_guide_shows_it() {
    let shop = a_shop();
    let row = |number: u32| match number {
        77 => format!("77,USER3,{HASH}\n"),
        900 => format!(",user900,{HASH}\n"),
        1203 => "1203,user1203,of another kind\n".to_owned(),
        2001..=2014 => format!("{number},user{number},\n"),
        _ => format!("{number},user{number},{HASH}\n"),
    };
    let rows: String = (1..=10_000).map(row).collect();
    shop.write("users.csv", format!("id,username,hashed_password\n{rows}"));
    let outcome = shop.run(&["user", "import", "--from", "users.csv"]);
    let shown: Vec<_> =
        IMPORTING.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown, [outcome.out, outcome.err]);
}

#[test]
fn the_errors_are_as_the_guide_quotes_them() {
    let shop = a_shop();
    let import = |kind: &str, text: &str, more: &[&str]| {
        shop.write("lines.jsonl", text);
        shop.run(&[&[kind, "import", "--from", "lines.jsonl"], more].concat()).err
    };
    let named = |id: u32, name: &str, email: &str| json!({ "id": id, "username": name, "email": email, "hashed_password": HASH });
    let session = |token: &str| json!({ "user_id": 1, "token": token, "expires_at": "2100-01-01" });
    let ann = named(1, "ann", "ann@example.org");
    let mut told = vec![
        import("user", &lines(std::slice::from_ref(&ann)), &["--map", "name=usernam"]),
        import("user", &lines(&[json!({ TOKEN: HASH })]), &[]),
        import(
            "user",
            &lines(&[ann, named(2, "ann", "a@example.org"), named(3, "bob", "ann@example.org")]),
            &[],
        ),
        import("user", &lines(&[named(5, "ann@example.org", "five@example.org")]), &[]),
        import("user", &lines(&[named(1, "ann", "five@example.org")]), &["--same-name", "refuse"]),
        import("user", &lines(&[user(1, "zoe")]), &[]),
        import("user", &lines(&[json!({ "id": 4, "username": "eve", "hashed_password": "x" })]), &[]),
        import(
            "session",
            &lines(&[json!({ "user_id": 9, "token": TOKEN, "expires_at": "2100-01-01" })]),
            &[],
        ),
    ];
    shop.run(&["user", "disable", "ann"]).succeeds();
    shop.run(&["user", "enable", "ann"]).succeeds();
    told.push(import("session", &lines(&[session(TOKEN)]), &[]));
    // This one takes a sweep of months.
    told.push(include_str!("../../../sprag/src/engine/import/sessions.rs").to_owned());

    let (_, table) = MOVING.split_once("| message | do |").unwrap();
    let messages = table
        .lines()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let messages: Vec<_> = messages.collect();
    assert!(messages.len() >= 9, "{messages:?}");
    for message in messages {
        let is_like = |text: &String| {
            let mut rest = text.as_str();
            message.split('…').all(|part| rest.split_once(part).inspect(|(_, after)| rest = after).is_some())
        };
        assert!(told.iter().any(is_like), "{message}\n{told:#?}");
    }
}
