//! Logging out after the answer to a refresh was lost: the client still holds the spent token, and the retry id that it had for
//! that refresh shows that it is the holder, however late.

use sprag::session::EndCause;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGOUT, LOGOUT_ALL, Way};
use crate::world::{W, World, days};

const ID: &str = "the-retry-id-of-this-token";

/// Refreshes under [`ID`]; the answer never arrives.
async fn loses_an_answer(device: &Device<'_>) {
    device.presents_again(&device.refresh, ID).await.is(200);
}

async fn logs_out_by(device: &Device<'_>, id: Option<&str>) -> Answer {
    let call = device.showing(&device.refresh, LOGOUT);
    device.world.sends(id.into_iter().fold(call, |call, id| call.header("idempotency-key", id))).await
}

#[tokio::test]
async fn t21_a_log_out_after_a_lost_answer_is_no_theft_however_late() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        for late in [1, W + 1, days(3)] {
            let phone = ann.logs_in_by(way).await;
            loses_an_answer(&phone).await;
            world.winds(late);
            let journal = ann.journal().await;
            for _ in 0..2 {
                logs_out_by(&phone, Some(ID)).await.is(204);
            }
            assert_eq!(ann.journal_since(&journal).await, ["session_ended logout"], "{late}");
            phone.presents_again(&phone.refresh, ID).await.refused(401, "session_ended").because("logout");
        }
    }
}

#[tokio::test]
async fn t21_a_log_out_with_a_spent_token_and_another_retry_id_is_theft_as_before() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        for id in [None, Some("another-retry-id")] {
            let phone = ann.logs_in_by(way).await;
            loses_an_answer(&phone).await;
            world.winds(W + 1);
            let journal = ann.journal().await;
            logs_out_by(&phone, id).await.is(204);
            assert_eq!(ann.journal_since(&journal).await, ["critical session_ended reuse"]);
        }
    }
}

/// Whoever copied the token together with its id comes from another instance.
#[tokio::test]
async fn t21_the_retry_id_alone_shows_nothing_of_an_instance_that_the_session_does_not_know() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    loses_an_answer(&phone).await;
    world.winds(W + 1);
    let journal = ann.journal().await;
    logs_out_by(&phone.is_robbed(), Some(ID)).await.is(204);
    assert_eq!(ann.journal_since(&journal).await, ["critical session_ended reuse"]);
}

/// Once the session has turned again, another holds its newest token.
#[tokio::test]
async fn t21_the_retry_id_of_the_rotation_before_the_last_saves_nobody() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let spent = phone.clone();
    phone.keeps(&phone.presents_again(&phone.refresh, ID).await.is(200));
    phone.turns().await;
    world.winds(W + 1);
    let journal = ann.journal().await;
    logs_out_by(&spent, Some(ID)).await.is(204);
    assert_eq!(ann.journal_since(&journal).await, ["critical session_ended reuse"]);
}

#[tokio::test]
async fn a_revocation_after_a_lost_answer_is_one() {
    let world = World::with(&[("does = \"logout\"", "does = \"revoke\"")]);
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    loses_an_answer(&phone).await;
    world.winds(W + 1);
    let journal = ann.journal().await;
    logs_out_by(&phone, Some(ID)).await.is(204);
    assert_eq!(ann.journal_since(&journal).await, ["session_ended revoked"]);
}

/// The access token is too old, so the cookie beside it says whose sessions end.
#[tokio::test]
async fn logging_out_everywhere_by_a_cookie_whose_successor_was_lost_ends_every_session() {
    let world = World::new();
    let ann = world.ann().await;
    for (id, causes) in
        [(Some(ID), vec!["session_ended logout_all"; 2]), (None, vec!["critical session_ended reuse"])]
    {
        let browser = ann.logs_in_by_cookie().await;
        loses_an_answer(&browser).await;
        world.winds(days(1));
        let mut laptop = ann.logs_in().await;
        let journal = ann.journal().await;
        let call = browser.bearer_call("POST", LOGOUT_ALL);
        let call: Call = id.into_iter().fold(call, |call, id| call.header("idempotency-key", id));
        let answer = world.sends(call).await;
        assert_eq!(answer.status, if id.is_some() { 204 } else { 401 });
        assert_eq!(ann.journal_since(&journal).await, causes);
        assert_eq!(laptop.is_logged_in().await, id.is_none());
        laptop.logs_out().await;
    }
}

#[tokio::test]
async fn a_log_out_with_a_retry_id_that_is_none_is_refused_and_ends_nothing() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    logs_out_by(&phone, Some("")).await.refused(400, "request_invalid");
    assert!(phone.row().await.ended.is_none());
    assert!(phone.is_logged_in().await);
    logs_out_by(&phone, Some(ID)).await.is(204);
    assert_eq!(phone.row().await.ended.map(|ended| ended.cause), Some(EndCause::Logout));
}
