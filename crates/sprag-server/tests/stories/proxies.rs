//! Behind proxies: what those that are named say of the client is believed, and nothing else is.

use serde_json::json;
use sprag_server::edge::proxies::Proxies;

use crate::call::Call;
use crate::people::{Device, LOGIN, LOGOUT, REFRESH, SESSIONS};
use crate::world::{Plan, World, ip};

/// A proxy of ours, and one further out that forwards to it.
const PROXY: &str = "10.0.0.2";
const OUTER: &str = "10.0.0.3";

fn world() -> World {
    let proxies: Proxies = "10.0.0.0/24".parse().expect("a network");
    World::planned(Plan { proxies, ..Plan::default() })
}

/// A call that comes from a client by both proxies, whatever the client has claimed to be.
fn by_proxies(call: Call, client: &str) -> Call {
    let claimed = call.header("x-forwarded-for", "203.0.113.66, 127.0.0.1");
    claimed.header("x-forwarded-for", format!("{client}, {OUTER}")).from(ip(PROXY))
}

#[tokio::test]
async fn t32_behind_a_named_proxy_sessions_and_journal_tell_the_clients_address() {
    let world = world();
    let ann = world.ann().await;
    let mut phone = Device::new(&world, "Phone/1.0", PROXY);
    let login = Call::post(LOGIN).json(&json!({ "username": "ann", "password": ann.password }));
    phone.keeps(&world.sends(by_proxies(login.clone(), "198.51.100.7:4711")).await.is(200));
    let mut laptop = Device::new(&world, "Laptop/1.0", PROXY);
    laptop.keeps(&world.sends(by_proxies(login.clone(), "[2001:db8::7]:4711")).await.is(200));

    let listed = world.sends(phone.bearer_call("GET", SESSIONS)).await.is(200).json();
    let mut addresses: Vec<_> = listed["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|session| session["ip"].as_str().expect("an address"))
        .collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["198.51.100.7", "2001:db8::7"]);

    let leaves = by_proxies(phone.showing(&phone.refresh, LOGOUT), "198.51.100.99");
    world.sends(leaves).await.is(204);
    let last = || async { world.entries(ann.id).await.pop().expect("an entry").event.ip };
    assert_eq!(last().await.as_deref(), Some("198.51.100.99"), "where it was ended from");

    // Who comes past the proxies is not one of them, whatever is claimed.
    world.sends(by_proxies(login.clone(), "198.51.100.7").from(ip("192.0.2.10"))).await.is(200);
    assert_eq!(last().await.as_deref(), Some("192.0.2.10"));

    // A proxy that does not know says nothing of the client, and what the client says of itself is not taken instead.
    world.sends(by_proxies(login, "unknown")).await.is(200);
    assert_eq!(last().await.as_deref(), Some(OUTER));
}

#[tokio::test]
async fn t32_a_named_proxy_is_believed_about_the_address_and_nothing_else() {
    let world = world();
    let ann = world.ann().await;
    let mut login = Call::post(LOGIN).json(&json!({ "username": "ann", "password": ann.password }));
    for name in ["x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip"] {
        login = login.header(name, "203.0.113.66");
    }
    world.sends(login.from(ip(PROXY))).await.is(200);
    let opened = world.entries(ann.id).await.pop().expect("an entry").event;
    assert_eq!(opened.ip.as_deref(), Some(PROXY));

    let browser = ann.logs_in_by_cookie().await;
    let call = browser.call("POST", REFRESH).without("origin").header("origin", "http://evil.example.com");
    let call = call.header("x-forwarded-host", "evil.example.com").header("x-forwarded-proto", "http");
    world.sends(by_proxies(call, "198.51.100.7")).await.refused(403, "origin_refused");
}

#[tokio::test]
async fn t32_behind_a_named_proxy_two_with_one_kind_of_browser_are_told_apart() {
    let world = world();
    let ann = world.ann().await;
    let mut phone = Device::new(&world, "Phone/1.0", PROXY);
    let login = phone.call("POST", LOGIN).json(&json!({ "username": "ann", "password": ann.password }));
    phone.keeps(&world.sends(by_proxies(login, "198.51.100.7")).await.is(200));
    let first = phone.refresh.clone();
    world.sends(by_proxies(phone.showing(&first, REFRESH), "198.51.100.7")).await.is(200);
    let journal = ann.journal().await;
    world.sends(by_proxies(phone.showing(&first, REFRESH), "198.51.100.8")).await.is(200);
    assert!(ann.journal_since(&journal).await.is_empty(), "it has moved within its network");
    world.sends(by_proxies(phone.showing(&first, REFRESH), "203.0.113.5")).await.is(200);
    assert_eq!(ann.journal_since(&journal).await, ["warning foreign_retry"]);
}
