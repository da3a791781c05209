//! Thieves: who is noticed, when, and what it costs the victim.

use crate::call::{Answer, Call};
use crate::people::{Device, ME, SESSIONS, Way};
use crate::world::{W, World, our_profile};

#[tokio::test]
async fn t1_t2_t6_a_thief_who_refreshes_first_is_out_when_the_victim_comes_back() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let mut laptop = ann.logs_in().await;
        let mut bobs = bob.logs_in().await;
        phone.refreshes().await.is(200);

        let mut thief = phone.is_robbed();
        world.winds(W + 1);
        thief.refreshes().await.is(200);
        world.winds(10 * 60);
        phone.refreshes().await.refused(401, "session_ended").because("reuse");

        thief.refreshes().await.refused(401, "session_ended").because("reuse");
        thief.asks(ME).await.refused(401, "session_ended").because("reuse");
        assert!(laptop.is_logged_in().await, "T6: one session, not the account");
        assert!(bobs.is_logged_in().await);
    }
    assert_eq!(ann.journal().await.iter().filter(|entry| entry.contains("reuse")).count(), 2, "R6: one each");
}

#[tokio::test]
async fn a_theft_can_be_explained_afterwards() {
    let world = World::new();
    let ann = world.ann().await;
    world.winds(60);
    let phone = ann.logs_in().await;
    let mut thief = phone.is_robbed();
    thief.refreshes().await.is(200);
    world.winds(W + 1);
    phone.presents(&phone.refresh).await.refused(401, "session_ended");

    let explained = world.engine.sessions().explain(phone.session).await.expect("a store that works");
    let explained = explained.expect("a session");
    let ended = explained.session.ended.expect("it has ended");
    assert_eq!((ended.cause.name(), ended.at), ("reuse", world.now()));
    let told: Vec<_> = explained
        .events
        .iter()
        .map(|entry| (entry.event.kind.name(), entry.event.ip.as_deref(), entry.event.user_agent.as_deref()))
        .collect();
    let by = (Some("192.0.2.10"), Some("Phone/1.0"));
    assert_eq!(told, [("session_opened", by.0, by.1), ("session_ended", by.0, by.1)]);
    assert_eq!(explained.detail.ended_ip.as_deref(), Some("192.0.2.10"));
}

#[tokio::test]
async fn t1_a_thief_who_comes_second_ends_the_session_and_gets_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let mut thief = phone.is_robbed();
    phone.refreshes().await.is(200);
    world.winds(W + 1);
    let caught = thief.refreshes().await.refused(401, "session_ended").because("reuse");
    assert!(caught.refresh_token().is_empty());
    phone.refreshes().await.refused(401, "session_ended").because("reuse");
    let theft = world.entries(ann.id).await.pop().expect("an entry").event;
    assert_eq!(theft.ip.as_deref(), Some("203.0.113.66"), "the journal knows from where");
}

#[tokio::test]
async fn t10_a_secret_copied_from_one_row_to_another_opens_neither() {
    let world = World::new();
    let ann = world.ann().await;
    let (phone, laptop) = (ann.logs_in().await, ann.logs_in().await);
    let (from, to) = (phone.session.0.simple(), laptop.session.0.simple());
    world.meddles(&format!(
        "update session set secret_hash = (select secret_hash from session where id = x'{from}') where id = x'{to}'"
    ));
    phone.presents(&phone.refresh).await.is(200);
    laptop.presents(&laptop.refresh).await.refused(401, "token_invalid");
    assert_eq!(laptop.row().await.generation.0, 0);
}

/// In each of three generations the thief retries what the victim has just spent.
async fn steps_with(victim: &mut Device<'_>, thief: &Device<'_>, world: &World) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..3 {
        let spent = victim.refresh.clone();
        if victim.refreshes().await.status != 200 {
            break;
        }
        world.winds(1);
        answers.push(thief.presents(&spent).await);
        world.winds(W);
    }
    answers
}

#[tokio::test]
async fn t3_who_steps_along_for_three_generations_raises_an_alarm() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let journal = ann.journal().await;
        let thief = phone.is_robbed();
        let answers = steps_with(&mut phone, &thief, &world).await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200]);
        assert_eq!(
            ann.journal_since(&journal).await,
            ["warning foreign_retry", "warning foreign_retry", "critical lockstep"]
        );
        assert!(phone.is_logged_in().await, "an alarm is not an end");
    }
}

#[tokio::test]
async fn t3_where_the_profile_says_so_stepping_along_ends_the_session() {
    let world = World::with(&[("lockstep = \"alert\"", "lockstep = \"end\"")]);
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let journal = ann.journal().await;
        let thief = phone.is_robbed();
        let answers = steps_with(&mut phone, &thief, &world).await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 401]);
        answers[2].clone().refused(401, "session_ended").because("lockstep");
        phone.refreshes().await.refused(401, "session_ended").because("lockstep");
        assert_eq!(
            ann.journal_since(&journal).await,
            ["warning foreign_retry", "warning foreign_retry", "critical session_ended lockstep"]
        );
    }
}

