//! Another address: confirmed at the new one, told to the old one, and undone by whoever has that.

use serde_json::json;
use sprag::account::NameKind;
use sprag::engine::{ClientPolicy, NewUser, OpenRequest};
use sprag::letter::{Letter, LetterKind};
use sprag::session::{Methods, ProfileId};

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, Person, nobody};
use crate::world::World;

const EMAIL: &str = "/api/v1/auth/email";
const CONFIRM: &str = "/api/v1/auth/email/confirm";
const UNDO: &str = "/api/v1/auth/email/undo";
const RESET: &str = "/api/v1/auth/password/reset";
const FORGOT: &str = "/api/v1/auth/password/forgot";

const NEW: &str = "another good password";

async fn asks_for(device: &Device<'_>, email: &str) -> Answer {
    device.world.sends(device.bearer_call("POST", EMAIL).json(&json!({ "email": email }))).await
}

async fn uses(world: &World, path: &str, token: &str) -> Answer {
    world.sends(Call::post(path).json(&json!({ "token": token }))).await
}

async fn logs_in_as(world: &World, name: &str, password: &str) -> Answer {
    world.sends(Call::post(LOGIN).json(&json!({ "email": name, "password": password }))).await
}

/// Changes the address by its letter, and gives what the old one was told.
async fn changes_to(device: &Device<'_>, email: &str) -> Letter {
    asks_for(device, email).await.is(202);
    let token = device.world.token_by_mail(LetterKind::ChangeEmail).await;
    uses(device.world, CONFIRM, &token).await.is(204);
    let told = device.world.letters().await.pop().expect("the old address is told");
    assert_eq!(told.kind, LetterKind::EmailChanged);
    told
}

async fn address_of(ann: &Person<'_>) -> Option<String> {
    ann.world.engine.accounts().get(ann.id).await.expect("it is there").email
}

#[tokio::test]
async fn an_address_is_changed_by_a_letter_to_the_new_one_and_the_old_one_is_told() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    asks_for(&ann, "Ann@new.example").await.is(202);
    let letters = world.letters().await;
    let [letter] = &letters[..] else { panic!("one letter, not {letters:?}") };
    assert_eq!((letter.kind, letter.to.as_str()), (LetterKind::ChangeEmail, "Ann@new.example"));
    assert_eq!(address_of(&person).await.as_deref(), Some("ann@example.org"), "nothing changes before");
    let token = letter.token.clone().expect("a link");
    uses(&world, "/api/v1/auth/email/verify", &token).await.refused(400, "link_invalid");
    uses(&world, CONFIRM, &token).await.is(204);
    uses(&world, CONFIRM, &token).await.refused(400, "link_invalid");
    logs_in_as(&world, "ann@NEW.example", &person.password).await.is(200);
    logs_in_as(&world, "ann@example.org", &person.password).await.refused(401, "credentials_invalid");
    let me = ann.asks(ME).await.is(200);
    assert_eq!((me.field("email"), me.field("email_verified")), ("Ann@new.example".into(), "true".into()));
    let told = world.letters().await;
    let told: Vec<_> =
        told.iter().map(|letter| (letter.kind, letter.to.as_str(), letter.token.is_some())).collect();
    assert_eq!(told, [(LetterKind::EmailChanged, "ann@example.org", true)]);
    assert!(person.journal().await.contains(&"account_renamed".to_owned()));
}

#[tokio::test]
async fn whoever_changes_the_address_has_logged_in_a_moment_ago_or_knows_the_password() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    world
        .sends(Call::post(EMAIL).json(&json!({ "email": "x@new.example" })))
        .await
        .refused(401, "token_missing");
    asks_for(&ann, "no address").await.refused(400, "name_invalid");
    world.winds(601);
    asks_for(&ann, "x@new.example").await.refused(403, "step_up_required");
    let with = |password: &str| {
        let body = json!({ "email": "x@new.example", "current_password": password });
        ann.bearer_call("POST", EMAIL).json(&body)
    };
    world.sends(with("not her password")).await.refused(403, "current_password_wrong");
    assert!(world.letters().await.is_empty());
    world.sends(with(&person.password)).await.is(202);
    assert_eq!(world.letters().await.len(), 1);
}

