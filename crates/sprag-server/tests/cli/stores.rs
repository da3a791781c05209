//! Which store a command works on: it says so, and makes none that nobody asked for.

use sprag_rig::Postgres;

use crate::given::{ANNS_PASSWORD, Folder, a_folder_with_ann, an_empty_folder};

const CREATE: [&str; 5] = ["user", "create", "--username", "bob", "--password-stdin"];
const IMPORT: [&str; 12] = [
    "user",
    "import",
    "--profile",
    "sprag",
    "--from",
    "users.jsonl",
    "--map",
    "external_id=id",
    "--map",
    "username=username",
    "--map",
    "password_hash=hash",
];
const USERS: &str = "{\"id\": 1, \"username\": \"carl\", \"hash\": null}\n";

/// The commands that may be the first in a store.
const MAKING: [&[&str]; 3] = [&CREATE, &IMPORT, &["migrate"]];

/// Runs a command that makes no store, and looks whether it says how it would.
fn asks(folder: &Folder, command: &[&str]) {
    let ran = folder.run_as_typed(ANNS_PASSWORD, command);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{command:?}: {}", ran.err);
    assert!(ran.err.contains("add --create"), "{command:?}: {}", ran.err);
}

#[test]
fn a_command_in_the_wrong_folder_made_a_second_store_and_said_nothing() {
    for command in MAKING.into_iter().chain([&["restore", "users.jsonl"][..]]) {
        let folder = an_empty_folder();
        folder.write("users.jsonl", USERS);
        asks(&folder, command);
        assert!(!folder.path("sprag-data").exists(), "{command:?}");
    }
    for command in MAKING {
        let folder = an_empty_folder();
        folder.write("users.jsonl", USERS);
        let made = folder.run_as_typed(ANNS_PASSWORD, &[command, &["--create"]].concat());
        assert_eq!(made.code, 0, "{command:?}: {}", made.err);
        let again = folder.run_as_typed(ANNS_PASSWORD, &["migrate"]);
        assert_eq!(again.code, 0, "{command:?}: there is one now: {}", again.err);
    }
    let folder = an_empty_folder();
    folder.write("users.jsonl", USERS);
    assert_eq!(folder.run_as_typed("", &[&IMPORT[..], &["--dry-run"]].concat()).code, 0);
    assert!(!folder.path("sprag-data").exists(), "a rehearsal makes nothing and asks nothing");
}

#[test]
fn a_command_on_the_wrong_postgresql_database_filled_it() {
    let database = Postgres::shared().fresh_database();
    let folder = an_empty_folder().set("SPRAG_DATABASE_URL", &database.url()).set("SPRAG_LOG", "error");
    folder.write("users.jsonl", USERS);
    for command in MAKING {
        asks(&folder, command);
    }
    assert_eq!(database.psql("select count(*) from pg_tables where schemaname = 'public'"), "0");
    assert!(!folder.path("sprag-data").exists(), "nor is there a key ring");
    assert_eq!(folder.run_as_typed("", &[&IMPORT[..], &["--dry-run"]].concat()).code, 0);
    folder.run_as_typed("", &["migrate", "--create"]).succeeds();
    folder.run_as_typed(ANNS_PASSWORD, &CREATE).succeeds();
}

#[test]
fn commands_did_not_say_on_which_store_they_work() {
    let folder = a_folder_with_ann();
    folder.write("users.jsonl", USERS);
    let expected =
        format!("SQLite, {}", folder.path("sprag-data/sprag.db").canonicalize().unwrap().display());
    let nobody = "01997c5e-0000-7000-8000-000000000000";
    let commands: [&[&str]; 17] = [
        &["user", "list"],
        &["user", "names"],
        &CREATE,
        &IMPORT,
        &["user", "disable", "ann"],
        &["user", "rename", "ann", "--username", "anna"],
        &["session", "list"],
        &["session", "revoke", "--user", "bob"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "replace"],
        &["audit", "verify"],
        &["sweep"],
        &["why", nobody],
        &["migrate"],
        &["backup", "copy.db"],
        &["restore", "copy.db"],
    ];
    for command in commands {
        let ran = folder.run_as_typed(ANNS_PASSWORD, command);
        assert_eq!(ran.stores, [expected.as_str()], "{command:?}: {}", ran.err);
    }
    for command in [&["config"][..], &["openapi"], &["profile", "list"]] {
        assert!(folder.run(command).stores.is_empty(), "{command:?} works on none");
    }

    let unreachable = "postgres://me:hunter2@127.0.0.1:1/sprag";
    let folder = folder.set("SPRAG_DATABASE_URL", unreachable).set("SPRAG_DATABASE_START_TIMEOUT", "0s");
    let from = ["import-store", "--from", "sprag-data/sprag.db"];
    for command in commands.into_iter().chain([&from[..]]) {
        let ran = folder.run_as_typed(ANNS_PASSWORD, command);
        assert_eq!(ran.stores, ["PostgreSQL, postgres://me@127.0.0.1:1/sprag"], "{command:?}: {}", ran.err);
    }
}