#[tokio::test]
async fn t19_a_browser_that_updates_itself_or_retries_its_own_request_is_no_stranger() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let journal = ann.journal().await;
        let mut updated = phone.clone();
        updated.user_agent = if way == Way::Body { "Phone/2.0" } else { "Browser/2.0" };
        let answers = steps_with(&mut phone, &updated, &world).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert!(ann.journal_since(&journal).await.is_empty());
    }
}

#[tokio::test]
async fn a_streak_that_breaks_begins_anew() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let thief = phone.is_robbed();
    let journal = ann.journal().await;
    for retries in [true, true, false, true, true] {
        let spent = phone.refresh.clone();
        phone.refreshes().await.is(200);
        if retries {
            thief.presents(&spent).await.is(200);
        }
        world.winds(W + 1);
    }
    assert_eq!(ann.journal_since(&journal).await, ["warning foreign_retry"; 4]);
}

#[tokio::test]
async fn t3_r20_nothing_a_thief_can_ask_tells_that_the_victim_has_refreshed() {
    let world = World::new();
    // An administrator's tokens ask for more, and learn no more of their own session.
    for person in [world.ann().await, world.root().await] {
        let mut phone = person.logs_in().await;
        phone.refreshes().await.is(200);
        world.winds(W + 1);
        let thief = phone.is_robbed();
        let reading = our_profile(&[]).wire.routes.into_iter().filter(|route| route.action.only_reads());
        let asked: Vec<String> = reading
            .map(|route| {
                let of_account = route.path.contains("/users/{id}");
                let id = if of_account { person.id.to_string() } else { phone.session.to_string() };
                route.path.replace("{id}", &id)
            })
            .chain(["/readyz", "/healthz", "/.well-known/jwks.json"].map(str::to_owned))
            .collect();
        let mut paths = Vec::new();
        for path in asked {
            let status = thief.asks(&path).await.status;
            paths.push((path, status));
        }
        let is_told = |path: &str| paths.contains(&(path.to_owned(), 200));
        assert!(is_told(ME) && is_told(SESSIONS) && is_told("/healthz"));
        let may_look = paths.iter().filter(|(path, status)| path.contains("/admin/users") && *status == 200);
        assert_eq!(may_look.count(), if person.name == "root" { 5 } else { 0 }, "{paths:?}");
        for _ in 0..5 {
            let mut before = Vec::new();
            for (path, status) in &paths {
                before.push(thief.asks(path).await.is(*status).everything());
            }
            phone.turns().await;
            for ((path, status), before) in paths.iter().zip(before) {
                assert_eq!(thief.asks(path).await.is(*status).everything(), before, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn r20_the_session_that_asks_is_not_told_that_it_turned_in_another_hour() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    world.winds(3600 - W / 2);
    phone.refreshes().await.is(200);
    world.winds(W + 1);
    let thief = phone.is_robbed();
    let before = thief.asks(SESSIONS).await.is(200).everything();
    phone.refreshes().await.is(200);
    assert_eq!(thief.asks(SESSIONS).await.is(200).everything(), before);
}

#[tokio::test]
async fn r20_a_kept_and_a_turned_token_are_told_alike() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let turned = phone.refreshes().await.is(200);
        world.winds(W / 2);
        let kept = phone.presents(&phone.refresh).await.is(200);
        let retried =
            phone.presents(&crate::verdicts::at_generation(&world, &phone.refresh, 0)).await.is(200);
        for answer in [kept, retried] {
            let (mut one, mut other) = (turned.json(), answer.json());
            for json in [&mut one, &mut other] {
                for volatile in ["access_token", "refresh_token", "expires_in", "refresh_in"] {
                    json[volatile] = serde_json::Value::Null;
                }
            }
            if way == Way::Cookie {
                assert_eq!(other["refresh_token"], serde_json::Value::Null);
            }
            assert_eq!(one, other);
        }
    }
}

#[tokio::test]
async fn r20_access_tokens_live_for_lengths_that_nobody_can_foresee() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    let mut lives = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let life = phone.turns().await.json()["expires_in"].as_u64().expect("seconds");
        assert!((810..=900).contains(&life), "0 to 10 % shorter than 15 minutes: {life}");
        lives.insert(life);
    }
    assert!(lives.len() > 5, "{lives:?}");
}

#[tokio::test]
async fn t3_what_everybody_may_read_says_nothing_of_a_session() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    for path in ["/healthz", "/readyz", "/metrics", "/.well-known/jwks.json"] {
        let text = world.sends(Call::get(path)).await.is(200).text();
        for secret in [phone.session.to_string(), ann.id.to_string(), "ann@example.org".to_owned()] {
            assert!(!text.contains(&secret), "{path}");
        }
    }
}
