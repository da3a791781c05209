//! Changes of second factors, and who would have got around one by them.

use serde_json::{Value, json};
use sprag::letter::LetterKind;
use sprag::risk::RiskPolicy;

use crate::call::{Answer, Call};
use crate::factor_rules::steps_up;
use crate::passkey::Key;
use crate::people::{Device, LOGIN, LOGOUT_ALL, Person, REFRESH, STEP_UP};
use crate::remembered::is_remembered;
use crate::second_factor::{Phone, adds_app, claims, laptop, shows, tries, waits};
use crate::world::{Plan, World, our_profile};

const EMAIL: &str = "/api/v1/auth/email";
const FACTORS: &str = "/api/v1/auth/factors";
const TOTP: &str = "/api/v1/auth/factors/totp";
const RECOVERY_CODES: &str = "/api/v1/auth/factors/recovery-codes";
const USERS: &str = "/api/v1/admin/users";

/// A world with other lines of our profile.
fn with(lines: &str) -> World {
    let lines = format!("registration = \"admin\"\n{lines}\n");
    World::with(&[("registration = \"admin\"\n", &lines)])
}

async fn held(person: &Person<'_>) -> (usize, usize) {
    let held = person.world.engine.factors().of(person.id).await.expect("a store that works");
    (held.factors.len(), held.recovery_codes)
}

/// Begins to add an app, and gives it before its first code was shown.
async fn begins<'w>(device: &Device<'w>) -> Phone<'w> {
    let world = device.world;
    let begun = world.sends(device.bearer_call("POST", TOTP).json(&json!({}))).await.is(200);
    let seed = sprag::factor::totp::Seed::from_base32(&begun.field("secret"), None).expect("a seed");
    Phone { world, seed, id: begun.field("id"), recovery_codes: Vec::new() }
}

fn confirming(device: &Device<'_>, phone: &Phone<'_>) -> Call {
    let path = format!("{TOTP}/{}/confirm", phone.id);
    device.bearer_call("POST", &path).json(&json!({ "code": phone.code_in(0) }))
}

async fn removes(device: &Device<'_>, id: &str) -> Answer {
    device.world.sends(device.bearer_call("DELETE", &format!("{FACTORS}/{id}"))).await
}

/// The letters of these kinds that went out since they were last asked for.
async fn told(world: &World) -> Vec<LetterKind> {
    world.letters().await.into_iter().map(|letter| letter.kind).collect()
}

#[tokio::test]
async fn an_app_begun_before_a_change_of_address_and_confirmed_after_it_outlived_the_undo() {
    let world = World::new();
    let ann = world.ann().await;
    let thief = ann.logs_in().await;
    let phone = begins(&thief).await;
    world.winds(1);
    let change = thief.bearer_call("POST", EMAIL).json(&json!({ "email": "thief@evil.example" }));
    world.sends(change).await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    let confirm = Call::post("/api/v1/auth/email/confirm").json(&json!({ "token": token }));
    world.sends(confirm).await.is(204);
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    world.winds(1);
    world.sends(confirming(&thief, &phone)).await.is(200);
    let undone = Call::post("/api/v1/auth/email/undo").json(&json!({ "token": undo }));
    world.sends(undone).await.is(200);
    assert_eq!(held(&ann).await, (0, 0), "its owner would have been asked for the thief's code");
}

#[tokio::test]
async fn a_change_of_address_that_waited_went_through_without_the_factor_that_was_added_meanwhile() {
    for adds in [true, false] {
        let world = World::new();
        let ann = world.ann().await;
        let (thief, owners) = (ann.logs_in().await, ann.logs_in().await);
        let change = thief.bearer_call("POST", EMAIL).json(&json!({ "email": "thief@evil.example" }));
        world.sends(change).await.is(202);
        let token = world.token_by_mail(LetterKind::ChangeEmail).await;
        if adds {
            adds_app(&owners).await;
        } else {
            world.sends(owners.bearer_call("POST", LOGOUT_ALL)).await.is(204);
        }
        let confirm = Call::post("/api/v1/auth/email/confirm").json(&json!({ "token": token }));
        world.sends(confirm).await.refused(400, "link_invalid");
    }
}

