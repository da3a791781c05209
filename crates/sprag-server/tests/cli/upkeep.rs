//! `sprag sweep`, `sprag audit` and `sprag migrate`.

use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::given::{ANNS_PASSWORD, a_folder_with_ann, an_empty_folder, redacted};

#[test]
fn what_is_over_is_swept_away() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pair = server.log_in("ann", ANNS_PASSWORD, None);
    server.log_in("ann", ANNS_PASSWORD, None);
    assert_snapshot!(
        folder.run(&["sweep"]).succeeds(),
        @"looked at 2 sessions: 0 had expired and were ended, 0 that ended more than 30d ago were removed"
    );
    folder.run(&["session", "revoke", pair["session_id"].as_str().unwrap()]).succeeds();
    let swept = folder.json(&["sweep", "--json", "--keep-ended", "0s"]);
    assert_eq!(swept, json!({ "seen": 2, "ended": 0, "removed": 1, "live": 1 }));
}

#[test]
fn an_intact_journal_is_said_to_be_and_gets_a_checkpoint_where_asked() {
    let folder = a_folder_with_ann();
    assert_snapshot!(folder.run(&["audit", "verify"]).succeeds(), @r"
    The journal is intact: 1 entry in 1 chain, 0 checkpoints.
    There is no checkpoint yet, so it would not show if the end of a chain were cut off.
    ");
    let report = folder.json(&["audit", "verify", "--json", "--checkpoint"]);
    assert_eq!((&report["is_intact"], &report["entries"]), (&json!(true), &json!(1)));
    assert_eq!(
        report["newest_checkpoint"],
        Value::Null,
        "what is younger than a minute is in no checkpoint yet"
    );
}

#[test]
fn a_journal_that_was_tampered_with_names_the_first_bad_entry() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    server.log_in("ann", ANNS_PASSWORD, None);
    let database = rusqlite::Connection::open(folder.path("sprag-data/sprag.db")).unwrap();
    assert_eq!(database.execute("update event set ip = '192.0.2.1' where id = 2", []).unwrap(), 1);
    let outcome = folder.run(&["audit", "verify"]);
    assert_eq!(outcome.code, 1);
    assert_snapshot!(redacted(&outcome.out), @r"
    The journal is NOT intact: 2 entries in 1 chain, 0 checkpoints, 1 found wrong.
    First:
      account an-id-of-the-length-that-ids-do-have, entry 2: altered, for what it says does not have its hash
    There is no checkpoint yet, so it would not show if the end of a chain were cut off.
    ");
    let outcome = folder.run(&["audit", "verify", "--json", "--seal"]);
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((outcome.code, &report["is_intact"], &report["checkpoints"]), (1, &json!(false), &json!(0)));
    let sentence =
        "sprag audit verify: --seal still works and is now called --checkpoint; write the new name";
    assert_eq!(outcome.err.trim_end(), sentence);
    assert_eq!((&report["flaws"], &report["findings"][0]["entry"]), (&json!(1), &json!(2)));
}

#[test]
fn a_database_is_migrated_once() {
    let folder = an_empty_folder();
    assert!(
        folder.run(&["migrate", "--check"]).fails().contains("there is no database at ./sprag-data/sprag.db")
    );
    assert!(folder.is_empty());
    let first = folder.run(&["migrate"]).succeeds();
    assert!(
        first.starts_with("applied V1 ") && first.ends_with("./sprag-data/sprag.db is up to date\n"),
        "{first}"
    );
    assert_snapshot!(
        folder.run(&["migrate"]).succeeds(),
        @"./sprag-data/sprag.db was up to date; there was nothing to do"
    );
    assert_snapshot!(folder.run(&["migrate", "--check"]).succeeds(), @"./sprag-data/sprag.db is up to date");
    rusqlite::Connection::open(folder.path("old.db")).unwrap().execute_batch("vacuum").unwrap();
    let lacking = folder.run(&["migrate", "--check", "--database-url", "sqlite:old.db"]).fails();
    assert!(
        lacking.contains("no store in it yet") && lacking.contains("sprag migrate --create"),
        "{lacking}"
    );
}

#[test]
fn a_ring_is_made_beside_an_empty_database_and_never_beside_accounts() {
    let folder = an_empty_folder();
    folder.run(&["migrate"]).succeeds();
    let created = ["user", "create", "--username", "ann", "--password-stdin"];
    folder.run_with(ANNS_PASSWORD, &created).succeeds();
    std::fs::remove_file(folder.path("sprag-data/keys.json")).unwrap();
    let told =
        folder.run_with(ANNS_PASSWORD, &["user", "create", "--username", "bob", "--password-stdin"]).fails();
    assert!(told.contains("no key ring at ./sprag-data/keys.json; restore the ring"), "{told}");
    assert!(!folder.path("sprag-data/keys.json").exists());
}

#[test]
fn a_database_that_is_lost_beside_its_key_ring_is_not_made_anew() {
    for is_missing in [true, false] {
        let folder = a_folder_with_ann();
        let database = folder.path("sprag-data/sprag.db");
        if is_missing {
            std::fs::remove_file(&database).unwrap();
        } else {
            std::fs::write(&database, "").unwrap();
        }
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["migrate"],
            &["user", "create", "--username", "bob", "--password-stdin"],
        ] {
            let ran = folder.run_with("bob's long password", command);
            assert_ne!(ran.code, 0, "{command:?}");
            assert!(ran.err.contains("there is a key ring at"), "{command:?}: {}", ran.err);
            assert!(ran.err.contains("put the database back"), "{command:?}: {}", ran.err);
        }
        let size = std::fs::metadata(&database).map_or(0, |metadata| metadata.len());
        assert_eq!(size, 0, "nothing was made in its place");
    }
}

