//! Letters: a forgotten password is set anew, an address is confirmed, and nothing tells who has one.

use serde_json::{Value, json};
use sprag::engine::Outcome;
use sprag::letter::LetterKind;
use sprag::limits::Rates;

use crate::call::{Answer, Call};
use crate::people::{LOGIN, ME, REGISTER, nobody};
use crate::world::{Plan, World, our_profile};

const FORGOT: &str = "/api/v1/auth/password/forgot";
const RESET: &str = "/api/v1/auth/password/reset";
const VERIFY: &str = "/api/v1/auth/email/verify";
const VERIFICATION: &str = "/api/v1/auth/email/verification";

const NEW: &str = "another good password";

async fn forgets(world: &World, name: &str) -> Answer {
    let field = if name.contains('@') { "email" } else { "username" };
    world.sends(Call::post(FORGOT).json(&json!({ field: name }))).await
}

fn reset(token: &str, password: &str) -> Call {
    Call::post(RESET).json(&json!({ "token": token, "new_password": password }))
}

fn log_in(password: &str) -> Call {
    Call::post(LOGIN).json(&json!({ "username": "ann", "password": password }))
}

/// What a browser sends of a page's form.
fn form(path: &str, token: &str, password: &str) -> Call {
    Call::post(path).form(&[("token", token), ("new_password", password)])
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_every_session_ends() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    forgets(&world, "ANN@example.org").await.is(202);
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    assert!(token.starts_with("spo_") && token.len() == 115, "{token}");
    world.sends(reset(&token, "short")).await.refused(400, "password_rejected");
    world.sends(reset(&token, NEW)).await.is(204);
    world.sends(reset(&token, NEW)).await.refused(400, "link_invalid");
    world.sends(ann.bearer_call("GET", "/api/v1/auth/me")).await.refused(401, "session_ended");
    world.sends(log_in(NEW)).await.is(200);
    world.winds(61);
    let told = world.letters().await;
    let kinds: Vec<LetterKind> = told.iter().map(|letter| letter.kind).collect();
    assert_eq!(kinds, [LetterKind::News], "its owner is told");
    let account = world.engine.accounts().find("ann").await.expect("it is there");
    assert!(account.email_confirmed_at().is_some(), "who had the letter has the address");
    let journal = world.journal(account.id).await;
    assert!(journal.contains(&"password_changed".to_owned()), "{journal:?}");
}

