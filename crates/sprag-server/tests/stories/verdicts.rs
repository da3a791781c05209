//! The verdict table over HTTP, row by row: status, code and cause, the cookie, the row, the journal.
//!
//! Each is told twice, with the token in the body and in the cookie.

use sprag::random::SystemRandom;
use sprag::session::{EndCause, Generation, ProfileId, Session, SessionId};
use sprag::token::{Encoding, RefreshToken};
use uuid::Uuid;

use crate::call::Answer;
use crate::people::{DEVICE_COOKIE, Device, Person, Way};
use crate::seam::Mood;
use crate::world::{W, World, days, key, second_profile};

/// What one row of the table does.
struct Verdict {
    row: u8,
    answer: Says,
    /// How many generations the row moves on.
    turns: u64,
    ends: Option<EndCause>,
    /// What the journal gets, and nothing else.
    journal: &'static [&'static str],
}

enum Says {
    /// 200 and a refresh token that replaces the client's.
    Successor,
    /// 200 and the refresh token as it was.
    Unchanged,
    /// A status, a code and, perhaps, a cause.
    No(u16, &'static str, &'static str),
}

const QUIETLY: &[&str] = &[];

/// Presents `token` and checks everything the verdict promises.
#[track_caller]
fn checked(verdict: &Verdict, device: &Device<'_>, token: &str, answer: &Answer) {
    let cookie = answer.cookie(crate::people::COOKIE);
    match verdict.answer {
        Says::Successor => {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_ne!(answer.refresh_token(), token);
            assert_eq!(cookie.is_some(), device.way == Way::Cookie);
        }
        Says::Unchanged => {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(cookie, None, "a token that stays is not sent as a cookie (R5)");
            let in_body = if device.way == Way::Body { token } else { "" };
            assert_eq!(answer.field("refresh_token"), in_body);
        }
        Says::No(status, code, cause) => {
            answer.clone().refused(status, code).because(cause);
        }
    }
}

async fn judged(ann: &Person<'_>, device: &Device<'_>, token: &str, verdict: Verdict) -> Answer {
    judged_with(ann, device, token, None, verdict).await
}

async fn judged_with(
    ann: &Person<'_>,
    device: &Device<'_>,
    token: &str,
    retry_id: Option<&str>,
    verdict: Verdict,
) -> Answer {
    let world = ann.world;
    let (row, journal, counted) = (device.row().await, ann.journal().await, world.verdicts().await);
    let answer = match retry_id {
        Some(retry_id) => device.presents_again(token, retry_id).await,
        None => device.presents(token).await,
    };
    checked(&verdict, device, token, &answer);
    let (now, counts) = (device.row().await, world.verdicts().await);
    assert_eq!(now.generation.0, row.generation.0 + verdict.turns, "how far the row moves");
    assert_eq!(now.ended.map(|ended| ended.cause), verdict.ends, "whether the session ends");
    if verdict.turns == 0 && verdict.ends.is_none() {
        let but_retries = Session { retries: now.retries, ..row };
        assert_eq!(now, but_retries, "nothing but a retry's count may change");
    }
    assert_eq!(ann.journal_since(&journal).await, verdict.journal, "what the journal says of it");
    for (row, count) in counts {
        let more = u64::from(row == verdict.row);
        assert_eq!(count, counted[&row] + more, "row {} decided, and no other than {row}", verdict.row);
    }
    answer
}

/// A token that only the holder of the refresh key can make: any session, any generation, a secret of its own.
fn forged(world: &World, key: sprag::session::SessionKey) -> String {
    let token = RefreshToken::first(ProfileId(1), key, &SystemRandom::default());
    token.encode(Encoding::Opaque, &world.stolen_ring(), world.now()).as_str().to_owned()
}

/// A session's genuine token of another generation, which its holder cannot make without the key.
pub(crate) fn at_generation(world: &World, token: &str, generation: u64) -> String {
    let ring = world.stolen_ring();
    let token = RefreshToken::parse(token, &ring, world.now()).expect("a genuine token");
    token.at(Generation(generation)).encode(Encoding::Opaque, &ring, world.now()).as_str().to_owned()
}

