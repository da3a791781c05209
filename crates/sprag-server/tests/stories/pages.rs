//! The server's own pages: looking changes nothing, the form does it, without script and in the reader's language.

use serde_json::json;
use sprag::letter::LetterKind;
use sprag::risk::RiskPolicy;

use crate::call::{Answer, Call};
use crate::people::{COOKIE, DEVICE_COOKIE, Device, LOGIN, ME, REFRESH};
use crate::world::{ORIGIN, Plan, World, days, our_profile};

const NEW: &str = "another good password";

/// Looks at a page as a mail scanner does, again and again.
async fn looks(world: &World, page: &str, token: &str) -> Answer {
    let path = format!("{page}?token={token}");
    for method in ["GET", "HEAD", "GET"] {
        let answer = world.is_asked(Call::new(method, &path).header("accept-language", "de")).await;
        assert_eq!(answer.status, 200, "{method} {page}: {}", answer.text());
        assert!(answer.set_cookies().is_empty());
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let answer = world.is_asked(Call::get(&path).header("accept-language", "de")).await;
    let text = answer.text();
    assert!(!text.contains("<script") && !text.contains("http:") && !text.contains("https:"), "{text}");
    assert!(text.contains("<html lang=\"de\">"), "{text}");
    answer
}

async fn sends(world: &World, page: &str, fields: &[(&str, &str)]) -> Answer {
    world.is_asked(Call::post(page).form(fields).header("origin", ORIGIN)).await
}

/// The token in a page's form.
fn token_in(answer: &Answer) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once("name=\"token\" value=\"").expect("a form");
    rest.split_once('"').expect("its end").0.to_owned()
}

