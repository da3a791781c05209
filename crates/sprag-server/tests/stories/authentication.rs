//! What access tokens tell of how and when somebody showed who they are: `auth_time`, `amr` and `acr`.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sprag::clock::Timestamp;
use sprag::engine::{Imported, ImportedSession, ImportedUser};
use sprag::token::ForeignToken;

use crate::accounts::{new_user, open_profile};
use crate::call::Call;
use crate::people::{Device, KNOWN, LOGIN, REFRESH, REGISTER, Way};
use crate::world::{Plan, World, days, our_profile};

/// Carol's refresh token of the system before.
const OLD: &str = "kZ3vTq8LxWn2RbYcJd7HsGm9uEpX0fKVq5a12c3d4";

/// The three claims as an access token has them; `null` where it has none.
fn told(token: &str) -> [Value; 3] {
    let claims = token.split('.').nth(1).expect("a JWT");
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    ["auth_time", "amr", "acr"].map(|name| claims[name].clone())
}

fn by_password(at: Timestamp) -> [Value; 3] {
    [at.seconds().into(), json!(["pwd"]), json!("aal1")]
}

#[tokio::test]
async fn an_access_token_tells_when_and_how_its_user_logged_in_however_often_it_is_renewed() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        world.winds(3600);
        let at = world.now();
        let mut device = ann.logs_in_by(way).await;
        assert_eq!(told(&device.access), by_password(at));
        for _ in 0..3 {
            device.turns().await;
            assert_eq!(told(&device.access), by_password(at), "a refresh proves nothing anew");
        }
        let again = device.presents(&device.refresh).await.is(200);
        assert_eq!(told(&again.access_token()), by_password(at));
        let spent = device.refresh.clone();
        device.turns().await;
        let repeated = device.presents(&spent).await.is(200);
        assert_eq!(told(&repeated.access_token()), by_password(at), "neither does a retry");
    }
}

#[tokio::test]
async fn a_password_change_keeps_when_and_how_its_session_was_authenticated() {
    let world = World::new();
    let ann = world.ann().await;
    let mut current = ann.password.clone();
    for way in Way::BOTH {
        let at = world.now();
        let mut device = ann_logs_in(&world, way, &current).await;
        world.winds(600);
        let new = format!("{current}, again");
        let answer = device.changes_password(&current, &new).await.is(200);
        device.keeps(&answer);
        current = new;
        assert_eq!(told(&device.access), by_password(at));
        device.turns().await;
        assert_eq!(told(&device.access), by_password(at));
    }
}

async fn ann_logs_in<'w>(world: &'w World, way: Way, password: &str) -> Device<'w> {
    let mut device = match way {
        Way::Body => Device::new(world, "Phone/1.0", "192.0.2.10"),
        Way::Cookie => Device::browser(world),
    };
    let mut body = json!({ "username": "ann", "password": password });
    if way == Way::Cookie {
        body["transport"] = json!("cookie");
    }
    let answer = world.sends(device.call("POST", LOGIN).json(&body)).await.is(200);
    device.keeps(&answer);
    device
}

#[tokio::test]
async fn whoever_registers_has_chosen_a_password_and_is_logged_in_by_it() {
    let world = World::planned(open_profile());
    world.winds(77);
    let answer = world.sends(Call::post(REGISTER).json(&new_user("carol"))).await.is(201);
    assert_eq!(told(&answer.access_token()), by_password(world.now()));
}

#[tokio::test]
async fn an_imported_session_tells_when_it_was_opened_and_not_how() {
    let takes_imported_tokens = ("transport = \"asked\"", "imported_tokens = true\ntransport = \"asked\"");
    let profile = our_profile(&[takes_imported_tokens]);
    for age in [Some(days(2)), None] {
        let world = World::planned(Plan { profiles: vec![profile.clone()], ..Plan::default() });
        let created_at = age.map(|age| Timestamp(world.now().0 - 1000 * i64::try_from(age).expect("an age")));
        // Of one that nobody knows the beginning of, only that it is not fresh.
        let long_ago = Timestamp(world.now().0 - 1000 * 25 * 3600);
        let opened = created_at.unwrap_or(long_ago);
        carol_comes(&world, created_at).await;
        let expected = [opened.seconds().into(), Value::Null, Value::Null];

        world.winds(600);
        let mut carol = Device::new(&world, "Phone/1.0", "192.0.2.11");
        let answer = world.sends(carol.showing(OLD, REFRESH)).await.is(200);
        carol.keeps(&answer);
        assert_eq!(told(&carol.access), expected);
        carol.turns().await;
        assert_eq!(told(&carol.access), expected);
    }
}

/// Carol comes from the system of before, with a session that was opened there.
async fn carol_comes(world: &World, created_at: Option<Timestamp>) {
    let client = our_profile(&[]).client_policy();
    let (_, password_hash) = KNOWN[0];
    let user =
        ImportedUser { external_id: "7", username: Some("carol"), password_hash, ..ImportedUser::default() };
    world.engine.imports().user(&client, user).await.expect("a store that works");
    let session = ImportedSession {
        user: "7",
        token: ForeignToken::new(OLD).expect("a token of another system"),
        created_at,
        expires_at: world.now().plus(Duration::from_secs(days(5))),
        is_live: true,
        ip: None,
        user_agent: None,
        device: None,
    };
    let imported = world.engine.imports().session(&client, session).await;
    assert_eq!(imported.expect("a store that works"), Imported::New);
}