#[tokio::test]
async fn a_letter_let_a_device_in_that_was_remembered_beside_the_password() {
    let lines = "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\n";
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", lines)])];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let (_, kept) = is_remembered(&ann, &phone).await;
    world.letters().await;
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    let login_id = world.sends(asked).await.is(202).field("login_id");
    let letter = world.letters().await.into_iter().find(|letter| letter.kind == LetterKind::LogIn);
    let code = letter.and_then(|letter| letter.code).expect("a code");
    let body = json!({ "login_id": login_id, "code": code, "device_token": kept });
    let answer = world.sends(Call::post("/api/v1/auth/code/login").json(&body)).await;
    answer.refused(401, "second_factor_required");
}

#[tokio::test]
async fn a_log_in_that_was_too_unlike_the_others_added_a_factor_of_its_own() {
    let lines = "registration = \"admin\"\nsecond_factor = \"admins\"\n";
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", lines)])];
    let risk = Some(RiskPolicy { second_factor: Some(20), ..RiskPolicy::default() });
    let world = World::planned(Plan { profiles, risk, ..Plan::default() });
    let ann = world.ann().await;
    world.winds(60);
    ann.logs_in().await;
    world.meddles("update account set is_admin = 1 where username = 'ann'");
    // Her address is not confirmed, so that no code can be mailed there.
    let stranger = Device::new(&world, "curl/8.0", "203.0.113.66");
    ann.tries_to_log_in(&stranger, &ann.password).await.refused(403, "risk_refused");
}

#[tokio::test]
async fn new_recovery_codes_were_made_without_a_word_and_left_a_device_remembered() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    let (_, kept) = is_remembered(&ann, &phone).await;
    steps_up(&mut device, &phone.next_code()).await;
    world.letters().await;
    let made = world.sends(device.bearer_call("POST", RECOVERY_CODES)).await.is(200).json();
    let codes = made["recovery_codes"].as_array().cloned().unwrap_or_default();
    assert_eq!(codes.len(), 10);
    assert_eq!(told(&world).await, [LetterKind::RecoveryCodesMade]);
    let log_in = json!({ "username": "ann", "password": ann.password, "device_token": kept });
    let answer = world.sends(laptop(&world).call("POST", LOGIN).json(&log_in)).await;
    let token = answer.refused(401, "second_factor_required").field("mfa_token");
    tries(&laptop(&world), &token, &phone.recovery_codes[0]).await.refused(403, "code_wrong");
    tries(&laptop(&world), &token, codes[0].as_str().expect("a text")).await.is(200);
}

#[tokio::test]
async fn letters_tell_of_each_recovery_code_of_the_last_three_and_of_the_last_factor() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    assert_eq!(told(&world).await.last(), Some(&LetterKind::FactorAdded));
    let mut kinds = Vec::new();
    for code in &phone.recovery_codes[..8] {
        let token = waits(&ann, &laptop(&world)).await;
        tries(&laptop(&world), &token, code).await.is(200);
        let of_codes =
            |kind: &LetterKind| matches!(kind, LetterKind::RecoveryCodeUsed | LetterKind::RecoveryCodesFew);
        kinds.extend(told(&world).await.into_iter().filter(of_codes));
        world.winds(60);
    }
    use LetterKind::{RecoveryCodeUsed as Used, RecoveryCodesFew as Few};
    assert_eq!(kinds, [Used, Used, Used, Used, Used, Used, Few, Used]);
    steps_up(&mut device, &phone.next_code()).await;
    removes(&device, &phone.id).await.is(204);
    assert!(told(&world).await.contains(&LetterKind::FactorRemoved));
}

#[tokio::test]
async fn two_apps_removed_at_once_left_an_account_without_a_factor_and_its_sessions_alive() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    steps_up(&mut device, &phone.next_code()).await;
    let second = begins(&device).await;
    world.sends(confirming(&device, &second)).await.is(200);
    let token = waits(&ann, &laptop(&world)).await;
    let other = tries(&laptop(&world), &token, &phone.next_code()).await.is(200);
    let path = format!("{FACTORS}/{}", second.id);
    world.seam.before("change_factors", world.later(device.bearer_call("DELETE", &path), 204));
    removes(&device, &phone.id).await.is(204);
    assert_eq!(held(&ann).await, (0, 0), "recovery codes stand in for nothing any more");
    let refresh = Call::post(REFRESH).json(&json!({ "refresh_token": other.refresh_token() }));
    world.sends(refresh).await.refused(401, "session_ended");
    assert!(device.is_logged_in().await);
}