pub(crate) fn generation_of(world: &World, token: &str) -> u64 {
    RefreshToken::parse(token, &world.stolen_ring(), world.now()).expect("a genuine token").generation.0
}

#[tokio::test]
async fn row_1_what_is_no_token_of_ours_is_refused_without_asking_the_store() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let truncated = &phone.refresh[..phone.refresh.len() - 1];
        let longer = format!("{}A", phone.refresh);
        let flipped = phone.refresh.replace("spr_AQE", "spr_AQF");
        let refused = || Verdict {
            row: 1,
            answer: Says::No(401, "token_invalid", ""),
            turns: 0,
            ends: None,
            journal: QUIETLY,
        };
        for text in [truncated, &longer, &flipped, "spr_", "x", &phone.access, &"x".repeat(9000)] {
            world.seam.calls();
            judged(&ann, &phone, text, refused()).await;
            assert_eq!(world.seam.calls(), Vec::<&str>::new(), "R8: a bad tag costs no SQL");
        }
    }
}

#[tokio::test]
async fn row_1_t25_a_token_of_another_profile_changes_nothing() {
    let profiles = vec![crate::world::our_profile(&[]), second_profile(&[])];
    let world = World::planned(crate::world::Plan { profiles, ..Default::default() });
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let spent = phone.refresh.clone();
    phone.turns().await;
    world.winds(W + 1);
    for token in [&phone.refresh, &spent] {
        let before = world.dump().await;
        world.seam.calls();
        world.sends(phone.showing(token, "/second/refresh")).await.refused(401, "token_invalid");
        world.sends(phone.showing(token, "/second/logout")).await.is(204);
        assert!(world.seam.calls().is_empty());
        assert_eq!(world.dump().await, before);
    }
    assert!(phone.is_logged_in().await);
}

#[tokio::test]
async fn row_1_t16_a_retired_key_takes_all_its_tokens_with_it() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let mut phone = ann.logs_in_by(way).await;
        let old = phone.refresh.clone();
        world.changes_keys(|ring| {
            ring.add_refresh(&SystemRandom::default(), world.now(), world.now());
        });
        phone.refreshes().await.is(200);
        world.changes_keys(|ring| assert!(ring.retire("1", world.now())));
        let answer = Says::No(401, "token_invalid", "");
        judged(&ann, &phone, &old, Verdict { row: 1, answer, turns: 0, ends: None, journal: QUIETLY }).await;
        assert!(phone.is_logged_in().await, "what the new key signed goes on");
    }
}

#[tokio::test]
async fn row_2_a_store_that_fails_is_never_the_clients_fault() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let row = phone.row().await;
        world.seam.becomes(Mood::FailsAfter(0));
        let answer = phone.presents(&phone.refresh).await.refused(503, "unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        world.seam.becomes(Mood::Well);
        assert_eq!(phone.row().await, row);
        phone.presents(&phone.refresh).await.is(200);
    }
    assert_eq!(world.verdicts().await[&2], 2);
}

#[tokio::test]
async fn row_3_no_such_session() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let unknown = forged(&world, key(ann.id, SessionId(Uuid::from_u128(7))));
        let answer = Says::No(401, "session_ended", "");
        let verdict = Verdict { row: 3, answer, turns: 0, ends: None, journal: QUIETLY };
        judged(&ann, &phone, &unknown, verdict).await;
    }
}

#[tokio::test]
async fn row_4_t7_whoever_stole_the_key_cannot_make_a_token_and_is_noticed() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let forged = forged(&world, key(ann.id, phone.session));
        let answer = Says::No(401, "token_invalid", "");
        let journal = &["critical secret_mismatch"];
        judged(&ann, &phone, &forged, Verdict { row: 4, answer, turns: 0, ends: None, journal }).await;
        phone.presents(&phone.refresh).await.is(200);
    }
}

