//! Somebody wants their account deleted, or to know what is kept of them.

use serde_json::{Value, json};
use sprag::engine::ClientPolicy;
use sprag::letter::LetterKind;
use sprag::limits::Rates;
use sprag::session::ProfileId;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, nobody};
use crate::world::{Plan, World, days};

const DELETE: &str = "/api/v1/auth/me/delete";
const KEEP: &str = "/api/v1/auth/me/keep";
const EXPORT: &str = "/api/v1/auth/me/export";

const OWN: &str = "ann's battery staple";

async fn deletes(world: &World, device: &Device<'_>, body: &Value) -> Answer {
    world.sends(device.bearer_call("POST", DELETE).json(body)).await
}

fn logs_in(name: &str) -> Call {
    Call::post(LOGIN).json(&json!({ "username": name, "password": OWN }))
}

async fn erased(world: &World) -> u64 {
    world.engine.accounts().erase_due(|_, _| ()).await.expect("a store that works")
}

#[tokio::test]
async fn an_account_is_erased_once_its_time_has_come_and_nothing_is_left_of_its_owner() {
    let world = World::new();
    let ann = world.ann().await.logs_in().await;
    let id = world.engine.accounts().find("ann").await.expect("it is there").id;
    let at = deletes(&world, &ann, &json!({})).await.is(202).field("erase_at");
    assert!(at.starts_with("2026-07-15T12:00:00"), "{at}");
    world.sends(Call::get(ME).bearer(&ann.access)).await.refused(401, "session_ended");
    let letters = world.letters().await;
    assert_eq!(letters.iter().map(|letter| letter.kind).collect::<Vec<_>>(), [LetterKind::AccountDeletion]);
    world.winds(days(14) - 1);
    assert_eq!(erased(&world).await, 0, "there is time left");
    world.winds(1);
    assert_eq!(erased(&world).await, 1);
    assert!(world.engine.accounts().get(id).await.is_err(), "it is gone");
    world.sends(logs_in("ann")).await.refused(401, "credentials_invalid");
    let token = letters[0].token.clone().expect("a link");
    world.sends(Call::post(KEEP).json(&json!({ "token": token }))).await.refused(400, "link_invalid");
    assert!(!world.dump().await.contains("ann@example.org"), "nothing tells of her");
    let journal = world.journal(id).await;
    assert_eq!(journal.last().map(String::as_str), Some("account_erased"), "{journal:?}");
}

#[tokio::test]
async fn a_log_in_keeps_the_account_and_so_does_the_link_of_the_letter() {
    let world = World::new();
    let person = world.ann().await;
    for by_link in [false, true] {
        let ann = person.logs_in().await;
        deletes(&world, &ann, &json!({ "current_password": OWN })).await.is(202);
        let token = world.token_by_mail(LetterKind::AccountDeletion).await;
        world.winds(days(13));
        let keep = Call::post(KEEP).json(&json!({ "token": token }));
        if by_link {
            let page = world.is_asked(Call::get(&format!("/delete?token={token}"))).await;
            assert_eq!(page.status, 200, "{}", page.text());
            assert!(page.text().contains("Keep"), "a look says what would happen: {}", page.text());
            world.sends(keep).await.is(204);
        } else {
            world.sends(logs_in("ann")).await.is(200);
            world.sends(keep).await.refused(400, "link_invalid");
        }
        world.winds(days(2));
        assert_eq!(erased(&world).await, 0);
        let account = world.engine.accounts().find("ann").await.expect("it is there");
        assert_eq!(account.erase_at, None);
        let journal = world.journal(account.id).await;
        let told = |kind: &str| journal.iter().filter(|entry| entry.contains(kind)).count();
        assert_eq!(told("deletion_asked"), told("deletion_called_off"), "{journal:?}");
    }
}

#[tokio::test]
async fn only_who_shows_who_they_are_has_an_account_deleted() {
    let world = World::new();
    let mut ann = world.ann().await.logs_in().await;
    world.winds(601);
    ann.turns().await;
    deletes(&world, &ann, &json!({})).await.refused(403, "step_up_required");
    let wrong = deletes(&world, &ann, &json!({ "current_password": "not her password" })).await;
    wrong.refused(403, "current_password_wrong");
    world.sends(Call::post(DELETE).json(&json!({}))).await.refused(401, "token_missing");
    let call = ann.bearer_call("DELETE", ME).json(&json!({ "current_password": OWN }));
    world.sends(call).await.is(202);
}

