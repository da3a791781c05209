//! Limits: how often somebody may try, what a refusal tells, and what no refusal does.

use std::time::Duration;

use serde_json::json;
use sprag::audit::NOBODY;
use sprag::budget::{Budget, Rate};
use sprag::limits::Rates;
use sprag_server::profile::{Input, Profile, builtin_names};

use crate::call::{Answer, Call};
use crate::people::{LOGIN, LOGOUT_ALL, PASSWORD, REGISTER, Way};
use crate::seam::Mood;
use crate::world::{ORIGIN, Plan, World, ip, our_profile};

/// The sentence of the refusal, which profiles word or not.
const CODES_SENTENCE: &str = "too many requests; come again when Retry-After says";

const KNOWN: &str = "__Host-sprag_known";

/// A world with limits, in which accounts know their devices.
fn limited() -> World {
    World::planned(Plan { rates: Rates::default(), knows_devices: true, hash_queue: 1000, ..Plan::default() })
}

/// A world in which networks are not the limit.
fn limited_by_account() -> World {
    let wide = Rate { burst: 100_000, interval: Duration::from_millis(1) };
    let rates = Rates::default().with(Budget::LoginPrefix, wide);
    World::planned(Plan { rates, knows_devices: true, hash_queue: 1000, ..Plan::default() })
}

fn guess(name: &str, password: &str) -> Call {
    let field = if name.contains('@') { "email" } else { "username" };
    Call::post(LOGIN).json(&json!({ field: name, "password": password }))
}

fn wrong(name: &str) -> Call {
    guess(name, "a wrong guess")
}

/// Our profile, on which whoever comes may make an account.
fn open() -> Profile {
    our_profile(&[("registration = \"admin\"", "registration = \"open\"")])
}

/// Asks for an account under a name that nobody can have: it costs as much as another, and nothing is hashed.
fn registers(number: usize) -> Call {
    Call::post(REGISTER).json(&json!({ "username": format!("{number}@"), "password": "long enough now" }))
}

/// How often something was reserved of a budget, and how often it had no room.
fn counted(world: &World, budget: Budget) -> (u64, u64) {
    let counted = world.engine.observed().budgets;
    let of = counted.iter().find(|counted| counted.name == budget.name()).expect("every budget is counted");
    (of.reserved, of.refused)
}

/// Has strangers guess until they are told to stop.
async fn strangers_guess(world: &World, name: &str) {
    for guessed in 0..100_u8 {
        let answer = world.sends(wrong(name).from(ip(&format!("198.51.{guessed}.7")))).await;
        if answer.status == 429 {
            return;
        }
    }
    panic!("nobody told them to stop");
}

fn seconds(answer: &Answer) -> u64 {
    answer.headers["retry-after"].to_str().expect("ASCII").parse().expect("seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_r46_two_hundred_parallel_guesses_cost_no_more_hashes_than_the_burst() {
    let world = limited();
    let ann = world.ann().await;
    let spellings = ["ann", " ANN ", "ann@example.org", "Ann@EXAMPLE.org"];
    let guesses = (0..200_usize).map(|number| {
        let forged = format!("203.0.113.{}, 198.51.100.{number}", number % 250);
        world.sends(
            wrong(spellings[number % 4]).header("x-forwarded-for", &forged).header("forwarded", &forged),
        )
    });
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 10, "each of these was hashed");
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 190);
    assert_eq!(counted(&world, Budget::LoginAccount), (10, 190));
    world.winds(60);
    for (call, status) in [(wrong("ann"), 401), (guess("ann", &ann.password), 429)] {
        world.sends(call).await.is(status);
    }
    world.winds(60);
    world.sends(guess("ann@example.org", &ann.password)).await.is(200);
}

/// A name that nobody has is answered like one that somebody has, to the last header.
#[tokio::test]
async fn r45_an_unknown_name_spends_the_same_budgets_in_the_same_way() {
    let mut seen = Vec::new();
    for name in ["ann", "nobody-here", "nobody@example.org", "ann@example.org", "no\u{7}name"] {
        let world = limited();
        world.ann().await;
        let mut told = Vec::new();
        for _ in 0..13 {
            let answer = world.sends(wrong(name)).await;
            told.push((answer.status, answer.everything()));
        }
        assert_eq!(told.iter().map(|told| told.0).filter(|status| *status == 401).count(), 10, "{name:?}");
        seen.push((name, told));
    }
    for (name, told) in &seen[1..] {
        assert_eq!(*told, seen[0].1, "{name:?} is answered otherwise than a known name");
    }
}

