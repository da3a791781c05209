//! Browsers: the refresh token in a cookie, other sites, other tabs, other cookies.

use serde_json::{Value, json};

use crate::call::Call;
use crate::people::{COOKIE, DEVICE_COOKIE, Device, LOGIN, LOGOUT, LOGOUT_ALL, REFRESH};
use crate::verdicts::at_generation;
use crate::world::{ORIGIN, Plan, W, World, days, our_profile};

const ATTRIBUTES: &str = "; Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict";

#[tokio::test]
async fn r34_a_browser_that_asks_for_a_cookie_gets_the_token_there_and_nowhere_else() {
    let world = World::new();
    let ann = world.ann().await;
    let browser = Device::browser(&world);
    let answer = ann.tries_to_log_in(&browser, &ann.password).await.is(200);
    let token = answer.cookie(COOKIE).expect("a cookie");
    let cookies = answer.set_cookies();
    assert_eq!(cookies.len(), 2, "the token and the device's mark");
    assert_eq!(cookies[0], format!("{COOKIE}={token}{ATTRIBUTES}"));
    assert!(cookies[0].len() < 4096);
    let mark = answer.cookie(DEVICE_COOKIE).expect("a mark");
    let lasting = ATTRIBUTES.replace("604800", "34560000");
    assert_eq!(cookies[1], format!("{DEVICE_COOKIE}={mark}{lasting}"));
    assert_eq!(answer.json()["refresh_token"], Value::Null);
    assert!(!answer.text().contains(&token));
}

#[tokio::test]
async fn what_came_by_cookie_goes_by_cookie_and_what_came_in_the_body_in_the_body() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let answer = browser.turns().await;
    let token = answer.cookie(COOKIE).expect("a cookie");
    assert_eq!(answer.set_cookies(), [format!("{COOKIE}={token}{ATTRIBUTES}")], "the mark is not sent again");
    assert_eq!(answer.json()["refresh_token"], Value::Null);

    let mut phone = ann.logs_in().await;
    let answer = phone.turns().await;
    assert!(answer.set_cookies().is_empty());
    assert!(answer.field("refresh_token").starts_with("spr_"));
}

#[tokio::test]
async fn r34_max_age_is_what_is_left_of_the_session() {
    let world = World::new();
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    for _ in 0..4 {
        world.winds(days(6));
        browser.refreshes().await.is(200);
    }
    world.winds(days(3));
    let answer = browser.refreshes().await.is(200);
    assert!(answer.set_cookies()[0].contains("; Max-Age=259200;"), "three of thirty days");
}

#[tokio::test]
async fn r34_logging_out_clears_the_cookie_with_the_attributes_it_was_set_with() {
    let world = World::new();
    let ann = world.ann().await;
    let cleared = format!("{COOKIE}={}", ATTRIBUTES.replace("604800", "0"));
    let browser = ann.logs_in_by_cookie().await;
    assert_eq!(browser.logs_out().await.is(204).set_cookies(), std::slice::from_ref(&cleared));
    let browser = ann.logs_in_by_cookie().await;
    assert_eq!(browser.logs_out_everywhere().await.is(204).set_cookies(), [cleared]);
}

