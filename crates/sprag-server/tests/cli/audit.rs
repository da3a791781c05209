//! `sprag audit list` and `sprag audit cut`.

use serde_json::{Value, json};
use sprag_rig::Postgres;

use crate::given::{ANNS_PASSWORD, Folder, Server, an_empty_folder};

/// A folder on each store, in which Ann and Ben have accounts.
fn on_each_store() -> Vec<Folder> {
    let database = Postgres::shared().fresh_database();
    let postgres = an_empty_folder().set("SPRAG_DATABASE_URL", &database.url());
    let folders = vec![an_empty_folder(), postgres];
    let mut made = Vec::new();
    for folder in folders {
        let folder = folder.set("SPRAG_LOG", "error");
        for name in ["ann", "ben"] {
            let create = ["user", "create", "--username", name, "--password-stdin"];
            folder.run_with(ANNS_PASSWORD, &create).succeeds();
        }
        made.push(folder);
    }
    made
}

fn fails_to_log_in(server: &Server, name: &str) {
    let body = json!({ "username": name, "password": "nobody's password, typed wrong" });
    assert_eq!(server.post("/api/v1/auth/login", &body).0, 401);
}

fn list(folder: &Folder, args: &[&str]) -> Vec<Value> {
    let listed = folder.json(&[&["audit", "list", "--json"], args].concat());
    listed.as_array().expect("a list").clone()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect()
}

#[test]
fn the_journal_is_shown_by_account_session_kind_severity_and_time() {
    for folder in on_each_store() {
        let server = folder.serve();
        let pair = server.log_in("ann", ANNS_PASSWORD, None);
        server.log_in("ben", ANNS_PASSWORD, None);
        fails_to_log_in(&server, "ann");
        fails_to_log_in(&server, "a name that nobody has");
        let (id, session) = (pair["user"]["id"].as_str(), pair["session_id"].as_str().expect("an id"));
        folder.run(&["session", "revoke", session]).succeeds();

        let all = list(&folder, &[]);
        assert_eq!(all.len(), 7, "{all:?}");
        let told: Vec<&str> = all.iter().map(|entry| entry["at"].as_str().expect("a moment")).collect();
        assert!(told.is_sorted(), "oldest first: {told:?}");
        assert!(told.iter().all(|at| at.len() == "2026-11-21T03:02:11.123Z".len()), "{told:?}");
        let anns = list(&folder, &["--account", "ann"]);
        assert_eq!(kinds(&anns), ["account_created", "session_opened", "login_failed", "session_ended"]);
        let account = anns[0]["account_id"].as_str().expect("an id");
        assert!(id.is_none_or(|id| id == account));
        assert_eq!(list(&folder, &["--account", account]), anns);
        let of_session = list(&folder, &["--session", session]);
        assert_eq!(kinds(&of_session), ["session_opened", "session_ended"]);
        assert_eq!(of_session[1]["cause"], "admin");
        let failed = list(&folder, &["--kind", "login_failed"]);
        assert_eq!(
            (failed.len(), &failed[1]["account_id"]),
            (2, &Value::Null),
            "nobody has that name: {failed:?}"
        );
        let either = list(&folder, &["--kind", "login_failed,session_ended", "--account", "ann"]);
        assert_eq!(kinds(&either), ["login_failed", "session_ended"]);
        assert_eq!(list(&folder, &["--severity", "warning"]), failed);
        assert_eq!(list(&folder, &["--severity", "critical"]), [] as [Value; 0]);
        assert_eq!(list(&folder, &["--since", "1h"]), all);
        let last = told[6];
        assert_eq!(list(&folder, &["--since", last]).last(), all.last());
        assert_eq!(list(&folder, &["--since", "2999-01-01"]), [] as [Value; 0]);
        let newest = folder.run(&["audit", "list", "--limit", "2", "--json"]);
        assert!(newest.err.contains("there are older ones"), "{}", newest.err);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&newest.out).unwrap(), all[5..]);

        let screen = folder.run(&["audit", "list", "--account", "ann"]).succeeds();
        assert!(screen.lines().all(|line| line.chars().count() <= 100), "{screen}");
        assert!(screen.contains("  warning   login_failed  from 127.0.0.1\n    account "), "{screen}");
        assert!(screen.contains("session_ended (admin)"), "{screen}");
        let nobody =
            folder.run(&["audit", "list", "--account", "00000000-0000-0000-0000-000000000000"]).succeeds();
        assert!(nobody.contains("\n    nobody's account\n"), "{nobody}");
    }
}

