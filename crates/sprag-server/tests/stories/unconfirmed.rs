//! Log-ins where an address must be confirmed first: by whichever name they tell nothing, and a letter helps whoever knows the password.

use serde_json::json;
use sprag::letter::LetterKind;
use sprag::limits::Rates;

use crate::call::{Answer, Call};
use crate::people::{LOGIN, REGISTER};
use crate::world::{Plan, World, our_profile};

const FORGOT: &str = "/api/v1/auth/password/forgot";
const VERIFY: &str = "/api/v1/auth/email/verify";
const NEW: &str = "another good password";

fn requiring(rates: Rates) -> World {
    let line = "registration = \"open\"\nemail_confirmation = \"required\"\n";
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", line)])];
    World::planned(Plan { profiles, rates, ..Plan::default() })
}

/// Ann is confirmed; carol signed up with an address that was free, and dave with ann's.
async fn signed_up(rates: Rates) -> World {
    let world = requiring(rates);
    world.ann().await;
    world.meddles("update account set confirmed_email = email, email_confirmed_at = 1");
    for (name, email) in [("carol", "carol@example.org"), ("dave", "ann@example.org")] {
        let body = json!({ "username": name, "email": email, "password": NEW });
        world.sends(Call::post(REGISTER).json(&body)).await.is(202);
    }
    assert_eq!(world.letters().await.len(), 2);
    world
}

async fn logs_in(world: &World, name: &str, password: &str) -> Answer {
    world.sends(Call::post(LOGIN).json(&json!({ "username": name, "password": password }))).await
}

#[tokio::test]
async fn a_right_password_is_told_no_more_than_a_wrong_one_by_name_or_by_address() {
    let world = signed_up(Rates::off()).await;
    let mut answers = Vec::new();
    for (name, password) in [
        ("carol", NEW),
        ("carol@example.org", NEW),
        ("dave", NEW),
        ("ann@example.org", NEW),
        ("carol", "a wrong password"),
        ("carol@example.org", "a wrong password"),
        ("ann", "a wrong password"),
        ("nobody", NEW),
        ("nobody@example.org", NEW),
    ] {
        let answer = logs_in(&world, name, password).await.refused(401, "credentials_invalid");
        answers.push((answer.text(), answer.header("content-type"), answer.set_cookies()));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    assert!(answers[0].0.contains("not confirmed yet"), "all are told what may be the matter: {answers:?}");
    logs_in(&world, "ann@example.org", "ann's battery staple").await.is(200);
}

#[tokio::test]
async fn whoever_knows_the_password_is_asked_once_more_to_confirm_and_once_an_hour_at_most() {
    let world = signed_up(Rates::off()).await;
    for name in ["carol", "carol@example.org", "CAROL@example.org"] {
        logs_in(&world, name, NEW).await.refused(401, "credentials_invalid");
    }
    let link = world.token_by_mail(LetterKind::VerifyEmail).await;
    for name in ["carol", "carol@example.org"] {
        logs_in(&world, name, "a wrong password").await.refused(401, "credentials_invalid");
        logs_in(&world, name, NEW).await.refused(401, "credentials_invalid");
    }
    assert!(world.letters().await.is_empty(), "there was one within the hour");
    world.winds(3600);
    logs_in(&world, "carol@example.org", "a wrong password").await.refused(401, "credentials_invalid");
    assert!(world.letters().await.is_empty(), "whoever does not know the password has nobody written to");
    logs_in(&world, "carol@example.org", NEW).await.refused(401, "credentials_invalid");
    let letters = world.letters().await;
    let told: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.to.as_str())).collect();
    assert_eq!(told, [(LetterKind::VerifyEmail, "carol@example.org")]);
    world.sends(Call::post(VERIFY).json(&json!({ "token": link }))).await.is(204);
    logs_in(&world, "carol", NEW).await.is(200);
    logs_in(&world, "carol@example.org", NEW).await.is(200);
    assert!(world.letters().await.iter().all(|letter| letter.kind != LetterKind::VerifyEmail));
}

#[tokio::test]
async fn nobody_is_written_to_whose_address_somebody_else_signed_up_with() {
    let world = signed_up(Rates::off()).await;
    for name in ["dave", "ann@example.org"] {
        logs_in(&world, name, NEW).await.refused(401, "credentials_invalid");
    }
    assert!(world.letters().await.is_empty());
    let id = world.engine.accounts().find("carol").await.expect("it is there").id;
    world
        .engine
        .accounts()
        .disable(id, &sprag::engine::Requester::nobody())
        .await
        .expect("it can be disabled");
    logs_in(&world, "carol", NEW).await.refused(401, "credentials_invalid");
    assert!(world.letters().await.is_empty(), "nor whoever may log in no more");
}

#[tokio::test]
async fn how_many_letters_may_still_be_asked_for_does_not_tell_whether_there_was_one() {
    let world = signed_up(Rates::default()).await;
    let mut told = Vec::new();
    for email in ["carol@example.org", "ann@example.org"] {
        for _ in 0..4 {
            logs_in(&world, email, NEW).await.refused(401, "credentials_invalid");
            world.winds(60);
        }
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(world.sends(Call::post(FORGOT).json(&json!({ "email": email }))).await.status);
        }
        told.push(statuses);
    }
    assert_eq!(told[0], told[1]);
    assert!(told[0].contains(&429) && told[0].contains(&202), "{told:?}");
}
