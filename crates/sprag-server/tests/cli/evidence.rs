//! `sprag user erase`, `sprag audit export` and `sprag audit patterns`.

use std::fs;

use serde_json::{Value, json};
use sprag_rig::Postgres;
use sprag_testkit::mmdb::Mmdb;

use crate::given::{ANNS_PASSWORD, Folder, a_folder_with_ann, an_empty_folder};

/// A folder on each store, in which Ann and Ben have accounts.
fn on_each_store() -> [Folder; 2] {
    let database = Postgres::shared().fresh_database();
    let postgres = an_empty_folder().set("SPRAG_DATABASE_URL", &database.url());
    [an_empty_folder(), postgres].map(|folder| {
        let folder = folder.set("SPRAG_LOG", "error");
        for name in ["ann", "ben"] {
            let email = format!("{name}@example.org");
            let create = ["user", "create", "--username", name, "--email", &email, "--password-stdin"];
            folder.run_with(ANNS_PASSWORD, &create).succeeds();
        }
        folder
    })
}

fn list(folder: &Folder, who: &str) -> Vec<Value> {
    folder.json(&["audit", "list", "--json", "--account", who]).as_array().expect("a list").clone()
}

fn id_of(folder: &Folder, place: usize) -> String {
    folder.json(&["user", "list", "--json"])[place]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_erased_account_leaves_an_id_and_a_journal_that_verifies_and_tells_of_nobody() {
    for folder in on_each_store() {
        let server = folder.serve();
        let body = json!({ "username": "ann", "password": "nobody's password, typed wrong" });
        for _ in 0..7 {
            assert_eq!(server.post("/api/v1/auth/login", &body).0, 401);
        }
        let pair = server.log_in("ann", ANNS_PASSWORD, Some("Ann's phone"));
        server.log_in("ben", ANNS_PASSWORD, None);
        folder.run(&["user", "set", "ann", "--name", "Ann Example"]).succeeds();
        let id = id_of(&folder, 0);
        assert!(list(&folder, &id).iter().any(|entry| entry["ip"] == "127.0.0.1"));

        let told = folder.run(&["user", "erase", "ann", "--yes"]).succeeds();
        assert!(told.starts_with(&format!("erased account {id}.\nRemoved:\n")), "{told}");
        for sentence in
            ["1 session with their addresses", "1 ended just now", "Stays:", "Out of reach: backups"]
        {
            assert!(told.contains(sentence), "{sentence}: {told}");
        }
        assert_eq!(server.refresh(&pair).0, 401, "nothing that was handed out works");
        let journal = list(&folder, &id);
        for entry in &journal {
            assert_eq!(
                (&entry["ip"], &entry["user_agent"], &entry["note"]),
                (&json!(null), &json!(null), &json!(null))
            );
        }
        let kinds: Vec<_> = journal.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds[kinds.len() - 2..], ["session_ended", "account_erased"], "the session ended first");
        assert_eq!(folder.json(&["user", "list", "--json"]).as_array().unwrap().len(), 1);
        assert!(list(&folder, "ben").iter().any(|entry| entry["ip"] == "127.0.0.1"), "Ben's stays");

        // What the server had only counted tells of nobody's account, and what names the erased is nowhere.
        server.stops();
        for entry in list(&folder, &id) {
            assert_eq!(entry["ip"], json!(null), "{entry}");
        }
        let failed = folder.json(&["audit", "list", "--kind", "login_failed", "--json"]);
        for entry in failed.as_array().expect("a list") {
            assert_eq!((&entry["ip"], &entry["user_agent"]), (&json!(null), &json!(null)), "{entry}");
            assert!(!entry["note"].to_string().contains("127.0.0"), "nor does its network stay: {entry}");
        }
        let verified = folder.json(&["audit", "verify", "--json"]);
        assert_eq!(
            (&verified["is_intact"], &verified["newest_erasure"]["account_id"]),
            (&json!(true), &json!(id))
        );
        let again = folder.run(&["user", "erase", &id, "--yes"]).succeeds();
        assert_eq!(
            again.trim_end(),
            format!("nothing is left to erase of account {id}; nothing was changed")
        );
        let create =
            ["user", "create", "--username", "ann", "--email", "ann@example.org", "--password-stdin"];
        folder.run_with(ANNS_PASSWORD, &create).succeeds();
    }
}