#[tokio::test]
async fn a_session_that_was_logged_out_everywhere_still_added_a_factor() {
    let world = World::new();
    let ann = world.ann().await;
    let (thief, owners) = (ann.logs_in().await, ann.logs_in().await);
    let phone = begins(&thief).await;
    world.seam.before("change_factors", world.later(owners.bearer_call("POST", LOGOUT_ALL), 204));
    world.sends(confirming(&thief, &phone)).await.refused(401, "session_ended");
    assert_eq!(held(&ann).await, (0, 0));
}

#[tokio::test]
async fn whoever_knew_the_password_locked_its_owner_out_of_their_passkey() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let mut key = Key::new(1);
    let options = world.sends(device.bearer_call("POST", "/api/v1/auth/factors/passkey/options"));
    let body = json!({ "credential": key.makes(&options.await.is(200).json()) });
    world.sends(device.bearer_call("POST", "/api/v1/auth/factors/passkey").json(&body)).await.is(201);
    let guesser = Device::new(&world, "curl/8.0", "203.0.113.66");
    let tokens = [waits(&ann, &guesser).await, waits(&ann, &guesser).await, waits(&ann, &guesser).await];
    for guess in 0..10 {
        let token = &tokens[guess / 4];
        world.sends(shows(&guesser, token, "123456")).await.refused(403, "code_wrong");
    }
    let refused = world.sends(shows(&guesser, &tokens[2], "123456")).await;
    refused.refused(429, "rate_limited");
    let ask = |body: Value| world.sends(Call::post("/api/v1/auth/login/passkey/options").json(&body));
    let shown = key.shows(&ask(json!({})).await.is(200).json());
    let body = json!({ "credential": shown });
    world.sends(Call::post("/api/v1/auth/login/passkey").json(&body)).await.is(200);
    let token = waits(&ann, &laptop(&world)).await;
    let shown = key.shows(&ask(json!({ "mfa_token": token })).await.is(200).json());
    let body = json!({ "mfa_token": token, "credential": shown });
    world.sends(Call::post("/api/v1/auth/login/factor").json(&body)).await.is(200);
}

#[tokio::test]
async fn a_step_up_by_a_recovery_code_whose_answer_was_lost_is_answered_when_it_comes_again() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    let call = |code: &str| {
        let body = json!({ "code": code, "refresh_token": device.refresh });
        device.bearer_call("POST", STEP_UP).json(&body).header("idempotency-key", "step-up-1")
    };
    let answer = world.sends(call(&phone.recovery_codes[0])).await.is(200);
    let again = world.sends(call(&phone.recovery_codes[0])).await.is(200);
    assert_eq!(answer.refresh_token(), again.refresh_token(), "byte for byte");
    let other = world.sends(call(&phone.recovery_codes[1])).await;
    other.refused(401, "session_ended").because("replaced");
    assert_eq!(held(&ann).await, (1, 9), "one was used, once");
}

#[tokio::test]
async fn an_administrator_who_must_have_a_factor_and_had_none_changed_others() {
    let world = with("second_factor = \"admins\"");
    let bob = world.bob().await;
    let bobs = bob.logs_in().await;
    world.meddles("update account set is_admin = 1 where username = 'bob'");
    let made = bobs.bearer_call("POST", USERS).json(&json!({ "username": "eve" }));
    world.sends(made.clone()).await.refused(403, "step_up_required");
    let by_password = bobs.bearer_call("POST", STEP_UP).json(&json!({ "password": bob.password }));
    world.sends(by_password).await.refused(401, "enrolment_required");
    let phone = adds_app(&bobs).await;
    let token = waits(&bob, &laptop(&world)).await;
    let opened = tries(&laptop(&world), &token, &phone.next_code()).await.is(200);
    let made = Call::post(USERS).bearer(&opened.access_token()).json(&json!({ "username": "eve" }));
    world.sends(made).await.is(201);
}