#[tokio::test]
async fn a_link_dies_with_the_password_that_it_was_to_replace() {
    let world = World::new();
    world.ann().await;
    forgets(&world, "ann").await.is(202);
    forgets(&world, "ann").await.is(202);
    let letters = world.letters().await;
    let tokens: Vec<&str> = letters.iter().filter_map(|letter| letter.token.as_deref()).collect();
    let [first, second] = tokens[..] else { panic!("two letters, not {letters:?}") };
    world.sends(reset(second, NEW)).await.is(204);
    world.sends(reset(first, "a third good password")).await.refused(400, "link_invalid");
    forgets(&world, "ann").await.is(202);
    // Beside the letter that tells of the new password: of one moment, in the order of their ids.
    let late = world.letters().await.into_iter().find_map(|letter| letter.token).expect("a link");
    world.winds(3600);
    world.sends(reset(&late, NEW)).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn nothing_tells_whether_anybody_has_an_address() {
    let world = World::new();
    world.ann().await;
    let gone = world.root().await;
    let root = world.engine.accounts().find("root").await.expect("it is there").id;
    world.engine.accounts().disable(root, &nobody()).await.expect("it can be disabled");
    drop(gone);
    let written = |table: &str| -> i64 {
        let count = format!("select count(*) from {table}");
        world.database().query_row(&count, [], |row| row.get(0)).expect("a count")
    };
    let mut answers = Vec::new();
    for (asked, name) in
        ["ann@example.org", "root@example.org", "nobody@example.org", "nobody", "@", "\u{200b}"]
            .iter()
            .zip(1..)
    {
        let answer = forgets(&world, asked).await.is(202);
        answers.push((answer.status, answer.text(), answer.header("content-type")));
        assert_eq!(
            (written("one_time_token"), written("outbox")),
            (name, name),
            "{asked}: as much is written"
        );
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    let letters = world.letters().await;
    let to: Vec<&str> = letters.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(to, ["ann@example.org"]);
}

#[tokio::test]
async fn letters_to_one_address_are_as_limited_where_nobody_has_it() {
    let world = World::planned(Plan { rates: Rates::default(), ..Plan::default() });
    world.ann().await;
    for name in ["ann@example.org", "nobody@example.org"] {
        for _ in 0..5 {
            forgets(&world, name).await.is(202);
        }
        forgets(&world, name).await.refused(429, "rate_limited");
        world.winds(600);
        forgets(&world, name).await.is(202);
    }
    assert_eq!(world.letters().await.len(), 6);
}

#[tokio::test]
async fn a_user_name_was_refused_once_letters_to_its_address_were_spent_which_told_whose_that_is() {
    let world = World::planned(Plan { rates: Rates::default(), ..Plan::default() });
    world.ann().await;
    for _ in 0..5 {
        forgets(&world, "ann@example.org").await.is(202);
    }
    forgets(&world, "ann@example.org").await.refused(429, "rate_limited");
    assert_eq!(world.letters().await.len(), 5);
    for name in ["ann", "nobody"] {
        for _ in 0..5 {
            forgets(&world, name).await.is(202);
        }
        forgets(&world, name).await.refused(429, "rate_limited");
    }
    assert!(world.letters().await.is_empty(), "as many letters went there as may");
    world.winds(600);
    forgets(&world, "ann").await.is(202);
    forgets(&world, "ann@example.org").await.refused(429, "rate_limited");
    assert_eq!(world.letters().await.len(), 1);
}

#[tokio::test]
async fn an_address_is_confirmed_once_and_by_its_own_letter_only() {
    let world = World::new();
    let ann = world.ann().await.logs_in().await;
    world.sends(Call::post(VERIFICATION)).await.refused(401, "token_missing");
    world.sends(ann.bearer_call("POST", VERIFICATION)).await.is(202);
    let token = world.token_by_mail(LetterKind::VerifyEmail).await;
    world.sends(reset(&token, NEW)).await.refused(400, "link_invalid");
    let verify = |token: &str| Call::post(VERIFY).json(&json!({ "token": token }));
    for odd in ["spo_", "x", &token[..token.len() - 1], &format!("{token}A"), &token.to_lowercase()] {
        world.sends(verify(odd)).await.refused(400, "link_invalid");
    }
    world.sends(verify(&token)).await.is(204);
    world.sends(verify(&token)).await.refused(400, "link_invalid");
    let account = world.engine.accounts().find("ann").await.expect("it is there");
    assert_eq!(account.email_confirmed_at(), Some(world.now()));
    world.sends(ann.bearer_call("POST", VERIFICATION)).await.is(202);
    assert!(world.letters().await.is_empty(), "there is nothing left to confirm");
}

#[tokio::test]
async fn a_mail_scanner_that_follows_every_link_consumes_nothing() {
    let world = World::new();
    world.ann().await;
    forgets(&world, "ann").await.is(202);
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    let page = format!("/reset?token={token}");
    for method in ["GET", "HEAD", "GET"] {
        let answer = world.is_asked(Call::new(method, &page).header("accept-language", "de")).await;
        assert_eq!(answer.status, 200, "{method}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        if method == "GET" {
            assert!(answer.text().contains("Neues Passwort") && answer.text().contains(&token));
            assert!(
                !answer.text().contains("<script") && !answer.text().contains("http"),
                "nothing is fetched"
            );
        }
    }
    let short = world.is_asked(form("/reset", &token, "x")).await;
    assert_eq!(short.status, 400);
    assert!(short.text().contains(&token), "the form is there once more");
    let done = world.is_asked(form("/reset", &token, NEW)).await;
    assert_eq!(done.status, 200, "{}", done.text());
    world.sends(log_in(NEW)).await.is(200);
    for call in [Call::get(&page), form("/reset", &token, NEW)] {
        let gone = world.is_asked(call).await;
        assert_eq!(gone.status, 400);
        assert!(gone.text().contains("no longer good"), "{}", gone.text());
    }
}

#[tokio::test]
async fn the_page_that_confirms_an_address_asks_before_it_does() {
    let world = World::new();
    let ann = world.ann().await.logs_in().await;
    world.sends(ann.bearer_call("POST", VERIFICATION)).await.is(202);
    let token = world.token_by_mail(LetterKind::VerifyEmail).await;
    let page = world.is_asked(Call::get(&format!("/verify?token={token}"))).await;
    let told = page.text();
    assert!(told.contains("ann@example.org") && told.contains("the account “ann”"), "{told}");
    assert!(told.contains("whoever made it keeps its password"), "{told}");
    let done = world.is_asked(form("/verify", &token, "")).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let refused = world.is_asked(Call::new("DELETE", "/verify")).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD, POST".to_owned()));
}

#[tokio::test]
async fn no_token_stands_in_the_database() {
    let world = World::new();
    world.ann().await;
    forgets(&world, "ann").await.is(202);
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    forgets(&world, "ann").await.is(202);
    let waiting = world.engine.outbox().lease(|_, _| ()).await.expect("a store that works");
    let other = waiting[0].letter.token.clone().expect("a link");
    let file = std::fs::read(world.backs_up()).expect("the file");
    for token in [token, other] {
        for part in [token.as_bytes(), &token.as_bytes()[60..]] {
            assert!(!file.windows(part.len()).any(|bytes| bytes == part));
        }
    }
    assert!(!file.windows(15).any(|bytes| bytes == b"reset_password\""), "letters are sealed");
}

#[tokio::test]
async fn a_letter_that_is_never_taken_is_told_to_administrators() {
    let world = World::new();
    world.ann().await;
    forgets(&world, "ann").await.is(202);
    let outbox = world.engine.outbox();
    let leased = outbox.lease(|_, _| ()).await.expect("a store that works");
    let later = Outcome::NotNow("450 busy".to_owned());
    assert!(!outbox.settle(&leased[0], later).await.expect("a store that works"));
    assert!(outbox.lease(|_, _| ()).await.expect("a store that works").is_empty(), "it waits");
    world.winds(31);
    let again = outbox.lease(|_, _| ()).await.expect("a store that works");
    assert_eq!((again[0].key, again[0].attempt), (leased[0].key, 2), "under one id");
    let never = Outcome::Never("550 no such user".to_owned());
    assert!(outbox.settle(&again[0], never).await.expect("a store that works"));
    let account = world.engine.accounts().find("ann").await.expect("it is there").id;
    let entries = world.entries(account).await;
    let told = entries.last().and_then(|entry| entry.event.note.clone());
    assert_eq!(told.as_deref(), Some("reset_password: 550 no such user"));
    let body: Value = json!(world.journal(account).await);
    assert!(body.to_string().contains("warning letter_refused"), "{body}");
}

fn registers(name: &str, email: &str) -> Call {
    Call::post(REGISTER).json(&json!({ "username": name, "email": email, "password": NEW }))
}

fn confirming(how: &str) -> World {
    let line = format!("registration = \"open\"\nemail_confirmation = {how:?}\n");
    World::planned(Plan {
        profiles: vec![our_profile(&[("registration = \"admin\"\n", &line)])],
        ..Plan::default()
    })
}

#[tokio::test]
async fn where_an_address_must_be_confirmed_nobody_learns_who_has_one_and_no_session_comes_before() {
    let world = confirming("required");
    world.ann().await;
    let new = world.sends(registers("carol", "carol@example.org")).await.is(202);
    let known = world.sends(registers("dave", "Ann@Example.org")).await.is(202);
    assert_eq!((new.text(), new.header("content-type")), (known.text(), known.header("content-type")));
    world.sends(registers("ann", "other@example.org")).await.refused(409, "name_taken");
    world
        .sends(Call::post(REGISTER).json(&json!({ "username": "eve", "password": NEW })))
        .await
        .refused(400, "name_invalid");
    let letters = world.letters().await;
    let mut told: Vec<(LetterKind, &str)> =
        letters.iter().map(|letter| (letter.kind, letter.to.as_str())).collect();
    // Of one moment, in the order of their ids.
    told.sort_unstable();
    assert_eq!(
        told,
        [(LetterKind::VerifyEmail, "carol@example.org"), (LetterKind::SignUpKnown, "ann@example.org")]
    );
    let log_in = || Call::post(LOGIN).json(&json!({ "username": "carol", "password": NEW }));
    world.sends(log_in()).await.refused(401, "credentials_invalid");
    let token = letters.iter().find_map(|letter| letter.token.clone()).expect("a link");
    world.sends(Call::post(VERIFY).json(&json!({ "token": token }))).await.is(204);
    world.sends(log_in()).await.is(200);
}

#[tokio::test]
async fn where_an_address_is_asked_for_people_log_in_and_are_told_of_as_unconfirmed() {
    let world = confirming("asked");
    world.sends(registers("carol", "carol@example.org")).await.is(201);
    let token = world.token_by_mail(LetterKind::VerifyEmail).await;
    let pair =
        world.sends(Call::post(LOGIN).json(&json!({ "username": "carol", "password": NEW }))).await.is(200);
    let me = async || {
        world.sends(Call::get(ME).bearer(&pair.access_token())).await.is(200).field("email_verified")
    };
    assert_eq!(me().await, "false");
    world.sends(Call::post(VERIFY).json(&json!({ "token": token }))).await.is(204);
    assert_eq!(me().await, "true");
}