#[tokio::test]
async fn nothing_tells_whether_an_address_is_somebody_elses() {
    let world = World::new();
    let ann = world.ann().await.logs_in().await;
    world.bob().await;
    let written = |table: &str| -> i64 {
        let count = format!("select count(*) from {table}");
        world.database().query_row(&count, [], |row| row.get(0)).expect("a count")
    };
    let free = asks_for(&ann, "free@new.example").await.is(202);
    assert_eq!((written("one_time_token"), written("outbox")), (1, 1));
    let known = asks_for(&ann, "Bob@example.org").await.is(202);
    assert_eq!((written("one_time_token"), written("outbox")), (2, 2), "as much is written");
    let shown = |answer: &Answer| (answer.text(), answer.header("content-type"));
    assert_eq!(shown(&free), shown(&known));
    let mut letters = world.letters().await;
    // Of one moment, in the order of their ids.
    letters.sort_by_key(|letter| letter.kind);
    let told: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.to.as_str())).collect();
    let expected =
        [(LetterKind::ChangeEmail, "free@new.example"), (LetterKind::ChangeEmailKnown, "bob@example.org")];
    assert_eq!(told, expected);
    assert_eq!(letters[1].token, None, "nobody can confirm what is another's");
}

#[tokio::test]
async fn a_link_to_a_new_address_dies_with_the_password_and_where_somebody_else_has_it_by_now() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    asks_for(&ann, "ann@new.example").await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    let taken = NewUser { email: Some("ann@new.example"), password: Some(NEW), ..NewUser::default() };
    world.engine.accounts().create(taken, &nobody()).await.expect("an account");
    uses(&world, CONFIRM, &token).await.refused(409, "name_taken");
    asks_for(&ann, "ann@third.example").await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    let changed = ann.changes_password(&person.password, NEW).await.is(200);
    uses(&world, CONFIRM, &token).await.refused(400, "link_invalid");
    let mut ann = ann;
    ann.keeps(&changed);
    asks_for(&ann, "ann@fourth.example").await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    world.winds(24 * 3600);
    uses(&world, CONFIRM, &token).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn whoever_has_the_old_address_undoes_what_a_thief_did_however_far_they_went() {
    let world = World::new();
    let person = world.ann().await;
    let mut owners = person.logs_in().await;
    let mut thief = person.logs_in_on(Device::new(&world, "curl/8.0", "203.0.113.66")).await;
    let told = changes_to(&thief, "thief@evil.example").await;
    assert_eq!(told.to, "ann@example.org");
    let undo = told.token.expect("a link");
    let changed = thief.changes_password(&person.password, "the thief's password").await.is(200);
    thief.keeps(&changed);
    world.winds(1);
    let again = changes_to(&thief, "thief@worse.example").await;
    assert_eq!(again.to, "thief@evil.example");
    // The address that is free now is taken, to keep it from its owner.
    let squatter = NewUser { email: Some("Ann@example.org"), password: Some(NEW), ..NewUser::default() };
    world.engine.accounts().create(squatter, &nobody()).await.expect("an account");
    world.winds(6 * 24 * 3600);
    let undone = uses(&world, UNDO, &undo).await.is(200);
    uses(&world, UNDO, &undo).await.refused(400, "link_invalid");
    assert_eq!(address_of(&person).await.as_deref(), Some("ann@example.org"));
    assert!(!thief.is_logged_in().await && !owners.is_logged_in().await, "every session has ended");
    for password in ["the thief's password", &person.password] {
        logs_in_as(&world, "ann@example.org", password).await.refused(401, "credentials_invalid");
    }
    uses(&world, UNDO, &again.token.expect("a link")).await.refused(400, "link_invalid");
    let reset = json!({ "token": undone.field("reset_token"), "new_password": NEW });
    world.sends(Call::post(RESET).json(&reset)).await.is(204);
    logs_in_as(&world, "ann@example.org", NEW).await.is(200);
    logs_in_as(&world, "thief@worse.example", NEW).await.refused(401, "credentials_invalid");
}

