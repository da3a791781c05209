//! Passwords that Unicode writes in several ways: each is hashed, so each is a try.

use futures_util::future::join_all;
use serde_json::json;
use sprag::limits::Rates;

use crate::call::Call;
use crate::people::LOGIN;
use crate::world::{Plan, World};

/// A letter with a mark may come as one character or as two, and a password is looked at in each form that it has.
#[tokio::test(flavor = "multi_thread")]
async fn r44_guesses_of_several_forms_cost_no_more_hashes_than_the_burst() {
    for (password, forms) in [("a wr\u{f6}ng guess", 2), ("a \u{fb01}ne wr\u{f6}ng guess", 3)] {
        for name in ["ann", "nobody-here"] {
            let world = World::planned(Plan {
                rates: Rates::default(),
                knows_devices: true,
                hash_queue: 1000,
                ..Plan::default()
            });
            world.ann().await;
            let body = json!({ "username": name, "password": password });
            let guesses = (0..50).map(|_| world.sends(Call::post(LOGIN).json(&body)));
            let answers = join_all(guesses).await;
            let count = |status| answers.iter().filter(|answer| answer.status == status).count();
            assert_eq!((count(401), count(429)), (10 / forms, 50 - 10 / forms), "{password} at {name}");
        }
    }
}
