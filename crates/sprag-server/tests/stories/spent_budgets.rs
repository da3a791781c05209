//! How each profile says that a network's budget is spent, wherever anybody may ask for something.

use std::time::Duration;

use serde_json::Value;
use sprag::budget::{Budget, Rate};
use sprag::limits::Rates;
use sprag_server::profile::{Input, Registration, builtin_names};

use crate::offers::{call_of, offering_all};
use crate::world::{Plan, World, ip};

const SENTENCE: &str = "too many requests; come again when Retry-After says";

/// Something for every field, of another person each time.
fn means(number: u32, input: Input) -> Option<Value> {
    match input {
        Input::Username => Some(format!("user{number}").into()),
        Input::Email | Input::Name => Some(format!("user{number}@example.org").into()),
        Input::Password => Some("a long password of theirs".into()),
        Input::GivenName | Input::FamilyName | Input::FullName => Some("Somebody".into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_profile_says_in_its_own_shape_that_registrations_and_letters_must_wait() {
    let rate = Rate { burst: 1, interval: Duration::from_secs(60) };
    let calls = [
        ("register", Budget::RegisterPrefix),
        ("forgot_password", Budget::MailPrefix),
        ("send_code", Budget::MailPrefix),
    ];
    for name in builtin_names() {
        let mut profile = offering_all(name);
        profile.client.registration = Registration::Open;
        for (action, budget) in calls {
            let rates = Rates::default().with(budget, rate);
            let world = World::planned(Plan { profiles: vec![profile.clone()], rates, ..Plan::default() });
            let asks = |number, from: &str| {
                world.is_asked(call_of(&profile, action, "", |input| means(number, input)).from(ip(from)))
            };
            let first = asks(1, "203.0.113.7").await;
            assert!(first.status < 300, "{name} {action}: {} {}", first.status, first.text());
            let mut wanted = Vec::new();
            profile.wire.refusal.write("rate_limited", SENTENCE, None, &[], &mut wanted);
            let told = asks(2, "203.0.113.99").await.is(429);
            assert_eq!(told.text(), String::from_utf8_lossy(&wanted), "{name} {action}");
            assert_eq!(told.header("retry-after"), "60", "{name} {action}");
            let budgets = told.header("ratelimit");
            assert!(
                budgets.contains(&format!("\"{}\";r=0;t=60", budget.name())),
                "{name} {action}: {budgets}"
            );
            let elsewhere = asks(3, "198.51.100.7").await;
            assert!(elsewhere.status < 300, "{name} {action}: another network has its own");
        }
    }
}