#[tokio::test]
async fn r45_spellings_of_an_unknown_name_share_one_budget() {
    let world = limited();
    for spelling in ["Bea", "bea", "  BEA  ", "\u{ff42}ea"].into_iter().cycle().take(10) {
        world.sends(wrong(spelling)).await.is(401);
    }
    world.sends(wrong("bea")).await.refused(429, "rate_limited");
    world.sends(wrong("bea@example.org")).await.is(401);
}

#[tokio::test]
async fn r47_a_network_is_what_its_neighbours_share_and_what_it_forges_changes_nothing() {
    let rate = Rate { burst: 4, interval: Duration::from_secs(60) };
    for [first, second, another] in [
        ["198.51.100.1", "::ffff:198.51.100.77", "198.51.101.1"],
        ["2001:db8:0:7::1", "2001:db8:0:7:ffff::1", "2001:db8:0:8::1"],
    ] {
        let rates = Rates::default().with(Budget::LoginPrefix, rate);
        let world = World::planned(Plan { rates, ..Plan::default() });
        for number in 0..4 {
            let from = if number % 2 == 0 { first } else { second };
            world.sends(wrong(&format!("name{number}")).from(ip(from))).await.is(401);
        }
        for number in 0..500 {
            let from = if number % 2 == 0 { first } else { second };
            let forged = format!("10.{}.{}.1, 192.0.2.{}", number % 256, number / 256, number % 256);
            let call = wrong(&format!("other{number}")).from(ip(from)).header("x-forwarded-for", forged);
            world.sends(call).await.refused(429, "rate_limited");
        }
        assert_eq!(counted(&world, Budget::LoginPrefix), (4, 500), "{first}");
        let (reserved, _) = counted(&world, Budget::LoginAccount);
        assert_eq!(reserved, 4, "what a network has no room for costs no account anything");
        world.sends(wrong("ann").from(ip(another))).await.is(401);
    }
}

#[tokio::test]
async fn r47_a_peer_that_may_be_a_proxy_counts_a_hundredfold() {
    let rate = Rate { burst: 1, interval: Duration::from_secs(60) };
    let rates = || Rates::default().with(Budget::RegisterPrefix, rate);
    for near in ["127.0.0.1", "10.1.2.3", "fd00::1", "::1", "192.168.1.1", "100.64.0.1", "fe80::1"] {
        let world = World::planned(Plan { profiles: vec![open()], rates: rates(), ..Plan::default() });
        for number in 0..100 {
            world.sends(registers(number).from(ip(near))).await.refused(400, "name_invalid");
        }
        world.sends(registers(100).from(ip(near))).await.refused(429, "rate_limited");
    }
    let proxies = "10.0.0.0/8".parse().expect("a network");
    let world = World::planned(Plan { profiles: vec![open()], rates: rates(), proxies, ..Plan::default() });
    let behind = |client: &str| registers(0).from(ip("10.1.2.3")).header("x-forwarded-for", client);
    world.sends(behind("198.51.100.1")).await.refused(400, "name_invalid");
    world.sends(behind("198.51.100.2")).await.refused(429, "rate_limited");
    world.sends(behind("198.51.101.2")).await.refused(400, "name_invalid");
    world.sends(behind("192.168.0.7")).await.refused(400, "name_invalid");
    world.sends(behind("192.168.0.8")).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn r48_while_strangers_guess_the_owner_logs_in_on_a_device_that_the_account_knows() {
    let world = limited_by_account();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let first = guess("ann", &ann.password);
        let first = if way == Way::Cookie {
            let body = json!({ "username": "ann", "password": ann.password, "transport": "cookie" });
            Call::post(LOGIN).json(&body).header("origin", ORIGIN)
        } else {
            first
        };
        let known = world.sends(first).await.is(200).cookie(KNOWN).expect("a device cookie");
        strangers_guess(&world, "ann").await;
        world.sends(guess("ann", &ann.password)).await.refused(429, "rate_limited");
        for _ in 0..12 {
            let again = world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.is(200);
            assert_eq!(again.cookie(KNOWN).as_ref(), Some(&known), "it lasts longer from now on");
        }
        world.winds(3600);
    }
}

