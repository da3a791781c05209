//! The keys change at three nodes, one file after another, and nobody notices; unless a key is retired at once.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::thread::sleep;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::crowd::{await_refreshes, meanwhile};
use crate::people::{Pair, log_in, me, refresh_with_id};
use crate::server::await_some;
use crate::wire::{Answer, Connection, Request};

/// Which keys signed a pair: the refresh key's number, and the access key's `kid`.
fn keys_of(pair: &Pair) -> (u8, String) {
    let bytes = BASE64URL_NOPAD.decode(pair.refresh.strip_prefix("spr_").unwrap().as_bytes()).unwrap();
    let header = BASE64URL_NOPAD.decode(pair.access.split('.').next().unwrap().as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    (bytes[1], header["kid"].as_str().unwrap().to_owned())
}

fn ask(address: SocketAddr, request: &Request) -> Answer {
    Connection::open(address).unwrap().ask(request).unwrap()
}

/// How many keys a node publishes.
fn published(address: SocketAddr) -> usize {
    let answer = ask(address, &Request::get("/.well-known/jwks.json"));
    answer.json()["keys"].as_array().map_or(0, Vec::len)
}

fn log_in_all(cluster: &Cluster, count: usize) -> Vec<Pair> {
    let at = |number: usize| Connection::open(cluster.addresses()[number % NODES]).unwrap();
    (0..count).map(|number| log_in(&mut at(number), "user-0").unwrap()).collect()
}

#[test]
fn t16_keys_rotate_at_three_nodes_under_load_and_nobody_notices_until_one_is_retired_at_once() {
    let (cluster, _servers) =
        Cluster::start(SPRAG, Postgres::shared().fresh_database(), &["--reuse-interval", "0s"]);
    cluster.create_users(1);
    let addresses = cluster.addresses();
    let mut probe = log_in_all(&cluster, 1).remove(0);
    let mut sleepers = log_in_all(&cluster, 2 * NODES);
    let pairs = log_in_all(&cluster, 9);
    let (_, old_kid) = keys_of(&pairs[0]);
    let count = AtomicU64::new(0);
    let ((), seen) = meanwhile(&addresses, pairs, &count, || {
        await_refreshes(&count, 100);
        cluster.done(0, &["key", "rotate", "--in", "12s"], "");
        for node in 1..NODES {
            // The nodes know different rings meanwhile.
            await_refreshes(&count, 100);
            cluster.give_ring(0, node);
        }
        for address in addresses {
            await_some(|| (published(address) == 2).then_some(())).expect("each node reads its copy");
            probe = Pair::of(&ask(address, &refresh_with_id(&probe.refresh)));
            assert_eq!(keys_of(&probe), (1, old_kid.clone()), "all have the new keys before they sign");
        }
        for address in addresses {
            let signs = || {
                sleep(Duration::from_millis(100));
                probe = Pair::of(&ask(address, &refresh_with_id(&probe.refresh)));
                let (number, kid) = keys_of(&probe);
                (number == 2 && kid != old_kid).then_some(())
            };
            await_some(signs).expect("the new keys sign in time");
        }
        await_refreshes(&count, 300);
    });
    eprintln!("{} refreshes", seen.refreshes);
    assert!(seen.complaints.is_empty(), "{:#?}", seen.complaints);
    assert!(seen.pairs.iter().all(|pair| keys_of(pair).0 == 2), "every session has moved to the new key");

    // Who slept through it goes on, at any node, and an access token from before is still good.
    for (address, pair) in addresses.iter().zip(sleepers.split_off(NODES)) {
        assert_eq!(ask(*address, &me(&pair.access)).status, 200);
        let renewed = Pair::of(&ask(*address, &refresh_with_id(&pair.refresh)));
        assert_eq!(keys_of(&renewed).0, 2);
        let again = Pair::of(&ask(addresses[0], &refresh_with_id(&pair.refresh)));
        assert_eq!(again.refresh, renewed.refresh, "a retry across the switch gives the same successor");
    }

    // In an emergency.
    let ((), seen) = meanwhile(&addresses, seen.pairs, &AtomicU64::new(0), || {
        cluster.done(0, &["key", "retire", "1", "--now"], "");
        cluster.done(0, &["key", "retire", &old_kid, "--now"], "");
        (1..NODES).for_each(|node| cluster.give_ring(0, node));
        for address in addresses {
            await_some(|| (published(address) == 1).then_some(())).expect("each node reads its copy");
        }
    });
    assert!(seen.complaints.is_empty(), "tokens of the new keys go on: {:#?}", seen.complaints);
    for pair in &sleepers {
        for address in addresses {
            let answer = ask(address, &refresh_with_id(&pair.refresh));
            assert_eq!((answer.status, answer.member("code").as_str()), (401, "token_invalid"));
            assert_eq!(ask(address, &me(&pair.access)).status, 401);
        }
    }
}
