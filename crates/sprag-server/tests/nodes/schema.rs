//! The next build's migrations are applied while nodes of this one serve.

use std::sync::atomic::AtomicU64;

use sprag_rig::{Database, Postgres};

use crate::SPRAG;
use crate::cluster::Cluster;
use crate::crowd::{await_refreshes, meanwhile};
use crate::people::{log_in, login, logout};
use crate::server::{PASSWORD, await_some};
use crate::wire::{Connection, Request};

/// What an expanding release may do: add columns to every table that is there, and a table.
const EXPAND: &str = "
    alter table session add column device_id uuid;
    alter table account add column locale text;
    alter table session_detail add column city text;
    alter table event add column severity smallint;
    create table device (account_id uuid not null, id uuid not null, name text, primary key (account_id, id));
";

/// What a contracting one may: nothing this build could live with.
const CONTRACT: &str = "alter table session_detail drop column device;";

/// Applies a migration as a newer build would: in one transaction, giving up rather than holding everybody up.
fn migrate(database: &Database, version: u32, name: &str, sql: &str) {
    let attempt = || {
        let tried = database.try_psql(&format!(
            "begin;
             set local lock_timeout = '500ms';
             {sql}
             insert into refinery_schema_history (version, name, applied_on, checksum)
             values ({version}, '{name}', '2027-01-01T00:00:00Z', '4711');
             commit;"
        ));
        tried.ok()
    };
    await_some(attempt).expect("the migration finds a moment for its locks");
}

/// The newest migration of this build.
fn newest(database: &Database) -> u32 {
    database.psql("select max(version) from refinery_schema_history").parse().unwrap()
}

#[test]
fn nodes_go_on_while_the_next_build_expands_the_schema_and_say_so_when_one_contracts_it() {
    let (cluster, servers) =
        Cluster::start(SPRAG, Postgres::shared().fresh_database(), &["--reuse-interval", "0s"]);
    cluster.create_users(1);
    let known = newest(&cluster.database);
    let addresses = cluster.addresses();
    let log_in_at = |node: usize| log_in(&mut Connection::open(addresses[node]).unwrap(), "user-0").unwrap();
    let pairs = (0..9).map(|number| log_in_at(number % 3)).collect();
    let count = AtomicU64::new(0);
    let ((), seen) = meanwhile(&addresses, pairs, &count, || {
        await_refreshes(&count, 300);
        migrate(&cluster.database, known + 1, &format!("needs_{known}_devices"), EXPAND);
        await_refreshes(&count, 300);
        // What else a node does with the tables that have grown, on each of its connections.
        for _ in 0..3 {
            for (node, address) in addresses.iter().enumerate() {
                let mut at = Connection::open(*address).unwrap();
                let pair = log_in_at(node);
                let sessions = Request::get("/api/v1/auth/sessions").bearer(&pair.access);
                for request in [&sessions, &logout(&pair.refresh), &Request::get("/readyz")] {
                    let answer = at.ask(request).unwrap();
                    assert!(answer.status < 300, "{} {:?}", answer.status, answer.json());
                }
            }
        }
    });
    eprintln!("{} refreshes", seen.refreshes);
    assert!(seen.complaints.is_empty(), "{:#?}", seen.complaints);

    // A restarted node of this build starts beside it.
    let [first, second, third] = servers;
    first.stop();
    let first = cluster.start_node(0);
    assert_eq!(first.ask(&login("user-0", PASSWORD)).status, 200);
    cluster.done(0, &["migrate", "--check"], "");
    cluster.verify_journal();

    migrate(&cluster.database, known + 2, "devices_only", CONTRACT);
    for server in [&first, &second, &third] {
        let answer = server.ask(&Request::get("/readyz"));
        assert_eq!((answer.status, answer.member("code").as_str()), (503, "unavailable"));
        assert!(server.log().contains("is not known to this build"), "{}", server.log());
    }
    first.stop();
    let mut refused = cluster.begin_node(0);
    let status = refused.wait();
    assert_ne!(status.code(), Some(0));
    let sentence = format!("migration V{}__devices_only is not known to this build", known + 2);
    assert!(refused.log().contains(&sentence), "{}", refused.log());
}
