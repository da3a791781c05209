//! Whether an address counts as confirmed, where an administrator says so.

use serde_json::{Value, json};
use sprag::engine::{NewUser, Requester};
use sprag::letter::LetterKind;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, Person, REGISTER};
use crate::world::World;

const VERIFY: &str = "/api/v1/auth/email/verify";
const NEW: &str = "another good password";

fn requiring() -> World {
    let line = "registration = \"open\"\nemail_confirmation = \"required\"\n";
    World::with(&[("registration = \"admin\"\n", line)])
}

async fn patches(root: &Device<'_>, id: &str, body: Value) -> Answer {
    let path = format!("/api/v1/admin/users/{id}");
    root.world.sends(root.bearer_call("PATCH", &path).json(&body)).await
}

async fn logs_in(world: &World, name: &str, password: &str) -> Answer {
    world.sends(Call::post(LOGIN).json(&json!({ "username": name, "password": password }))).await
}

async fn root_of(world: &World) -> Device<'_> {
    let root = world.root().await;
    world.meddles("update account set confirmed_email = email, email_confirmed_at = 1");
    root.logs_in().await
}

async fn notes(person: &Person<'_>) -> Vec<String> {
    let entries = person.world.entries(person.id).await;
    entries.iter().filter_map(|entry| entry.event.note.clone()).collect()
}

#[tokio::test]
async fn an_administrator_has_an_address_count_as_confirmed_and_no_more() {
    let world = requiring();
    let root = root_of(&world).await;
    let ann = world.ann().await;
    let id = ann.id.to_string();
    logs_in(&world, "ann", &ann.password).await.refused(401, "credentials_invalid");
    let confirmed = patches(&root, &id, json!({ "email_verified": true })).await.is(200);
    assert_eq!(confirmed.json()["email_verified"], true, "{}", confirmed.text());
    let device = ann.logs_in().await;
    let again = patches(&root, &id, json!({ "email_verified": true })).await.is(200);
    assert_eq!(again.json()["email_verified"], true);
    let taken = patches(&root, &id, json!({ "email_verified": false })).await.is(200);
    assert_eq!(taken.json()["email_verified"], false, "{}", taken.text());
    assert_eq!(device.asks(ME).await.is(200).json()["email_verified"], false, "sessions go on");
    logs_in(&world, "ann", &ann.password).await.refused(401, "credentials_invalid");
    let by = root.row().await.key.account.to_string();
    let told: Vec<_> = notes(&ann).await.into_iter().filter(|note| note.contains("administrator")).collect();
    let [one, other] = &told[..] else { panic!("each is told once: {told:?}") };
    assert!(one.contains("e-mail address confirmed") && one.contains(&by), "{one}");
    assert!(other.contains("e-mail address not confirmed") && other.contains(&by), "{other}");
    let kinds: Vec<_> = world.letters().await.iter().map(|letter| letter.kind).collect();
    assert_eq!(kinds, [LetterKind::VerifyEmail], "what the log-ins asked for, within an hour");
}

#[tokio::test]
async fn another_address_counts_as_confirmed_only_where_that_is_said_along_with_it() {
    let world = World::new();
    let root = root_of(&world).await;
    let ann = world.ann().await;
    let id = ann.id.to_string();
    patches(&root, &id, json!({ "email_verified": true })).await.is(200);
    let other = patches(&root, &id, json!({ "email": "ann@new.example" })).await.is(200);
    assert_eq!(other.json()["email_verified"], false, "{}", other.text());
    let both = json!({ "email": "ann@third.example", "email_verified": true });
    let both = patches(&root, &id, both).await.is(200);
    assert_eq!(
        (both.field("email"), both.field("email_verified")),
        ("ann@third.example".into(), "true".into())
    );
    let neither = json!({ "email": "ann@fourth.example", "email_verified": false });
    let neither = patches(&root, &id, neither).await.is(200);
    assert_eq!(neither.json()["email_verified"], false, "{}", neither.text());
    logs_in(&world, "ann@fourth.example", &ann.password).await.is(200);
}

#[tokio::test]
async fn a_link_that_waits_works_no_more_once_an_administrator_has_confirmed_the_address() {
    let world = requiring();
    let root = root_of(&world).await;
    let carol = json!({ "username": "carol", "email": "carol@example.org", "password": NEW });
    world.sends(Call::post(REGISTER).json(&carol)).await.is(202);
    let link = world.token_by_mail(LetterKind::VerifyEmail).await;
    let id = world.engine.accounts().find("carol").await.expect("it is there").id.to_string();
    patches(&root, &id, json!({ "email_verified": true })).await.is(200);
    logs_in(&world, "carol@example.org", NEW).await.is(200);
    patches(&root, &id, json!({ "email_verified": false })).await.is(200);
    world.sends(Call::post(VERIFY).json(&json!({ "token": link }))).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn no_address_is_confirmed_where_there_is_none_or_it_is_somebody_elses() {
    let world = requiring();
    let root = root_of(&world).await;
    let nameless = NewUser { username: Some("carol"), password: Some(NEW), ..NewUser::default() };
    let carol = world.engine.accounts().create(nameless, &Requester::nobody()).await.expect("an account");
    let id = carol.id.to_string();
    let refused = patches(&root, &id, json!({ "email_verified": true })).await;
    assert!(refused.text().contains("no e-mail address"), "{}", refused.text());
    refused.refused(400, "name_invalid");
    patches(&root, &id, json!({ "email_verified": false })).await.is(200);
    patches(&root, &id, json!({ "email_verified": "perhaps" })).await.refused(400, "field_invalid");
    let both = json!({ "email": "carol@example.org", "email_verified": true });
    assert_eq!(patches(&root, &id, both).await.is(200).json()["email_verified"], true);

    let ann = world.ann().await;
    let mallory = json!({ "username": "mallory", "email": "ann@example.org", "password": NEW });
    world.sends(Call::post(REGISTER).json(&mallory)).await.is(202);
    let mallory = world.engine.accounts().find("mallory").await.expect("it is there").id.to_string();
    patches(&root, &mallory, json!({ "email_verified": true })).await.refused(409, "name_taken");
    // Whose it was is gone: the address is free, and leads to whoever is confirmed to have it.
    world.engine.accounts().delete(ann.id, &Requester::nobody()).await.expect("it can be deleted");
    patches(&root, &mallory, json!({ "email_verified": true })).await.is(200);
    logs_in(&world, "ann@example.org", NEW).await.is(200);
}