#[tokio::test]
async fn row_5_an_ended_session_says_why_it_ended() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let spent = phone.refresh.clone();
        phone.refreshes().await.is(200);
        phone.logs_out().await.is(204);
        for token in [&spent, &phone.refresh] {
            let answer = Says::No(401, "session_ended", "logout");
            let ends = Some(EndCause::Logout);
            judged(&ann, &phone, token, Verdict { row: 5, answer, turns: 0, ends, journal: QUIETLY }).await;
        }
    }
}

#[tokio::test]
async fn row_6_r12_a_token_ahead_of_the_database_goes_on_with_an_alarm() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        for gap in [1, 1024] {
            let phone = ann.logs_in_by(way).await;
            let ahead = at_generation(&world, &phone.refresh, gap);
            let journal = &["critical ahead_adopted"];
            let verdict = Verdict { row: 6, answer: Says::Successor, turns: gap + 1, ends: None, journal };
            let answer = judged(&ann, &phone, &ahead, verdict).await;
            assert_eq!(generation_of(&world, &answer.refresh_token()), gap + 1);
        }
    }
    let ready = world.sends(crate::call::Call::get("/readyz")).await.is(200);
    assert_eq!(ready.field("state_regressions"), "4", "readiness says that the database went back");
}

#[tokio::test]
async fn row_6_where_the_profile_refuses_it_or_the_gap_is_too_wide_the_session_ends() {
    for (ahead, gap) in [("refuse", 1), ("adopt", 1025)] {
        let world = World::with(&[("ahead = \"fast_forward\"", &format!("ahead = \"{ahead}\""))]);
        let ann = world.ann().await;
        for way in Way::BOTH {
            let phone = ann.logs_in_by(way).await;
            let token = at_generation(&world, &phone.refresh, gap);
            let answer = Says::No(401, "session_ended", "ahead");
            let (ends, journal) = (Some(EndCause::Ahead), &["critical session_ended ahead"]);
            judged(&ann, &phone, &token, Verdict { row: 6, answer, turns: 0, ends, journal }).await;
        }
    }
}

#[tokio::test]
async fn row_7_t2_two_generations_behind_is_reuse_even_inside_the_window() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let old = phone.refresh.clone();
        phone.refreshes().await.is(200);
        phone.turns().await;
        let answer = Says::No(401, "session_ended", "reuse");
        let (ends, journal) = (Some(EndCause::Reuse), &["critical session_ended reuse"]);
        judged(&ann, &phone, &old, Verdict { row: 7, answer, turns: 0, ends, journal }).await;
    }
}

#[tokio::test]
async fn row_8_the_request_that_turned_the_session_is_answered_again_however_late() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let first = phone.presents_again(&phone.refresh, "request 1").await.is(200);
        world.winds(days(3));
        let verdict = Verdict { row: 8, answer: Says::Successor, turns: 0, ends: None, journal: QUIETLY };
        let again = judged_with(&ann, &phone, &phone.refresh, Some("request 1"), verdict).await;
        assert_eq!(again.refresh_token(), first.refresh_token(), "R2: the same bytes");

        let answer = Says::No(401, "session_ended", "reuse");
        let (ends, journal) = (Some(EndCause::Reuse), &["critical session_ended reuse"]);
        let verdict = Verdict { row: 10, answer, turns: 0, ends, journal };
        judged_with(&ann, &phone, &phone.refresh, Some("request 2"), verdict).await;
    }
}

#[tokio::test]
async fn row_9_r2_a_lost_answer_is_given_again_byte_for_byte() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        let lost = phone.presents(&phone.refresh).await.is(200);
        for _ in 0..2 {
            world.winds(W / 2);
            let verdict = Verdict { row: 9, answer: Says::Successor, turns: 0, ends: None, journal: QUIETLY };
            let again = judged(&ann, &phone, &phone.refresh, verdict).await;
            assert_eq!(again.refresh_token(), lost.refresh_token());
            assert_ne!(again.access_token(), lost.access_token(), "the access token is a fresh one");
        }
    }
}