async fn is_gone(world: &World, page: &str, token: &str) {
    for call in [Call::get(&format!("{page}?token={token}")), Call::post(page).form(&[("token", token)])] {
        let answer = world.is_asked(call).await;
        assert_eq!(answer.status, 400, "{page}");
        assert!(answer.text().contains("no longer good"), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_address_is_changed_and_the_change_undone_by_pages() {
    let world = World::new();
    let ann = world.ann().await.logs_in().await;
    let body = json!({ "email": "ann@new.example" });
    world.sends(ann.bearer_call("POST", "/api/v1/auth/email").json(&body)).await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    assert!(looks(&world, "/email", &token).await.text().contains("ann@new.example"));
    let done = sends(&world, "/email", &[("token", &token)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
    is_gone(&world, "/email", &token).await;
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    assert!(looks(&world, "/undo", &undo).await.text().contains("ann@example.org"));
    let undone = sends(&world, "/undo", &[("token", &undo)]).await;
    assert_eq!(undone.status, 200, "{}", undone.text());
    assert!(undone.text().contains("action=\"reset\""), "the form is the other page's: {}", undone.text());
    is_gone(&world, "/undo", &undo).await;
    let reset = token_in(&undone);
    let short = sends(&world, "/reset", &[("token", &reset), ("new_password", "x")]).await;
    assert_eq!((short.status, token_in(&short)), (400, reset.clone()), "the form is there once more");
    let done = sends(&world, "/reset", &[("token", &reset), ("new_password", NEW)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let log_in = json!({ "email": "ann@example.org", "password": NEW });
    world.sends(Call::post(LOGIN).json(&log_in)).await.is(200);
}

#[tokio::test]
async fn whoever_says_that_it_was_not_them_sees_what_the_letter_told_and_may_end_everything() {
    let world = World::planned(Plan { risk: Some(RiskPolicy::default()), ..Plan::default() });
    let ann = world.ann().await;
    world.winds(60);
    let mut phone = ann.logs_in().await;
    world.winds(60);
    let mut thief = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    world.winds(61);
    let token = world.token_by_mail(LetterKind::News).await;
    let page = looks(&world, "/not-me", &token).await.text();
    assert!(page.contains("203.0.113.66") && page.contains("name=\"everywhere\""), "{page}");
    let done = sends(&world, "/not-me", &[("token", &token), ("everywhere", "true")]).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(!phone.is_logged_in().await && !thief.is_logged_in().await);
    is_gone(&world, "/not-me", &token).await;
    let reset = token_in(&done);
    let done = sends(&world, "/reset", &[("token", &reset), ("new_password", NEW)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

#[tokio::test]
async fn an_account_in_its_grace_is_kept_by_the_form_of_a_page_and_by_no_look_at_it() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    let erase_at = async || {
        let account = world.engine.accounts().get(person.id).await.expect("it is there");
        account.erase_at
    };
    world.sends(ann.bearer_call("POST", "/api/v1/auth/me/delete").json(&json!({}))).await.is(202);
    let due = erase_at().await.expect("it is to be erased");
    let token = world.token_by_mail(LetterKind::AccountDeletion).await;
    looks(&world, "/delete", &token).await;
    let other = sends(&world, "/delete", &[("token", &token[..token.len() - 1])]).await;
    assert_eq!(other.status, 400, "{}", other.text());
    assert_eq!(erase_at().await, Some(due), "nothing has changed by that");
    let kept = sends(&world, "/delete", &[("token", &token)]).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert!(kept.text().contains("Your account is kept") && kept.set_cookies().is_empty(), "{}", kept.text());
    assert_eq!(erase_at().await, None);
    is_gone(&world, "/delete", &token).await;
    let told = person.journal().await;
    assert_eq!(told.last().map(String::as_str), Some("deletion_called_off"), "{told:?}");
    world.winds(days(90));
    let erased = world.engine.accounts().erase_due(|_, _| ()).await.expect("a store that works");
    assert_eq!(erased, 0, "its time has come and gone");
    person.logs_in().await;
}

fn with_codes(line: &str) -> World {
    let line = format!("registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\n{line}\n");
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", &line)])];
    World::planned(Plan { profiles, ..Plan::default() })
}

#[tokio::test]
async fn a_link_shows_the_code_or_logs_in_where_it_may_work_on_any_device() {
    let world = with_codes("");
    world.ann().await;
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    let login_id = world.sends(asked).await.is(202).field("login_id");
    let letter = world.letters().await.pop().expect("a letter");
    let (token, code) = (letter.token.expect("a link"), letter.code.expect("a code"));
    assert!(looks(&world, "/code", &token).await.text().contains(&code));
    let body = json!({ "login_id": login_id, "code": code });
    world.sends(Call::post("/api/v1/auth/code/login").json(&body)).await.is(200);
    is_gone(&world, "/code", &token).await;

    let world = with_codes("login_link = \"anywhere\"");
    world.ann().await;
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    world.sends(asked).await.is(202);
    let token = world.token_by_mail(LetterKind::LogIn).await;
    assert!(!looks(&world, "/code", &token).await.text().contains(&code));
    let foreign = Call::post("/code").form(&[("token", &token)]).header("origin", "https://evil.example");
    assert_eq!(world.is_asked(foreign).await.status, 400, "another site logs nobody in");
    let done = sends(&world, "/code", &[("token", &token)]).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let (refresh, mark) =
        (done.cookie(COOKIE).expect("a session"), done.cookie(DEVICE_COOKIE).expect("a mark"));
    let call =
        Call::post(REFRESH).header("origin", ORIGIN).cookie(COOKIE, &refresh).cookie(DEVICE_COOKIE, &mark);
    let pair = world.sends(call).await.is(200);
    world.sends(Call::get(ME).bearer(&pair.access_token())).await.is(200);
    is_gone(&world, "/code", &token).await;
}

#[tokio::test]
async fn a_profiles_own_route_goes_before_a_page() {
    let line = "on = \"POST /api/v1/auth/email/verify\"";
    let world = World::with(&[(line, "on = \"POST /verify\"")]);
    let answer = world.is_asked(Call::post("/verify").json(&json!({ "token": "x" }))).await;
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text());
}
