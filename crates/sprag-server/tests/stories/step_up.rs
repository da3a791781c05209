//! Stepping up: whoever uses a session shows once more who they are, and a new session takes its place.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sprag::budget::Rate;
use sprag_server::edge::refresh_limits::RefreshRates;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGOUT, ME, REFRESH, STEP_UP, Way, nobody};
use crate::seam::Mood;
use crate::world::{Plan, W, World, our_profile, second_profile};

/// What the client shows beside the password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum With {
    AccessToken,
    RefreshToken,
    Both,
}

fn step_up(device: &Device<'_>, with: With, password: &str) -> Call {
    step_up_at(STEP_UP, device, with, password)
}

fn step_up_at(path: &str, device: &Device<'_>, with: With, password: &str) -> Call {
    let call = match with {
        With::RefreshToken => device.call("POST", path),
        With::AccessToken | With::Both => device.bearer_call("POST", path),
    };
    let mut body = json!({ "password": password });
    if device.way == Way::Body && with != With::AccessToken {
        body["refresh_token"] = device.refresh.clone().into();
    }
    call.json(&body)
}

/// A browser sends its cookie whether it is asked for it or not.
fn ways() -> impl Iterator<Item = (Way, With)> {
    [
        (Way::Body, With::AccessToken),
        (Way::Body, With::RefreshToken),
        (Way::Body, With::Both),
        (Way::Cookie, With::RefreshToken),
        (Way::Cookie, With::Both),
    ]
    .into_iter()
}

fn told(answer: &Answer) -> [Value; 2] {
    let token = answer.access_token();
    let claims = token.split('.').nth(1).expect("a JWT");
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    ["auth_time", "amr"].map(|name| claims[name].clone())
}

#[tokio::test]
async fn r17_a_step_up_makes_a_new_session_and_nothing_handed_out_before_works_after_it() {
    for (way, with) in ways() {
        let world = World::new();
        let ann = world.ann().await;
        let (mut device, mut other) = (ann.logs_in_by(way).await, ann.logs_in().await);
        let first = device.clone();
        device.turns().await;
        world.winds(700);
        let (before, journal) = (device.row().await, ann.journal().await);
        let answer = world.sends(step_up(&device, with, &ann.password)).await.is(200);
        let old = device.clone();
        device.keeps(&answer);
        assert_ne!(device.session, old.session, "{way:?} {with:?}");
        assert_eq!(told(&answer), [world.now().seconds().into(), json!(["pwd"])], "{with:?}");
        let row = device.row().await;
        assert_eq!(row.expires_at, before.expires_at, "no longer than before");
        assert_eq!((row.epoch, row.generation.0), (before.epoch, 0));
        assert_eq!(ann.journal_since(&journal).await, ["stepped_up", "session_ended replaced"]);
        for stale in [&first, &old] {
            stale.asks(ME).await.refused(401, "session_ended").because("replaced");
            stale.presents(&stale.refresh).await.refused(401, "session_ended").because("replaced");
            stale.logs_out().await.is(204);
            let again = world.sends(step_up(stale, with, &ann.password)).await;
            again.refused(401, "session_ended").because("replaced");
        }
        assert!(device.is_logged_in().await, "who holds an old token ends nothing");
        assert!(other.is_logged_in().await, "the other sessions go on");
    }
}

#[tokio::test]
async fn a_wrong_password_steps_nobody_up_and_is_a_failed_log_in() {
    for (way, with) in ways() {
        let world = World::new();
        let ann = world.ann().await;
        let mut device = ann.logs_in_by(way).await;
        let (before, journal) = (device.row().await, ann.journal().await);
        let answer = world.sends(step_up(&device, with, "another battery staple")).await;
        assert_eq!(answer.refused(403, "current_password_wrong").set_cookies(), Vec::<String>::new());
        assert_eq!(ann.journal_since(&journal).await, ["warning login_failed"], "{with:?}");
        assert_eq!(device.row().await, before);
        world.sends(step_up(&device, with, "short")).await.refused(403, "current_password_wrong");
        assert!(device.is_logged_in().await);
    }
}

#[tokio::test]
async fn a_step_up_takes_a_password_and_a_token() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    let missing = phone.bearer_call("POST", STEP_UP).json(&json!({}));
    world.sends(missing).await.refused(400, "field_missing");
    let nobody = Call::post(STEP_UP).json(&json!({ "password": "ann's battery staple" }));
    world.sends(nobody).await.refused(401, "token_missing");
    let unknown = json!({ "password": "ann's battery staple", "refresh_token": "spr_AAAA" });
    world.sends(Call::post(STEP_UP).json(&unknown)).await.refused(401, "token_invalid");
}

