//! How often a session and a network may refresh: a storm of tabs is served, a loop is told to wait and loses nothing.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use sprag::budget::Rate;
use sprag_server::edge::refresh_limits::RefreshRates;
use sprag_server::profile::{Action, Profile, builtin_names};

use crate::call::Call;
use crate::people::{Device, REFRESH, Way};
use crate::world::{Plan, World, ip, our_profile};

/// So many at once, and hardly one more while the story is told.
fn plan(session: u32, prefix: u32) -> Plan {
    let rate = |burst| Rate { burst, interval: Duration::from_secs(86_400) };
    let refresh_rates = Some(RefreshRates { session: rate(session), prefix: rate(prefix) });
    Plan { refresh_rates, ..Plan::default() }
}

/// The last character of a token's text is a part of its tag.
fn forged(token: &str) -> String {
    let other = if token.ends_with('A') { 'B' } else { 'A' };
    format!("{}{other}", &token[..token.len() - 1])
}

#[tokio::test]
async fn fifty_refreshes_of_one_session_at_once_are_served() {
    let world = World::planned(plan(60, 3000));
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    for _ in 0..5 {
        // Ten tabs wake together and share a cookie; what the first is answered, the next ten find in the jar.
        let tabs = (0..10).map(|_| browser.call("POST", REFRESH));
        let answers = join_all(tabs.map(|tab| world.sends(tab))).await;
        for answer in answers {
            browser.keeps(&answer.is(200));
        }
    }
}

#[tokio::test]
async fn a_session_refreshed_too_often_is_told_to_wait_and_keeps_its_token_on_every_way() {
    for way in Way::BOTH {
        let mut world = World::planned(plan(3, 3000));
        let device = {
            let ann = world.ann().await;
            let mut device = ann.logs_in_by(way).await;
            for _ in 0..3 {
                let answer = world.sends(device.showing(&device.refresh, REFRESH)).await;
                device.keeps(&answer.is(200));
            }
            let journal = ann.journal().await;
            let told =
                world.sends(device.showing(&device.refresh, REFRESH)).await.refused(429, "rate_limited");
            let seconds: u64 = told.header("retry-after").parse().expect("whole seconds");
            assert!((86_000..=86_400).contains(&seconds), "{seconds}");
            assert!(told.set_cookies().is_empty(), "the cookie stays as it is");
            assert!(told.header("ratelimit").is_empty(), "only anonymous calls tell what is left");
            assert!(
                ann.journal_since(&journal).await.is_empty(),
                "nothing has ended, and nothing was written"
            );
            let other = ann.logs_in_by(way).await;
            world.sends(other.showing(&other.refresh, REFRESH)).await.is(200);
            let Device { refresh, jar, user_agent, address, .. } = device;
            (refresh, jar, user_agent, address)
        };
        // Each node has budgets of its own, so what another answers shows that the token was not spent.
        world.is_served_by_another_node();
        let (refresh, jar, user_agent, address) = device;
        let mut again = Device { way, jar, ..Device::new(&world, user_agent, &address.to_string()) };
        again.refresh = refresh;
        world.sends(again.showing(&again.refresh, REFRESH)).await.is(200);
    }
}

#[tokio::test]
async fn a_forged_token_spends_nothing_of_the_session_that_it_names() {
    let world = World::planned(plan(1, 20));
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let forged = forged(&device.refresh);
    let thief =
        |token: &str| Call::post(REFRESH).json(&json!({ "refresh_token": token })).from(ip("203.0.113.66"));
    for _ in 0..20 {
        world.sends(thief(&forged)).await.refused(401, "token_invalid");
    }
    let told = world.sends(thief(&forged)).await.refused(429, "rate_limited");
    assert!(!told.header("retry-after").is_empty(), "it spends what its own network has");
    world.sends(device.showing(&device.refresh, REFRESH)).await.is(200);
}

#[tokio::test]
async fn whose_budget_is_spent_is_nothing_that_a_client_says() {
    let world = World::planned(plan(60, 30));
    let call = |number: u8| {
        let claimed = format!("198.51.100.{number}");
        let call = Call::post(REFRESH).json(&json!({ "refresh_token": "spr_of_nobody" }));
        let call = call.header("x-forwarded-for", &claimed).header("x-real-ip", &claimed);
        call.header("forwarded", format!("for={claimed}")).from(ip("203.0.113.66"))
    };
    for number in 0..30 {
        world.sends(call(number)).await.refused(401, "token_invalid");
    }
    world.sends(call(99)).await.refused(429, "rate_limited");
    world.sends(call(1).from(ip("198.51.100.1"))).await.refused(401, "token_invalid");
}

#[tokio::test]
async fn every_profile_tells_it_in_its_own_shape() {
    for name in builtin_names() {
        let profile = Profile::builtin(name).expect("a shipped profile").expect("a sound profile");
        let route =
            profile.wire.routes.iter().find(|route| route.action == Action::named("refresh").expect("it"));
        let route = route.expect("a route that refreshes");
        let (method, path) = (route.method.to_string(), route.path.clone());
        let asks = || {
            let call = Call::new(&method, &path).json(&json!({}));
            call.header("origin", crate::world::ORIGIN).from(ip("203.0.113.66"))
        };
        let world = World::planned(Plan { profiles: vec![profile], ..plan(60, 1) });
        world.is_asked(asks()).await;
        let told = world.is_asked(asks()).await;
        assert_eq!(told.status, 429, "{name}: {}", told.text());
        assert!(!told.header("retry-after").is_empty(), "{name}");
        assert!(told.text().contains("come again when Retry-After says"), "{name}: {}", told.text());
    }
}

#[tokio::test]
async fn where_limits_are_off_nobody_is_counted() {
    let world = World::planned(Plan { profiles: vec![our_profile(&[])], ..Plan::default() });
    for _ in 0..5000 {
        let call = Call::post(REFRESH).json(&json!({ "refresh_token": "" })).from(ip("203.0.113.66"));
        assert_ne!(world.is_asked(call).await.status, 429);
    }
}