#[test]
fn nothing_in_the_file_tells_of_who_was_erased() {
    let folder = a_folder_with_ann().set("SPRAG_LOG", "error");
    folder.run(&["user", "set", "ann", "--name", "Annabella Example"]).succeeds();
    let server = folder.serve();
    let body = json!({ "username": "ann", "password": "nobody's password, typed wrong" });
    server.post("/api/v1/auth/login", &body);
    server.log_in("ann", ANNS_PASSWORD, Some("The phone of Annabella"));
    server.stops();
    folder.run(&["user", "erase", "ann", "--yes"]).succeeds();
    let database = rusqlite::Connection::open(folder.path("sprag-data/sprag.db")).unwrap();
    database.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    drop(database);
    let file = fs::read(folder.path("sprag-data/sprag.db")).unwrap();
    for trace in ["annabella", "Annabella", "ann@example.org", "127.0.0.1"] {
        let found = file.windows(trace.len()).any(|bytes| bytes == trace.as_bytes());
        assert!(!found, "{trace} is still in the file");
    }
}

#[test]
fn whoever_is_not_there_is_not_erased_and_nobody_is_without_being_asked() {
    let folder = a_folder_with_ann();
    let told = folder.run(&["user", "erase", "bo\u{1b}b", "--yes"]).fails();
    assert!(told.contains("there is no account") && !told.contains('\u{1b}'), "{told}");
    let nobody = "01980000-0000-7000-8000-000000000002";
    assert!(folder.run(&["user", "erase", nobody, "--yes"]).fails().contains("nothing was erased"));
    let nil = "00000000-0000-0000-0000-000000000000";
    assert!(folder.run(&["user", "erase", nil, "--yes"]).fails().contains("nothing was erased"));
    assert!(folder.run(&["user", "erase", "ann"]).was_misused().contains("add --yes if it is meant"));
    // Of an account that was deleted before, what is left goes.
    let id = id_of(&folder, 0);
    folder.run(&["user", "delete", "ann", "--yes"]).succeeds();
    assert!(list(&folder, &id).iter().any(|entry| entry["user_agent"] != json!(null)));
    folder.run(&["user", "erase", &id, "--yes"]).succeeds();
    assert!(list(&folder, &id).iter().all(|entry| entry["user_agent"] == json!(null)));
}

#[test]
fn an_export_begins_ends_and_goes_on_by_a_cursor_in_a_file() {
    for folder in on_each_store() {
        let export = || {
            let exported = folder.run(&["audit", "export", "--cursor-file", "cursor"]);
            assert_eq!(exported.code, 0, "{}", exported.err);
            assert!(
                exported.err.contains("comes with the next run, which goes on with --after"),
                "{}",
                exported.err
            );
            exported.out
        };
        let first = export();
        let lines: Vec<Value> = first.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((&lines[0]["record"], &lines[0]["after"]), (&json!("begin"), &json!(null)));
        let end = lines.last().unwrap();
        assert_eq!(end["record"], "end");
        assert_eq!(folder.read("cursor").trim_end(), end["cursor"].as_str().unwrap());
        // What was made within the last minute is not covered yet.
        assert_eq!(lines.len(), 2);
        folder.write("export.jsonl", &(first + &export()));
        let verified = folder.json(&["audit", "verify", "--from", "export.jsonl", "--json"]);
        assert_eq!((&verified["is_intact"], &verified["tags_are_verified"]), (&json!(true), &json!(true)));
        folder.write("cursor", "something else");
        assert!(
            folder.run(&["audit", "export", "--cursor-file", "cursor"]).fails().contains("holds no cursor")
        );
        assert!(folder.run(&["audit", "export", "--after", "7"]).fails().contains("no cursor"));
        folder.write("broken.jsonl", "{\"record\": \"begin\"}\n");
        let told = folder.run(&["audit", "verify", "--from", "broken.jsonl"]).fails();
        assert!(told.contains("line 1 of broken.jsonl"), "{told}");
    }
}

