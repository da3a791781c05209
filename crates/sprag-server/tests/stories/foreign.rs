//! Clients that still hold a token of the system whose place a profile took, in a cookie beside others.

use std::time::Duration;

use serde_json::json;
use sprag::engine::{Imported, ImportedSession, ImportedUser};
use sprag::token::ForeignToken;
use sprag_server::profile::Profile;

use crate::call::{Answer, Call};
use crate::people::{KNOWN, LOGIN, LOGOUT, REFRESH};
use crate::world::{ORIGIN, Plan, W, World, days, our_profile};

/// Carol's token of before, as such systems make them: base64 of random bytes.
const OLD: &str = "kZ3vTq8LxWn2RbYcJd7HsGm9/uEpX0fKVq5a1+2c3d4=";

/// The old token as Express writes it into a cookie.
const OLD_ENCODED: &str = "kZ3vTq8LxWn2RbYcJd7HsGm9%2FuEpX0fKVq5a1%2B2c3d4%3D";

/// Another one of before.
const OTHER: &str = "Qm9/uEpX0fKVq5a1+2c3d4kZ3vTq8LxWn2RbYcJd7Hs=";

/// A profile that took the place of a system whose cookie a neighbouring subdomain can plant.
fn profile() -> Profile {
    let takes_imported_tokens = ("transport = \"asked\"", "adopts = true\ntransport = \"asked\"");
    our_profile(&[("__Host-sprag_refresh", "refresh"), takes_imported_tokens])
}

fn successor() -> World {
    World::planned(Plan { profiles: vec![profile()], ..Plan::default() })
}

/// Carol comes from the system of before, with that token.
async fn carol_comes_with(world: &World, token: &str) {
    let client = profile().client_policy();
    let (_, password_hash) = KNOWN[0];
    let user =
        ImportedUser { external_id: "7", username: Some("carol"), password_hash, ..ImportedUser::default() };
    world.engine.imports().user(&client, user).await.expect("a store that works");
    let session = ImportedSession {
        user: "7",
        token: ForeignToken::new(token).expect("a token of another system"),
        created_at: None,
        expires_at: world.now().plus(Duration::from_secs(days(5))),
        is_live: true,
        ip: None,
        user_agent: None,
        device: None,
    };
    let imported = world.engine.imports().session(&client, session).await;
    assert_eq!(imported.expect("a store that works"), Imported::New);
}

/// A session of ours of somebody else, as an attacker would plant it.
async fn a_token_of_bob(world: &World) -> String {
    let bob = world.bob().await;
    let body = json!({ "username": "bob", "password": bob.password, "transport": "cookie" });
    let answer = world.sends(Call::post(LOGIN).header("origin", ORIGIN).json(&body)).await.is(200);
    answer.cookie("refresh").expect("a cookie")
}

/// Shows these cookies, and perhaps a token in the body.
async fn shows(world: &World, path: &str, cookies: &[&str], body: Option<&str>) -> Answer {
    let mut call = Call::post(path).header("origin", ORIGIN);
    for value in cookies {
        call = call.cookie("refresh", value);
    }
    if let Some(token) = body {
        call = call.json(&json!({ "refresh_token": token }));
    }
    world.sends(call).await
}

#[tokio::test]
async fn t24_a_planted_token_of_ours_does_not_win_over_an_old_one_that_lives() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    let planted = a_token_of_bob(&world).await;
    let before = world.dump().await;
    for cookies in [[planted.as_str(), OLD_ENCODED], [OLD_ENCODED, &planted], [OLD, &planted]] {
        for path in [REFRESH, LOGOUT] {
            shows(&world, path, &cookies, None).await.refused(400, "request_invalid");
        }
    }
    assert_eq!(world.dump().await, before, "nobody's session turned, ended or took a token");
    shows(&world, REFRESH, &[OLD_ENCODED], None).await.is(200);
}

#[tokio::test]
async fn t24_two_old_tokens_of_two_sessions_are_refused_and_one_that_is_nobodys_does_not_count() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    shows(&world, REFRESH, &[OTHER, OLD], None).await.is(200);
    let world = successor();
    carol_comes_with(&world, OLD).await;
    carol_comes_with(&world, OTHER).await;
    shows(&world, REFRESH, &[OTHER, OLD], None).await.refused(400, "request_invalid");
}

#[tokio::test]
async fn t24_an_old_token_whose_session_is_over_does_not_count() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    let bobs = a_token_of_bob(&world).await;
    shows(&world, LOGOUT, &[OLD], None).await.is(204);
    for cookies in [[bobs.as_str(), OLD], [OLD, &bobs]] {
        shows(&world, REFRESH, &cookies, None).await.is(200);
    }
    let world = successor();
    carol_comes_with(&world, OLD).await;
    world.winds(days(5));
    let bobs = a_token_of_bob(&world).await;
    shows(&world, REFRESH, &[OLD, &bobs], None).await.is(200);
}

