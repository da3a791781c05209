//! Who may refresh how often, and how much is kept of it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::extract::ConnectInfo;
use governor::clock::FakeRelativeClock;
use hyper::Request;
use hyper::header::HeaderValue;
use sprag::random::{SeededRandom, bytes};
use uuid::Uuid;

use super::*;
use crate::edge::proxies::Proxies;

/// Budgets of a session and of a network: so many at once, and one more each time so long has passed.
fn limits(
    session: (u32, Duration),
    prefix: (u32, Duration),
    clock: &FakeRelativeClock,
) -> RefreshLimits<FakeRelativeClock> {
    let rate = |(burst, interval)| Rate { burst, interval };
    RefreshLimits::by(RefreshRates { session: rate(session), prefix: rate(prefix) }, clock)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// As they are where nobody sets them.
fn usual(clock: &FakeRelativeClock) -> RefreshLimits<FakeRelativeClock> {
    limits((60, seconds(1)), (3000, seconds(1) / 300), clock)
}

fn session(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

/// A request straight from that address.
fn ip(text: &str) -> Source {
    Source { address: Some(text.parse().unwrap()), may_be_proxy: false }
}

/// A request of a peer to whom nobody says anything, or only these do.
fn from(peer: &str, proxies: &Proxies) -> Source {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 40_000)));
    Source::of(&parts, proxies)
}

#[test]
fn a_session_may_refresh_sixty_times_at_once_and_then_once_a_second() {
    let clock = FakeRelativeClock::default();
    let limits = usual(&clock);
    assert!((0..60).all(|_| limits.of_session(session(1)).is_ok()), "a storm of tabs is served");
    let told = limits.of_session(session(1)).unwrap_err();
    assert_eq!(told, Exhausted { budget: "refresh.session", retry_after_seconds: 1 });
    assert!(limits.of_session(session(2)).is_ok(), "another's is whole");
    clock.advance(seconds(1));
    assert!(limits.of_session(session(1)).is_ok());
    assert!(limits.of_session(session(1)).is_err());
    clock.advance(seconds(3600));
    assert_eq!(
        (0..100).filter(|_| limits.of_session(session(1)).is_ok()).count(),
        60,
        "never more than a burst"
    );
}

#[test]
fn a_network_may_refresh_three_thousand_times_at_once_and_its_neighbours_addresses_are_its_own() {
    let clock = FakeRelativeClock::default();
    let limits = usual(&clock);
    let of = |source| limits.of_prefix(source);
    let hosts = (0..3000_u32).map(|number| Ipv4Addr::from(0xc000_0200 | (number & 0xff)));
    assert!(hosts.into_iter().all(|host| of(ip(&host.to_string())).is_ok()));
    for neighbour in ["192.0.2.7", "::ffff:192.0.2.9"] {
        let told = of(ip(neighbour)).unwrap_err();
        assert_eq!((told.budget, told.retry_after_seconds), ("refresh.prefix", 1), "{neighbour}");
    }
    assert!(of(ip("192.0.3.7")).is_ok() && of(ip("2001:db8::1")).is_ok());
    clock.advance(seconds(1));
    assert_eq!((0..1000).filter(|_| of(ip("192.0.2.7")).is_ok()).count(), 300, "three hundred a second");
}

#[test]
fn what_may_be_a_proxy_that_nobody_named_counts_a_hundredfold() {
    let limits = limits((1, seconds(1)), (3, seconds(100)), &FakeRelativeClock::default());
    let may =
        |peer, proxies: &Proxies| (0..1000).filter(|_| limits.of_prefix(from(peer, proxies)).is_ok()).count();
    let nobody = Proxies::default();
    assert_eq!(may("127.0.0.1", &nobody), 300);
    assert_eq!(may("10.1.2.3", &nobody), 300);
    let untold = Source { address: None, may_be_proxy: false };
    assert!(
        (0..1000).all(|_| limits.of_prefix(untold).is_ok()),
        "where no address is told there is no network"
    );
    assert_eq!(may("192.0.2.1", &nobody), 3);
    let named = "192.168.0.0/16".parse().unwrap();
    assert_eq!(may("192.168.0.1", &named), 300, "it is named, and does not say whom it stands for");
    let told = Source::of(&asked(&SeededRandom::new(14), "192.168.0.1", Some("192.0.3.1")), &named);
    assert_eq!((0..1000).filter(|_| limits.of_prefix(told).is_ok()).count(), 3, "it says so");
}