#[test]
fn patterns_are_found_with_an_exit_status_for_cron_and_a_calm_journal_has_none() {
    for folder in on_each_store() {
        let calm = folder.run(&["audit", "patterns", "--since", "1h"]);
        assert_eq!((calm.code, calm.out.as_str()), (0, ""), "{}", calm.err);
        assert!(calm.err.contains("looks like an attack"), "{}", calm.err);
        let server = folder.serve();
        for number in 0..12 {
            let name = if number % 2 == 0 { "ann" } else { "ben" };
            let body = json!({ "username": name, "password": "nobody's password, typed wrong" });
            server.post("/api/v1/auth/login", &body);
        }
        server.stops();
        let ask = ["audit", "patterns", "--failures", "12", "--accounts", "2", "--json"];
        let found = folder.run(&ask);
        assert_eq!(found.code, 3, "{} {}", found.out, found.err);
        let told: Value = serde_json::from_str(&found.out).expect("JSON");
        let findings = told["findings"].as_array().unwrap();
        let patterns: Vec<_> = findings.iter().map(|finding| finding["pattern"].as_str().unwrap()).collect();
        assert_eq!(patterns, ["failures_of_network", "accounts_of_network"]);
        assert_eq!((&findings[0]["count"], &findings[0]["network"]), (&json!(12), &json!("127.0.0.0/24")));
        assert!(!findings[0]["entries"].as_array().unwrap().is_empty());
        let screen = folder.run(&["audit", "patterns", "--failures", "12"]);
        assert_eq!(screen.code, 3);
        for sentence in ["warning   failures_of_network: many failed log-ins", "12 failures", "what to do: "]
        {
            assert!(screen.out.contains(sentence), "{sentence}: {}", screen.out);
        }
        assert!(folder.run(&["audit", "patterns", "--window", "0s"]).was_misused().contains("write a span"));
    }
}

#[test]
fn two_log_ins_too_far_apart_are_found_where_places_are_known() {
    let folder = a_folder_with_ann()
        .set("SPRAG_LOG", "error")
        .set("SPRAG_TRUSTED_PROXIES", "127.0.0.1")
        .set("SPRAG_GEO_DATABASE", "places.mmdb");
    folder.write("places.mmdb", Mmdb::usual().bytes());
    let server = folder.serve();
    let body = json!({ "username": "ann", "password": ANNS_PASSWORD }).to_string();
    // Berlin, Munich, and Sydney: only the last is too far.
    for from in ["198.51.100.7", "192.0.2.200", "203.0.113.7"] {
        let head = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\ncontent-type: application/json\r\nx-forwarded-for: 127.0.0.1, {from}\r\n\
             content-length: {}\r\n",
            body.len()
        );
        assert_eq!(server.ask(&head, &body).0, 200);
    }
    server.stops();
    let found = folder.run(&["audit", "patterns", "--json"]);
    assert_eq!(found.code, 3, "{} {}", found.out, found.err);
    let told: Value = serde_json::from_str(&found.out).expect("JSON");
    let findings = told["findings"].as_array().expect("a list");
    assert_eq!((findings.len(), &findings[0]["pattern"]), (1, &json!("impossible_travel")), "{told}");
    assert_eq!(findings[0]["account_id"], json!(id_of(&folder, 0)));
    assert!(findings[0]["note"].as_str().is_some_and(|note| note.contains(" km in ")), "{told}");
}
