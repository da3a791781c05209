//! Access tokens as this server itself takes them.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sprag::access::Algorithm;
use sprag::random::SystemRandom;

use crate::call::Call;
use crate::people::{LOGIN, ME, Way};
use crate::world::{Plan, World, our_profile, second_profile};

#[tokio::test]
async fn an_access_token_works_for_as_long_as_was_said_and_not_a_second_longer() {
    for jitter in ["10", "0"] {
        let world = World::with(&[("jitter_percent = 10", &format!("jitter_percent = {jitter}"))]);
        let ann = world.ann().await;
        let mut phone = ann.logs_in().await;
        let life = phone.refreshes().await.is(200).json()["expires_in"].as_u64().expect("seconds");
        assert!(life == 900 || jitter == "10");
        world.winds(life - 1);
        assert_eq!(phone.asks(ME).await.is(200).field("id"), ann.id.to_string());
        world.winds(1);
        let answer = phone.asks(ME).await.refused(401, "token_expired");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
}

#[tokio::test]
async fn a_pair_says_when_to_refresh_and_it_is_before_the_access_token_expires() {
    for (life, spare) in [("15m", 81), ("1m", 5), ("10s", 2), ("2s", 1)] {
        let given = format!("access = \"{life}\"");
        let world = World::with(&[("access = \"15m\"", given.as_str())]);
        let mut phone = world.ann().await.logs_in().await;
        for _ in 0..5 {
            let spent = phone.refresh.clone();
            let rotated = phone.turns().await.is(200).json();
            let retried = phone.presents(&spent).await.is(200).json();
            let unchanged = phone.presents(&phone.refresh).await.is(200).json();
            for pair in [rotated, retried, unchanged] {
                let seconds = |name: &str| pair[name].as_u64().expect(name);
                let (due, end) = (seconds("refresh_in"), seconds("expires_in"));
                // A life of one second has no whole second before its end.
                assert!(due + spare <= end || (due == 0 && end == 1), "{life}: {pair}");
                assert!(due * 2 >= end || end == 1, "{life}: not again and again: {pair}");
            }
        }
    }
}

#[tokio::test]
async fn two_who_log_in_together_are_told_to_come_back_at_different_times() {
    let world = World::new();
    let ann = world.ann().await;
    let body = json!({ "username": "ann", "password": ann.password });
    let mut due = BTreeSet::new();
    for _ in 0..20 {
        let pair = world.sends(Call::post(LOGIN).json(&body)).await.is(200).json();
        due.insert(pair["refresh_in"].as_u64().expect("seconds"));
    }
    assert!(due.len() > 10, "{due:?}");
    assert!(due.iter().all(|due| (70..=810).contains(due)), "{due:?}");
}

#[tokio::test]
async fn a_profile_of_ones_own_says_when_to_refresh_under_its_own_name_or_not_at_all() {
    let world = World::with(&[("refresh_in = \"$refresh_in\"", "refreshAfter = \"$refresh_in\"")]);
    let mut phone = world.ann().await.logs_in().await;
    let pair = phone.refreshes().await.is(200).json();
    assert!(pair["refreshAfter"].as_u64() < pair["expires_in"].as_u64(), "{pair}");
    assert_eq!(pair["refresh_in"], Value::Null);
}

#[tokio::test]
async fn t25_an_access_token_of_another_profile_is_refused() {
    let profiles = vec![our_profile(&[]), second_profile(&[])];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let phone = world.ann().await.logs_in().await;
    world.sends(phone.bearer_call("GET", "/second/me")).await.refused(401, "token_invalid");
    world.sends(phone.bearer_call("POST", "/second/logout-all")).await.refused(401, "token_invalid");
    phone.asks(ME).await.is(200);
}

#[tokio::test]
async fn t25_who_knows_the_shared_secret_cannot_carry_a_session_to_another_profile() {
    let secret = "wq8Zt1vK0m4Yx7Rj2Hs9Lc6Nf3Pb5Gd0";
    let profiles = vec![our_profile(&[]), second_profile(&[])];
    let plan = Plan { profiles, hs256_secret: Some(secret.to_owned()), ..Plan::default() };
    let world = World::planned(plan);
    let phone = world.ann().await.logs_in().await;
    let parts: Vec<&str> = phone.access.split('.').collect();
    let claims = BASE64URL_NOPAD.decode(parts[1].as_bytes()).expect("base64url");
    let mut claims: Value = serde_json::from_slice(&claims).expect("JSON");
    let signed = |claims: &Value| {
        let text = format!("{}.{}", parts[0], BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
    };
    world.sends(Call::get(ME).bearer(&signed(&claims))).await.is(200);
    claims["client_id"] = "second".into();
    let forged = signed(&claims);
    world.sends(Call::get("/second/me").bearer(&forged)).await.refused(401, "token_invalid");
    let call = Call::new("POST", "/second/logout-all").bearer(&forged);
    world.sends(call).await.refused(401, "token_invalid");
    assert_eq!(phone.asks(ME).await.status, 200, "nothing has ended");
}

#[tokio::test]
async fn r15_an_access_token_ends_with_its_session_and_its_account() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (gone, kept) = (ann.logs_in().await, ann.logs_in().await);
    gone.logs_out().await.is(204);
    gone.asks(ME).await.refused(401, "session_ended").because("logout");
    kept.asks(ME).await.is(200);
    ann.is_disabled().await;
    kept.asks(ME).await.refused(401, "session_ended").because("disabled");

    let bobs = bob.logs_in().await;
    world.meddles("update account set epoch = epoch + 1 where username = 'bob'");
    bobs.asks(ME).await.refused(401, "session_ended");
    world.meddles("update account set disabled_at = 1 where username = 'bob'");
    bobs.asks(ME).await.refused(401, "account_disabled");
}

#[tokio::test]
async fn r25_a_refresh_token_is_no_access_token() {
    let encodings =
        [("encoding = \"opaque\"", "encoding = \"opaque\""), ("encoding = \"opaque\"", "encoding = \"jwt\"")];
    for encoding in encodings {
        let world = World::with(&[encoding]);
        let mut phone = world.ann().await.logs_in().await;
        world.sends(Call::get(ME).bearer(&phone.refresh)).await.refused(401, "token_invalid");
        phone.presents(&phone.access).await.refused(401, "token_invalid");
        assert!(phone.is_logged_in().await);
    }
}

#[tokio::test]
async fn r21_a_token_that_nobody_signed_is_refused() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    let parts: Vec<&str> = phone.access.split('.').collect();
    let header: Value =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[0].as_bytes()).expect("base64url"))
            .expect("JSON");
    for alg in ["none", "None", "HS256", "ES384"] {
        let mut header = header.clone();
        header["alg"] = alg.into();
        let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        for signature in [parts[2], ""] {
            let forged = format!("{header}.{}.{signature}", parts[1]);
            world.sends(Call::get(ME).bearer(&forged)).await.refused(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn the_scheme_is_bearer_in_any_case_and_nothing_else() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let call = Call::get(ME).header("authorization", format!("{scheme} {}", phone.access));
        world.sends(call).await.is(200);
    }
    for value in [format!("Basic {}", phone.access), phone.access.clone(), format!("Token {}", phone.access)]
    {
        world.sends(Call::get(ME).header("authorization", value)).await.refused(401, "token_missing");
    }
}

#[tokio::test]
async fn r29_keys_change_and_nobody_is_logged_out() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    let published = |answer: &crate::call::Answer| answer.json()["keys"].as_array().map_or(0, Vec::len);
    assert_eq!(published(&world.sends(Call::get("/.well-known/jwks.json")).await.is(200)), 1);
    world.changes_keys(|ring| {
        ring.add_access(Algorithm::EdDsa, &SystemRandom::default(), world.now(), world.now());
    });
    assert_eq!(published(&world.sends(Call::get("/.well-known/jwks.json")).await.is(200)), 2);
    phone.asks(ME).await.is(200);
    let old = phone.clone();
    phone.turns().await;
    phone.asks(ME).await.is(200);
    let oldest = world.engine.keys().entries()[1].id.clone();
    world.changes_keys(|ring| assert!(ring.retire(&oldest, world.now())));
    old.asks(ME).await.refused(401, "token_invalid");
    phone.asks(ME).await.is(200);
}

#[tokio::test]
async fn a_profile_may_have_its_refresh_tokens_written_as_jwts() {
    let world = World::with(&[("encoding = \"opaque\"", "encoding = \"jwt\"")]);
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let spent = phone.refresh.clone();
        assert_eq!(spent.split('.').count(), 3);
        phone.refreshes().await.is(200);
        assert_eq!(phone.presents(&spent).await.is(200).refresh_token(), phone.refresh, "R2");
        phone.turns().await;
        phone.presents(&spent).await.refused(401, "session_ended").because("reuse");
    }
}
