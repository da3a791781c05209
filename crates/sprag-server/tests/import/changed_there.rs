//! What an import run again takes over: roles, administrators, names; and what was changed here by hand, which it leaves.

use serde_json::{Value, json};
use sprag_rig::Postgres;

use crate::given::{Folder, HASH, PASSWORD, a_shop, lines};

const USERS: [&str; 4] = ["user", "import", "--from", "users.jsonl"];

/// Does it on a store of each kind.
fn on_each_store(story: fn(&Folder)) {
    let database = Postgres::shared().fresh_database();
    story(&a_shop());
    let on_postgres = a_shop().set("SPRAG_DATABASE_URL", &database.url());
    on_postgres.run(&["migrate"]).succeeds();
    // An import of nobody makes the key ring, which a dry run asks for.
    on_postgres.write("users.jsonl", "");
    on_postgres.imports_all(&USERS);
    story(&on_postgres);
}

fn user(id: u64, name: &str, role: &str, is_admin: bool) -> Value {
    json!({
        "id": id, "username": name, "email": format!("{name}@example.org"), "hashed_password": HASH, "role": role,
        "is_superuser": is_admin,
    })
}

/// An import of these users, rehearsed before: what it says has changed.
fn import(shop: &Folder, users: &[Value]) -> Vec<(String, u64)> {
    shop.write("users.jsonl", lines(users));
    let run = |more: &[&str]| shop.imports_all(&[&USERS[..], more].concat());
    let (rehearsed, summary) = (run(&["--dry-run"]), run(&[]));
    assert_eq!(rehearsed["changed_reasons"], summary["changed_reasons"], "a dry run says what comes");
    let reasons = summary["changed_reasons"].as_array().unwrap().iter();
    let mut reasons: Vec<_> = reasons
        .map(|reason| (reason["reason"].as_str().unwrap().to_owned(), reason["count"].as_u64().unwrap()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(summary["changed"], reasons.iter().map(|(_, count)| count).sum::<u64>());
    reasons
}

fn one(reason: &str) -> Vec<(String, u64)> {
    vec![(reason.to_owned(), 1)]
}

fn listed(shop: &Folder, name: &str) -> Value {
    shop.users().into_iter().find(|user| user["username"] == name).unwrap()
}

#[test]
fn a_role_that_changed_there_and_an_administrator_who_was_demoted_there_stayed_what_they_were() {
    on_each_store(|shop| {
        let (ann, bob) = (user(1, "ann", "boss", true), user(2, "bob", "clerk", false));
        assert_eq!(import(shop, &[ann.clone(), bob.clone()]), []);
        let server = shop.serve();
        let log_in = |name: &str| {
            let (status, pair) = server.post("/login", &json!({ "name": name, "password": PASSWORD }));
            assert_eq!(status, 200, "{pair}");
            pair
        };
        let refresh =
            |pair: &Value| server.post("/refresh", &json!({ "refreshToken": pair["refreshToken"] })).0;
        let (of_ann, of_bob) = (log_in("ann"), log_in("bob"));
        assert_eq!(of_ann["isAdmin"], true);

        let demoted = import(shop, &[user(1, "ann", "clerk", false), user(2, "bob", "editor", false)]);
        let role = "it has another role there";
        assert_eq!(
            demoted,
            [(role.to_owned(), 1), (format!("{role}, and administers others there no more"), 1)]
        );
        assert_eq!((refresh(&of_ann), refresh(&of_bob)), (401, 200), "the sessions of one of them end");
        assert_eq!(log_in("ann")["isAdmin"], false);
        let ann_here = listed(shop, "ann");
        assert_eq!((&ann_here["is_admin"], &ann_here["role"]), (&json!(false), &json!("clerk")));
        assert_eq!(listed(shop, "bob")["role"], "editor");
        assert_eq!(
            import(shop, &[user(1, "ann", "clerk", false), user(2, "bob", "editor", false)]),
            [],
            "once"
        );

        let promoted = import(shop, &[user(1, "ann", "clerk", false), user(2, "bob", "editor", true)]);
        assert_eq!(promoted, one("it administers others there"));
        let silent =
            json!({ "id": 2, "username": "bob", "email": "bob@example.org", "hashed_password": HASH });
        assert_eq!(import(shop, &[silent]), [], "where nothing is said, nothing changes");
        assert_eq!(listed(shop, "bob")["is_admin"], true);
        assert_eq!(shop.json(&["audit", "verify", "--json"])["is_intact"], json!(true));
    });
}

#[test]
fn what_an_operator_has_changed_here_is_not_undone_by_an_import() {
    on_each_store(|shop| {
        let there = [user(1, "ann", "boss", true), user(2, "bob", "clerk", false)];
        assert_eq!(import(shop, &there), []);
        shop.run(&["user", "set", "ann", "--admin", "off"]);
        shop.run(&["user", "set", "bob", "--role", "editor", "--email", "bob@example.net"]).succeeds();
        assert_eq!(import(shop, &there), []);
        assert_eq!(listed(shop, "ann")["is_admin"], false);
        let bob = listed(shop, "bob");
        assert_eq!((&bob["role"], &bob["email"]), (&json!("editor"), &json!("bob@example.net")));
        let mut renamed = there[1].clone();
        renamed["full_name"] = json!("Bob Hale");
        assert_eq!(import(shop, &[renamed]), one("it has another name there"), "of what was not, it is");
    });
}

#[test]
fn who_was_renamed_here_altogether_was_refused_by_every_later_import() {
    on_each_store(|shop| {
        assert_eq!(import(shop, &[user(1, "ann", "boss", true)]), []);
        shop.run(&["user", "set", "ann", "--username", "anna", "--email", "anna@example.net"]).succeeds();
        assert_eq!(import(shop, &[user(1, "ann", "clerk", true)]), one("it has another role there"));
        let anna = listed(shop, "anna");
        assert_eq!((&anna["role"], &anna["email"]), (&json!("clerk"), &json!("anna@example.net")));
    });
}

#[test]
fn a_name_that_changed_there_is_taken_over_unless_it_is_anothers_here() {
    on_each_store(|shop| {
        let (mut ann, bob) = (user(1, "ann", "clerk", false), user(2, "bob", "clerk", false));
        assert_eq!(import(shop, &[ann.clone(), bob.clone()]), []);
        ann["email"] = json!("ann@example.net");
        assert_eq!(import(shop, &[ann.clone()]), one("it has another e-mail address there"));
        assert_eq!(listed(shop, "ann")["email"], "ann@example.net");
        ann["username"] = json!("annika");
        ann["hashed_password"] = json!(HASH.replace("EixZ", "Eixa"));
        assert_eq!(import(shop, &[ann.clone()]), one("it has another password hash and user name there"));
        assert_eq!(listed(shop, "annika")["email"], "ann@example.net");

        ann["email"] = json!("BOB@example.org");
        ann["role"] = json!("boss");
        shop.write("users.jsonl", lines(&[ann]));
        let (summary, outcome) = shop.import(&[&USERS[..], &["--same-name", "refuse"]].concat());
        assert_eq!((&summary["refused"], outcome.code), (&json!(1), 1), "{summary}");
        assert!(
            outcome.err.contains("another e-mail address there, which is another account's here"),
            "{}",
            outcome.err
        );
        let annika = listed(shop, "annika");
        assert_eq!((&annika["role"], &annika["email"]), (&json!("boss"), &json!("ann@example.net")));
        let (summary, outcome) = shop.import(&USERS);
        assert_eq!(
            (&summary["without_name"], &summary["refused"], outcome.code),
            (&json!(1), &json!(0), 0),
            "{summary}"
        );
        assert_eq!(listed(shop, "annika")["email"], "ann@example.net", "it keeps the one that it has");
    });
}

#[test]
fn who_was_deleted_here_was_brought_back_by_the_next_import() {
    on_each_store(|shop| {
        let there = [user(1, "ann", "clerk", false), user(2, "bob", "clerk", false)];
        assert_eq!(import(shop, &there), []);
        shop.run(&["user", "delete", "ann", "--yes"]).succeeds();
        let session =
            json!({ "user_id": 1, "token": crate::given::TOKEN, "expires_at": "2099-01-01T00:00:00Z" });
        shop.write("sessions.jsonl", lines(&[session]));
        for import in [&USERS[..], &["user", "import", "--from", "users.jsonl", "--dry-run"]] {
            let summary = shop.imports_all(import);
            assert_eq!(
                (&summary["new"], &summary["over"], &summary["already_there"]),
                (&json!(0), &json!(1), &json!(1))
            );
            assert_eq!(summary["over_reasons"][0]["reason"], "it was deleted here, and stays so");
        }
        let summary = shop.imports_all(&["session", "import", "--from", "sessions.jsonl"]);
        assert_eq!(summary["over_reasons"][0]["reason"], "its user was deleted here");
        assert_eq!(shop.usernames(), ["bob"]);
        assert!(shop.run(&USERS).out.contains("1  over, and left out"));
    });
}
