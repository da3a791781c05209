//! Who may have sent a spent token in good faith, and who must have taken it: instances, twins and contests.

use sprag::session::{EndCause, Generation};

use crate::people::Way;
use crate::world::{W, World};

/// A request is answered late, another tab goes on with what it was given, and the request's duplicate is still under way.
#[tokio::test]
async fn a_late_twin_is_refused_and_nothing_ends() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let first = phone.refresh.clone();
        let answer = phone.presents_again(&first, "one").await.is(200);
        phone.keeps(&answer);
        world.winds(W + 1);
        phone.refreshes().await.is(200);
        let journal = ann.journal().await;
        phone.presents_again(&first, "one").await.refused(401, "token_spent");
        assert_eq!(phone.row().await.ended, None);
        assert_eq!(ann.journal_since(&journal).await, ["warning late_twin"]);

        let mut theft = phone.clone();
        theft.refresh.clone_from(&first);
        theft.presents_again(&first, "two").await.refused(401, "session_ended").because("reuse");
    }
}

#[tokio::test]
async fn after_the_window_a_late_twin_is_reuse() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    let first = phone.refresh.clone();
    let answer = phone.presents_again(&first, "one").await.is(200);
    phone.keeps(&answer);
    phone.turns().await;
    world.winds(W + 1);
    phone.presents_again(&first, "one").await.refused(401, "session_ended").because("reuse");
}

/// Whoever captured a whole request, retry id and all, is answered within W only, and noted then.
#[tokio::test]
async fn a_request_is_answered_again_however_late_but_only_to_a_known_instance() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let first = phone.presents_again(&phone.refresh, "one").await.is(200);
        let thief = phone.is_robbed();
        let journal = ann.journal().await;
        let inside = thief.presents_again(&phone.refresh, "one").await.is(200);
        assert_eq!(inside.refresh_token(), first.refresh_token());
        assert_eq!(ann.journal_since(&journal).await, ["warning foreign_retry"]);

        world.winds(3 * W);
        let late = phone.presents_again(&phone.refresh, "one").await.is(200);
        assert_eq!(late.refresh_token(), first.refresh_token());
        let answer = thief.presents_again(&phone.refresh, "one").await;
        answer.refused(401, "session_ended").because("reuse");
    }
}

/// A device that has moved to another network, and comes back, is known on both.
#[tokio::test]
async fn the_last_other_network_of_a_device_is_known_too() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    let mut elsewhere = phone.is_robbed();
    elsewhere.refreshes().await.is(200);
    world.winds(W + 1);
    let spent = elsewhere.refresh.clone();
    let first = elsewhere.presents_again(&spent, "two").await.is(200);
    world.winds(W + 1);
    let again = phone.presents_again(&spent, "two").await.is(200);
    assert_eq!(again.refresh_token(), first.refresh_token());
    assert_eq!(again.json()["session_id"], phone.session.to_string());
}

#[tokio::test]
async fn one_request_is_answered_sixteen_times_more_and_then_no_longer() {
    let world = World::new();
    let phone = world.ann().await.logs_in().await;
    phone.presents_again(&phone.refresh, "one").await.is(200);
    for _ in 0..16 {
        phone.presents_again(&phone.refresh, "one").await.is(200);
    }
    phone.presents_again(&phone.refresh, "one").await.refused(429, "too_many_retries");
    assert_eq!(phone.row().await.ended, None);
}

/// Where retries are refused: a thief refreshes up to W before the victim, who then presents what it spent. Whoever took
/// the token is thrown out with its next refresh.
#[tokio::test]
async fn a_contested_generation_ends_the_taker() {
    let world = World::with(&[("retry = \"answer\"", "retry = \"refuse\"")]);
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let mut thief = phone.is_robbed();
        thief.refreshes().await.is(200);
        let journal = ann.journal().await;
        world.winds(W / 2);
        phone.presents(&phone.refresh).await.refused(401, "token_spent");
        assert_eq!(ann.journal_since(&journal).await, ["critical contested"]);
        assert_eq!(phone.row().await.contested_generation, Some(Generation(1)));
        assert_eq!(phone.row().await.ended, None, "nobody is thrown out before it is clear who");

        phone.presents(&phone.refresh).await.refused(401, "token_spent");
        thief.refreshes().await.refused(401, "session_ended").because("reuse");
        assert_eq!(phone.row().await.ended.map(|ended| ended.cause), Some(EndCause::Reuse));
        assert_eq!(
            ann.journal_since(&journal).await,
            ["critical contested", "warning foreign_retry", "critical session_ended reuse"]
        );
    }
}

/// A tab refreshed from another network, and the one from before gets hold of the newest token: it goes on.
#[tokio::test]
async fn a_contested_generation_does_not_end_the_client_from_before() {
    let world = World::with(&[("retry = \"answer\"", "retry = \"refuse\"")]);
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let mut elsewhere = phone.is_robbed();
        elsewhere.refreshes().await.is(200);
        phone.presents(&phone.refresh).await.refused(401, "token_spent");
        phone.refresh.clone_from(&elsewhere.refresh);
        phone.refreshes().await.is(200);
        assert_eq!(phone.row().await.contested_generation, None, "and the contest is over");
        world.winds(W + 1);
        elsewhere.refresh.clone_from(&phone.refresh);
        elsewhere.refreshes().await.is(200);
    }
}

/// Several tabs of one browser race where retries are refused; nobody is accused, whoever comes second.
#[tokio::test]
async fn tabs_of_one_instance_contest_nothing() {
    let world = World::with(&[("retry = \"answer\"", "retry = \"refuse\"")]);
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let journal = ann.journal().await;
    for _ in 0..3 {
        let spent = browser.refresh.clone();
        browser.refreshes().await.is(200);
        browser.presents(&spent).await.refused(401, "token_spent");
    }
    assert!(ann.journal_since(&journal).await.is_empty());
    assert!(browser.is_logged_in().await);
}

/// A browser is marked by the answer to its first log-in and shows the mark from then on: it is no other device.
#[tokio::test]
async fn a_browser_that_logs_in_for_the_first_time_takes_its_session_from_nobody() {
    let world = World::with(&[("retry = \"answer\"", "retry = \"refuse\"")]);
    let mut browser = world.ann().await.logs_in_by_cookie().await;
    let first = browser.refresh.clone();
    browser.refreshes().await.is(200);
    browser.refreshes().await.is(200);
    assert_eq!(browser.row().await.taken_generation, None);
    browser.presents(&first).await.refused(401, "token_spent");
    assert_eq!(browser.row().await.ended, None, "a slow tab of the browser is no thief");
}
