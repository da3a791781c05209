//! Hooks: another system says who may log in, and what access tokens tell; and what happens where nobody says.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use sprag::Fault;
use sprag::account::Account;
use sprag::audit::NOBODY;
use sprag::hooks::{AsksClaims, BeforeLogin, Hooks, LoginAsked, WhenAway};
use sprag::letter::LetterKind;
use sprag::session::SessionId;

use crate::call::{Answer, Call};
use crate::moved_on::open_house;
use crate::people::{COOKIE, LOGIN, REFRESH, REGISTER};
use crate::world::{ORIGIN, Plan, W, World, our_profile, second_profile};

/// Another system: what it answers now, and how often it was asked.
#[derive(Default)]
struct Other {
    /// What it answers; `None` where it is away.
    answers: Mutex<Option<Value>>,
    asked: AtomicU32,
}

impl Other {
    fn answering(answer: Value) -> Arc<Self> {
        let other = Arc::<Self>::default();
        other.says(Some(answer));
        other
    }

    fn says(&self, answer: Option<Value>) {
        *self.answers.lock().expect("no test panics here") = answer;
    }

    fn was_asked(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn answer(&self) -> Result<Value, Fault> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().expect("no test panics here").clone();
        answer.ok_or_else(|| Fault::unavailable("ask another system", "the story says that it is away"))
    }
}

#[async_trait]
impl BeforeLogin for Other {
    async fn may_log_in(&self, login: &LoginAsked<'_>) -> Result<bool, Fault> {
        assert!(["ann", "carol"].contains(&login.account.username.as_deref().expect("a user name")));
        assert!([["pwd"], ["mail"]].iter().any(|methods| login.methods == methods), "{:?}", login.methods);
        Ok(self.answer()? == json!(true))
    }
}

#[async_trait]
impl AsksClaims for Other {
    async fn claims(&self, _: &Account, _: Option<SessionId>) -> Result<Map<String, Value>, Fault> {
        Ok(self.answer()?.as_object().expect("claims").clone())
    }
}

fn world(hooks: Hooks) -> World {
    World::planned(Plan { hooks, ..Plan::default() })
}

fn with_claims(other: &Arc<Other>, when_away: WhenAway) -> World {
    world(Hooks { claims: Some((Arc::clone(other) as _, when_away)), ..Hooks::default() })
}

fn log_in(password: &str) -> Call {
    Call::post(LOGIN).json(&json!({ "username": "ann", "password": password }))
}

fn claim(answer: &Answer, name: &str) -> Value {
    let token = answer.access_token();
    let claims = token.split('.').nth(1).expect("a JWT");
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url");
    serde_json::from_slice::<Value>(&claims).expect("JSON")[name].clone()
}

#[tokio::test]
async fn another_system_says_who_may_log_in_once_the_password_was_right() {
    let other = Other::answering(json!(true));
    let world = world(Hooks { before_login: Some(Arc::clone(&other) as _), ..Hooks::default() });
    let person = world.ann().await;
    world.sends(log_in("a wrong password")).await.refused(401, "credentials_invalid");
    assert_eq!(other.was_asked(), 0, "nobody is asked about a wrong password");
    world.sends(log_in(&person.password)).await.is(200);
    assert_eq!(other.was_asked(), 1);
    other.says(Some(json!(false)));
    let before = person.journal().await;
    world.sends(log_in(&person.password)).await.refused(403, "login_refused");
    assert_eq!(person.journal_since(&before).await, ["warning login_refused"]);
    other.says(None);
    let before = person.journal().await;
    world.sends(log_in(&person.password)).await.refused(503, "unavailable");
    assert!(person.journal_since(&before).await.is_empty(), "no session was opened");
    other.says(Some(json!(true)));
    world.sends(log_in(&person.password)).await.is(200);
}

#[tokio::test]
async fn another_system_says_what_an_access_token_tells() {
    let other = Other::answering(json!({ "plan": "free", "seats": 3 }));
    let world = with_claims(&other, WhenAway::Refuse);
    let mut ann = world.ann().await.logs_in().await;
    assert_eq!(other.was_asked(), 1);
    other.says(Some(json!({ "plan": "paid" })));
    let answer = ann.refreshes().await.is(200);
    assert_eq!((claim(&answer, "plan"), claim(&answer, "seats")), (json!("paid"), Value::Null));
    world.winds(W + 1);
    let again = ann.refreshes().await.is(200);
    assert_eq!(claim(&again, "plan"), json!("paid"));
    assert_eq!(other.was_asked(), 2, "once each");
    other.says(Some(json!({ "sub": "somebody else" })));
    world.winds(W + 1);
    ann.refreshes().await.refused(503, "unavailable");
    other.says(Some(json!({ "much": "x".repeat(5000) })));
    ann.refreshes().await.refused(503, "unavailable");
    other.says(Some(json!({})));
    ann.refreshes().await.is(200);
}

