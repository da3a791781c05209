//! Devices that are not asked for a second factor for a while: what such a log-in is worth, and what ends the while.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, Person, STEP_UP, nobody};
use crate::second_factor::{Phone, adds_app, claims, laptop, waits};
use crate::world::{ORIGIN, World, days};

const LOGIN_FACTOR: &str = "/api/v1/auth/login/factor";
const TOTP: &str = "/api/v1/auth/factors/totp";
const COOKIE: &str = "__Host-sprag_remembered";

/// Logs in with a factor, and gives what the device keeps.
pub(super) async fn is_remembered(ann: &Person<'_>, phone: &Phone<'_>) -> (Answer, String) {
    let device = laptop(ann.world);
    let token = waits(ann, &device).await;
    let body = json!({ "mfa_token": token, "code": phone.next_code(), "remember_device": true });
    let answer = ann.world.sends(device.call("POST", LOGIN_FACTOR).json(&body)).await.is(200);
    let kept = answer.field("device_token");
    assert!(kept.starts_with("spm_"), "{}", answer.text());
    (answer, kept)
}

async fn logs_in_with(person: &Person<'_>, device_token: &str) -> Answer {
    let body = json!({ "username": person.name, "password": person.password, "device_token": device_token });
    person.world.sends(laptop(person.world).call("POST", LOGIN).json(&body)).await
}

#[tokio::test]
async fn a_device_that_is_remembered_is_not_asked_and_its_log_in_is_worth_the_password_alone() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let phone = adds_app(&ann.logs_in().await).await;
    adds_app(&bob.logs_in().await).await;
    let (first, kept) = is_remembered(&ann, &phone).await;
    assert_eq!(claims(&first.access_token())["acr"], "aal2");
    let opened = logs_in_with(&ann, &kept).await.is(200);
    let told = claims(&opened.access_token());
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd"]), &json!("aal1")));
    assert!(opened.field("device_token").is_empty(), "nothing was shown that could be remembered");
    let add = Call::post(TOTP).bearer(&opened.access_token()).json(&json!({}));
    world.sends(add).await.refused(403, "step_up_required");

    for other in ["", "spm_", "spm_AAAA", &kept[..kept.len() - 1], &kept.replace("spm_", "spo_")] {
        let other = if other.is_empty() { "x" } else { other };
        logs_in_with(&ann, other).await.refused(401, "second_factor_required");
    }
    logs_in_with(&bob, &kept).await.refused(401, "second_factor_required");
    let wrong = json!({ "username": "ann", "password": "not her password", "device_token": kept });
    world.sends(Call::post(LOGIN).json(&wrong)).await.refused(401, "credentials_invalid");
    world.winds(days(30) - 60);
    logs_in_with(&ann, &kept).await.is(200);
    world.winds(60);
    logs_in_with(&ann, &kept).await.refused(401, "second_factor_required");
}

#[tokio::test]
async fn a_browser_keeps_it_in_a_cookie_beside_what_others_have_who_use_it() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let mut jar = String::new();
    for person in [&ann, &bob] {
        let phone = adds_app(&person.logs_in().await).await;
        let token = waits(person, &laptop(&world)).await;
        let body = json!({
            "mfa_token": token, "code": phone.next_code(), "remember_device": true, "transport": "cookie",
        });
        let call = Call::post(LOGIN_FACTOR).header("origin", ORIGIN).json(&body);
        let call = if jar.is_empty() { call } else { call.cookie(COOKIE, &jar) };
        let answer = world.sends(call).await.is(200);
        assert!(answer.field("device_token").is_empty(), "{}", answer.text());
        let set = answer.set_cookies().into_iter().find(|cookie| cookie.starts_with(COOKIE));
        let set = set.expect("a cookie");
        for word in ["Secure", "HttpOnly", "Path=/", "SameSite"] {
            assert!(set.contains(word), "{set}");
        }
        jar = answer.cookie(COOKIE).expect("a cookie");
    }
    assert_eq!(jar.split('.').count(), 2);
    for person in [&ann, &bob] {
        let body = json!({ "username": person.name, "password": person.password, "transport": "cookie" });
        let call = Call::post(LOGIN).header("origin", ORIGIN).json(&body);
        world.sends(call.clone()).await.refused(401, "second_factor_required");
        world.sends(call.cookie(COOKIE, &jar)).await.is(200);
    }
}

#[tokio::test]
async fn the_while_ends_with_the_password_the_factors_and_a_log_out_everywhere() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let steps_up = async |device: &mut Device<'_>| {
        let call = device.bearer_call("POST", STEP_UP).json(&json!({ "code": phone.next_code() }));
        let answer = world.sends(call).await.is(200);
        device.keeps(&answer);
    };

    let (answer, kept) = is_remembered(&ann, &phone).await;
    let mut device = laptop(&world);
    device.keeps(&answer);
    device.logs_out_everywhere().await.is(204);
    logs_in_with(&ann, &kept).await.refused(401, "second_factor_required");

    let (answer, kept) = is_remembered(&ann, &phone).await;
    device.keeps(&answer);
    steps_up(&mut device).await;
    adds_app(&device).await;
    logs_in_with(&ann, &kept).await.refused(401, "second_factor_required");

    let (answer, kept) = is_remembered(&ann, &phone).await;
    device.keeps(&answer);
    steps_up(&mut device).await;
    let body = json!({ "current_password": ann.password, "new_password": "ann's next battery staple" });
    world.sends(device.bearer_call("POST", "/api/v1/auth/password").json(&body)).await.is(200);
    let ann = Person { password: "ann's next battery staple".to_owned(), ..ann };
    logs_in_with(&ann, &kept).await.refused(401, "second_factor_required");

    let (_, kept) = is_remembered(&ann, &phone).await;
    world.engine.factors().reset(ann.id, &nobody()).await.expect("a store that works");
    let phone = adds_app(&ann.logs_in().await).await;
    logs_in_with(&ann, &kept).await.refused(401, "second_factor_required");
    let (_, kept) = is_remembered(&ann, &phone).await;
    logs_in_with(&ann, &kept).await.is(200);
}
