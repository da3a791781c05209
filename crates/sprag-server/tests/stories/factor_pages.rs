//! The server's own pages, at the links of every letter that an owner has got: each does what it is for, and none of them opens
//! anything of an account with a second factor for somebody who knows the password and reads the mail.

use serde_json::{Value, json};
use sprag::letter::{Letter, LetterKind};

use crate::call::{Answer, Call};
use crate::factor_rules::steps_up;
use crate::people::{COOKIE, Device, Person};
use crate::second_factor::{Phone, adds_app, laptop, tries, waits};
use crate::world::{ORIGIN, World};

const AUTH: &str = "/api/v1/auth";

/// A world in which a link logs in on any device.
fn by_mail() -> World {
    let line = "registration = \"admin\"\n";
    let lines =
        "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\nlogin_link = \"anywhere\"\n";
    World::with(&[(line, lines)])
}

/// Sends the form of a page, as whoever looks at it in a browser does; no session is in the answer.
async fn posts(world: &World, page: &str, fields: &[(&str, &str)]) -> Answer {
    let answer = world.is_asked(Call::post(page).form(fields).header("origin", ORIGIN)).await;
    assert_eq!(answer.cookie(COOKIE), None, "{page}: {:?}", answer.set_cookies());
    assert!(answer.access_token().is_empty(), "{page}: {}", answer.text());
    answer
}

/// Sends the form of a page, which does what it is for.
async fn does(world: &World, page: &str, fields: &[(&str, &str)]) -> Answer {
    let answer = posts(world, page, fields).await;
    assert_eq!(answer.status, 200, "{page}: {}", answer.text());
    answer
}

/// The token in a page's form.
fn token_in(answer: &Answer) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once("name=\"token\" value=\"").expect("a form");
    rest.split_once('"').expect("its end").0.to_owned()
}

/// The letter of a kind among those that wait.
async fn letter(world: &World, kind: LetterKind) -> Letter {
    let letters = world.letters().await;
    letters.into_iter().rfind(|letter| letter.kind == kind).unwrap_or_else(|| panic!("no {kind:?}"))
}

async fn link(world: &World, kind: LetterKind) -> String {
    letter(world, kind).await.token.expect("it has a link")
}

async fn asks(device: &Device<'_>, path: &str, body: Value) {
    let call = device.bearer_call("POST", &format!("{AUTH}{path}")).json(&body);
    device.world.sends(call).await.is(202);
}

/// Nobody is logged in, the password is that of before and worth no more, and the factor is as it was.
async fn nothing_is_open(ann: &Person<'_>) {
    let live = ann.world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count();
    assert_eq!(live, 0);
    waits(ann, &laptop(ann.world)).await;
    let held = ann.world.engine.factors().of(ann.id).await.expect("a store that works");
    assert_eq!((held.factors.len(), held.recovery_codes), (1, 10));
}

/// Logs in as the owner does, by the password and a code.
async fn logs_in<'w>(ann: &Person<'w>, phone: &Phone<'_>) -> Device<'w> {
    let mut device = laptop(ann.world);
    let token = waits(ann, &device).await;
    let opened = tries(&device, &token, &phone.next_code()).await.is(200);
    device.keeps(&opened);
    device
}

#[tokio::test]
async fn r50_pages_confirm_change_and_undo_an_address_and_set_a_password_and_open_nothing() {
    let world = by_mail();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    world.letters().await;
    steps_up(&mut device, &phone.next_code()).await;
    asks(&device, "/email/verification", json!({})).await;
    let verify = link(&world, LetterKind::VerifyEmail).await;
    asks(&device, "/email", json!({ "email": "ann@new.example" })).await;
    let change = link(&world, LetterKind::ChangeEmail).await;
    device.logs_out().await.is(204);

    does(&world, "/verify", &[("token", &verify)]).await;
    nothing_is_open(&ann).await;
    does(&world, "/email", &[("token", &change)]).await;
    nothing_is_open(&ann).await;
    let undo = link(&world, LetterKind::EmailChanged).await;
    let reset = token_in(&does(&world, "/undo", &[("token", &undo)]).await);
    does(&world, "/reset", &[("token", &reset), ("new_password", &ann.password)]).await;
    nothing_is_open(&ann).await;

    let forgot = Call::post(&format!("{AUTH}/password/forgot")).json(&json!({ "username": "ann" }));
    world.sends(forgot).await.is(202);
    let reset = link(&world, LetterKind::ResetPassword).await;
    does(&world, "/reset", &[("token", &reset), ("new_password", &ann.password)]).await;
    nothing_is_open(&ann).await;
    assert!(logs_in(&ann, &phone).await.is_logged_in().await, "its owner has lost nothing by it");
}

