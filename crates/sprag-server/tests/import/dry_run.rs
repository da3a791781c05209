//! A dry run says what a real one would, and writes nothing.

use serde_json::{Value, json};
use sprag_rig::Postgres;

use crate::given::{HASH, TOKEN, a_shop, a_shop_with_statuses, lines, user};

const DRY: [&str; 5] = ["user", "import", "--from", "users.jsonl", "--dry-run"];

/// Users who clash with each other, with nobody, and with those of before.
fn clashing() -> Vec<Value> {
    vec![
        user(1, "ann"),
        user(2, "bob"),
        user(2, "bob"),
        user(3, "Bob"),
        user(4, "zoe"),
        json!({ "id": 5, "username": "yan", "hashed_password": "nonsense" }),
        json!({ "id": 6, "username": "xia", "email": "x@example.org", "hashed_password": HASH }),
        json!({ "id": 7, "username": "wim", "email": "X@Example.org", "hashed_password": HASH }),
    ]
}

fn counts(summary: &Value) -> [&Value; 4] {
    [&summary["new"], &summary["already_there"], &summary["over"], &summary["refused"]]
}

#[test]
fn it_makes_no_store_where_there_is_none() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&clashing()));
    let outcome = shop.run(&DRY);
    assert!(
        outcome.out.starts_with("a dry run of users from users.jsonl: nothing was written"),
        "{}",
        outcome.out
    );
    assert!(!shop.path("sprag-data").exists());
}

#[test]
fn it_says_what_a_real_run_says() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    shop.imports_all(&DRY[..4]);
    shop.write("users.jsonl", lines(&clashing()));
    let before = shop.users();
    let (dry, dry_outcome) = shop.import(&DRY);
    assert_eq!((&dry["is_dry_run"], shop.users()), (&json!(true), before));
    let (real, real_outcome) = shop.import(&DRY[..4]);
    assert_eq!(counts(&dry), counts(&real));
    assert_eq!(counts(&real), [&json!(6), &json!(2), &json!(0), &json!(0)], "{real}");
    assert_eq!([&dry["without_name"], &real["without_name"]], [&json!(2), &json!(2)]);
    assert_eq!([&dry["without_password"], &real["without_password"]], [&json!(1), &json!(1)]);
    assert_eq!((dry_outcome.err, dry_outcome.code), (real_outcome.err, real_outcome.code));
    assert_eq!(shop.usernames(), ["ann", "bob", "wim", "xia", "yan", "zoe"]);
}

#[test]
fn it_leaves_every_row_as_it_was() {
    let target = Postgres::shared().fresh_database();
    let shop = a_shop_with_statuses().set("SPRAG_DATABASE_URL", &target.url());
    let ann = json!({ "id": 1, "username": "ann", "hashed_password": HASH, "is_active": true });
    shop.write("users.jsonl", lines(&[ann]));
    shop.imports_all(&DRY[..4]);
    let tables =
        ["account", "credential", "identity", "session", "session_detail", "event", "checkpoint", "key_ring"];
    let state = || tables.map(|table| target.psql(&format!("select t::text from {table} t order by 1")));
    let before = state();
    let mut users = clashing();
    users.iter_mut().for_each(|user| user["is_active"] = true.into());
    shop.write("users.jsonl", lines(&users));
    shop.import(&DRY);
    let session = |token: &str| json!({ "user_id": 1, "token": token, "expires_at": "2100-01-01", "is_revoked": false });
    let revoked = json!({ "user_id": 1, "token": TOKEN, "expires_at": "2100-01-01", "is_revoked": true });
    let other = TOKEN.to_lowercase();
    shop.write("sessions.jsonl", lines(&[session(TOKEN), session(&other), session(&other), revoked]));
    let (dry, _) = shop.import(&["session", "import", "--from", "sessions.jsonl", "--dry-run"]);
    assert_eq!(counts(&dry), [&json!(2), &json!(1), &json!(0), &json!(0)], "{dry}");
    assert_eq!(dry["changed"], 1, "what was just taken is over again: {dry}");
    assert_eq!(state(), before);
}

/// A hash that takes seconds, by somebody who set bcrypt's cost high; which password it is of plays no part.
const SLOW: &str = "$2b$15$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

#[test]
fn it_names_the_hashes_that_are_too_slow_here_and_they_come_when_they_are_asked_for() {
    let shop = a_shop();
    let slow = |id: u64, name: &str| json!({ "id": id, "username": name, "hashed_password": SLOW });
    let cheap = HASH.replace("$12$", "$04$");
    let quick = json!({ "id": 3, "username": "zoe", "hashed_password": cheap });
    shop.write("users.jsonl", lines(&[slow(1, "ann"), slow(2, "bob"), quick]));
    let (dry, outcome) = shop.import(&DRY);
    assert_eq!((&dry["new"], &dry["without_password"], outcome.code), (&json!(3), &json!(2), 0), "{dry}");
    let reason = &dry["without_password_reasons"][0];
    let sentence = reason["reason"].as_str().unwrap();
    assert_eq!(reason["count"], 2, "how many: {dry}");
    assert!(sentence.starts_with("bcrypt with cost 15 takes "), "of what: {sentence}");
    assert!(sentence.contains(" s of this machine's time"), "how long: {sentence}");
    assert!(sentence.ends_with("--allow-slow-hashes"), "what to do: {sentence}");

    let (real, _) = shop.import(&DRY[..4]);
    assert_eq!((&real["new"], &real["without_password"]), (&json!(3), &json!(2)), "{real}");
    let allowing = [DRY[0], DRY[1], DRY[2], DRY[3], "--allow-slow-hashes"];
    let (allowed, _) = shop.import(&allowing);
    assert_eq!(
        (&allowed["changed"], &allowed["still_without_password"]),
        (&json!(2), &json!(0)),
        "{allowed}"
    );
    let has_password = |user: &Value| user["has_password"] == true;
    assert!(shop.users().iter().all(has_password), "asked for, they are taken");
}