#[tokio::test]
async fn r48_the_refresh_token_of_a_live_session_shows_a_known_device_too() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let browser = ann.logs_in_by_cookie().await;
    strangers_guess(&world, "ann").await;
    let body = json!({ "username": "ann", "password": ann.password, "refresh_token": phone.refresh });
    world.sends(Call::post(LOGIN).json(&body)).await.is(200);
    let body = json!({ "username": "ann", "password": ann.password, "transport": "cookie" });
    world.sends(browser.call("POST", LOGIN).json(&body)).await.is(200);
    let bob = world.bob().await.logs_in().await;
    let body = json!({ "username": "ann", "password": ann.password, "refresh_token": bob.refresh });
    world.sends(Call::post(LOGIN).json(&body)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn r48_an_old_refresh_token_of_a_live_session_shows_no_known_device() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let old = phone.refresh.clone();
    phone.turns().await;
    phone.turns().await;
    strangers_guess(&world, "ann").await;
    let body = json!({ "username": "ann", "password": ann.password, "refresh_token": old });
    world.sends(Call::post(LOGIN).json(&body)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn r48_known_devices_have_a_limit_together_and_count_as_strangers_beyond_it() {
    let rate = |burst| Rate { burst, interval: Duration::from_secs(60) };
    let rates = Rates::default().with(Budget::LoginKnown, rate(3)).with(Budget::LoginPrefix, rate(2));
    let world = World::planned(Plan { rates, knows_devices: true, ..Plan::default() });
    let ann = world.ann().await;
    let answer = world.sends(guess("ann", &ann.password)).await.is(200);
    let known = answer.cookie(KNOWN).expect("a device cookie");
    for _ in 0..4 {
        world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.is(200);
    }
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn r48_after_ten_failures_in_a_row_a_known_device_is_a_stranger() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let known =
        world.sends(guess("ann", &ann.password)).await.is(200).cookie(KNOWN).expect("a device cookie");
    for _ in 0..9 {
        world.sends(wrong("ann").cookie(KNOWN, &known)).await.is(401);
    }
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.is(200);
    for _ in 0..10 {
        world.sends(wrong("ann").cookie(KNOWN, &known)).await.is(401);
    }
    strangers_guess(&world, "ann").await;
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.refused(429, "rate_limited");
    world.winds(600);
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.is(200);
    strangers_guess(&world, "ann").await;
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.is(200);
}

#[tokio::test]
async fn r48_no_device_is_known_that_was_logged_out_everywhere_or_that_is_anothers() {
    let world = limited_by_account();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let bobs = world.sends(guess("bob", &bob.password)).await.is(200).cookie(KNOWN).expect("a device cookie");
    let answer = world.sends(guess("ann", &ann.password)).await.is(200);
    let known = answer.cookie(KNOWN).expect("a device cookie");
    strangers_guess(&world, "ann").await;
    for shown in [bobs.as_str(), "spd_AAAA", "", "x.y.z"] {
        world.sends(guess("ann", &ann.password).cookie(KNOWN, shown)).await.refused(429, "rate_limited");
    }
    world.sends(Call::post(LOGOUT_ALL).bearer(&answer.access_token())).await.is(204);
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn r48_a_shared_device_is_known_to_each_of_its_accounts() {
    let world = limited_by_account();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let first =
        world.sends(guess("ann", &ann.password)).await.is(200).cookie(KNOWN).expect("a device cookie");
    let both = world.sends(guess("bob", &bob.password).cookie(KNOWN, &first)).await.is(200);
    let both = both.cookie(KNOWN).expect("a device cookie");
    for person in [&ann, &bob] {
        strangers_guess(&world, person.name).await;
        world.sends(guess(person.name, &person.password).cookie(KNOWN, &both)).await.is(200);
    }
}

/// Another site could otherwise have a visitor's browser forget the devices it has.
#[tokio::test]
async fn r48_another_site_sets_no_device_cookie() {
    let world = limited();
    let ann = world.ann().await;
    let foreign = guess("ann", &ann.password).header("sec-fetch-site", "cross-site");
    assert_eq!(world.sends(foreign).await.is(200).cookie(KNOWN), None);
}

#[tokio::test]
async fn right_passwords_use_no_guesses_up() {
    let world = limited_by_account();
    let ann = world.ann().await;
    for _ in 0..9 {
        world.sends(wrong("ann")).await.is(401);
    }
    for _ in 0..15 {
        world.sends(guess("ann", &ann.password)).await.is(200);
    }
    world.sends(wrong("ann")).await.is(401);
    world.sends(wrong("ann")).await.is(429);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_what_is_limited() {
    let world = limited();
    world.ann().await;
    let policy = "\"login.account\";q=10;w=600, \"login.prefix\";q=60;w=60";
    let header = |answer: &Answer, name: &str| {
        answer.headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned())
    };
    for left in (50..60).rev() {
        let answer = world.sends(wrong("ann")).await.is(401);
        assert_eq!(header(&answer, "ratelimit-policy").as_deref(), Some(policy));
        let left = format!("\"login.prefix\";r={left};t=1");
        assert_eq!(header(&answer, "ratelimit"), Some(left), "of the account's nothing is told");
        assert_eq!(header(&answer, "retry-after"), None);
    }
    let answer = world.sends(wrong("ann")).await.refused(429, "rate_limited");
    assert_eq!(header(&answer, "ratelimit-policy").as_deref(), Some(policy));
    assert_eq!(
        header(&answer, "ratelimit").as_deref(),
        Some("\"login.account\";r=0;t=60, \"login.prefix\";r=50;t=1")
    );
    assert_eq!(seconds(&answer), 60);
    world.winds(59);
    assert_eq!(seconds(&world.sends(wrong("ann")).await.is(429)), 1);
    world.winds(1);
    world.sends(wrong("ann")).await.is(401);
}

#[tokio::test]
async fn whoever_has_a_token_is_told_when_to_come_again_and_nothing_more() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let tries = |current: &str| {
        let body = json!({ "current_password": current, "new_password": "ann's next battery staple" });
        world.sends(device.bearer_call("POST", PASSWORD).json(&body))
    };
    for _ in 0..10 {
        tries("a wrong guess").await.refused(403, "current_password_wrong");
    }
    for _ in 0..10 {
        // Ten failures on: from now on the device counts as a stranger's.
        tries("a wrong guess").await.refused(403, "current_password_wrong");
    }
    let answer = tries("a wrong guess").await.refused(429, "rate_limited");
    assert_eq!(seconds(&answer), 60);
    for name in ["ratelimit", "ratelimit-policy"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    world.sends(guess("ann", &ann.password)).await.refused(429, "rate_limited");
    world.winds(60);
    tries(&ann.password).await.is(200);
}

#[tokio::test]
async fn strangers_who_guess_keep_no_owner_from_changing_the_password() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    strangers_guess(&world, "ann").await;
    device.changes_password(&ann.password, "ann's next battery staple").await.is(200);
}

#[tokio::test]
async fn whoever_comes_makes_so_many_accounts_and_an_administrator_as_many_as_there_are() {
    let world = World::planned(Plan { profiles: vec![open()], rates: Rates::default(), ..Plan::default() });
    let carol = || Call::post(REGISTER).json(&json!({ "username": "carol", "password": "long enough now" }));
    for number in 0..20 {
        world.sends(registers(number)).await.refused(400, "name_invalid");
    }
    let answer = world.sends(carol()).await.refused(429, "rate_limited");
    assert_eq!(seconds(&answer), 30);
    assert_eq!(answer.headers["ratelimit-policy"], "\"register.prefix\";q=20;w=600");
    assert_eq!(answer.headers["ratelimit"], "\"register.prefix\";r=0;t=30");
    world.winds(30);
    world.sends(carol()).await.is(201);

    let world = limited();
    let root = world.root().await.logs_in().await;
    for number in 0..25 {
        world.sends(registers(number).bearer(&root.access)).await.refused(400, "name_invalid");
    }
}

#[tokio::test]
async fn where_the_budgets_cannot_be_asked_nobody_may_try() {
    let world = limited();
    let ann = world.ann().await;
    // The name is looked for, and then nothing answers.
    world.seam.becomes(Mood::FailsAfter(1));
    world.sends(guess("ann", &ann.password)).await.refused(503, "unavailable");
    world.seam.becomes(Mood::Well);
    world.sends(guess("ann", &ann.password)).await.is(200);
}

#[tokio::test]
async fn an_operator_sees_that_an_account_is_guessed_and_a_flood_writes_no_row_each() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let before = ann.journal().await;
    for _ in 0..300 {
        world.sends(wrong("ann")).await;
    }
    world.winds(120);
    world.engine.upkeep().tell_counted(false).await.expect("a store that works");
    let entries = world.entries(ann.id).await;
    let notes: Vec<_> =
        entries[before.len()..].iter().filter_map(|entry| entry.event.note.as_deref()).collect();
    assert!(notes.len() < 10, "{notes:#?}");
    assert!(
        notes.iter().any(|note| note.starts_with("290 more from the network 192.0.2.0/24")),
        "{notes:#?}"
    );
    assert!(notes.iter().any(|note| note.contains("too many had failed at this account")), "{notes:#?}");
    assert_eq!(world.entries(NOBODY).await.len(), 0);
}

#[tokio::test]
async fn every_profile_says_in_its_own_shape_that_somebody_must_come_again() {
    let rate = Rate { burst: 1, interval: Duration::from_secs(60) };
    for name in builtin_names() {
        let profile = Profile::builtin(name).expect("it is shipped").expect("it is right");
        let routes = &profile.wire.routes;
        let login = routes.iter().find(|route| route.action.name() == "login").expect("a log-in");
        let value = |input| if input == Input::Username { "ann" } else { "ann@example.org" };
        let fields =
            login.takes.fields().iter().filter(|field| !field.is_optional || field.input == Input::Email);
        let body: serde_json::Map<_, _> =
            fields.map(|field| (field.name.clone(), value(field.input).into())).collect();
        let call = Call::post(&login.path).json(&body.into()).header("origin", ORIGIN);
        let mut wanted = Vec::new();
        profile.wire.refusal.write("rate_limited", CODES_SENTENCE, None, &[], &mut wanted);
        let rates = Rates::default().with(Budget::LoginAccount, rate);
        let world = World::planned(Plan { profiles: vec![profile], rates, ..Plan::default() });
        world.is_asked(call.clone()).await.is(401);
        let answer = world.is_asked(call).await.is(429);
        assert_eq!(seconds(&answer), 60, "{name}");
        assert_eq!(answer.text(), String::from_utf8_lossy(&wanted), "{name}");
        assert!(answer.header("ratelimit").starts_with("\"login.account\";r=0;t=60"), "{name}");
    }
}

#[tokio::test]
async fn without_limits_nobody_is_told_to_stop() {
    let world = World::planned(Plan { hash_queue: 1000, ..Plan::default() });
    world.ann().await;
    for _ in 0..15 {
        let answer = world.sends(wrong("ann")).await.is(401);
        assert!(!answer.headers.contains_key("ratelimit-policy"));
    }
}

#[tokio::test]
async fn fifty_devices_are_known_and_the_one_that_was_seen_longest_ago_is_forgotten() {
    let world = limited_by_account();
    let ann = world.ann().await;
    let mut known = Vec::new();
    for _ in 0..51 {
        world.winds(1);
        known.extend(world.sends(guess("ann", &ann.password)).await.is(200).cookie(KNOWN));
    }
    strangers_guess(&world, "ann").await;
    world.sends(guess("ann", &ann.password).cookie(KNOWN, &known[0])).await.refused(429, "rate_limited");
    for device in &known[1..] {
        world.sends(guess("ann", &ann.password).cookie(KNOWN, device)).await.is(200);
    }
}

#[tokio::test]
async fn budgets_outlive_a_restart() {
    let world = limited_by_account();
    world.ann().await;
    strangers_guess(&world, "ann").await;
    world.engine.upkeep().sweep_budgets().await.expect("a store that works");
    let database = world.folder.path().join("sprag.db");
    world.restores(&database);
    world.sends(wrong("ann")).await.refused(429, "rate_limited");
}
