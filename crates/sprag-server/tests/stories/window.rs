//! The reuse interval: lost answers, tabs that wake together, strict profiles, and a clock that goes back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sprag::session::EndCause;

use crate::people::{COOKIE, Device, REFRESH, Way};
use crate::verdicts::{at_generation, generation_of};
use crate::world::{W, World, days};

/// Every device at once presents one token; the refresh tokens they get.
async fn all_present(tabs: &[Device<'_>], token: &str) -> Vec<String> {
    let answers = join_all(tabs.iter().map(|tab| tab.presents(token))).await;
    answers.into_iter().map(|answer| answer.is(200).refresh_token()).collect()
}

#[tokio::test]
async fn r1_sixteen_tabs_wake_together_and_get_one_successor() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let browser = ann.logs_in_by(way).await;
        let tabs = vec![browser.clone(); 16];
        let tokens = all_present(&tabs, &browser.refresh).await;
        assert!(tokens.iter().all(|token| *token == tokens[0]), "one successor for all");
        assert_eq!(browser.row().await.generation.0, 1);
        assert_eq!(browser.row().await.retries, 15);
    }
    assert_eq!(world.verdicts().await[&14], 2, "one winner each");
}

#[tokio::test]
async fn the_seventeenth_retry_of_one_token_is_told_to_stop_and_ends_nothing() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    let spent = phone.refresh.clone();
    phone.refreshes().await.is(200);
    for _ in 0..16 {
        assert_eq!(phone.presents(&spent).await.is(200).refresh_token(), phone.refresh);
    }
    let row = phone.row().await;
    let told = phone.presents(&spent).await.refused(429, "too_many_retries");
    assert_eq!(told.header("retry-after"), "30");
    assert_eq!(phone.row().await, row);
    assert!(phone.is_logged_in().await);
}

#[tokio::test]
async fn r4_the_window_begins_at_the_rotation_and_no_retry_extends_it() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    let successor = phone.presents(&phone.refresh).await.refresh_token();
    for _ in 0..2 {
        world.winds(W / 2);
        assert_eq!(phone.presents(&phone.refresh).await.is(200).refresh_token(), successor);
    }
    world.winds(1);
    phone.presents(&phone.refresh).await.refused(401, "session_ended").because("reuse");
    phone.presents(&successor).await.refused(401, "session_ended").because("reuse");
}

#[tokio::test]
async fn r5_tabs_on_timers_of_their_own_share_one_cookie_and_stay_logged_in() {
    let world = World::new();
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    // Each tab sends what was in the jar when it woke; what comes late is put into the jar all the same.
    for round in 0..40 {
        let (first, second, third) = (browser.clone(), browser.clone(), browser.clone());
        let early = first.presents(&first.refresh).await.is(200);
        world.winds(round % 7);
        let middle = second.presents(&second.refresh).await.is(200);
        browser.keeps(&middle);
        browser.keeps(&early);
        world.winds(round % 5);
        let late = third.presents(&third.refresh).await.is(200);
        browser.keeps(&late);
        world.winds(3);
    }
    assert!(browser.is_logged_in().await);
    assert_eq!(browser.row().await.ended, None);
}

#[tokio::test]
async fn a_kept_token_comes_without_a_cookie_so_that_nothing_overtaken_is_put_back() {
    let world = World::new();
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    browser.refreshes().await.is(200);
    let kept = browser.refreshes().await.is(200);
    assert!(kept.set_cookies().is_empty());
    assert_eq!(kept.field("refresh_token"), "");
    world.winds(W + 1);
    let turned = browser.refreshes().await.is(200);
    assert!(turned.cookie(COOKIE).is_some());
}

#[tokio::test]
async fn a_retry_in_the_last_hour_of_a_session_does_not_take_the_cookie_away() {
    let world = World::new();
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    for _ in 0..5 {
        world.winds(days(6) - 240);
        browser.refreshes().await.is(200);
    }
    let left = browser.row().await.expires_at.millis_since(world.now()) / 1000;
    assert_eq!(left, 20 * 60, "twenty minutes of thirty days are left");
    world.winds(W + 1);
    browser.presents_again(&browser.refresh, "request 1").await.is(200);
    let again = browser.presents_again(&browser.refresh, "request 1").await.is(200);
    assert!(again.json()["refresh_expires_in"].as_i64() > Some(0));
    let cookies = again.set_cookies();
    assert!(!cookies[0].contains("Max-Age=0;"), "{}: a browser deletes such a cookie", cookies[0]);
}

#[tokio::test]
async fn t5_r7_a_victim_who_was_away_raises_the_alarm_although_the_token_has_expired() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let mut thief = phone.is_robbed();
    thief.refreshes().await.is(200);
    for _ in 0..2 {
        world.winds(days(5));
        thief.refreshes().await.is(200);
    }
    phone.presents(&phone.refresh).await.refused(401, "session_ended").because("reuse");
    thief.refreshes().await.refused(401, "session_ended");
}

#[tokio::test]
async fn r7_a_spent_token_is_reuse_even_when_the_whole_session_has_expired() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    phone.presents(&phone.refresh).await.is(200);
    world.winds(days(10));
    phone.presents(&phone.refresh).await.refused(401, "session_ended").because("reuse");
    assert_eq!(ann.journal().await.last().expect("an entry"), "critical session_ended reuse");
}