#[tokio::test]
async fn r36_no_other_site_can_use_the_cookie() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let before = world.dump().await;
    let origins: [&[(&str, &str)]; 9] = [
        &[],
        &[("origin", "https://evil.example.com")],
        &[("origin", "https://auth.example.org.evil.example.com")],
        &[("origin", "http://auth.example.org")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", ORIGIN)],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
    ];
    for headers in origins {
        for path in [REFRESH, LOGOUT, LOGIN] {
            let mut call = browser.call("POST", path).without("origin");
            if path == LOGIN {
                let body = json!({ "username": "ann", "password": ann.password, "transport": "cookie" });
                call = call.json(&body);
            }
            for (name, value) in headers {
                call = call.header(name, value);
            }
            world.sends(call).await.refused(403, "origin_refused");
        }
    }
    assert_eq!(world.dump().await, before);
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn r36_a_browser_of_our_own_site_says_so_either_way() {
    let world = World::new();
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    for (name, value) in [("origin", ORIGIN), ("sec-fetch-site", "same-origin")] {
        world.winds(W + 1);
        let call = browser.call("POST", REFRESH).without("origin").header(name, value);
        let answer = world.sends(call).await.is(200);
        browser.keeps(&answer);
    }
}

#[tokio::test]
async fn another_site_that_posts_a_form_to_log_out_does_not_clear_the_cookie() {
    let world = World::new();
    world.ann().await.logs_in_by_cookie().await;
    // A top-level form POST: the browser withholds the strict cookie, yet would obey a Set-Cookie.
    let call = Call::post(LOGOUT)
        .header("origin", "https://evil.example.com")
        .header("sec-fetch-site", "cross-site")
        .form(&[("refresh_token", "x")]);
    let answer = world.sends(call).await.is(204);
    assert!(answer.set_cookies().is_empty(), "{:?}", answer.set_cookies());
}

#[tokio::test]
async fn a_client_that_is_no_browser_may_use_a_cookie_where_the_profile_lets_it() {
    let world = World::with(&[("origin = \"required\"", "origin = \"if_sent\"")]);
    let browser = world.ann().await.logs_in_by_cookie().await;
    world.sends(browser.call("POST", REFRESH).without("origin")).await.is(200);
    let foreign =
        browser.call("POST", REFRESH).without("origin").header("origin", "https://evil.example.com");
    world.sends(foreign).await.refused(403, "origin_refused");
}

/// Cookie and body at once: which generations, and what becomes of it. `None` is refused.
#[tokio::test]
async fn t23_cookie_and_body_together_must_be_one_session_at_most_one_generation_apart() {
    for (cookie, body, counts) in
        [(3, 3, Some(3)), (3, 2, Some(3)), (2, 3, Some(3)), (3, 1, None), (1, 3, None), (2, 4, None)]
    {
        let world = World::new();
        let mut browser = world.ann().await.logs_in_by_cookie().await;
        browser.refreshes().await.is(200);
        browser.turns().await;
        browser.turns().await;
        world.winds(W + 1);
        let at = |generation| at_generation(&world, &browser.refresh, generation);
        let shown = Device { refresh: at(cookie), ..browser.clone() };
        let call = shown.call("POST", REFRESH).json(&json!({ "refresh_token": at(body) }));
        let before = world.dump().await;
        let answer = world.sends(call).await;
        if counts.is_some() {
            assert!(answer.is(200).cookie(COOKIE).is_some(), "it answers by cookie");
            assert_eq!(browser.row().await.generation.0, 4);
        } else {
            answer.refused(400, "request_invalid");
            assert_eq!(world.dump().await, before, "nothing changes and nothing is revoked");
        }
    }
}

#[tokio::test]
async fn t23_cookie_and_body_of_two_sessions_are_refused() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (browser, phone, bobs) = (ann.logs_in_by_cookie().await, ann.logs_in().await, bob.logs_in().await);
    let before = world.dump().await;
    for body in [phone.refresh.as_str(), bobs.refresh.as_str(), "x", &browser.access] {
        for path in [REFRESH, LOGOUT] {
            let call = browser.call("POST", path).json(&json!({ "refresh_token": body }));
            world.sends(call).await.refused(400, "request_invalid");
        }
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn another_cookie_with_a_letter_that_is_not_ascii_keeps_no_session_alive_after_its_log_out() {
    let world = World::new();
    let ann = world.ann().await;
    for other in ["name=J\u{f6}rg; ".as_bytes(), b"name=J\xf6rg; "] {
        let mut browser = ann.logs_in_by_cookie().await;
        let with = |path: &str, pair: &str| {
            let call = browser.call("POST", path).without("cookie");
            call.header("cookie", [other, pair.as_bytes()].concat())
        };
        let mark = format!("{DEVICE_COOKIE}={}", browser.jar[0].1);
        let answer =
            world.sends(with(REFRESH, &format!("{COOKIE}={}; {mark}", browser.refresh))).await.is(200);
        let log_in = json!({ "username": "ann", "password": ann.password, "transport": "cookie" });
        let again = world.sends(with(LOGIN, &mark).json(&log_in)).await.is(200);
        assert_eq!(again.cookie(DEVICE_COOKIE), None, "the mark of the device is found, too");
        let logged_out = with(LOGOUT, &format!("{COOKIE}={}", browser.refresh));
        assert_eq!(world.sends(logged_out).await.is(204).cookie(COOKIE).as_deref(), Some(""));
        browser.keeps(&answer);
        browser.refreshes().await.refused(401, "session_ended").because("logout");
    }
    let letters = Call::post(REFRESH).header("origin", ORIGIN).header("cookie", format!("{COOKIE}=\u{f6}"));
    world.sends(letters).await.refused(401, "token_invalid");
}

#[tokio::test]
async fn r36_a_word_of_the_browser_that_cannot_be_read_is_not_taken_for_none() {
    let world = World::with(&[("origin = \"required\"", "origin = \"if_sent\"")]);
    let browser = world.ann().await.logs_in_by_cookie().await;
    for name in ["origin", "sec-fetch-site"] {
        let call = browser.call("POST", REFRESH).without("origin").header(name, b"\xff");
        world.sends(call).await.refused(403, "origin_refused");
    }
}

/// A profile whose cookie has no prefix, so that a neighbouring subdomain can plant one of its name.
fn tossable() -> Plan {
    Plan { profiles: vec![our_profile(&[("__Host-sprag_refresh", "refresh")])], ..Plan::default() }
}

fn both_orders<'a>(one: &'a str, other: &'a str) -> [[&'a str; 2]; 2] {
    [[one, other], [other, one]]
}