#[tokio::test]
async fn r50_the_page_of_whoever_it_was_not_ends_every_session_and_opens_none() {
    let world = by_mail();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    adds_app(&device).await;
    let token = link(&world, LetterKind::FactorAdded).await;
    let reset = token_in(&does(&world, "/not-me", &[("token", &token), ("everywhere", "true")]).await);
    assert!(!device.is_logged_in().await);
    nothing_is_open(&ann).await;
    does(&world, "/reset", &[("token", &reset), ("new_password", &ann.password)]).await;
    nothing_is_open(&ann).await;
}

#[tokio::test]
async fn r50_the_page_that_keeps_an_account_opens_nothing_of_it() {
    let world = by_mail();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let device = logs_in(&ann, &phone).await;
    asks(&device, "/me/delete", json!({})).await;
    let token = link(&world, LetterKind::AccountDeletion).await;
    does(&world, "/delete", &[("token", &token)]).await;
    let account = world.engine.accounts().get(ann.id).await.expect("it is there");
    assert_eq!(account.erase_at, None);
    nothing_is_open(&ann).await;
}

#[tokio::test]
async fn r50_the_page_that_logs_in_takes_no_code_but_that_of_the_factor_and_that_once() {
    let world = by_mail();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    device.logs_out().await.is(204);
    logs_in(&ann, &phone).await.logs_out().await.is(204);
    world.letters().await;
    let asked = Call::post(&format!("{AUTH}/code")).json(&json!({ "email": "ann@example.org" }));
    world.sends(asked).await.is(202);
    let letter = letter(&world, LetterKind::LogIn).await;
    let (link, mailed) = (letter.token.expect("a link"), letter.code.expect("a code"));
    // A code beside a link goes on with no log-in: there is none that waits.
    let early = posts(&world, "/code", &[("token", &link), ("code", &mailed)]).await;
    assert_eq!(early.status, 400, "{}", early.text());
    let asked = does(&world, "/code", &[("token", &link)]).await;
    assert!(asked.text().contains("name=\"code\""), "{}", asked.text());
    let token = token_in(&asked);
    nothing_is_open(&ann).await;
    let spent = posts(&world, "/code", &[("token", &link)]).await;
    assert_eq!(spent.status, 400, "the link is spent: {}", spent.text());
    for code in [phone.wrong_code(), phone.code_in(0), mailed, "no code".to_owned(), String::new()] {
        let refused = posts(&world, "/code", &[("token", &token), ("code", &code)]).await;
        assert_eq!(refused.status, 400, "{code:?}: {}", refused.text());
    }
    for page in ["/verify", "/reset", "/email", "/undo", "/not-me", "/delete", "/invite"] {
        let refused = posts(&world, page, &[("token", &token), ("new_password", &ann.password)]).await;
        assert_eq!(refused.status, 400, "{page}: {}", refused.text());
    }
    nothing_is_open(&ann).await;
    let fields = [("token", token.as_str()), ("code", phone.recovery_codes[0].as_str())];
    let form = || Call::post("/code").form(&fields).header("origin", ORIGIN);
    let opened = world.is_asked(form()).await;
    assert!(opened.status == 200 && opened.cookie(COOKIE).is_some(), "{}", opened.text());
    let again = world.is_asked(form()).await;
    assert_eq!((again.status, again.cookie(COOKIE)), (400, None), "{}", again.text());
}
