//! What administrators do to accounts: every call as an administrator, as a plain user, without a fresh log-in, and of somebody
//! whom there is not.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, Person, STEP_UP, Way};
use crate::world::{Plan, World};

const USERS: &str = "/api/v1/admin/users";

const UNKNOWN: &str = "01980000-0000-7000-8000-00000000ffff";

/// Longer than a log-in is fresh, and shorter than an access token lives.
const NOT_FRESH: u64 = 601;

fn of(person: &Person<'_>) -> String {
    format!("{USERS}/{}", person.id)
}

/// A call with what it needs.
fn call(device: &Device<'_>, method: &str, path: &str) -> Call {
    let call = device.bearer_call(method, path);
    match (method, path) {
        ("POST", USERS) => call.json(&json!({ "username": "carol", "password": "carol's battery staple" })),
        ("POST", _) => call.json(&json!({ "password": "a battery staple from above" })),
        ("PATCH", _) => call.json(&json!({ "name": "Somebody" })),
        _ => call,
    }
}

/// Every call that changes something, about this account and session.
fn changes(account: &str, session: &str) -> Vec<(&'static str, String)> {
    vec![
        ("POST", USERS.to_owned()),
        ("PATCH", format!("{USERS}/{account}")),
        ("DELETE", format!("{USERS}/{account}")),
        ("POST", format!("{USERS}/{account}/password")),
        ("DELETE", format!("{USERS}/{account}/sessions")),
        ("DELETE", format!("{USERS}/{account}/factors")),
        ("DELETE", format!("/api/v1/admin/sessions/{session}")),
    ]
}

/// Every call that only reads.
fn looks(account: &str) -> Vec<(&'static str, String)> {
    vec![
        ("GET", USERS.to_owned()),
        ("GET", format!("{USERS}/{account}")),
        ("GET", format!("{USERS}/{account}/sessions")),
        ("GET", format!("{USERS}/{account}/factors")),
        ("GET", format!("{USERS}/{account}/events")),
        ("GET", "/api/v1/admin/events".to_owned()),
        ("GET", "/api/v1/admin/report".to_owned()),
    ]
}

async fn patches(device: &Device<'_>, person: &Person<'_>, body: Value) -> Answer {
    device.world.sends(device.bearer_call("PATCH", &of(person)).json(&body)).await
}

fn notes(entries: &[sprag::audit::Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.event.note.clone().unwrap_or_default()).collect()
}

#[tokio::test]
async fn r62_nobody_but_an_administrator_is_let_in_and_nothing_changes() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (device, bobs) = (ann.logs_in().await, bob.logs_in().await);
    let before = world.dump().await;
    let (account, session) = (bob.id.to_string(), bobs.session.to_string());
    for (method, path) in changes(&account, &session).into_iter().chain(looks(&account)) {
        world.sends(call(&device, method, &path)).await.refused(403, "forbidden");
        let anonymous = call(&device, method, &path).without("authorization");
        world.sends(anonymous).await.refused(401, "token_missing");
        let with_refresh_token =
            call(&device, method, &path).without("authorization").bearer(&device.refresh);
        world.sends(with_refresh_token).await.refused(401, "token_invalid");
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn what_changes_something_takes_a_fresh_log_in_and_a_step_up_mends_it() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    for way in Way::BOTH {
        let (mut device, bobs) = (root.logs_in_by(way).await, bob.logs_in().await);
        world.winds(600);
        patches(&device, &bob, json!({ "name": "Bob" })).await.is(200);
        world.winds(NOT_FRESH - 600);
        let (account, session) = (bob.id.to_string(), bobs.session.to_string());
        let before = world.dump().await;
        for (method, path) in changes(&account, &session) {
            world.sends(call(&device, method, &path)).await.refused(403, "step_up_required");
        }
        assert_eq!(world.dump().await, before);
        for (method, path) in looks(&account) {
            world.sends(call(&device, method, &path)).await.is(200);
        }
        device.refreshes().await.is(200);
        let refreshed = call(&device, "PATCH", &of(&bob));
        world.sends(refreshed).await.refused(403, "step_up_required");
        let step_up = device.bearer_call("POST", STEP_UP).json(&json!({ "password": root.password }));
        device.keeps(&world.sends(step_up).await.is(200));
        world.sends(call(&device, "PATCH", &of(&bob))).await.is(200);
    }
}

