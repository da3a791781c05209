//! Who gives way to whom.

use bytes::Bytes;

use super::*;

fn connections(bounds: Bounds) -> Arc<Connections> {
    Connections::new(bounds, Arc::default())
}

fn from(all: &Arc<Connections>, peer: &str) -> Option<Seat> {
    all.admit(peer.parse().unwrap())
}

fn is_told(place: &Seat) -> bool {
    place.0.state().rank().is_none()
}

fn of_network(bounds: &Bounds) -> usize {
    bounds.held_bytes_per_network()
}

#[test]
fn the_longest_idle_of_a_network_gives_way_to_its_newcomer_and_no_other() {
    let all = connections(Bounds { connections: 9, connections_per_network: 2, ..Bounds::default() });
    let stranger = from(&all, "198.51.100.1").unwrap();
    let first = from(&all, "192.0.2.1").unwrap();
    let second = from(&all, "::ffff:192.0.2.2").unwrap();
    drop(first.connection().ask(0));
    let _third = from(&all, "192.0.2.3").unwrap();
    assert!(is_told(&second) && !is_told(&first) && !is_told(&stranger));
}

#[test]
fn a_proxy_that_is_named_counts_for_no_network_and_gives_way_to_nobody_else() {
    let proxies = "10.0.0.0/8".parse().unwrap();
    let all =
        connections(Bounds { connections: 3, connections_per_network: 1, proxies, ..Bounds::default() });
    let proxied: Vec<_> = (0..3).map(|_| from(&all, "10.1.1.1").unwrap()).collect();
    assert!(from(&all, "192.0.2.1").is_none(), "what a proxy keeps open is not a stranger's to take");
    assert!(from(&all, "10.1.1.2").is_some() && is_told(&proxied[0]));
}

#[test]
fn whoever_is_near_and_not_named_may_have_all_places_and_shuts_nobody_out() {
    for near in ["127.0.0.1", "10.1.2.3", "fd00::1"] {
        let all = connections(Bounds { connections: 6, connections_per_network: 2, ..Bounds::default() });
        let proxied: Vec<_> = (0..6).map(|_| from(&all, near).unwrap()).collect();
        assert_eq!(all.open().count, 6, "it may be a proxy of ours, so it has more than a network may");
        assert!(!proxied.iter().any(is_told));
        let stranger = from(&all, "192.0.2.1").unwrap();
        assert!(is_told(&proxied[0]) && !is_told(&stranger), "and yet a stranger is not kept out");
    }
}

#[test]
fn a_network_that_has_all_it_may_is_refused_at_once_and_counted_while_it_is_busy() {
    let bounds = Bounds { connections: 100, connections_per_network: 3, ..Bounds::default() };
    let all = connections(bounds);
    let busy: Vec<_> = (1..4).map(|host| from(&all, &format!("203.0.113.{host}")).unwrap()).collect();
    let _asking: Vec<_> = busy.iter().map(|busy| busy.connection().ask(0)).collect();
    for spelling in ["203.0.113.200", "::ffff:203.0.113.201"] {
        assert!(from(&all, spelling).is_none(), "{spelling} is of the same network");
    }
    assert!(!busy.iter().any(is_told) && from(&all, "203.0.114.1").is_some());
}

#[test]
fn where_all_places_are_taken_the_network_with_most_of_them_loses_one() {
    let all = connections(Bounds { connections: 4, connections_per_network: 3, ..Bounds::default() });
    let alone = from(&all, "198.51.100.1").unwrap();
    let crowd: Vec<_> = (1..4).map(|host| from(&all, &format!("192.0.2.{host}")).unwrap()).collect();
    let newcomer = from(&all, "203.0.113.1").unwrap();
    assert!(is_told(&crowd[0]) && !is_told(&crowd[1]) && !is_told(&alone) && !is_told(&newcomer));
    drop(crowd);
    assert_eq!(all.open().count, 2, "nobody is counted twice, gone or not");
}

#[test]
fn whoever_has_just_begun_a_request_is_left_alone() {
    let all = connections(Bounds { connections_per_network: 1, ..Bounds::default() });
    let busy = from(&all, "192.0.2.1").unwrap();
    let _asking = busy.connection().ask(0);
    assert!(from(&all, "192.0.2.2").is_none() && !is_told(&busy));
    let later = Instant::now() + Duration::from_secs(2);
    let newcomer = all.admit_at("192.0.2.2".parse().unwrap(), later);
    assert!(newcomer.is_some() && is_told(&busy), "a request does not hold a place for long");
}