#[tokio::test]
async fn row_10_t1_a_spent_token_after_the_window_is_reuse() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        phone.presents(&phone.refresh).await.is(200);
        world.winds(W + 1);
        let answer = Says::No(401, "session_ended", "reuse");
        let (ends, journal) = (Some(EndCause::Reuse), &["critical session_ended reuse"]);
        judged(&ann, &phone, &phone.refresh, Verdict { row: 10, answer, turns: 0, ends, journal }).await;
    }
}

#[tokio::test]
async fn row_11_r15_an_account_that_moved_ends_the_session() {
    let cases = [
        ("disabled_at = 1", "account_disabled", "", EndCause::Disabled, "session_ended disabled"),
        ("epoch = epoch + 1", "session_ended", "revoked", EndCause::Revoked, "session_ended revoked"),
    ];
    for (change, code, cause, end, entry) in cases {
        for spent in [false, true] {
            for way in Way::BOTH {
                let world = World::new();
                let ann = world.ann().await;
                let phone = ann.logs_in_by(way).await;
                if spent {
                    phone.presents(&phone.refresh).await.is(200);
                }
                // No action of ours leaves a session behind; a hand at the database may.
                world.meddles(&format!("update account set {change}"));
                let answer = Says::No(401, code, cause);
                let journal: &'static [&'static str] = &*Box::leak(Box::new([entry]));
                let verdict = Verdict { row: 11, answer, turns: 0, ends: Some(end), journal };
                judged(&ann, &phone, &phone.refresh, verdict).await;
            }
        }
    }
}

#[tokio::test]
async fn row_12_r19_idle_and_absolute_lifetimes_are_both_enforced() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        world.winds(days(7));
        let answer = Says::No(401, "token_expired", "");
        let (ends, journal) = (Some(EndCause::Idle), &["session_ended idle"]);
        judged(&ann, &phone, &phone.refresh, Verdict { row: 12, answer, turns: 0, ends, journal }).await;

        let mut phone = ann.logs_in_by(way).await;
        for _ in 0..5 {
            world.winds(days(6) - 1);
            phone.refreshes().await.is(200);
        }
        world.winds(5);
        let answer = Says::No(401, "token_expired", "");
        let (ends, journal) = (Some(EndCause::Expired), &["session_ended expired"]);
        judged(&ann, &phone, &phone.refresh, Verdict { row: 12, answer, turns: 0, ends, journal }).await;
    }
}

#[tokio::test]
async fn row_13_r5_a_session_turns_once_in_a_window() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        phone.refreshes().await.is(200);
        for _ in 0..3 {
            world.winds(W / 3);
            let verdict =
                Verdict { row: 13, answer: Says::Unchanged, turns: 0, ends: None, journal: QUIETLY };
            judged(&ann, &phone, &phone.refresh, verdict).await;
        }
        world.winds(1);
        let verdict = Verdict { row: 14, answer: Says::Successor, turns: 1, ends: None, journal: QUIETLY };
        judged(&ann, &phone, &phone.refresh, verdict).await;
    }
}

#[tokio::test]
async fn row_14_the_newest_token_turns_the_session() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let phone = ann.logs_in_by(way).await;
        world.seam.calls();
        let verdict = Verdict { row: 14, answer: Says::Successor, turns: 1, ends: None, journal: QUIETLY };
        judged(&ann, &phone, &phone.refresh, verdict).await;
        assert_eq!(world.seam.calls(), ["rotate"], "one statement, and nothing is inserted (R13)");
        assert_eq!(phone.jar.iter().any(|(name, _)| name == DEVICE_COOKIE), way == Way::Cookie);
    }
}

#[tokio::test]
async fn row_15_a_write_that_keeps_missing_is_a_fault_and_one_that_misses_twice_is_not() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    world.seam.becomes(Mood::MissesRotations(3));
    phone.refreshes().await.is(200);
    world.winds(W + 1);
    let row = phone.row().await;
    world.seam.becomes(Mood::MissesRotations(u32::MAX));
    phone.refreshes().await.refused(503, "unavailable");
    assert_eq!(phone.row().await, row);
    assert_eq!(world.verdicts().await[&15], 1);
}
