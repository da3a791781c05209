//! `sprag import-store`: a SQLite store moves to PostgreSQL.

use serde_json::Value;
use sprag_rig::{Database, Postgres};

use crate::given::{ANNS_PASSWORD, Folder, a_folder_with_ann, an_empty_folder};

const FROM: [&str; 3] = ["import-store", "--from", "sprag-data/sprag.db"];

/// What a SQLite store has lived through: its folder, and token pairs of sessions that are alive.
fn a_store_that_was_used() -> (Folder, Vec<Value>) {
    let folder = a_folder_with_ann();
    let server = folder.serve();
    let pairs: Vec<_> = ["phone", "laptop", "tablet"]
        .map(|device| server.refresh(&server.log_in("ann", ANNS_PASSWORD, Some(device))).1)
        .into();
    let ended = server.log_in("ann", ANNS_PASSWORD, Some("lost phone"));
    let id = ended["session_id"].as_str().unwrap();
    folder.run(&["session", "revoke", id]).succeeds();
    (folder, pairs)
}

fn a_migrated_database(folder: Folder) -> (Folder, Database) {
    let database = Postgres::shared().fresh_database();
    let folder = folder.set("SPRAG_DATABASE_URL", &database.url()).set("SPRAG_LOG", "error");
    folder.run(&["migrate"]).succeeds();
    (folder, database)
}

#[test]
fn sessions_live_on_in_postgresql_and_no_token_is_refused() {
    let (folder, pairs) = a_store_that_was_used();
    let before = folder.json(&["session", "list", "--all", "--json"]);
    let users = folder.json(&["user", "list", "--json"]);
    let (folder, database) = a_migrated_database(folder);
    let told = folder.run(&FROM).succeeds();
    assert!(told.contains("1  account\n") && told.contains("4  session\n"), "{told}");
    assert!(told.contains("as many rows there as here"), "{told}");
    assert_eq!(database.psql("select count(*) from session_detail"), "4");

    assert_eq!(folder.json(&["session", "list", "--all", "--json"]), before);
    assert_eq!(folder.json(&["user", "list", "--json"]), users);
    assert_eq!(folder.json(&["audit", "verify", "--json"])["is_intact"], true);
    // Without a reuse interval every refresh turns its session, also one that has turned a moment before.
    let folder = folder.set("SPRAG_REUSE_INTERVAL", "0s");
    let server = folder.serve();
    for pair in &pairs {
        let (status, next) = server.refresh(pair);
        assert_eq!(status, 200, "{next}");
        assert_ne!(next["refresh_token"], pair["refresh_token"], "the session turns");
        assert_eq!(server.refresh(&next).0, 200);
    }
    server.log_in("ann", ANNS_PASSWORD, None);
}

#[test]
fn a_running_server_is_noticed_and_the_target_stays_empty() {
    let (folder, _) = a_store_that_was_used();
    let server = folder.serve();
    let (folder, database) = a_migrated_database(folder);
    let told = folder.run(&FROM).fails();
    assert!(told.contains("sprag-data/sprag.db is in use; stop the server"), "{told}");
    assert_eq!(database.psql("select count(*) from account"), "0");
    drop(server);
    folder.run(&FROM).succeeds();
    let told = folder.run(&FROM).fails();
    assert!(told.contains("the target is not empty: its table account has rows"), "{told}");
}

#[test]
fn what_breaks_half_way_leaves_nothing_behind() {
    let (folder, pairs) = a_store_that_was_used();
    let (folder, database) = a_migrated_database(folder);
    // The table that comes last takes no row.
    database.psql("alter table session_detail add constraint never check (device is null)");
    let told = folder.run(&FROM).fails();
    assert!(told.starts_with("sprag: nothing of sprag-data/sprag.db was moved into postgres"), "{told}");
    assert_eq!(database.psql("select (select count(*) from account) + (select count(*) from session)"), "0");
    database.psql("alter table session_detail drop constraint never");
    folder.run(&FROM).succeeds();
    assert_eq!(folder.serve().refresh(&pairs[0]).0, 200);
}

#[test]
fn what_cannot_be_moved_is_refused_with_what_to_do() {
    let (folder, _) = a_store_that_was_used();
    let told = folder.run(&FROM).fails();
    assert!(told.contains("set SPRAG_DATABASE_URL to postgres://"), "{told}");
    let (folder, database) = a_migrated_database(folder);
    let told = folder.run(&["import-store", "--from", "nowhere.db"]).fails();
    assert!(told.contains("there is no file nowhere.db; name the SQLite file"), "{told}");
    folder.write(
        "text.db",
        "not a database, but long enough to be taken for something else than an empty one\n",
    );
    let told = folder.run(&["import-store", "--from", "text.db"]).fails();
    assert!(told.contains("text.db is no store of Sprag's"), "{told}");
    database.psql("insert into refinery_schema_history values (99, 'needs_1_more', '', '1')");
    let told = folder.run(&FROM).fails();
    assert!(
        told.contains("V99__needs_1_more") && told.contains("sprag migrate --database-url sqlite:"),
        "{told}"
    );

    let elsewhere = an_empty_folder();
    elsewhere
        .run_with("a long password", &["user", "create", "--username", "bob", "--password-stdin"])
        .succeeds();
    let other = std::fs::read_to_string(elsewhere.path("sprag-data/keys.json")).unwrap();
    let (folder, database) = a_migrated_database(folder.set("SPRAG_KEY_RING", &other));
    let told = folder.run(&FROM).fails();
    assert!(told.contains("shares no key with the one that the tokens in sprag-data/sprag.db"), "{told}");

    let keyless = an_empty_folder().set("SPRAG_DATABASE_URL", &database.url());
    let from = folder.path("sprag-data/sprag.db").display().to_string();
    let told = keyless.run(&["import-store", "--from", &from]).fails();
    assert!(told.contains("copy its keys.json there"), "{told}");
}