#[test]
fn what_cannot_be_shown_is_said_in_a_sentence() {
    let folder = an_empty_folder();
    let told = folder.run(&["audit", "list"]).fails();
    assert!(told.contains("there is no database"), "{told}");
    let create = ["user", "create", "--username", "ann", "--password-stdin"];
    folder.run_with(ANNS_PASSWORD, &create).succeeds();
    let told = folder.run(&["audit", "list", "--account", "bo\u{1b}b"]).fails();
    assert!(told.contains("there is no account") && !told.contains('\u{1b}'), "{told}");
    let session = "01980000-0000-7000-8000-000000000002";
    let told = folder.run(&["audit", "list", "--session", session]).fails();
    assert!(told.contains("name its account, too, with --account"), "{told}");
    let found = folder.run(&["audit", "list", "--session", session, "--account", "ann"]);
    assert_eq!((found.code, found.out.as_str()), (0, ""));
    assert!(found.err.contains("the journal says nothing of that"), "{}", found.err);
    for (args, sentence) in [
        (["--kind", "picnic"], "the kinds are account_created, "),
        (["--severity", "dire"], "it is notice, warning or critical"),
        (["--since", "yesterday"], "write a span as 2h or 7d"),
        (["--limit", "0"], "0 is not in 1..=10000"),
    ] {
        let told = folder.run(&[&["audit", "list"], &args[..]].concat()).was_misused();
        assert!(told.contains(sentence), "{told}");
    }
}

#[test]
fn the_journal_is_followed_as_it_grows() {
    use std::io::{BufRead as _, BufReader};

    for folder in on_each_store() {
        let server = folder.serve();
        let mut follower = folder
            .command(&["audit", "list", "--follow", "--json", "--kind", "login_failed"])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        for name in ["ann", "nobody at all", "ben"] {
            fails_to_log_in(&server, name);
            let entry: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            assert_eq!(entry["kind"], "login_failed");
            assert_eq!(entry["account_id"].is_null(), name == "nobody at all", "{entry}");
        }
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
}

#[test]
fn a_thousand_failed_log_ins_were_a_thousand_entries() {
    for folder in on_each_store() {
        let server = folder.serve();
        for _ in 0..8 {
            fails_to_log_in(&server, "ann");
            fails_to_log_in(&server, "a name that nobody has");
        }
        fails_to_log_in(&server, "ben");
        let count = |who| list(&folder, &["--account", who, "--kind", "login_failed"]).len();
        let nobody = "00000000-0000-0000-0000-000000000000";
        assert_eq!((count("ann"), count(nobody), count("ben")), (5, 5, 1), "the first few of each");
        // A server that leaves in order says what it has counted.
        server.stops();
        let anns = list(&folder, &["--account", "ann", "--kind", "login_failed"]);
        let note = anns[5]["note"].as_str().expect("a note");
        assert!(note.starts_with("3 more from the network 127.0.0.0/24, the first at 20"), "{note}");
        assert_eq!((anns.len(), count(nobody), count("ben")), (6, 6, 1));
        folder.run(&["audit", "verify"]).succeeds();
    }
}

#[test]
fn a_journal_kept_for_ever_is_not_cut_and_one_that_is_too_young_says_so() {
    for folder in on_each_store() {
        let told = folder.run(&["audit", "cut"]).fails();
        assert!(told.contains("kept for ever") && told.contains("--keep-journal 400d"), "{told}");
        let said = folder.run(&["audit", "cut", "--keep-journal", "400d"]).succeeds();
        assert!(
            said.contains("there is nothing to cut: no entry that a checkpoint covers is older than 400d"),
            "{said}"
        );
    }
}