#[tokio::test]
async fn a_step_up_whose_answer_was_lost_is_answered_when_it_comes_again() {
    for (way, with) in ways().filter(|(_, with)| *with != With::AccessToken) {
        let world = World::new();
        let ann = world.ann().await;
        let mut device = ann.logs_in_by(way).await;
        device.turns().await;
        let call = step_up(&device, with, &ann.password).header("idempotency-key", "step-1");
        world.seam.becomes(Mood::LosesAnswerOf("step_up"));
        world.sends(call.clone()).await.refused(503, "unavailable");
        world.seam.becomes(Mood::Well);
        let journal = ann.journal().await;
        world.winds(W / 2);
        let answer = world.sends(call.clone()).await.is(200);
        let again = world.sends(call.clone()).await.is(200);
        assert_eq!(answer.refresh_token(), again.refresh_token(), "byte for byte");
        assert!(ann.journal_since(&journal).await.is_empty(), "and nothing new to tell");

        let other_id = call.clone().without("idempotency-key").header("idempotency-key", "step-2");
        world.sends(other_id).await.refused(401, "session_ended").because("replaced");
        let wrong = step_up(&device, with, "another battery staple").header("idempotency-key", "step-1");
        world.sends(wrong).await.refused(401, "session_ended").because("replaced");
        let robbed = device.is_robbed();
        let thief = step_up(&robbed, with, &ann.password).header("idempotency-key", "step-1");
        world.sends(thief).await.refused(401, "session_ended").because("replaced");
        world.winds(W);
        world.sends(call).await.refused(401, "session_ended").because("replaced");
        device.keeps(&answer);
        assert!(device.is_logged_in().await);
    }
}

#[tokio::test]
async fn a_step_up_beside_a_refresh_loses_nothing_and_beside_a_second_one_or_a_log_out_happens_once() {
    for (way, with) in ways() {
        let world = World::new();
        let ann = world.ann().await;
        let mut device = ann.logs_in_by(way).await;
        let refresh = device.showing(&device.refresh, REFRESH);
        world.seam.before("step_up", world.later(refresh, 200));
        let answer = world.sends(step_up(&device, with, &ann.password)).await.is(200);
        device.keeps(&answer);
        assert!(device.is_logged_in().await, "{way:?} {with:?}");

        let twin = step_up(&device, with, &ann.password);
        world.seam.before("step_up", world.later(twin, 200));
        let late = world.sends(step_up(&device, with, &ann.password)).await;
        late.refused(401, "session_ended").because("replaced");
        let live = world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count();
        assert_eq!(live, 1, "of two, one took the place");

        let device = ann.logs_in_by(way).await;
        world.seam.before("step_up", world.later(device.showing(&device.refresh, LOGOUT), 204));
        let late = world.sends(step_up(&device, with, &ann.password)).await;
        late.refused(401, "session_ended").because("logout");
        let live = world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count();
        assert_eq!(live, 1, "nothing took the place of what was logged out");
    }
}

#[tokio::test]
async fn a_step_up_of_an_account_that_is_disabled_or_changes_its_password_meanwhile_does_not_happen() {
    for (way, with) in ways() {
        let world = World::new();
        let ann = world.ann().await;
        let device = ann.logs_in_by(way).await;
        let (engine, id) = (Arc::clone(&world.engine), ann.id);
        world.seam.before("step_up", async move {
            engine.accounts().disable(id, &nobody()).await.expect("a store that works");
        });
        let answer = world.sends(step_up(&device, with, &ann.password)).await;
        answer.refused(401, "session_ended").because("disabled");
        ann.is_enabled().await;

        let device = ann.logs_in_by(way).await;
        let engine = Arc::clone(&world.engine);
        world.seam.before("credential_of", async move {
            let done = engine.accounts().set_password(id, "ann's next battery staple", &nobody()).await;
            done.expect("a store that works");
        });
        let answer = world.sends(step_up(&device, with, &ann.password)).await;
        answer.refused(401, "session_ended").because("password_changed");
    }
}

/// Whoever holds a copy of an old token gets no further than at a refresh, whatever password they know.
#[tokio::test]
async fn a_spent_refresh_token_steps_nobody_up_and_is_judged_as_at_a_refresh() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let mut device = ann.logs_in_by(way).await;
        let thief = device.is_robbed();
        device.turns().await;
        device.turns().await;
        let thief = Device { jar: device.jar.clone(), ..thief };
        let answer = world.sends(step_up(&thief, With::RefreshToken, &ann.password)).await;
        answer.refused(401, "session_ended").because("reuse");
        device.asks(ME).await.refused(401, "session_ended").because("reuse");
    }
}