#[tokio::test]
async fn t24_of_an_old_token_and_its_successor_the_successor_counts() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    let mut newest =
        shows(&world, REFRESH, &[OLD_ENCODED], None).await.is(200).cookie("refresh").expect("a cookie");
    for order in [true, false, true] {
        world.winds(W + 1);
        let cookies = if order { [OLD_ENCODED, &newest] } else { [newest.as_str(), OLD_ENCODED] };
        newest = shows(&world, REFRESH, &cookies, None).await.is(200).cookie("refresh").expect("a cookie");
    }
}

#[tokio::test]
async fn an_old_token_that_was_taken_does_not_lock_out_who_logs_in_next() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    shows(&world, REFRESH, &[OLD], None).await.is(200);
    // Its cookie has another path than ours, so that the browser keeps and sends it for good.
    let bobs = a_token_of_bob(&world).await;
    for (cookies, path, status) in [([OLD, &bobs], REFRESH, 200), ([&bobs, OLD], LOGOUT, 204)] {
        shows(&world, path, &cookies, None).await.is(status);
    }
}

#[tokio::test]
async fn an_old_token_whose_answer_was_lost_is_answered_again_beside_a_cookie_that_is_nobodys() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    let lost = shows(&world, REFRESH, &[OLD], None).await.is(200).cookie("refresh");
    assert_eq!(shows(&world, REFRESH, &["x", OLD], None).await.is(200).cookie("refresh"), lost);
}

#[tokio::test]
async fn t23_an_old_token_in_the_body_beside_its_successor_in_the_cookie_gives_way() {
    let world = successor();
    carol_comes_with(&world, OLD).await;
    // A script that kept the token of before, and the browser that has been given ours.
    let mut newest =
        shows(&world, REFRESH, &[OLD], Some(OLD)).await.is(200).cookie("refresh").expect("a cookie");
    for _ in 0..3 {
        world.winds(W + 1);
        let answer = shows(&world, REFRESH, &[&newest], Some(OLD)).await.is(200);
        newest = answer.cookie("refresh").expect("a cookie");
    }
    let bobs = a_token_of_bob(&world).await;
    let before = world.dump().await;
    shows(&world, REFRESH, &[&bobs], Some(OLD)).await.refused(400, "request_invalid");
    shows(&world, REFRESH, &[&newest], Some(OTHER)).await.refused(400, "request_invalid");
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_cookie_that_express_has_encoded_is_the_token_it_was() {
    for cookie in [OLD, OLD_ENCODED] {
        let world = successor();
        carol_comes_with(&world, OLD).await;
        shows(&world, REFRESH, &[cookie], None).await.is(200);
    }
    let world = successor();
    carol_comes_with(&world, OLD).await;
    for cookie in [format!("{OLD_ENCODED}%"), OLD_ENCODED.replace("%2B", "%20")] {
        shows(&world, REFRESH, &[&cookie], None).await.refused(401, "token_invalid");
    }
}

#[tokio::test]
async fn more_cookies_than_anybody_has_are_refused() {
    let world = successor();
    let planted: Vec<String> = (0..17).map(|number| format!("planted-{number}")).collect();
    let planted: Vec<&str> = planted.iter().map(String::as_str).collect();
    shows(&world, REFRESH, &planted[..16], None).await.refused(401, "token_invalid");
    shows(&world, REFRESH, &planted, None).await.refused(400, "request_invalid");
}

#[tokio::test]
async fn the_cookie_of_the_system_before_is_cleared_where_it_was_as_soon_as_it_is_not_needed() {
    let changes = [("path = \"/\"", "path = \"/api/v1/auth\", former_path = \"/\"")];
    let text = [
        ("__Host-sprag_refresh", "refresh"),
        ("transport = \"asked\"", "adopts = true\ntransport = \"asked\""),
    ];
    let profile = our_profile(&[&text[..], &changes].concat());
    let world = World::planned(Plan { profiles: vec![profile], ..Plan::default() });
    carol_comes_with(&world, OLD).await;
    let former = |answer: &Answer| {
        let cookies: Vec<_> =
            answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        let of_former = |cookie: &&str| cookie.starts_with("refresh=; Path=/; Max-Age=0");
        assert!(cookies.iter().skip(1).all(|cookie| !of_former(cookie)), "it goes first: {cookies:?}");
        cookies.first().is_some_and(of_former)
    };
    let taken = shows(&world, REFRESH, &[OLD], None).await.is(200);
    assert!(former(&taken), "our cookie has taken its place");
    let ours = taken.cookie("refresh").expect("a cookie");
    let turned = shows(&world, REFRESH, &[&ours], None).await.is(200);
    assert!(!former(&turned), "it is gone");
    assert!(former(&shows(&world, LOGOUT, &[&ours], None).await.is(204)));

    let bob = world.bob().await;
    let body = json!({ "username": "bob", "password": bob.password, "transport": "cookie" });
    let logged_in = world.sends(Call::post(LOGIN).header("origin", ORIGIN).json(&body)).await.is(200);
    assert!(former(&logged_in), "whoever's it was, it must not stand beside Bob's");
    let refused = shows(&world, REFRESH, &["nobody's token, and long enough"], None).await.is(401);
    assert!(!former(&refused), "a refusal clears nothing");
}