#[tokio::test]
async fn whoever_must_have_a_factor_and_removed_it_went_on_without_one() {
    let world = with("second_factor = \"required\"");
    let ann = world.ann().await;
    let answer = ann.tries_to_log_in(&laptop(&world), &ann.password).await;
    let token = answer.refused(401, "enrolment_required").field("mfa_token");
    let begun = world.sends(Call::post(TOTP).json(&json!({ "mfa_token": token }))).await.is(200);
    let seed = sprag::factor::totp::Seed::from_base32(&begun.field("secret"), None).expect("a seed");
    let code = seed.code(world.now());
    let path = format!("{TOTP}/{}/confirm", begun.field("id"));
    let body = json!({ "mfa_token": token, "code": code });
    let opened = world.sends(Call::post(&path).json(&body)).await.is(200);
    assert_eq!(claims(&opened.access_token())["acr"], "aal2");
    let remove = format!("{FACTORS}/{}", begun.field("id"));
    world.sends(Call::new("DELETE", &remove).bearer(&opened.access_token())).await.is(204);
    let refresh = Call::post(REFRESH).json(&json!({ "refresh_token": opened.refresh_token() }));
    world.sends(refresh).await.refused(401, "session_ended");
    let answer = ann.tries_to_log_in(&laptop(&world), &ann.password).await;
    answer.refused(401, "enrolment_required");
}

#[tokio::test]
async fn every_session_is_dead_after_an_administrator_reset_the_factors_over_the_api() {
    let world = World::new();
    let (ann, root) = (world.ann().await, world.root().await);
    let mut devices = [ann.logs_in().await, ann.logs_in().await, ann.logs_in().await];
    let phone = adds_app(&devices[0]).await;
    for device in &mut devices[1..] {
        let token = waits(&ann, device).await;
        let opened = tries(device, &token, &phone.next_code()).await.is(200);
        device.keeps(&opened);
    }
    let of_ann = format!("{USERS}/{}/factors", ann.id);
    let (roots, bobs) = (root.logs_in().await, world.bob().await.logs_in().await);
    for method in ["GET", "DELETE"] {
        world.sends(bobs.bearer_call(method, &of_ann)).await.refused(403, "forbidden");
    }
    let shown = world.sends(roots.bearer_call("GET", &of_ann)).await.is(200);
    assert!(!shown.text().contains(&phone.seed.base32()[..]), "nothing secret is shown");
    world.letters().await;
    let journal = ann.journal().await;
    world.sends(roots.bearer_call("DELETE", &of_ann)).await.is(204);
    for device in &mut devices {
        assert!(!device.is_logged_in().await, "a session has outlived the reset");
    }
    assert_eq!(held(&ann).await, (0, 0));
    assert!(told(&world).await.contains(&LetterKind::FactorRemoved));
    let since = ann.journal_since(&journal).await;
    assert_eq!(since.iter().filter(|kind| *kind == "factor_removed").count(), 1, "{since:?}");
    let by = world.entries(ann.id).await.into_iter().rev().filter_map(|entry| entry.event.note);
    assert!(by.into_iter().any(|note| note.contains(&root.id.to_string())), "the journal names who did it");
}

/// Its cookie comes with its session, and so after the log-in that waited.
#[tokio::test]
async fn a_browser_that_was_new_here_was_told_that_its_log_in_began_elsewhere() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let browser = Device::browser(&world);
    let named = |call: Call| call.header("sprag-instance", "tab-1");
    let body = json!({ "username": "ann", "password": ann.password, "transport": "cookie" });
    let answer = world.sends(named(browser.call("POST", LOGIN)).json(&body)).await;
    let token = answer.refused(401, "second_factor_required").field("mfa_token");
    let body = json!({ "mfa_token": token, "code": phone.next_code(), "transport": "cookie" });
    let other = browser.call("POST", "/api/v1/auth/login/factor").header("sprag-instance", "tab-2");
    world.sends(other.json(&body)).await.refused(400, "link_invalid");
    let own = named(browser.call("POST", "/api/v1/auth/login/factor"));
    world.sends(own.json(&body)).await.is(200);
}