#[tokio::test]
async fn t24_a_planted_cookie_that_is_not_genuine_does_not_count() {
    let world = World::planned(tossable());
    let ann = world.ann().await;
    let answer = ann.tries_to_log_in(&Device::browser(&world), &ann.password).await.is(200);
    let mut genuine = answer.cookie("refresh").expect("a cookie");
    for planted in ["x", "", "spr_x", "%00"] {
        for is_first in [true, false] {
            world.winds(W + 1);
            let order = if is_first { [planted, &genuine] } else { [genuine.as_str(), planted] };
            let call = Call::post(REFRESH).header("origin", ORIGIN).cookie("refresh", order[0]);
            let answer = world.sends(call.cookie("refresh", order[1])).await.is(200);
            genuine = answer.cookie("refresh").expect("a cookie");
        }
    }
}

#[tokio::test]
async fn t24_two_genuine_cookies_of_two_sessions_are_refused_in_either_order() {
    let world = World::planned(tossable());
    let (ann, bob) = (world.ann().await, world.bob().await);
    let mut tokens = Vec::new();
    for person in [&ann, &bob] {
        let answer = person.tries_to_log_in(&Device::browser(&world), &person.password).await.is(200);
        tokens.push(answer.cookie("refresh").expect("a cookie"));
    }
    let before = world.dump().await;
    for order in both_orders(&tokens[0], &tokens[1]) {
        for path in [REFRESH, LOGOUT] {
            let together = Call::post(path).header("origin", ORIGIN).cookie("refresh", order[0]);
            world.sends(together.cookie("refresh", order[1])).await.refused(400, "request_invalid");
            let mut apart = Call::post(path).header("origin", ORIGIN);
            for value in order {
                apart = apart.header("cookie", format!("refresh={value}"));
            }
            world.sends(apart).await.refused(400, "request_invalid");
        }
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn t24_of_two_cookies_of_one_session_the_newer_counts_in_either_order() {
    let world = World::planned(tossable());
    let ann = world.ann().await;
    let answer = ann.tries_to_log_in(&Device::browser(&world), &ann.password).await.is(200);
    let old = answer.cookie("refresh").expect("a cookie");
    let mut newest = old.clone();
    for order in [[0, 1], [1, 0], [0, 1]] {
        world.winds(W + 1);
        let both = [old.clone(), newest.clone()];
        let mut call = Call::post(REFRESH).header("origin", ORIGIN);
        for index in order {
            call = call.cookie("refresh", &both[index]);
        }
        newest = world.sends(call).await.is(200).cookie("refresh").expect("a cookie");
    }
}

#[tokio::test]
async fn t4_r17_logging_in_again_in_the_same_browser_replaces_the_session_there() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let mut browser = ann.logs_in_by_cookie().await;
    browser.refreshes().await.is(200);
    let before = browser.clone();
    let journal = ann.journal().await;
    let browser = ann.logs_in_on(browser).await;
    assert_ne!(browser.session, before.session, "R17: always a session of its own");
    assert_eq!(ann.journal_since(&journal).await, ["session_opened", "session_ended replaced"]);
    before.presents(&before.refresh).await.refused(401, "session_ended").because("replaced");
    assert!(phone.is_logged_in().await);
    assert_eq!(browser.lists().await.len(), 2);
}

#[tokio::test]
async fn t4_a_log_in_of_somebody_else_or_one_that_fails_replaces_nothing() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let mut browser = ann.logs_in_by_cookie().await;
    ann.tries_to_log_in(&browser, "wrong password").await.refused(401, "credentials_invalid");
    bob.logs_in_on(browser.clone()).await;
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn t4_a_cookie_with_a_secret_of_its_own_replaces_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let key = crate::world::key(ann.id, browser.session);
    let random = sprag::random::SystemRandom::default();
    let forged = sprag::token::RefreshToken::first(sprag::session::ProfileId(1), key, &random);
    let forged = forged.encode(sprag::token::Encoding::Opaque, &world.stolen_ring(), world.now());
    let attacker = Device { refresh: forged.as_str().to_owned(), ..browser.clone() };
    ann.logs_in_on(attacker).await;
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn the_mark_of_a_device_tells_it_from_others_and_is_made_once() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let mark = browser.jar[0].1.clone();
    browser.refreshes().await.is(200);
    let again = ann.tries_to_log_in(&browser, &ann.password).await.is(200);
    assert_eq!(again.cookie(DEVICE_COOKIE), None, "a browser that has one keeps it");
    let mut other = ann.logs_in_by_cookie().await;
    other.refreshes().await.is(200);
    assert_ne!(other.jar[0].1, mark);
    assert_ne!(other.row().await.instance_hash, browser.row().await.instance_hash);
}