#[tokio::test]
async fn w_0_is_the_strict_setting_every_refresh_turns_and_a_spent_token_is_reuse_at_once() {
    let world = World::with(&[("reuse_interval = \"30s\"", "reuse_interval = \"0s\"")]);
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        for generation in 1..=3 {
            phone.refreshes().await.is(200);
            assert_eq!(phone.row().await.generation.0, generation);
        }
        let spent = at_generation(&world, &phone.refresh, 2);
        phone.presents(&spent).await.refused(401, "session_ended").because("reuse");
    }
}

#[tokio::test]
async fn w_0_still_answers_the_very_request_that_turned_the_session() {
    let world = World::with(&[("reuse_interval = \"30s\"", "reuse_interval = \"0s\"")]);
    let phone = world.ann().await.logs_in().await;
    let first = phone.presents_again(&phone.refresh, "one").await.is(200);
    let again = phone.presents_again(&phone.refresh, "one").await.is(200);
    assert_eq!(again.refresh_token(), first.refresh_token());
}

#[tokio::test]
async fn where_a_profile_refuses_retries_nothing_ends_inside_the_window_and_all_is_reuse_after_it() {
    let world = World::with(&[("retry = \"answer\"", "retry = \"refuse\"")]);
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let tokens = [phone.refresh.clone(), phone.refreshes().await.is(200).refresh_token()];
        phone.refreshes().await.is(200);
        assert_eq!(phone.row().await.generation.0, 2, "there is no row 13: every refresh turns");
        let (row, journal) = (phone.row().await, ann.journal().await);
        for spent in &tokens {
            world.winds(W / 2);
            phone.presents(spent).await.refused(401, "token_spent");
        }
        assert_eq!(phone.row().await, row, "rows 7 and 9: refused, and nothing ends");
        assert!(ann.journal_since(&journal).await.is_empty());
        phone.refreshes().await.is(200);
        world.winds(W + 1);
        let spent = at_generation(&world, &phone.refresh, 2);
        phone.presents(&spent).await.refused(401, "session_ended").because("reuse");
    }
}

#[tokio::test]
async fn r3_of_all_tokens_a_session_ever_had_only_the_last_two_are_answered() {
    let world = World::new();
    let ann = world.ann().await;
    for depth in 0..5 {
        let mut phone = ann.logs_in().await;
        phone.refreshes().await.is(200);
        for _ in 0..4 {
            phone.turns().await;
        }
        assert_eq!(generation_of(&world, &phone.refresh), 5);
        let token = at_generation(&world, &phone.refresh, 5 - depth);
        let answer = phone.presents(&token).await;
        if depth <= 1 {
            assert_eq!(answer.is(200).refresh_token(), phone.refresh);
        } else {
            answer.refused(401, "session_ended").because("reuse");
            assert_eq!(phone.row().await.ended.map(|ended| ended.cause), Some(EndCause::Reuse));
        }
    }
}

#[tokio::test]
async fn t14_a_clock_that_goes_back_ends_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let spent = phone.refresh.clone();
        phone.refreshes().await.is(200);
        let journal = ann.journal().await;
        world.winds_back(3 * 3600);
        phone.presents(&spent).await.refused(401, "token_spent");
        assert_eq!(phone.row().await.ended, None);
        assert!(ann.journal_since(&journal).await.is_empty());
        phone.refreshes().await.is(200);
        world.winds(3 * 3600);
        assert!(phone.is_logged_in().await);
    }
}

#[tokio::test]
async fn t14_a_node_that_is_a_moment_behind_the_one_that_turned_the_row_answers_alike() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let spent = phone.refresh.clone();
        let successor = phone.refreshes().await.is(200).refresh_token();
        world.winds_back(1);
        assert_eq!(phone.presents(&spent).await.is(200).refresh_token(), successor);
        world.winds(1);
        assert!(phone.is_logged_in().await);
    }
}

#[tokio::test]
async fn a_refresh_whose_twin_came_later_and_was_quicker_gets_the_same_successor() {
    let world = World::new();
    let browser = world.ann().await.logs_in_by_cookie().await;
    let clock = Arc::clone(&world.clock);
    let twin = world.later(browser.call("POST", REFRESH), 200);
    // Between the arrival of the one and its attempt to turn the row, the other arrives and turns it.
    world.seam.before("rotate", async move {
        clock.wind(Duration::from_millis(5));
        twin.await;
    });
    let successor = browser.presents(&browser.refresh).await.is(200).refresh_token();
    assert_eq!(generation_of(&world, &successor), 1);
    assert_eq!(browser.row().await.ended, None);
}

#[tokio::test]
async fn a_retry_id_is_bound_to_the_rotation_it_made() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    let first = phone.refresh.clone();
    let answer = phone.presents_again(&first, "one").await.is(200);
    phone.keeps(&answer);
    world.winds(W + 1);
    let answer = phone.presents_again(&phone.refresh, "two").await.is(200);
    phone.keeps(&answer);
    // Its twin may still be under way (row 7): it gets nothing, and ends nothing until the window is over.
    phone.presents_again(&first, "one").await.refused(401, "token_spent");
    world.winds(W + 1);
    phone.presents_again(&first, "one").await.refused(401, "session_ended").because("reuse");
}