#[tokio::test]
async fn where_nobody_says_it_nothing_turns_or_the_last_claims_or_none_are_told() {
    for when_away in [WhenAway::Refuse, WhenAway::Stale, WhenAway::None] {
        let other = Other::answering(json!({ "plan": "paid" }));
        let world = with_claims(&other, when_away);
        let mut ann = world.ann().await.logs_in().await;
        world.winds(W + 1);
        let before = ann.row().await;
        other.says(None);
        let answer = ann.refreshes().await;
        let now = ann.row().await;
        match when_away {
            WhenAway::Refuse => {
                answer.refused(503, "unavailable");
                assert_eq!(now, before, "nothing turned");
                other.says(Some(json!({ "plan": "paid" })));
                ann.refreshes().await.is(200);
            }
            WhenAway::Stale => {
                assert_eq!(claim(&answer.is(200), "plan"), json!("paid"), "as it was said last");
                assert_eq!(now.generation, before.generation.next());
            }
            WhenAway::None => assert_eq!(claim(&answer.is(200), "plan"), Value::Null),
        }
    }
}

#[tokio::test]
async fn the_last_claims_are_those_of_the_store_and_another_node_tells_them_too() {
    let other = Other::answering(json!({ "plan": "paid" }));
    let mut world = with_claims(&other, WhenAway::Stale);
    let person = world.ann().await;
    let password = person.password.clone();
    drop(person);
    world.sends(log_in(&password)).await.is(200);
    let file = std::fs::read(world.backs_up()).expect("the file");
    assert!(!file.windows(6).any(|bytes| bytes == b"\"paid\""), "they are sealed");
    world.is_served_by_another_node();
    other.says(None);
    assert_eq!(claim(&world.sends(log_in(&password)).await.is(200), "plan"), json!("paid"));
}

#[tokio::test]
async fn where_nothing_was_said_before_there_is_nothing_to_tell() {
    let other = Arc::<Other>::default();
    let world = with_claims(&other, WhenAway::Stale);
    let person = world.ann().await;
    world.sends(log_in(&person.password)).await.refused(503, "unavailable");
    assert!(person.journal().await.iter().all(|entry| !entry.contains("session_opened")));
}

#[tokio::test]
async fn nobody_is_asked_about_a_token_that_no_refresh_would_take() {
    let other = Other::answering(json!({}));
    let world = with_claims(&other, WhenAway::Refuse);
    let mut ann = world.ann().await.logs_in().await;
    let token = ann.refresh.clone();
    ann.logs_out().await.is(204);
    other.was_asked();
    world
        .sends(Call::post(REFRESH).json(&json!({ "refresh_token": token })))
        .await
        .refused(401, "session_ended");
    ann.refresh = format!("{token}x");
    ann.refreshes().await.refused(401, "token_invalid");
    assert_eq!(other.was_asked(), 0);
}

#[tokio::test]
async fn a_profile_without_hooks_asks_nobody() {
    let other = Other::answering(json!({ "plan": "paid" }));
    let hooks = Hooks { claims: Some((Arc::clone(&other) as _, WhenAway::Refuse)), ..Hooks::default() };
    let profiles = vec![our_profile(&[]), second_profile(&[])];
    let world = World::planned(Plan { hooks, profiles, ..Plan::default() });
    let person = world.ann().await;
    let body = json!({ "username": "ann", "password": person.password });
    let pair = world.sends(Call::post("/second/login").json(&body)).await.is(200);
    assert_eq!(claim(&pair, "plan"), Value::Null);
    let token = json!({ "refresh_token": pair.refresh_token() });
    world.sends(Call::post("/second/refresh").json(&token)).await.is(200);
    assert_eq!(other.was_asked(), 0);
}

/// A world in which the link of a letter logs in wherever it is opened.
fn with_links(hooks: Hooks) -> World {
    let line =
        "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\nlogin_link = \"anywhere\"\n";
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", line)])];
    World::planned(Plan { hooks, profiles, ..Plan::default() })
}