/// How long a log-in is fresh is a setting; an administrator who is none any more is let in nowhere.
#[tokio::test]
async fn whoever_administers_no_more_is_logged_out_everywhere_and_asks_for_nothing() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let device = root.logs_in().await;
    patches(&device, &bob, json!({ "is_admin": true })).await.is(200);
    let (mut bobs, other) = (bob.logs_in().await, bob.logs_in_by_cookie().await);
    bobs.turns().await;
    bobs.asks(USERS).await.is(200);
    let journal = bob.journal().await;
    let answer = patches(&device, &bob, json!({ "is_admin": false })).await.is(200);
    assert_eq!((&answer.json()["is_admin"], &answer.json()["role"]), (&json!(false), &json!("user")));
    for stale in [&bobs, &other] {
        stale.asks(USERS).await.refused(401, "session_ended").because("revoked");
        stale.presents(&stale.refresh).await.refused(401, "session_ended").because("revoked");
    }
    assert_eq!(
        bob.journal_since(&journal).await,
        ["account_changed", "session_ended revoked", "session_ended revoked"]
    );
    let again = bob.logs_in().await;
    again.asks(USERS).await.refused(403, "forbidden");
}

#[tokio::test]
async fn an_administrator_makes_an_account_that_can_log_in_and_the_journal_says_who_did() {
    let world = World::new();
    let root = world.root().await;
    let device = root.logs_in().await;
    let body = json!({
        "username": "carol", "email": "carol@example.org", "password": "carol's battery staple", "name": "Carol Jones",
        "given_name": "Carol", "family_name": "Jones", "language": "pt-BR", "role": "editor", "is_admin": false,
    });
    let made = world.sends(device.bearer_call("POST", USERS).json(&body)).await.is(201);
    let mut expected = body.clone();
    let object = expected.as_object_mut().expect("an object");
    object.remove("password");
    object.extend([("id".to_owned(), made.json()["id"].clone()), ("disabled".to_owned(), json!(false))]);
    object.insert("email_verified".to_owned(), json!(false));
    object.insert("created_at".to_owned(), made.json()["created_at"].clone());
    assert_eq!(made.json(), expected);
    let shown = device.asks(&format!("{USERS}/{}", made.field("id"))).await.is(200);
    assert_eq!(shown.json(), expected);
    let login = json!({ "username": "carol", "password": "carol's battery staple" });
    world.sends(Call::post(LOGIN).json(&login)).await.is(200);
    let entries = world.entries(made.field("id").parse().expect("an id")).await;
    assert_eq!(notes(&entries)[0], format!("by administrator {}", root.id));

    let without_password = json!({ "email": "dora@example.org" });
    world.sends(device.bearer_call("POST", USERS).json(&without_password)).await.is(201);
    let before = world.dump().await;
    for (body, status, code, field) in [
        (json!({ "username": "CAROL" }), 409, "name_taken", "username"),
        (json!({ "email": "Carol@EXAMPLE.org" }), 409, "name_taken", "email"),
        (json!({ "email": "nowhere" }), 400, "name_invalid", "email"),
        (json!({ "username": "eve", "password": "short" }), 400, "password_rejected", "password"),
        (json!({ "name": "Eve" }), 400, "field_missing", "username"),
        (json!({ "username": "eve", "is_admin": "yes" }), 400, "field_invalid", "is_admin"),
        (json!({ "username": "eve", "role": "\u{7}" }), 400, "name_invalid", "name"),
    ] {
        let answer = world.sends(device.bearer_call("POST", USERS).json(&body)).await.refused(status, code);
        assert_eq!(answer.field("field"), field, "{body}");
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn an_administrator_changes_what_came_and_nothing_else_and_takes_away_what_came_empty() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let (device, mut bobs) = (root.logs_in().await, bob.logs_in().await);
    let journal = bob.journal().await;
    let told = json!({ "username": "robert", "name": "Bob Jones", "given_name": "Bob", "role": "editor" });
    let changed = patches(&device, &bob, told).await.is(200).json();
    assert_eq!((&changed["username"], &changed["email"]), (&json!("robert"), &json!("bob@example.org")));
    assert_eq!((&changed["name"], &changed["role"]), (&json!("Bob Jones"), &json!("editor")));
    assert_eq!(bob.journal_since(&journal).await, ["account_renamed", "account_changed"]);
    let entries = world.entries(bob.id).await;
    let by = format!("by administrator {}: ", root.id);
    assert!(notes(&entries)[entries.len() - 2..].iter().all(|note| note.starts_with(&by)), "{entries:?}");
    assert!(bobs.is_logged_in().await, "a change of name logs nobody out");

    let gone = patches(&device, &bob, json!({ "given_name": null, "role": "" })).await.is(200).json();
    assert_eq!(
        (&gone["given_name"], &gone["role"], &gone["name"]),
        (&Value::Null, &json!("user"), &json!("Bob Jones"))
    );
    let journal = bob.journal().await;
    patches(&device, &bob, json!({})).await.is(200);
    patches(&device, &bob, json!({ "name": "Bob Jones", "disabled": false })).await.is(200);
    assert!(bob.journal_since(&journal).await.is_empty(), "nothing changed");

    let before = world.dump().await;
    for (body, status, code, field) in [
        (json!({ "username": null }), 400, "field_invalid", "username"),
        (json!({ "email": "" }), 400, "field_invalid", "email"),
        (json!({ "username": "root" }), 409, "name_taken", "username"),
        (json!({ "email": "root@example.org", "name": "Root" }), 409, "name_taken", "email"),
        (json!({ "email": "nowhere", "username": "bobby" }), 400, "name_invalid", "email"),
        (json!({ "disabled": "maybe" }), 400, "field_invalid", "disabled"),
        (json!({ "is_admin": 1 }), 400, "field_invalid", "is_admin"),
    ] {
        let answer = patches(&device, &bob, body.clone()).await.refused(status, code);
        assert_eq!(answer.field("field"), field, "{body}");
    }
    assert_eq!(world.dump().await, before, "all of it or nothing");
}

#[tokio::test]
async fn an_account_that_is_disabled_is_logged_out_and_enabling_it_revives_nothing() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let (device, bobs) = (root.logs_in().await, bob.logs_in().await);
    let journal = bob.journal().await;
    let answer = patches(&device, &bob, json!({ "disabled": true, "name": "Bob" })).await.is(200);
    assert_eq!(answer.json()["disabled"], json!(true));
    assert_eq!(
        bob.journal_since(&journal).await,
        ["account_changed", "account_disabled", "session_ended disabled"]
    );
    bobs.presents(&bobs.refresh).await.refused(401, "session_ended").because("disabled");
    bob.tries_to_log_in(&bobs, &bob.password).await.refused(401, "account_disabled");
    patches(&device, &bob, json!({ "disabled": false })).await.is(200);
    bobs.presents(&bobs.refresh).await.refused(401, "session_ended").because("disabled");
    bob.logs_in().await;
}