#[tokio::test]
async fn where_the_profile_says_both_the_token_is_in_the_cookie_and_in_the_body() {
    let changes = [
        ("transport = \"asked\"", "transport = \"both\""),
        (", transport = \"$transport?\"", ""),
        ("refresh_token = \"$refresh_token?\"\ntoken_type", "refresh_token = \"$refresh_token\"\ntoken_type"),
    ];
    let world = World::with(&changes);
    let ann = world.ann().await;
    let mut browser = Device::browser(&world);
    let body = json!({ "username": "ann", "password": ann.password });
    let answer = world.sends(browser.call("POST", LOGIN).json(&body)).await.is(200);
    assert_eq!(answer.cookie(COOKIE), Some(answer.field("refresh_token")));
    browser.keeps(&answer);
    let answer = browser.turns().await;
    assert_eq!(answer.cookie(COOKIE), Some(answer.field("refresh_token")));
    let kept = browser.refreshes().await.is(200);
    assert_eq!(kept.field("refresh_token"), browser.refresh, "row 13 repeats it in the body");
    assert!(kept.set_cookies().is_empty(), "and only there");
}

#[tokio::test]
async fn logging_out_everywhere_needs_the_access_token_and_not_the_cookie() {
    let world = World::new();
    let browser = world.ann().await.logs_in_by_cookie().await;
    world.sends(browser.call("POST", LOGOUT_ALL)).await.refused(401, "token_missing");
}
