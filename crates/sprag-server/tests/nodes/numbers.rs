//! Numbers for new accounts, asked for at all nodes at once.

use std::thread::scope;

use serde_json::json;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::Cluster;
use crate::wire::{Connection, Request};

const FLAGS: [&str; 6] = ["--registration", "open", "--next-id", "integer", "--next-id-floor", "1000000"];

/// How many accounts are made at each node, by how many at once.
const EACH: usize = 12;
const AT_ONCE: usize = 4;

#[test]
fn nodes_that_register_at_one_moment_give_nobody_the_same_number_and_go_on_after_a_restart() {
    let (cluster, servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &FLAGS);
    let register = |round: usize| {
        scope(|scope| {
            for (node, address) in cluster.addresses().into_iter().enumerate() {
                for client in 0..AT_ONCE {
                    scope.spawn(move || {
                        let mut connection = Connection::open(address).unwrap();
                        for number in 0..EACH / AT_ONCE {
                            let name = format!("user-{round}-{node}-{client}-{number}");
                            let body = json!({ "username": name, "password": "fifteen or more letters" });
                            let ask = Request::post("/api/v1/auth/register", &body);
                            let answer = connection.ask_until_served(&ask).unwrap();
                            // Who was put off may have been made an account, and then finds the name taken.
                            assert!([201, 409].contains(&answer.status), "{name}: {:?}", answer.json());
                        }
                    });
                }
            }
        });
    };
    let given = || {
        cluster.database.psql(
            "select count(*), count(distinct external_id), min(external_id::bigint), max(external_id::bigint)
             from account",
        )
    };
    register(0);
    assert_eq!(given(), "36|36|1000001|1000036");
    drop(servers);
    let _servers = [0, 1, 2].map(|node| cluster.start_node(node));
    register(1);
    assert_eq!(given(), "72|72|1000001|1000072");
    assert_eq!(cluster.database.psql("select floor, last from next_id"), "1000000|1000072");
}
