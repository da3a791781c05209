//! A budget is one, however many nodes are asked.

use std::time::Instant;

use serde_json::json;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::Cluster;
use crate::letters::{at_once, count};
use crate::people::LOGIN;

/// How many guesses an account's budget holds at once.
const BURST: usize = 10;

#[test]
fn guesses_at_three_nodes_together_cost_no_more_hashes_than_at_one() {
    let (cluster, _servers) =
        Cluster::start(SPRAG, Postgres::shared().fresh_database(), &["--rate-limits", "on"]);
    cluster.create_users(1);
    let (nodes, begun) = (cluster.addresses(), Instant::now());
    let body = json!({ "username": "user-0", "password": "a wrong password" });
    let (mut looked_at, mut turned_away) = (0, 0);
    // Whoever found all hashing threads taken was told to come again, and comes.
    for _ in 0..4 {
        let statuses = at_once(&nodes, LOGIN, &body);
        assert!(statuses.iter().all(|status| [401, 429, 503].contains(status)), "{statuses:?}");
        looked_at += count(&statuses, 401);
        turned_away += count(&statuses, 429);
    }
    let come_back = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!((1..=BURST + come_back + 1).contains(&looked_at), "{looked_at} were looked at");
    assert!(turned_away >= 64, "{turned_away} were turned away");
    cluster.verify_journal();
}