#[test]
fn a_backup_made_beside_a_running_server_is_a_whole_store_that_nobody_else_may_read() {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pair = server.log_in("ann", ANNS_PASSWORD, None);
    assert!(folder.run(&["backup", "copy.db"]).succeeds().contains("is a backup of"));
    let copy = folder.path("copy.db");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.path("copy.db.sprag-part").exists(), "no draft is left over");
    let told = folder.run(&["backup", "copy.db"]).fails();
    assert!(told.contains("overwrites nothing"), "{told}");
    let (status, after) = server.refresh(&pair);
    assert_eq!(status, 200, "{after}");
    let told = folder.run(&["restore", "copy.db"]).fails();
    assert!(told.contains("is in use; stop the server"), "{told}");
    drop(server);

    let told = folder.run(&["restore", "copy.db"]).succeeds();
    assert!(told.contains("sprag.db.replaced-1 now"), "{told}");
    assert!(!folder.path("sprag-data/sprag.db-wal").exists(), "the log of the one before would undo it");
    assert!(folder.path("sprag-data/sprag.db.replaced-1-wal").exists());
    assert!(copy.exists(), "the backup stays");
    let server = folder.serve();
    let (status, after) = server.refresh(&after);
    assert_eq!(status, 200, "the session goes on from the backup: {after}");
    assert_eq!(folder.json(&["audit", "verify", "--json"])["is_intact"], json!(true));
}

#[test]
fn a_restore_that_was_cut_short_anywhere_is_refused_or_done_and_can_be_done_again() {
    // Which files have been moved when it ends: the log alone, or the database too.
    for moved in [&["-wal"][..], &["-wal", ""]] {
        let folder = a_folder_with_ann();
        let server = folder.serve();
        server.log_in("ann", ANNS_PASSWORD, None);
        folder.run(&["backup", "copy.db"]).succeeds();
        server.log_in("ann", ANNS_PASSWORD, None);
        drop(server);
        for suffix in moved {
            let database = folder.path("sprag-data/sprag.db").display().to_string();
            std::fs::rename(format!("{database}{suffix}"), format!("{database}.replaced-1{suffix}")).unwrap();
        }
        std::fs::write(folder.path("sprag-data/sprag.db.restoring"), "half of it").unwrap();
        let told = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_ne!(told.code, 0, "{moved:?}: a restore that was cut short starts: {}", told.out);
        folder.run(&["restore", "copy.db"]).succeeds();
        assert!(folder.path("sprag-data/sprag.db.replaced-1").exists(), "{moved:?}: what was there is kept");
        assert_eq!(folder.json(&["session", "list", "--json"]).as_array().unwrap().len(), 1);
        assert!(!folder.path("sprag-data/sprag.db.restoring").exists(), "no draft is left over");
    }
}

#[test]
fn what_is_no_backup_is_not_put_in_the_databases_place() {
    let folder = a_folder_with_ann();
    folder.write("letter.db", "this is a letter, and no database\n".repeat(100));
    rusqlite::Connection::open(folder.path("other.db"))
        .unwrap()
        .execute_batch("create table other (x)")
        .unwrap();
    rusqlite::Connection::open(folder.path("empty.db")).unwrap().execute_batch("vacuum").unwrap();
    let another = a_folder_with_ann();
    another.run(&["backup", "copy.db"]).succeeds();
    std::fs::copy(another.path("copy.db"), folder.path("another.db")).unwrap();
    let before = std::fs::read(folder.path("sprag-data/sprag.db")).unwrap();
    for (file, complaint) in [
        ("another.db", "were made with another key ring"),
        ("letter.db", "it is no SQLite database"),
        ("other.db", "no tables of Sprag's"),
        ("empty.db", "no tables of Sprag's"),
        ("missing.db", "there is no file missing.db"),
        ("sprag-data/sprag.db", "is the database itself"),
    ] {
        let told = folder.run(&["restore", file]).fails();
        assert!(told.contains(complaint), "{file}: {told}");
        assert_eq!(std::fs::read(folder.path("sprag-data/sprag.db")).unwrap(), before, "{file}");
    }
    folder.run(&["user", "list"]).succeeds();
}

#[test]
fn a_backup_that_was_cut_short_does_not_stand_in_the_way_of_the_next() {
    let folder = a_folder_with_ann();
    folder.write("copy.db.sprag-part", "half a backup");
    assert!(folder.run(&["backup", "copy.db"]).succeeds().contains("is a backup of"));
    assert!(!folder.path("copy.db.sprag-part").exists());
}

#[test]
fn a_database_that_cannot_be_used_is_named_with_its_fault() {
    for (fault, told) in [("folder", "it is a folder"), ("text", "it is no SQLite database")] {
        let folder = a_folder_with_ann();
        let database = folder.path("sprag-data/sprag.db");
        std::fs::remove_file(&database).unwrap();
        match fault {
            "folder" => std::fs::create_dir(&database).unwrap(),
            _ => std::fs::write(&database, "this is a letter, and no database\n".repeat(100)).unwrap(),
        }
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["migrate"],
            &["migrate", "--check"],
            &["user", "list"],
            &["session", "list"],
            &["audit", "verify"],
            &["sweep"],
            &["backup", "copy.db"],
        ] {
            let ran = folder.run(command);
            assert_ne!(ran.code, 0, "{command:?}");
            assert!(ran.err.contains("sprag.db"), "{command:?}: {}", ran.err);
            assert!(ran.err.contains(told), "{command:?}: {}", ran.err);
        }
    }
}
