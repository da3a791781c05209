//! Devices that are not asked for a second factor for a while: what such a log-in is worth, and what ends the while.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;
use sprag::Engine;
use sprag::authn::DeviceText;
use sprag::engine::{ClientPolicy, LoggedIn, OpenRequest};
use sprag::password::Hasher;
use sprag::session::ProfileId;
use sprag::store::Store;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, Person, STEP_UP, nobody};
use crate::second_factor::{Phone, adds_app, claims, laptop, waits};
use crate::world::{ORIGIN, Plan, World, days};

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

/// How many devices the database remembers.
fn remembered(world: &World) -> i64 {
    let count = "select count(*) from credential where kind = 'remembered'";
    world.database().query_row(count, [], |row| row.get(0)).expect("a count")
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

#[tokio::test]
async fn r8_nothing_in_the_database_shows_what_a_remembered_device_keeps() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let (_, kept) = is_remembered(&ann, &phone).await;
    logs_in_with(&ann, &kept).await.is(200);
    let file = std::fs::read(world.backs_up()).expect("the file");
    let has = |text: &[u8]| file.windows(text.len()).any(|bytes| bytes == text);
    assert!(has(digest(&SHA256, kept.as_bytes()).as_ref()), "its hash is there");
    let bytes = BASE64URL_NOPAD.decode(&kept.as_bytes()["spm_".len()..]).expect("base64url");
    let secret = &bytes[16..];
    for shown in [kept.as_bytes(), &kept.as_bytes()["spm_".len()..], &kept.as_bytes()[kept.len() - 20..]] {
        assert!(!has(shown), "{}", String::from_utf8_lossy(shown));
    }
    for spelled in [BASE64URL_NOPAD.encode(secret), HEXLOWER.encode(secret)] {
        assert!(!has(spelled.as_bytes()), "{spelled}");
    }
    assert!(!has(secret));
}

/// `remember-device = 0s`.
#[tokio::test]
async fn where_devices_are_remembered_for_no_time_at_all_nobody_gets_anything_to_keep() {
    for (remember_for, is_kept) in [(Some(std::time::Duration::from_secs(60)), true), (None, false)] {
        let world = World::planned(Plan { remember_for, ..Plan::default() });
        let ann = world.ann().await;
        let phone = adds_app(&ann.logs_in().await).await;
        for way in ["body", "cookie"] {
            let token = waits(&ann, &laptop(&world)).await;
            let body = json!({
                "mfa_token": token, "code": phone.next_code(), "remember_device": true, "transport": way,
            });
            let call = Call::post(LOGIN_FACTOR).header("origin", ORIGIN).json(&body);
            let answer = world.sends(call).await.is(200);
            let has_own = !answer.field("device_token").is_empty() || answer.cookie(COOKIE).is_some();
            assert_eq!(has_own, is_kept, "{way}: {}", answer.text());
        }
        assert_eq!(remembered(&world), if is_kept { 2 } else { 0 });
    }
}

/// Whoever sets `remember-device = 0s` wants to be asked from then on, on whichever device.
#[tokio::test]
async fn a_device_of_the_time_before_was_not_asked_once_devices_were_remembered_no_more() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let (_, kept) = is_remembered(&ann, &phone).await;
    for (span, must_wait) in [(Some(std::time::Duration::from_secs(60)), false), (None, true)] {
        let node = Engine::builder(Arc::clone(&world.seam) as Arc<dyn Store>)
            .clock(Arc::clone(&world.clock) as _)
            .keys(world.stolen_ring())
            .issuer(ORIGIN)
            .audience("sprag-stories")
            .hasher(Hasher::start(1, 64).expect("a thread").failing_at_once())
            .remembers_devices_for(span)
            .build()
            .expect("an engine");
        let somebody = node.authn().password("ann", &ann.password, &nobody()).await.expect("her password");
        let remembered = [DeviceText::shown(&kept)];
        let open = OpenRequest { remembered: &remembered, ..OpenRequest::default() };
        let client = ClientPolicy::new(ProfileId(1), "sprag");
        let logged_in = node.log_in(&client, somebody, open, &nobody()).await.expect("it is answered");
        assert_eq!(matches!(logged_in, LoggedIn::Waits(_)), must_wait, "{span:?}: {logged_in:?}");
    }
}