/// What limits the guessing of its password no longer makes an exception for a device that it knew.
#[tokio::test]
async fn an_account_that_is_disabled_knows_no_device_any_more_when_it_is_enabled_again() {
    let world = World::planned(Plan { knows_devices: true, ..Plan::default() });
    let (root, bob) = (world.root().await, world.bob().await);
    let (device, _bobs) = (root.logs_in().await, bob.logs_in().await);
    let known = |account: &Person<'_>| {
        let (database, id) = (world.database(), account.id.0.as_bytes().to_vec());
        let sql = "select count(*) from credential where account_id = ?1 and kind = 'device'";
        database.query_row(sql, [id], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!(known(&bob), 1);
    patches(&device, &bob, json!({ "disabled": true })).await.is(200);
    patches(&device, &bob, json!({ "disabled": false })).await.is(200);
    assert_eq!((known(&bob), known(&root)), (0, 1));
}

#[tokio::test]
async fn whoever_is_disabled_and_administers_no_more_is_logged_out_once_and_told_that_they_are_disabled() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let device = root.logs_in().await;
    patches(&device, &bob, json!({ "is_admin": true })).await.is(200);
    let bobs = bob.logs_in().await;
    let journal = bob.journal().await;
    patches(&device, &bob, json!({ "disabled": true, "is_admin": false })).await.is(200);
    assert_eq!(
        bob.journal_since(&journal).await,
        ["account_changed", "account_disabled", "session_ended disabled"]
    );
    bobs.presents(&bobs.refresh).await.refused(401, "session_ended").because("disabled");
    world.engine.upkeep().write_counts(false).await.expect("a store that works");
    let counted: Vec<String> = {
        let database = world.database();
        let mut ended = database
            .prepare("select label || ' ' || count from daily_count where name = 'sessions_ended'")
            .expect("a table");
        let rows = ended.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    };
    assert_eq!(counted, ["disabled 1"]);
}