/// Follows the link of a letter on the server's own page.
async fn follows_link(world: &World) -> Answer {
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    world.sends(asked).await.is(202);
    let token = world.token_by_mail(LetterKind::LogIn).await;
    sends_link(world, &token).await
}

async fn sends_link(world: &World, token: &str) -> Answer {
    world.is_asked(Call::post("/code").form(&[("token", token)]).header("origin", ORIGIN)).await
}

#[tokio::test]
async fn the_page_of_a_letters_link_went_past_the_hook_that_says_who_may_log_in() {
    let other = Other::answering(json!(false));
    let world = with_links(Hooks { before_login: Some(Arc::clone(&other) as _), ..Hooks::default() });
    let person = world.ann().await;
    let before = person.journal().await;
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    world.sends(asked).await.is(202);
    let token = world.token_by_mail(LetterKind::LogIn).await;
    let refused = sends_link(&world, &token).await;
    assert_eq!((refused.status, other.was_asked()), (403, 1), "{}", refused.text());
    assert!(refused.text().contains("This log-in was refused"), "{}", refused.text());
    assert!(refused.set_cookies().is_empty(), "no session was opened");
    assert_eq!(person.journal_since(&before).await, ["warning login_refused"]);
    other.says(None);
    assert_eq!(sends_link(&world, &token).await.status, 503);
    other.says(Some(json!(true)));
    let opened = sends_link(&world, &token).await;
    assert_eq!(opened.status, 200, "the link was not spent: {}", opened.text());
    assert!(opened.cookie(COOKIE).is_some(), "a session");
}

#[tokio::test]
async fn the_session_of_a_letters_link_has_the_claims_that_another_system_tells() {
    let other = Other::answering(json!({ "plan": "paid" }));
    let hooks = Hooks { claims: Some((Arc::clone(&other) as _, WhenAway::Refuse)), ..Hooks::default() };
    let world = with_links(hooks);
    world.ann().await;
    assert_eq!((follows_link(&world).await.status, other.was_asked()), (200, 1));
    other.says(None);
    let refused = follows_link(&world).await;
    assert_eq!(refused.status, 503, "nobody says what the token shall tell: {}", refused.text());
    assert!(refused.set_cookies().is_empty());
}

fn registers() -> Call {
    let body =
        json!({ "username": "carol", "email": "carol@example.org", "password": "carol's battery staple" });
    Call::post(REGISTER).json(&body)
}

#[tokio::test]
async fn whoever_was_refused_as_they_registered_left_an_account_that_kept_their_name() {
    let other = Other::answering(json!(false));
    let world = open_house(Hooks { before_login: Some(Arc::clone(&other) as _), ..Hooks::default() });
    let is_nobody = async || world.engine.accounts().find("carol").await.is_err();
    world.sends(registers()).await.refused(403, "login_refused");
    assert_eq!((other.was_asked(), is_nobody().await), (1, true));
    let told = world.journal(NOBODY).await;
    assert!(told.contains(&"warning login_refused".to_owned()), "under no account: {told:?}");
    other.says(None);
    world.sends(registers()).await.refused(503, "unavailable");
    assert_eq!((other.was_asked(), is_nobody().await), (1, true));
    other.says(Some(json!(true)));
    let pair = world.sends(registers()).await.is(201);
    assert!(!pair.access_token().is_empty());
    assert_eq!(other.was_asked(), 1, "once for the account and its first session");
    world.sends(registers()).await.refused(409, "name_taken");
    assert_eq!(other.was_asked(), 0, "nobody is asked about a name that is taken");
}

#[tokio::test]
async fn no_account_is_made_where_nobody_says_what_its_first_token_shall_tell() {
    let other = Arc::<Other>::default();
    let hooks = Hooks { claims: Some((Arc::clone(&other) as _, WhenAway::Stale)), ..Hooks::default() };
    let world = open_house(hooks);
    world.sends(registers()).await.refused(503, "unavailable");
    assert!(world.engine.accounts().find("carol").await.is_err());
    other.was_asked();
    other.says(Some(json!({ "plan": "paid" })));
    let pair = world.sends(registers()).await.is(201);
    assert_eq!((claim(&pair, "plan"), other.was_asked()), (json!("paid"), 1));
    other.says(None);
    let body = json!({ "username": "carol", "password": "carol's battery staple" });
    let again = world.sends(Call::post(LOGIN).json(&body)).await.is(200);
    assert_eq!(claim(&again, "plan"), json!("paid"), "what was said at the sign-up is kept");
}
