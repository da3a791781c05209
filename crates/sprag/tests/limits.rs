//! However many nodes share a store, they share its budgets.
#![cfg(feature = "postgres")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sprag::budget::Budget;
use sprag::engine::{Engine, NewUser, Requester};
use sprag::keys::{Algorithm, KeyRing};
use sprag::limits::Rates;
use sprag::password::Hasher;
use sprag::random::SystemRandom;
use sprag::store::Store as _;
use sprag::store::postgres::{Batching, PostgresStore, Settings};
use sprag::{Error, Refusal};
use sprag_rig::{Database, Postgres};

/// How many threads of each node hash, and how many passwords wait for them: none is turned away.
const HASHES: (usize, usize) = (1, 1000);

async fn nodes(database: &Database, count: usize, batching: Batching) -> Vec<Arc<Engine>> {
    let settings = Settings::new(database.url().parse().expect("a URL"));
    // A machine that stops for a while is no broken promise: every guess is looked at or refused, and none is put off.
    let patient = Duration::from_secs(60);
    let settings = Settings { batching, deadline: patient, pool_wait: patient, ..settings };
    PostgresStore::migrate(&settings).await.expect("migrate");
    let mut ring = None;
    let mut nodes = Vec::new();
    for _ in 0..count {
        let store = PostgresStore::open(settings.clone()).await.expect("open");
        let keys = ring.get_or_insert_with(|| {
            KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), store.clock().now()).expect("keys")
        });
        let keys = KeyRing::from_json(&keys.to_json()).expect("its own text");
        let (threads, waiting) = HASHES;
        let hasher = Hasher::start(threads, waiting).expect("threads").failing_at_once();
        let engine = Engine::builder(Arc::new(store)).keys(keys).issuer("https://auth.example.org");
        nodes.push(Arc::new(engine.hasher(hasher).rates(Rates::default()).build().expect("an engine")));
    }
    nodes
}

/// Has all of them guess at once; how many guesses were looked at, and how many refused unseen.
async fn guess(nodes: &[Arc<Engine>], guesses: usize) -> (usize, usize) {
    let spellings = ["ann", " ANN ", "ann@example.org", "Ann@EXAMPLE.org"];
    let tries =
        (0..guesses).map(|number| {
            let node = Arc::clone(&nodes[number % nodes.len()]);
            let requester = Requester { ip: Some(format!("198.51.{number}.7")), ..Requester::nobody() };
            async move {
                node.authn().password(spellings[number % 4], "a wrong guess", &requester).await.map(drop)
            }
        });
    let (mut looked_at, mut unseen) = (0, 0);
    for answer in join_all(tries).await {
        match answer {
            Err(Error::Refused(Refusal::CredentialsInvalid)) => looked_at += 1,
            Err(Error::Refused(Refusal::RateLimited(spent))) => {
                assert_eq!(spent.budget, Budget::LoginAccount);
                unseen += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    (looked_at, unseen)
}

async fn three_nodes_give_no_more_than_one(batching: Batching) {
    let database = Postgres::shared().fresh_database();
    let nodes = nodes(&database, 3, batching).await;
    let ann = NewUser {
        username: Some("ann"),
        email: Some("ann@example.org"),
        password: Some("ann's battery staple"),
        ..NewUser::default()
    };
    nodes[0].accounts().create(ann, &Requester::nobody()).await.expect("an account");
    let (looked_at, unseen) = guess(&nodes, 200).await;
    assert_eq!(looked_at + unseen, 200);
    // One comes back in a minute, which the guesses may take on a slow machine.
    assert!((10..=12).contains(&looked_at), "{looked_at} of 200 guesses were hashed");
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_three_nodes_together_hash_no_more_guesses_than_one() {
    three_nodes_give_no_more_than_one(Batching::Unnest).await;
}

/// As on a distributed engine, where each statement stands alone. What is refused beside another may be given back too late for a third,
/// and is then there for the next.
#[tokio::test(flavor = "multi_thread")]
async fn r46_three_nodes_together_hash_no_more_guesses_than_one_row_by_row() {
    three_nodes_give_no_more_than_one(Batching::Rows).await;
}
