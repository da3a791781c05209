//! The roles of the guide to production, made as it says, word by word.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sprag_rig::{Database, Postgres};

use crate::given::{ANNS_PASSWORD, Folder, a_folder_with_ann, an_empty_folder};

const GUIDE: &str = include_str!("../../../../docs/guide/production.md");

/// What the guide has somebody type below "Roles", with the words that differ from place to place put in.
struct Typed {
    makes_roles: String,
    migrates: String,
    grants: String,
}

impl Typed {
    fn on(server: &Postgres) -> Self {
        let (_, section) = GUIDE.split_once("### Roles\n").expect("the guide has roles");
        let (section, _) = section.split_once("\n#").expect("something follows");
        let mut blocks = section.split("```").skip(1).step_by(2).map(|block| {
            let (_, text) = block.split_once('\n').expect("a block has a language");
            text.replace('…', "long-and-secret").replace("@db1", &format!("@127.0.0.1:{}", server.port()))
        });
        let mut next = || blocks.next().expect("the guide has three blocks about roles");
        let typed = Self { makes_roles: next(), migrates: next(), grants: next() };
        assert!(blocks.next().is_none(), "and no more");
        typed
    }
}

/// The guide has been followed to its end, by somebody in this folder.
fn as_the_guide_says(server: &Postgres) -> (Folder, Database) {
    let typed = Typed::on(server);
    // Passwords count, as they do elsewhere.
    let rules = server.dir().join("data/pg_hba.conf");
    let others = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("host all sprag,sprag_owner 127.0.0.1/32 scram-sha-256\n{others}")).unwrap();
    server.set("log_connections", "on");
    for line in typed.makes_roles.lines() {
        server.psql(line);
    }
    let database = server.database("sprag");
    let url = format!("postgres://sprag:long-and-secret@127.0.0.1:{}/sprag", server.port());
    let node = an_empty_folder().set("SPRAG_DATABASE_URL", &url).set("SPRAG_LOG", "error");
    let sprag = Path::new(env!("CARGO_BIN_EXE_sprag")).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", sprag.display());
    let mut shell = Command::new("sh");
    shell.args(["-ec", &typed.migrates]).current_dir(node.path(".")).env("PATH", path);
    let migrated = shell.output().expect("the shell runs");
    let printed = String::from_utf8_lossy(&migrated.stdout).into_owned();
    assert!(migrated.status.success() && printed.starts_with("applied V1"), "{migrated:?}");
    database.psql(&format!("set role sprag_owner;\n{}", typed.grants));
    (node, database)
}

#[test]
fn the_role_of_the_guide_does_all_that_a_server_and_its_commands_do() {
    let server = Postgres::start();
    let (node, database) = as_the_guide_says(&server);
    node.run(&["migrate", "--check"]).succeeds();
    node.run(&["migrate"]).succeeds();
    let create = ["user", "create", "--username", "ann", "--password-stdin"];
    node.run_with(ANNS_PASSWORD, &create).succeeds();
    let at = node.serve();
    assert_eq!(at.get("/readyz").0, 200);
    let pair = at.log_in("ann", ANNS_PASSWORD, Some("phone"));
    let (status, pair) = at.refresh(&pair);
    assert_eq!(status, 200, "{pair}");
    let id = pair["session_id"].as_str().expect("an id").to_owned();
    node.run(&["key", "rotate", "--in", "1h"]).succeeds();
    node.run(&["why", &id]).succeeds();
    node.run(&["session", "list"]).succeeds();
    node.run(&["session", "revoke", &id]).succeeds();
    assert_eq!(at.refresh(&pair).1["cause"], "admin");
    node.run(&["user", "disable", "ann"]).succeeds();
    node.run(&["user", "enable", "ann"]).succeeds();
    let create = ["user", "create", "--username", "bob", "--password-stdin"];
    node.run_with(ANNS_PASSWORD, &create).succeeds();
    node.run_with("another long password", &["user", "password", "bob", "--password-stdin"]).succeeds();
    node.run(&["user", "set", "bob", "--email", "bob@example.org", "--admin", "on"]).succeeds();
    // As the guide had it before accounts could be deleted.
    database.psql("revoke delete on account, credential from sprag");
    let refused = node.run(&["user", "delete", "bob", "--yes"]).fails();
    assert!(refused.contains("grant delete on account, credential to sprag"), "{refused}");
    assert_eq!(node.json(&["user", "list", "--json"])[1]["email"], "bob@example.org", "nothing was changed");
    database.psql("grant delete on account, credential to sprag");
    node.run(&["user", "delete", "bob", "--yes"]).succeeds();
    node.run(&["audit", "verify", "--checkpoint"]).succeeds();
    // Ended ones go at once, with all that is kept of them.
    database.psql("update session set ended_at = 1 where ended_at is not null");
    let swept = node.json(&["sweep", "--json"]);
    assert_eq!(swept, json!({ "seen": 1, "ended": 0, "removed": 1, "live": 0 }));
    // A ring of other descent is put in the place of a lost one.
    drop(at);
    let elsewhere = a_folder_with_ann();
    let node = node.set("SPRAG_KEY_RING", &elsewhere.read("sprag-data/keys.json"));
    node.run(&["key", "replace", "--now"]).succeeds();
    let at = node.serve();
    at.log_in("ann", ANNS_PASSWORD, None);
}

