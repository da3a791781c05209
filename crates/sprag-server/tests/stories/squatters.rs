//! Somebody signs up with another one's address, before they do.

use serde_json::json;
use sprag::engine::NewUser;
use sprag::letter::LetterKind;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, REGISTER, STEP_UP, nobody};
use crate::second_factor::adds_app;
use crate::world::{World, our_profile};

const THEIRS: &str = "mallory's own battery";
const NEW: &str = "another good password";
const VICTIM: &str = "victim@example.org";

/// A world in which everybody registers, and logs in by mail.
fn open(confirmation: &str) -> World {
    let line = format!(
        "registration = \"open\"\nemail_confirmation = {confirmation:?}\noffers = [\"send_code\", \"login_by_code\"]\n"
    );
    World::planned(crate::world::Plan {
        profiles: vec![our_profile(&[("registration = \"admin\"\n", &line)])],
        ..crate::world::Plan::default()
    })
}

fn logs_in(name: &str, password: &str) -> Call {
    Call::post(LOGIN).json(&json!({ "username": name, "password": password }))
}

/// Mallory's device, logged in to an account with the victim's address.
async fn squats(world: &World) -> Device<'_> {
    let body = json!({ "username": "mallory", "email": VICTIM, "password": THEIRS });
    world.sends(Call::post(REGISTER).json(&body)).await.is(201);
    let mut device = Device::new(world, "curl/8.0", "203.0.113.66");
    let answer =
        world.sends(device.call("POST", LOGIN).json(&json!({ "username": "mallory", "password": THEIRS })));
    device.keeps(&answer.await.is(200));
    world.letters().await;
    device
}

async fn by_code(world: &World) -> Answer {
    let asked = world.sends(Call::post("/api/v1/auth/code").json(&json!({ "email": VICTIM }))).await.is(202);
    let letters = world.letters().await;
    let code = letters.iter().find_map(|letter| letter.code.clone()).expect("a letter with a code");
    let body = json!({ "login_id": asked.field("login_id"), "code": code });
    world.sends(Call::post("/api/v1/auth/code/login").json(&body)).await
}

async fn resets(world: &World, email: &str) {
    world.sends(Call::post("/api/v1/auth/password/forgot").json(&json!({ "email": email }))).await.is(202);
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    let body = json!({ "token": token, "new_password": NEW });
    world.sends(Call::post("/api/v1/auth/password/reset").json(&body)).await.is(204);
}

#[tokio::test]
async fn a_squatter_kept_password_and_session_when_the_owner_of_the_address_logged_in_by_mail() {
    for confirmation in ["off", "asked"] {
        let world = open(confirmation);
        let mut squatter = squats(&world).await;
        let pair = by_code(&world).await.is(200);
        let me = world.sends(Call::get(ME).bearer(&pair.access_token())).await.is(200);
        assert_eq!(me.field("email_verified"), "true");
        squatter.asks(ME).await.refused(401, "session_ended").because("revoked");
        assert!(!squatter.is_logged_in().await);
        world.sends(logs_in("mallory", THEIRS)).await.refused(401, "credentials_invalid");
        by_code(&world).await.is(200);
        resets(&world, VICTIM).await;
        world.sends(logs_in(VICTIM, NEW)).await.is(200);
    }
}

#[tokio::test]
async fn no_letter_gets_around_the_second_factor_of_an_account_whoever_made_it() {
    let world = open("asked");
    let squatter = squats(&world).await;
    adds_app(&squatter).await;
    world.letters().await;
    by_code(&world).await.refused(401, "second_factor_required");
    world.sends(logs_in("mallory", THEIRS)).await.refused(401, "second_factor_required");
    resets(&world, VICTIM).await;
    world.sends(logs_in("mallory", NEW)).await.refused(401, "second_factor_required");
}

#[tokio::test]
async fn an_administrator_who_makes_an_account_is_no_squatter() {
    let world = open("asked");
    let root = world.root().await;
    let requester =
        sprag::engine::Requester { ip: Some("192.0.2.1".to_owned()), acting: Some(root.id), ..nobody() };
    let user = NewUser { email: Some(VICTIM), password: Some(THEIRS), ..NewUser::default() };
    world.engine.accounts().create(user, &requester).await.expect("it can be made");
    by_code(&world).await.is(200);
    world.sends(logs_in(VICTIM, THEIRS)).await.is(200);
}

#[tokio::test]
async fn an_account_confirmed_an_address_that_leads_to_somebody_else() {
    let world = open("asked");
    let person = world.ann().await;
    let ann = person.logs_in().await;
    let change = json!({ "email": "ann@new.example" });
    world.sends(ann.bearer_call("POST", "/api/v1/auth/email").json(&change)).await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    let confirm = Call::post("/api/v1/auth/email/confirm").json(&json!({ "token": token }));
    world.sends(confirm).await.is(204);
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    let body = json!({ "username": "mallory", "email": "ann@example.org", "password": THEIRS });
    world.sends(Call::post(REGISTER).json(&body)).await.is(201);
    let token = world.token_by_mail(LetterKind::VerifyEmail).await;
    let undone = Call::post("/api/v1/auth/email/undo").json(&json!({ "token": undo }));
    world.sends(undone).await.is(200);
    let verify = Call::post("/api/v1/auth/email/verify").json(&json!({ "token": token }));
    world.sends(verify).await.refused(400, "link_invalid");
    let mallory = world.engine.accounts().find("mallory").await.expect("it is there");
    world.letters().await;
    let asked = world.engine.letters().ask_for_verification(mallory.id, &nobody()).await;
    assert!(asked.expect("a store that works"), "nothing tells");
    assert!(world.letters().await.is_empty());
    assert_eq!(mallory.email_confirmed_at(), None);
}

#[tokio::test]
async fn a_letter_box_was_filled_by_adding_factor_after_factor() {
    use LetterKind::{FactorAdded as Added, FactorRemoved as Removed};
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let first = adds_app(&device).await;
    let kinds = async || {
        let mut kinds: Vec<_> = world.letters().await.iter().map(|letter| letter.kind).collect();
        // Those of one moment go out in any order.
        kinds.sort();
        kinds
    };
    assert_eq!(kinds().await, [Added], "the first is sent at once");
    for (seconds, told) in [(0, vec![Added, Removed]), (0, vec![]), (3600, vec![Added, Removed])] {
        world.winds(seconds);
        device.refreshes().await.is(200);
        let body = json!({ "code": first.next_code() });
        let stepped = world.sends(device.bearer_call("POST", STEP_UP).json(&body)).await.is(200);
        device.keeps(&stepped);
        let more = adds_app(&device).await;
        let path = format!("/api/v1/auth/factors/{}", more.id);
        world.sends(device.bearer_call("DELETE", &path)).await.is(204);
        assert_eq!(kinds().await, told, "after {seconds} seconds");
    }
}