#[tokio::test]
async fn a_password_that_an_administrator_sets_ends_every_session_and_only_it_logs_in() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let (device, bobs) = (root.logs_in().await, bob.logs_in().await);
    let path = format!("{}/password", of(&bob));
    let short = device.bearer_call("POST", &path).json(&json!({ "password": "short" }));
    let answer = world.sends(short).await.refused(400, "password_rejected");
    assert_eq!(answer.field("field"), "password");
    world.sends(device.bearer_call("POST", &path).json(&json!({}))).await.refused(400, "field_missing");
    let journal = bob.journal().await;
    world.sends(call(&device, "POST", &path)).await.is(204);
    assert_eq!(bob.journal_since(&journal).await, ["password_changed", "session_ended password_changed"]);
    bobs.asks(ME).await.refused(401, "session_ended").because("password_changed");
    bob.tries_to_log_in(&bobs, &bob.password).await.refused(401, "credentials_invalid");
    bob.tries_to_log_in(&bobs, "a battery staple from above").await.is(200);
}

#[tokio::test]
async fn an_administrator_ends_one_session_or_all_of_them_and_the_cause_is_told() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let device = root.logs_in().await;
    let (first, mut second, third) =
        (bob.logs_in().await, bob.logs_in().await, bob.logs_in_by_cookie().await);
    let one = format!("/api/v1/admin/sessions/{}", first.session);
    world.sends(call(&device, "DELETE", &one)).await.is(204);
    world.sends(call(&device, "DELETE", &one)).await.refused(404, "session_unknown");
    first.asks(ME).await.refused(401, "session_ended").because("admin");
    assert!(second.is_logged_in().await);
    world.sends(call(&device, "DELETE", &format!("{}/sessions", of(&bob)))).await.is(204);
    for stale in [&second, &third] {
        stale.presents(&stale.refresh).await.refused(401, "session_ended").because("admin");
    }
    let entries = world.entries(bob.id).await;
    let ended = entries.iter().filter(|entry| entry.event.kind.name() == "session_ended");
    let by = format!("by administrator {}", root.id);
    assert!(ended.clone().count() == 3 && ended.clone().all(|entry| entry.event.note.as_ref() == Some(&by)));
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_journal_can_still_be_read() {
    let world = World::new();
    let (root, bob) = (world.root().await, world.bob().await);
    let (device, bobs) = (root.logs_in().await, bob.logs_in().await);
    world.sends(call(&device, "DELETE", &of(&bob))).await.is(204);
    world.sends(call(&device, "DELETE", &of(&bob))).await.refused(404, "account_unknown");
    device.asks(&of(&bob)).await.refused(404, "account_unknown");
    device.asks(&format!("{}/sessions", of(&bob))).await.refused(404, "account_unknown");
    bobs.presents(&bobs.refresh).await.refused(401, "session_ended").because("admin");
    bob.tries_to_log_in(&bobs, &bob.password).await.refused(401, "credentials_invalid");
    let told = device.asks(&format!("{}/events?kind=account_deleted", of(&bob))).await.is(200).json();
    assert_eq!(told["items"][0]["note"], json!(format!("by administrator {}", root.id)));
    assert_eq!(told["items"][0]["account_id"], json!(bob.id.to_string()));
}

#[tokio::test]
async fn there_is_nothing_at_ids_that_nobody_has() {
    let world = World::new();
    let device = world.root().await.logs_in().await;
    let before = world.dump().await;
    for id in [UNKNOWN, "nobody", "00000000-0000-0000-0000-000000000001"] {
        for (method, path) in changes(id, id).into_iter().skip(1).chain(looks(id)) {
            if path.contains(id) {
                let code =
                    if path.contains("/admin/sessions/") { "session_unknown" } else { "account_unknown" };
                world.sends(call(&device, method, &path)).await.refused(404, code);
            }
        }
    }
    assert_eq!(world.dump().await, before);
}

/// So there always is one: whoever asks.
#[tokio::test]
async fn no_administrator_shuts_themselves_out() {
    let world = World::new();
    let root = world.root().await;
    let mut device = root.logs_in().await;
    let before = world.dump().await;
    for body in [
        json!({ "is_admin": false }),
        json!({ "disabled": true }),
        json!({ "name": "R", "is_admin": "false" }),
    ] {
        let answer = patches(&device, &root, body).await.refused(403, "forbidden");
        assert!(answer.text().contains("the account they ask with"), "{}", answer.text());
    }
    world.sends(call(&device, "DELETE", &of(&root))).await.refused(403, "forbidden");
    world.sends(call(&device, "POST", &format!("{}/password", of(&root)))).await.refused(403, "forbidden");
    assert_eq!(world.dump().await, before);
    patches(&device, &root, json!({ "name": "Root", "is_admin": true, "disabled": false })).await.is(200);
    assert!(device.is_logged_in().await);
    world.sends(call(&device, "DELETE", &format!("{}/sessions", of(&root)))).await.is(204);
    device.asks(ME).await.refused(401, "session_ended").because("admin");
}