#[test]
fn budgets_that_are_whole_again_are_forgotten() {
    let clock = FakeRelativeClock::default();
    let limits = usual(&clock);
    for number in 0..1000 {
        limits.of_session(session(number)).unwrap();
    }
    (0..10).for_each(|_| limits.of_session(session(7)).unwrap());
    limits.of_prefix(ip("192.0.2.1")).unwrap();
    clock.advance(seconds(2));
    limits.forget_whole();
    assert_eq!(limits.kept(), 1, "only the one that had eleven is not whole");
    assert_eq!((0..100).filter(|_| limits.of_session(session(7)).is_ok()).count(), 51);
}

#[test]
fn a_million_networks_of_ipv6_take_no_more_room_than_there_is_and_have_no_budget_forgotten_that_is_spent() {
    let limits = limits((60, seconds(1)), (10, seconds(3600)), &FakeRelativeClock::default());
    let spent = ip("192.0.2.1");
    assert_eq!((0..20).filter(|_| limits.of_prefix(spent).is_ok()).count(), 10);
    for number in 0..1_000_000_u128 {
        let address = Ipv6Addr::from((0x2001_0db8 << 96) | (number << 64) | 1);
        assert!(limits.of_prefix(Source { address: Some(address.into()), may_be_proxy: false }).is_ok());
    }
    assert!(limits.kept() <= spent::MOST, "{} are kept", limits.kept());
    assert!(limits.of_prefix(spent).is_err(), "whoever has others come does not get a budget anew");
}

/// What a header that says where a request comes from may hold, and what attackers write into it.
fn forged(random: &SeededRandom) -> String {
    let [form, port, a, b, c, d] = bytes::<6>(random);
    let v4 = Ipv4Addr::new(a, b, c, d);
    let v6 = Ipv6Addr::from(bytes::<16>(random));
    match form % 16 {
        0 => v4.to_string(),
        1 => v6.to_string(),
        2 => format!("{v4}:{port}"),
        3 => format!("[{v6}]:{port}"),
        4 => format!("{v4}, {v6}, 10.0.0.{d}"),
        5 => format!("127.0.0.1, {v4}"),
        6 => format!("for={v4};proto=https;by={v6}"),
        7 => format!("for=\"[{v6}]:{port}\", for={v4}"),
        8 => format!("::ffff:{v4}"),
        9 => format!("unknown, {v4}"),
        10 => ",".repeat(usize::from(port)),
        11 => format!("{v4}/24"),
        12 => format!("\t{v4} "),
        13 => format!("_{a:x}{b:x}, {v6}%eth{d}"),
        14 => vec![v4.to_string(); usize::from(port % 40)].join(","),
        _ => String::from_utf8_lossy(&bytes::<24>(random)).chars().filter(|one| !one.is_control()).collect(),
    }
}

/// A request from that peer with forged headers, behind which its own proxies have written `last`.
fn asked(random: &SeededRandom, peer: &str, last: Option<&str>) -> hyper::http::request::Parts {
    const NAMES: [&str; 6] =
        ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"];
    let (mut parts, ()) = Request::new(()).into_parts();
    let [first, second] = bytes::<2>(random).map(|byte| NAMES[usize::from(byte) % NAMES.len()]);
    for name in ["x-forwarded-for", first, second] {
        let value = HeaderValue::from_bytes(forged(random).as_bytes()).unwrap();
        parts.headers.append(name, value);
    }
    if let Some(last) = last {
        parts.headers.append("x-forwarded-for", HeaderValue::from_str(last).unwrap());
    }
    parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 40_000)));
    parts
}

#[test]
fn a_hundred_thousand_forged_headers_spend_the_budget_of_whoever_sent_them_and_no_other() {
    const FORGED: u32 = 100_000;
    let random = SeededRandom::new(14);
    let (nobody, ours) = (Proxies::default(), "10.0.0.0/24,fd00::/8".parse().unwrap());
    for (peer, last, proxies) in [
        ("203.0.113.7", None, &nobody),
        ("203.0.113.7", None, &ours),
        ("10.0.0.2", Some("203.0.113.7"), &ours),
        ("10.0.0.2", Some("[::ffff:203.0.113.7]:4711, 10.0.0.3"), &ours),
    ] {
        let limits = limits((60, seconds(1)), (FORGED / 4, seconds(86_400)), &FakeRelativeClock::default());
        for number in 0..FORGED / 4 {
            let source = Source::of(&asked(&random, peer, last), proxies);
            assert_eq!(source, ip("203.0.113.7"), "{peer} {last:?}");
            assert!(limits.of_prefix(source).is_ok(), "{number} of {peer} {last:?}");
        }
        assert_eq!(limits.kept(), 1, "one budget was spent, and nobody else's");
        let neighbour = ip("203.0.113.99");
        assert!(limits.of_prefix(neighbour).is_err(), "it was that of the sender's network");
        assert!(limits.of_prefix(ip("203.0.114.1")).is_ok());
    }
}