#[test]
fn the_role_of_the_guide_cannot_rewrite_the_journal() {
    let server = Postgres::start();
    let (_, database) = as_the_guide_says(&server);
    for statement in
        ["delete from event", "update event set note = ''", "delete from checkpoint", "drop table event"]
    {
        let told = database.try_psql(&format!("set role sprag; {statement}")).expect_err(statement);
        assert!(told.contains("permission denied") || told.contains("must be owner"), "{told}");
    }
}

/// The journal of a server of these roles is cut by the owner of its tables, as the guide says.
#[test]
fn whoever_serves_cut_the_journal_or_nobody_could() {
    let server = Postgres::start();
    let (node, database) = as_the_guide_says(&server);
    let create = ["user", "create", "--username", "ann", "--password-stdin"];
    node.run_with(ANNS_PASSWORD, &create).succeeds();
    node.run(&["user", "disable", "ann"]).succeeds();
    node.run(&["user", "enable", "ann"]).succeeds();
    let keep = ["--keep-journal", "1s"];
    let told = node.run(&[&["audit", "cut"], &keep[..]].concat()).fails();
    assert!(told.contains("may not remove entries") && told.contains("run this as the owner"), "{told}");
    assert_eq!(database.psql("select count(*) from journal_cut"), "0", "and nothing was bound");
    let owner = format!("postgres://sprag_owner:long-and-secret@127.0.0.1:{}/sprag", server.port());
    let as_owner = |args: &[&str]| {
        let mut command = node.command(&[args, &keep[..]].concat());
        let ran = command.env("SPRAG_DATABASE_URL", &owner).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    assert!(as_owner(&["audit", "cut"]).contains("there is nothing to cut"), "no checkpoint covers it");
    assert!(as_owner(&["audit", "list", "--account", "ann"]).contains("account_disabled"));
    database.psql("set role sprag_owner; delete from event where false");
}

#[test]
fn a_table_of_a_later_migration_is_the_servers_too() {
    let server = Postgres::start();
    let (node, database) = as_the_guide_says(&server);
    let newest = database.psql("select max(version) from refinery_schema_history");
    database.psql(&format!(
        "set role sprag_owner;
         create table device (account_id uuid not null, id uuid not null, primary key (account_id, id));
         insert into refinery_schema_history (version, name, applied_on, checksum)
         values ({newest} + 1, 'needs_{newest}_devices', '2027-01-01T00:00:00Z', '4711')"
    ));
    database.psql(
        "set role sprag;
         insert into device values (gen_random_uuid(), gen_random_uuid());
         update device set id = gen_random_uuid();
         select * from device;
         delete from device",
    );
    node.run(&["migrate", "--check"]).succeeds();
}
