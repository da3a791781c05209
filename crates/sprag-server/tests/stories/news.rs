//! News by mail: a log-in from a new device, a stolen session, another password; a flood of it is one letter.

use serde_json::{Value, json};
use sprag::audit::{Event, EventKind};
use sprag::letter::{Letter, LetterKind};
use sprag::news::NewsKind;
use sprag::risk::RiskPolicy;
use sprag::store::Commit;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, Person, STEP_UP};
use crate::second_factor::adds_app;
use crate::world::{Plan, W, World};

const NOT_ME: &str = "/api/v1/auth/not-me";
const RESET: &str = "/api/v1/auth/password/reset";

const NEW: &str = "another good password";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn weighing() -> World {
    World::planned(Plan { risk: Some(RiskPolicy::default()), ..Plan::default() })
}

/// Ann, who has logged in before with her telephone.
async fn at_home(world: &World) -> Person<'_> {
    let ann = world.ann().await;
    world.winds(60);
    ann.logs_in().await;
    world.winds(3600);
    assert!(world.letters().await.is_empty(), "the first log-in is nothing new");
    ann
}

fn kinds(letter: &Letter) -> Vec<NewsKind> {
    letter.news.iter().map(|news| news.kind).collect()
}

async fn only(world: &World) -> Letter {
    let mut letters = world.letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

async fn says(world: &World, token: &str, everywhere: bool) -> Answer {
    let body: Value = json!({ "token": token, "everywhere": everywhere });
    world.sends(Call::post(NOT_ME).json(&body)).await
}

#[tokio::test]
async fn a_log_in_from_a_new_device_is_told_within_a_minute_and_a_familiar_one_is_not() {
    let world = weighing();
    let ann = at_home(&world).await;
    ann.logs_in().await;
    world.winds(61);
    assert!(world.letters().await.is_empty(), "a familiar device");
    ann.logs_in_on(Device::new(&world, FIREFOX, "203.0.113.7")).await;
    assert!(world.letters().await.is_empty(), "it waits for more");
    world.winds(61);
    let letter = only(&world).await;
    assert_eq!((letter.kind, letter.to.as_str()), (LetterKind::News, "ann@example.org"));
    assert_eq!(kinds(&letter), [NewsKind::Login]);
    let told = &letter.news[0];
    assert_eq!(told.ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(told.device.as_deref(), Some("Firefox on Linux"));
    world.winds(3600);
    assert!(world.letters().await.is_empty(), "it is told once");
}

#[tokio::test]
async fn a_flood_of_events_is_one_letter_and_what_comes_after_it_another_an_hour_later() {
    let world = weighing();
    let ann = at_home(&world).await;
    let agents: Vec<&'static str> =
        (0..30).map(|number| Box::leak(format!("agent{number}/1.0").into_boxed_str()) as &str).collect();
    for agent in &agents[..25] {
        ann.logs_in_on(Device::new(&world, agent, "203.0.113.7")).await;
    }
    world.winds(61);
    let letter = only(&world).await;
    assert_eq!((letter.news.len(), letter.more), (20, 5));
    for agent in &agents[25..] {
        ann.logs_in_on(Device::new(&world, agent, "203.0.113.7")).await;
    }
    world.winds(61);
    assert!(world.letters().await.is_empty(), "one an hour");
    world.winds(3600);
    let letter = only(&world).await;
    assert_eq!((letter.news.len(), letter.more), (5, 0), "what the first did not tell");
    world.winds(3600);
    assert!(world.letters().await.is_empty());
}

#[tokio::test]
async fn who_says_that_it_was_not_them_ends_those_sessions_and_chooses_a_new_password() {
    let world = weighing();
    let ann = at_home(&world).await;
    let mut phone = ann.logs_in().await;
    world.winds(1);
    let mut thief = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    world.winds(61);
    let token = only(&world).await.token.expect("a link");
    let said = says(&world, &token, false).await.is(200);
    says(&world, &token, false).await.refused(400, "link_invalid");
    thief.asks(ME).await.refused(401, "session_ended").because("revoked");
    assert!(!thief.is_logged_in().await && phone.is_logged_in().await, "those sessions and no others");
    let reset = json!({ "token": said.field("reset_token"), "new_password": NEW });
    world.sends(Call::post(RESET).json(&reset)).await.is(204);
    assert!(!phone.is_logged_in().await, "a new password ends all");
}

#[tokio::test]
async fn all_sessions_end_where_that_is_wished_also_after_a_thief_has_changed_the_password() {
    let world = weighing();
    let ann = at_home(&world).await;
    let mut phone = ann.logs_in().await;
    let mut thief = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    let changed = thief.changes_password(&ann.password, "the thief's password").await.is(200);
    thief.keeps(&changed);
    world.winds(61);
    let letter = only(&world).await;
    assert_eq!(kinds(&letter), [NewsKind::Login, NewsKind::Password], "together");
    world.winds(6 * 24 * 3600);
    let said = says(&world, &letter.token.expect("a link"), true).await.is(200);
    assert!(!thief.is_logged_in().await && !phone.is_logged_in().await);
    let reset = json!({ "token": said.field("reset_token"), "new_password": NEW });
    world.sends(Call::post(RESET).json(&reset)).await.is(204);
    let log_in = json!({ "username": "ann", "password": NEW });
    world.sends(Call::post(LOGIN).json(&log_in)).await.is(200);
}

#[tokio::test]
async fn a_session_that_ended_for_reuse_is_told() {
    let world = weighing();
    let ann = at_home(&world).await;
    let phone = ann.logs_in().await;
    let mut thief = phone.is_robbed();
    thief.refreshes().await.is(200);
    world.winds(W + 1);
    phone.presents(&phone.refresh).await.refused(401, "session_ended").because("reuse");
    world.winds(61);
    let letter = only(&world).await;
    assert_eq!(kinds(&letter), [NewsKind::Reuse]);
}

#[tokio::test]
async fn an_account_without_an_address_is_told_nothing() {
    let world = weighing();
    let ann = at_home(&world).await;
    world.meddles("update account set email = null");
    ann.logs_in_on(Device::new(&world, FIREFOX, "203.0.113.7")).await;
    world.winds(7200);
    assert!(world.letters().await.is_empty());
}

/// Entries of the journal that are no news.
async fn makes_entries(ann: &Person<'_>, how_many: usize) {
    for _ in 0..how_many {
        let event = Event {
            account: ann.id,
            at: ann.world.now(),
            kind: EventKind::LoginFailed,
            session: None,
            cause: None,
            ip: None,
            user_agent: None,
            note: None,
        };
        let done = ann.world.seam.store().commit(Commit::telling(event)).await.expect("a store that works");
        assert!(done.is_done());
    }
}

#[tokio::test]
async fn a_thief_hid_a_log_in_from_a_new_device_behind_a_flood_of_entries() {
    let world = weighing();
    let ann = at_home(&world).await;
    ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    makes_entries(&ann, 650).await;
    world.winds(61);
    assert_eq!(kinds(&only(&world).await), [NewsKind::Login]);
}

#[tokio::test]
async fn a_thief_who_logged_in_once_more_kept_the_session_that_the_letter_did_not_know() {
    let world = weighing();
    let ann = at_home(&world).await;
    let mut phone = ann.logs_in().await;
    world.winds(1);
    let first = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    world.winds(61);
    let token = only(&world).await.token.expect("a link");
    first.logs_out().await;
    let mut again = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    world.winds(61);
    assert!(world.letters().await.is_empty(), "the device is familiar by now");
    says(&world, &token, false).await.is(200);
    assert!(!again.is_logged_in().await && phone.is_logged_in().await);
}

#[tokio::test]
async fn a_thief_who_had_shown_the_password_once_more_kept_the_session_that_came_of_it() {
    let world = weighing();
    let ann = at_home(&world).await;
    let mut thief = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    world.winds(61);
    let token = only(&world).await.token.expect("a link");
    let body = json!({ "password": ann.password, "refresh_token": thief.refresh });
    let stepped = world.sends(thief.bearer_call("POST", STEP_UP).json(&body)).await.is(200);
    thief.keeps(&stepped);
    says(&world, &token, false).await.is(200);
    assert!(!thief.is_logged_in().await);
}

#[tokio::test]
async fn another_password_and_a_stolen_token_are_told_with_a_link_that_ends_all() {
    let world = weighing();
    let ann = at_home(&world).await;
    let mut phone = ann.logs_in().await;
    let mut thief = ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    let changed = thief.changes_password(&ann.password, "the thief's password").await.is(200);
    thief.keeps(&changed);
    world.winds(61);
    let token = only(&world).await.token.expect("a link");
    says(&world, &token, false).await.is(200);
    assert!(!thief.is_logged_in().await && !phone.is_logged_in().await);
}

#[tokio::test]
async fn what_happened_early_in_an_hour_was_told_an_hour_late_after_one_letter_had_nothing_left() {
    let world = weighing();
    let ann = at_home(&world).await;
    let into_hour = u64::try_from(world.now().0).expect("after 1970") / 1000 % 3600;
    world.winds(3600 - into_hour + 1800);
    ann.logs_in_on(Device::new(&world, FIREFOX, "203.0.113.7")).await;
    world.winds(61);
    assert_eq!(kinds(&only(&world).await), [NewsKind::Login]);
    world.winds(1800);
    assert!(world.letters().await.is_empty(), "all was told");
    ann.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    world.winds(61);
    assert_eq!(kinds(&only(&world).await), [NewsKind::Login], "within a minute");
    ann.logs_in_on(Device::new(&world, "agent/1.0", "198.51.100.7")).await;
    world.winds(61);
    assert!(world.letters().await.is_empty(), "one an hour");
    world.winds(3600);
    let last = only(&world).await;
    assert_eq!(last.news.len(), 1, "what the one before did not tell");
    world.winds(3600);
    assert!(world.letters().await.is_empty());
}

#[tokio::test]
async fn letters_told_from_where_an_administrator_works() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    adds_app(&phone).await;
    let root = Device::new(&world, "Administration/1.0", "198.51.100.77");
    let root = world.root().await.logs_in_on(root).await;
    world.letters().await;
    let of_ann = |what: &str| format!("/api/v1/admin/users/{}{what}", ann.id);
    world.sends(root.bearer_call("DELETE", &of_ann("/factors"))).await.is(204);
    let letters = world.letters().await;
    let removed = letters.iter().find(|letter| letter.kind == LetterKind::FactorRemoved).expect("a letter");
    assert_eq!(removed.ip, None);
    assert!(removed.is_by_administrator);
    let set = root.bearer_call("POST", &of_ann("/password")).json(&json!({ "password": NEW }));
    world.sends(set).await.is(204);
    world.winds(61);
    let letter = only(&world).await;
    assert_eq!(kinds(&letter), [NewsKind::Password]);
    let told = &letter.news[0];
    assert_eq!((&told.ip, &told.device, &told.place), (&None, &None, &None));
    assert!(told.is_by_administrator);
    let page = world.is_asked(Call::get(&format!("/not-me?token={}", letter.token.expect("a link")))).await;
    assert!(page.text().contains("by an administrator"), "{}", page.text());
    assert!(!page.text().contains("198.51.100.77"), "{}", page.text());
}