#[test]
fn networks_that_came_again_and_again_kept_a_stranger_out_by_requests_that_had_just_begun() {
    let all = connections(Bounds { connections: 6, connections_per_network: 4, ..Bounds::default() });
    let crowd: Vec<_> = (0..6).map(|host| from(&all, &format!("192.0.{}.1", host / 3)).unwrap()).collect();
    let _asking: Vec<_> = crowd.iter().map(|busy| busy.connection().ask(0)).collect();
    assert!(from(&all, "192.0.0.2").is_none(), "a network that has as many as any other gets no more");
    let stranger = from(&all, "198.51.100.1").unwrap();
    assert_eq!(crowd.iter().filter(|busy| is_told(busy)).count(), 1);
    assert!(!is_told(&stranger));
}

#[test]
fn what_a_network_holds_beyond_its_share_is_closed_beginning_with_the_longest_without_progress() {
    let bounds = Bounds::default();
    let third = of_network(&bounds) / 3;
    let all = connections(bounds);
    let stranger = from(&all, "198.51.100.1").unwrap();
    let places: Vec<_> = (1..4).map(|host| from(&all, &format!("192.0.2.{host}")).unwrap()).collect();
    let _other = stranger.connection().answer(third);
    let held: Vec<_> = places.iter().map(|place| place.connection().answer(third)).collect();
    assert!(is_told(&places[0]) && !is_told(&places[1]) && !is_told(&places[2]) && !is_told(&stranger));
    drop(held);
    assert_eq!(all.held.counted(), third + EACH_BYTES, "what was written off is not given back twice");
}

#[test]
fn what_all_hold_together_has_a_bound_too_and_whoever_holds_most_gives_way() {
    let bounds = Bounds::default();
    let part = of_network(&bounds) * 2 / 3;
    let all = connections(bounds.clone());
    let places: Vec<_> = (0..7).map(|net| from(&all, &format!("192.0.{net}.1")).unwrap()).collect();
    let small = from(&all, "198.51.100.1").unwrap();
    let asking = small.connection().ask(10);
    asking.hold(1000);
    let _held: Vec<_> = places.iter().map(|place| place.connection().answer(part)).collect();
    assert!(all.held.counted() <= bounds.held_bytes());
    assert!(places.iter().any(is_told) && !is_told(&small));
}

#[test]
fn whoever_has_been_told_to_go_holds_up_its_network_until_it_has_gone_and_nobody_else() {
    let bounds = Bounds::default();
    let share = of_network(&bounds);
    let all = connections(bounds);
    let (one, other) = (from(&all, "192.0.2.1").unwrap(), from(&all, "192.0.2.2").unwrap());
    let stranger = from(&all, "198.51.100.1").unwrap();
    let held = one.connection().answer(share);
    assert!(is_told(&one), "it holds more than its network may");
    let context = &mut Context::from_waker(std::task::Waker::noop());
    assert!(other.connection().poll_room(context).is_pending(), "what was told to go is still in memory");
    assert!(stranger.connection().poll_room(context).is_ready());
    drop(held);
    assert!(other.connection().poll_room(context).is_ready());
}

#[test]
fn bytes_count_until_the_last_of_them_is_gone() {
    let all = connections(Bounds::default());
    let place = from(&all, "192.0.2.1").unwrap();
    let unsent = place.connection().answer(0);
    let mut bytes = unsent.holding(Bytes::from_static(b"streamed"), 8);
    drop(unsent);
    let part = bytes.split_to(3);
    assert_eq!((&part[..], all.held.counted()), (&b"str"[..], EACH_BYTES + 8));
    drop((part, bytes));
    assert_eq!(all.held.counted(), 0);
}

#[test]
fn an_idle_server_waited_before_it_stopped() {
    let all = connections(Bounds::default());
    let begun = Instant::now();
    let waits_at = |now: Instant| all.open().quiet_at(now).saturating_duration_since(now);
    assert_eq!(waits_at(begun), Duration::ZERO, "nobody was ever there");
    let kept = from(&all, "192.0.2.1").unwrap();
    assert_eq!(waits_at(begun), Duration::ZERO, "nobody has asked anything");
    drop(kept.connection().ask(0));
    assert!(waits_at(begun) >= QUIET, "somebody asks now and then");
    assert_eq!(waits_at(Instant::now() + QUIET), Duration::ZERO, "not any more");
    drop(kept);
    assert!(waits_at(begun) >= QUIET, "whoever has gone may come again");
    let other = from(&all, "192.0.2.1").unwrap();
    let _asking = other.connection().ask(0);
    let much_later = Instant::now() + Duration::from_secs(3600);
    assert_eq!(waits_at(much_later), QUIET, "a request is under way");
}

#[tokio::test]
async fn a_stop_waits_for_requests_and_for_nothing_else() {
    let all = connections(Bounds::default());
    let kept = from(&all, "192.0.2.1").unwrap();
    kept.connection().read(b"GET / HTT");
    all.idle().await;
    let asking = kept.connection().ask(0);
    assert!(all.open().is_busy(), "a request is under way");
    drop(asking);
    all.idle().await;
    let answer = kept.connection().answer(0);
    assert!(all.open().is_busy(), "an answer is not taken yet");
    drop(answer);
    assert!(!all.open().is_busy());
}