#[tokio::test]
async fn a_thief_ended_the_owners_sessions_by_a_letter_of_the_time_before_the_undo() {
    let world = World::new();
    let person = world.ann().await;
    let mut thief = person.logs_in().await;
    let undo = changes_to(&thief, "thief@evil.example").await.token.expect("a link");
    let changed = thief.changes_password(&person.password, "the thief's password").await.is(200);
    thief.keeps(&changed);
    world.winds(61);
    let not_me = world.token_by_mail(LetterKind::News).await;
    let undone = uses(&world, UNDO, &undo).await.is(200);
    let reset = json!({ "token": undone.field("reset_token"), "new_password": NEW });
    world.sends(Call::post(RESET).json(&reset)).await.is(204);
    logs_in_as(&world, "ann@example.org", NEW).await.is(200);
    uses(&world, "/api/v1/auth/not-me", &not_me).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn whoever_changed_the_address_first_cannot_undo_an_undo() {
    let world = World::new();
    let person = world.ann().await;
    let thief = person.logs_in().await;
    let first = changes_to(&thief, "thief@evil.example").await.token.expect("a link");
    world.winds(1);
    let second = changes_to(&thief, "thief@worse.example").await.token.expect("a link");
    uses(&world, UNDO, &second).await.is(200);
    assert_eq!(address_of(&person).await.as_deref(), Some("thief@evil.example"));
    uses(&world, UNDO, &first).await.is(200);
    assert_eq!(address_of(&person).await.as_deref(), Some("ann@example.org"));
}

#[tokio::test]
async fn an_undo_is_good_for_seven_days_and_not_where_somebody_has_confirmed_the_address_since() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    let undo = changes_to(&ann, "ann@new.example").await.token.expect("a link");
    let other = NewUser { email: Some("ann@example.org"), password: Some(NEW), ..NewUser::default() };
    world.engine.accounts().create(other, &nobody()).await.expect("an account");
    world.sends(Call::post(FORGOT).json(&json!({ "email": "ann@example.org" }))).await.is(202);
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    let reset = json!({ "token": token, "new_password": NEW });
    world.sends(Call::post(RESET).json(&reset)).await.is(204);
    uses(&world, UNDO, &undo).await.refused(409, "name_taken");
    assert_eq!(address_of(&person).await.as_deref(), Some("ann@new.example"));
    world.winds(7 * 24 * 3600);
    uses(&world, UNDO, &undo).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn who_has_shown_a_second_factor_may_close_the_undo_at_once_and_nobody_else() {
    let world = World::new();
    let person = world.ann().await;
    let ann = person.logs_in().await;
    let closing = |email: &str| json!({ "email": email, "closes_undo": true });
    let refused = world.sends(ann.bearer_call("POST", EMAIL).json(&closing("ann@new.example"))).await;
    refused.refused(403, "step_up_required");
    let client = ClientPolicy::new(ProfileId(1), "sprag");
    let methods = Methods::PASSWORD | Methods::OTP;
    let somebody = world.engine.authn().vouch_for(person.id, methods).await.expect("an account");
    let opened = world.engine.open_session(&client, somebody, OpenRequest::default(), &nobody()).await;
    let pair = opened.expect("a session");
    let call = Call::post(EMAIL).bearer(&pair.access_token).json(&closing("ann@new.example"));
    world.sends(call).await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    uses(&world, CONFIRM, &token).await.is(204);
    let told = world.letters().await;
    let told: Vec<_> = told.iter().map(|letter| (letter.kind, letter.token.is_some())).collect();
    assert_eq!(told, [(LetterKind::EmailChanged, false)], "the old address is told, and can undo nothing");
}

#[tokio::test]
async fn an_address_that_an_administrator_changes_is_told_as_well_and_can_be_undone_unless_they_say_otherwise()
 {
    let world = World::new();
    let (person, root) = (world.ann().await, world.root().await.logs_in().await);
    let path = format!("/api/v1/admin/users/{}", person.id);
    let changes = |body: serde_json::Value| root.bearer_call("PATCH", &path).json(&body);
    world.sends(changes(json!({ "email": "ann@new.example" }))).await.is(200);
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    uses(&world, UNDO, &undo).await.is(200);
    assert_eq!(address_of(&person).await.as_deref(), Some("ann@example.org"));
    world.sends(changes(json!({ "email": "ann@new.example", "closes_undo": true }))).await.is(200);
    let told = world.letters().await;
    assert_eq!((told.len(), told[0].token.is_none()), (1, true));
    assert_eq!((&told[0].ip, told[0].is_by_administrator), (&None, true), "from where is not told");
    world.sends(changes(json!({ "name": "Ann" }))).await.is(200);
    assert!(world.letters().await.is_empty());
}

#[tokio::test]
async fn an_address_that_an_operator_renames_is_told_and_can_be_undone_as_one_that_is_set() {
    let world = World::new();
    let person = world.ann().await;
    let renames = async |email: &str| {
        let accounts = world.engine.accounts();
        accounts.rename(person.id, NameKind::Email, email, &nobody()).await.expect("it is free")
    };
    assert!(renames("ann@new.example").await);
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    uses(&world, UNDO, &undo).await.is(200);
    assert_eq!(address_of(&person).await.as_deref(), Some("ann@example.org"));
}