/// Whoever holds a spent token could otherwise have the journal told as often as they like.
#[tokio::test]
async fn what_is_told_of_a_refresh_token_at_a_step_up_is_told_with_a_right_password_only() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let spent = device.refresh.clone();
    device.turns().await;
    let thief = Device { refresh: spent, ..device.is_robbed() };
    let before = device.row().await;
    let journal = ann.journal().await;
    for password in ["", &"x".repeat(2000)] {
        let call = step_up(&thief, With::RefreshToken, password);
        assert!((400..404).contains(&world.sends(call).await.status), "it is no password");
    }
    assert!(ann.journal_since(&journal).await.is_empty());
    for _ in 0..3 {
        let call = step_up(&thief, With::RefreshToken, "another battery staple");
        world.sends(call).await.refused(403, "current_password_wrong");
    }
    let told = ann.journal_since(&journal).await;
    assert!(told.iter().all(|entry| entry == "warning login_failed"), "{told:?}");
    assert_eq!(device.row().await, before);
    let journal = ann.journal().await;
    world.sends(step_up(&thief, With::RefreshToken, &ann.password)).await.is(200);
    let told = ann.journal_since(&journal).await;
    assert_eq!(told, ["stepped_up", "warning foreign_retry", "session_ended replaced"]);
}

/// A refresh token is judged as at a refresh, and so as seldom.
#[tokio::test]
async fn a_step_up_with_a_refresh_token_counts_as_a_refresh_for_the_limits() {
    let rate = |burst| Rate { burst, interval: Duration::from_secs(86_400) };
    let refresh_rates = Some(RefreshRates { session: rate(2), prefix: rate(3) });
    let world = World::planned(Plan { refresh_rates, ..Plan::default() });
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let wrong = |with| step_up(&device, with, "another battery staple");
    for _ in 0..2 {
        world.sends(wrong(With::RefreshToken)).await.refused(403, "current_password_wrong");
    }
    let journal = ann.journal().await;
    let told = world.sends(wrong(With::RefreshToken)).await.refused(429, "rate_limited");
    assert!(!told.header("retry-after").is_empty(), "its session has none left");
    let other = ann.logs_in().await;
    let right = step_up(&other, With::RefreshToken, &ann.password);
    world.sends(right).await.refused(429, "rate_limited");
    assert!(ann.journal_since(&journal).await.iter().all(|entry| entry == "session_opened"));
    world.sends(step_up(&device, With::Both, &ann.password)).await.is(200);
}

#[tokio::test]
async fn an_expired_session_is_not_stepped_up() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let device = ann.logs_in_by(way).await;
        world.winds(901);
        world.sends(step_up(&device, With::Both, &ann.password)).await.refused(401, "token_expired");
        world.winds(8 * 24 * 3600);
        world.sends(step_up(&device, With::RefreshToken, &ann.password)).await.refused(401, "token_expired");
    }
}

#[tokio::test]
async fn another_site_cannot_have_a_browser_step_up() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let call = step_up(&browser, With::RefreshToken, &ann.password);
    let elsewhere = call.without("origin").header("origin", "https://evil.example");
    world.sends(elsewhere).await.refused(403, "origin_refused");
    assert!(browser.is_logged_in().await);
}

/// Neither a refresh nor a token of another profile makes a session fresh, and what a step-up showed is all that is told.
#[tokio::test]
async fn r18_only_whoever_shows_who_they_are_makes_a_session_fresh_and_only_at_its_own_profile() {
    let profiles = vec![our_profile(&[]), second_profile(&[])];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let at = world.now();
    world.winds(300);
    for with in [With::AccessToken, With::RefreshToken, With::Both] {
        let call = step_up_at("/second/step-up", &phone, with, &ann.password);
        world.sends(call).await.refused(401, "token_invalid");
    }
    let refreshed = phone.refreshes().await.is(200);
    assert_eq!(told(&refreshed), [at.seconds().into(), json!(["pwd"])], "a refresh proves nothing anew");
    let answer = world.sends(step_up(&phone, With::Both, &ann.password)).await.is(200);
    phone.keeps(&answer);
    let fresh = [world.now().seconds().into(), json!(["pwd"])];
    assert_eq!(told(&answer), fresh);
    assert_eq!(told(&phone.turns().await), fresh);
}