#[tokio::test]
async fn what_is_kept_is_told_but_what_proves_who_somebody_is_and_when_sessions_rotate() {
    let world = World::new();
    let person = world.ann().await;
    let other = person.logs_in().await;
    let mut ann = person.logs_in().await;
    let first = world.sends(ann.bearer_call("GET", EXPORT)).await.is(200).json();
    // A rotation of another session and of its own shows nowhere.
    let (mut turned, before) = (other, ann.access.clone());
    ann.turns().await;
    turned.turns().await;
    let second = world.sends(Call::get(EXPORT).bearer(&before)).await.is(200).json();
    assert_eq!(first, second, "no rotation shows");
    assert_eq!(first["account"]["email"], "ann@example.org");
    assert_eq!(first["sessions"].as_array().map(Vec::len), Some(2));
    assert_eq!((&first["has_password"], &first["is_complete"]), (&json!(true), &json!(true)));
    let text = first.to_string();
    for secret in ["$argon2", "generation", "rotated", "spr_", OWN] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    world.winds(601);
    ann.turns().await;
    world.sends(ann.bearer_call("GET", EXPORT)).await.refused(403, "step_up_required");
}

#[tokio::test]
async fn an_export_told_from_where_an_administrator_works() {
    let world = World::new();
    let person = world.ann().await;
    let root = Device::new(&world, "Administration/1.0", "198.51.100.77");
    let root = world.root().await.logs_in_on(root).await;
    let phone = person.logs_in().await;
    let path = format!("/api/v1/admin/users/{}", person.id);
    world.sends(root.bearer_call("PATCH", &path).json(&json!({ "name": "Ann" }))).await.is(200);
    let end = format!("/api/v1/admin/sessions/{}", phone.session);
    world.sends(root.bearer_call("DELETE", &end)).await.is(204);
    let ann = person.logs_in().await;
    let told = world.sends(ann.bearer_call("GET", EXPORT)).await.is(200).text();
    assert!(told.contains("by administrator"), "that it was done is told: {told}");
    assert!(!told.contains("198.51.100.77") && !told.contains("Administration/1.0"), "{told}");
    assert!(told.contains("192.0.2.10"), "from where she came herself is told: {told}");
}

#[tokio::test]
async fn a_thief_had_the_account_erased_before_its_owner_could_undo_the_change_of_address() {
    let world = World::new();
    let person = world.ann().await;
    let thief = person.logs_in().await;
    let body = json!({ "email": "thief@evil.example" });
    world.sends(thief.bearer_call("POST", "/api/v1/auth/email").json(&body)).await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    let confirm = Call::post("/api/v1/auth/email/confirm").json(&json!({ "token": token }));
    world.sends(confirm).await.is(204);
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    let hour = std::time::Duration::from_secs(3600);
    let client = ClientPolicy::new(ProfileId(1), "sprag");
    let caller = world.engine.authenticate(&client, &thief.access).await.expect("a session");
    let at = world.engine.accounts().plan_erasure(&caller, hour, &nobody()).await.expect("it is planned");
    assert!(at >= world.now().plus(7 * 24 * hour), "no earlier than the undo ends");
    world.winds(days(6));
    assert_eq!(erased(&world).await, 0);
    let undone = Call::post("/api/v1/auth/email/undo").json(&json!({ "token": undo }));
    world.sends(undone).await.is(200);
    world.winds(days(30));
    assert_eq!(erased(&world).await, 0, "an undo keeps the account");
}

#[tokio::test]
async fn whoever_asked_again_and_again_filled_the_letter_box_of_an_address_that_is_not_theirs() {
    let world = World::planned(Plan { rates: Rates::default(), ..Plan::default() });
    let person = world.ann().await;
    for _ in 0..8 {
        let ann = person.logs_in().await;
        deletes(&world, &ann, &json!({})).await.is(202);
    }
    assert_eq!(world.letters().await.len(), 5);
}

#[tokio::test]
async fn the_last_administrator_deleted_their_own_account() {
    let world = World::new();
    let root = world.root().await.logs_in().await;
    deletes(&world, &root, &json!({})).await.refused(403, "forbidden");
    root.asks(ME).await.is(200);
}

#[tokio::test]
async fn an_administrator_deletes_their_own_account_once_another_one_took_that_away() {
    let world = World::new();
    let (person, root) = (world.ann().await, world.root().await.logs_in().await);
    let path = format!("/api/v1/admin/users/{}", person.id);
    let administers =
        |is_admin: bool| root.bearer_call("PATCH", &path).json(&json!({ "is_admin": is_admin }));
    world.sends(administers(true)).await.is(200);
    let ann = person.logs_in().await;
    let refused = deletes(&world, &ann, &json!({})).await.refused(403, "forbidden");
    let told = refused.text();
    assert!(told.contains("does not delete their own account") && told.contains("--admin off"), "{told}");
    assert!(!told.contains("password"), "nothing is said of other calls: {told}");
    ann.asks(ME).await.is(200);
    world.sends(administers(false)).await.is(200);
    let ann = person.logs_in().await;
    deletes(&world, &ann, &json!({})).await.is(202);
}
