//! What a person does with sessions: log out here, there and everywhere, and see which there are.

use futures_util::future::join_all;
use serde_json::json;

use crate::call::Call;
use crate::people::{ADMIN_SESSIONS, Device, LOGIN, LOGOUT, LOGOUT_ALL, ME, SESSIONS, Way};
use crate::world::{BEGINNING, Plan, W, World, days, our_profile};

#[tokio::test]
async fn logging_out_ends_the_session_at_once_and_twice_is_not_an_error() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let journal = ann.journal().await;
        for _ in 0..3 {
            let answer = phone.logs_out().await.is(204);
            assert!(answer.body.is_empty());
        }
        assert_eq!(ann.journal_since(&journal).await, ["session_ended logout"]);
        phone.refreshes().await.refused(401, "session_ended").because("logout");
        phone.asks(ME).await.refused(401, "session_ended").because("logout");
    }
}

#[tokio::test]
async fn logging_out_with_the_access_token_alone_ends_its_session_and_twice_is_not_an_error() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let mut laptop = ann.logs_in().await;
    let journal = ann.journal().await;
    for _ in 0..2 {
        world.sends(phone.bearer_call("POST", LOGOUT)).await.is(204);
    }
    assert_eq!(ann.journal_since(&journal).await, ["session_ended logout"]);
    phone.refreshes().await.refused(401, "session_ended").because("logout");
    assert!(laptop.is_logged_in().await);
}

#[tokio::test]
async fn a_log_out_that_shows_nothing_is_told_so() {
    let world = World::new();
    world.sends(Call::post(LOGOUT)).await.refused(401, "token_missing");
    world.sends(Call::post(LOGOUT).bearer("x")).await.refused(401, "token_invalid");
}

#[tokio::test]
async fn t21_logging_out_with_a_token_just_spent_ends_the_session() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let spent = phone.refresh.clone();
        phone.refreshes().await.is(200);
        let journal = ann.journal().await;
        world.sends(phone.showing(&spent, LOGOUT)).await.is(204);
        assert_eq!(ann.journal_since(&journal).await, ["session_ended logout"]);
        phone.refreshes().await.refused(401, "session_ended").because("logout");
    }
}

#[tokio::test]
async fn t21_logging_out_with_a_token_long_spent_is_theft_all_the_same() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut phone = ann.logs_in_by(way).await;
        let spent = phone.refresh.clone();
        phone.refreshes().await.is(200);
        world.winds(W + 1);
        let journal = ann.journal().await;
        world.sends(phone.showing(&spent, LOGOUT)).await.is(204);
        assert_eq!(ann.journal_since(&journal).await, ["critical session_ended reuse"]);
        phone.refreshes().await.refused(401, "session_ended").because("reuse");
    }
}

#[tokio::test]
async fn logging_out_with_a_token_of_nobodys_changes_nothing() {
    let world = World::new();
    let mut phone = world.ann().await.logs_in().await;
    let before = world.dump().await;
    for text in ["x", "spr_x", &phone.refresh.to_uppercase(), &phone.access] {
        world.sends(phone.showing(text, LOGOUT)).await.is(204);
    }
    assert_eq!(world.dump().await, before);
    assert!(phone.is_logged_in().await);
}

#[tokio::test]
async fn a_revoked_token_ends_its_session_with_a_cause_of_its_own() {
    let world = World::with(&[("does = \"logout\"", "does = \"revoke\"")]);
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    phone.logs_out().await.is(204);
    phone.refreshes().await.refused(401, "session_ended").because("revoked");
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_the_account_and_no_other() {
    for path in [LOGOUT_ALL, "/api/v1/auth/logout/all"] {
        let world = World::new();
        let (ann, bob) = (world.ann().await, world.bob().await);
        let mut anns = [ann.logs_in().await, ann.logs_in().await, ann.logs_in_by_cookie().await];
        let mut bobs = bob.logs_in().await;
        let journal = ann.journal().await;
        world.sends(anns[1].bearer_call("POST", path)).await.is(204);
        assert_eq!(ann.journal_since(&journal).await, ["session_ended logout_all"; 3]);
        for device in &mut anns {
            device.refreshes().await.refused(401, "session_ended").because("logout_all");
            device.asks(ME).await.refused(401, "session_ended").because("logout_all");
        }
        assert!(bobs.is_logged_in().await);
    }
}

#[tokio::test]
async fn one_session_can_be_ended_from_another_once() {
    let world = World::new();
    let ann = world.ann().await;
    let (mut phone, mut laptop) = (ann.logs_in().await, ann.logs_in_by_cookie().await);
    laptop.ends(phone.session).await.is(204);
    phone.refreshes().await.refused(401, "session_ended").because("revoked");
    laptop.ends(phone.session).await.refused(404, "session_unknown");
    assert!(laptop.is_logged_in().await);
    laptop.ends(laptop.session).await.is(204);
    laptop.asks(ME).await.refused(401, "session_ended").because("revoked");
}

#[tokio::test]
async fn a_profile_may_have_the_id_of_the_session_to_end_in_the_body() {
    let in_body = [
        ("DELETE /api/v1/auth/sessions/{id}", "POST /api/v1/auth/sessions/end"),
        (
            "does = \"end_session\"\nstatus = 204",
            "does = \"end_session\"\ntakes = { sid = \"$session_id\" }\ngives = { ended = \"$session_id\" }",
        ),
    ];
    let world = World::with(&in_body);
    let ann = world.ann().await;
    let (mut phone, mut laptop) = (ann.logs_in().await, ann.logs_in().await);
    let call = laptop.bearer_call("POST", "/api/v1/auth/sessions/end");
    world.sends(call.clone()).await.refused(400, "field_missing");
    world.sends(call.clone().json(&json!({ "sid": "x" }))).await.refused(404, "session_unknown");
    let answer = world.sends(call.json(&json!({ "sid": phone.session.to_string() }))).await.is(200);
    assert_eq!(answer.json(), json!({ "ended": phone.session.to_string() }));
    phone.refreshes().await.refused(401, "session_ended").because("revoked");
    assert!(laptop.is_logged_in().await);
}

#[tokio::test]
async fn an_answer_may_tell_when_its_tokens_expire() {
    let moments = [
        ("refresh_expires_in = \"$refresh_expires_in\"", "until = \"$refresh_expires_at\""),
        ("expires_in = \"$expires_in\"", "expires_at = \"$expires_at\"\nseconds = \"$expires_in\""),
    ];
    let world = World::with(&moments);
    let body = json!({ "username": "ann", "password": world.ann().await.password });
    let answer = world.sends(Call::post(LOGIN).json(&body)).await.is(200).json();
    let moment = |name: &str| answer[name].as_str().expect(name).parse::<jiff::Timestamp>().expect(name);
    let beginning = jiff::Timestamp::from_millisecond(BEGINNING.0).expect("a moment");
    let seconds = answer["seconds"].as_i64().expect("a number");
    assert_eq!(moment("expires_at").duration_since(beginning).as_secs(), seconds);
    assert_eq!(moment("until").duration_since(beginning).as_secs(), i64::try_from(days(7)).expect("seconds"));
}

#[tokio::test]
async fn nobody_ends_a_session_of_somebody_else() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (mut phone, thief) = (ann.logs_in().await, bob.logs_in().await);
    let before = world.dump().await;
    thief.ends(phone.session).await.refused(404, "session_unknown");
    for id in ["x", "00000000-0000-0000-0000-000000000000", "%00", "'or'1'='1", "..%2f"] {
        let call = thief.bearer_call("DELETE", &format!("{SESSIONS}/{id}"));
        world.sends(call).await.refused(404, "session_unknown");
    }
    world
        .sends(Call::new("DELETE", &format!("{SESSIONS}/{}", phone.session)))
        .await
        .refused(401, "token_missing");
    assert_eq!(world.dump().await, before);
    assert!(phone.is_logged_in().await);
}

#[tokio::test]
async fn the_list_shows_what_is_live_marks_what_asks_and_tells_times_to_the_hour() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = {
        let device = Device::new(&world, "Phone/1.0", "192.0.2.10");
        let body = json!({ "username": "ann", "password": ann.password, "device": "Ann's phone\u{1b}[31m" });
        let answer = world.sends(device.call("POST", LOGIN).json(&body)).await.is(200);
        let mut device = device;
        device.keeps(&answer);
        device
    };
    world.winds(2 * 3600 + 125);
    let mut laptop = ann.logs_in_by_cookie().await;
    let gone = ann.logs_in().await;
    gone.logs_out().await.is(204);
    world.winds(3600);
    laptop.refreshes().await.is(200);

    let listed = laptop.lists().await;
    assert_eq!(listed.len(), 2, "oldest first, and what has ended is not among them");
    assert_eq!(listed[0]["id"], phone.session.to_string());
    assert_eq!(listed[1]["id"], laptop.session.to_string());
    assert_eq!((&listed[0]["current"], &listed[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(listed[0]["device"], "Ann's phone[31m", "no control characters");
    assert_eq!(listed[0]["ip"], "192.0.2.10");
    assert_eq!(listed[1]["created_at"], "2026-07-01T14:02:05.000Z", "when it was opened, to the second");
    assert_eq!(listed[0]["last_used_at"], "2026-07-01T12:00:00.000Z", "of another one to the hour");
    assert_eq!(listed[1].get("last_used_at"), None, "R20: nothing that moves when it turns");
    assert_eq!(listed[1]["idle_expires_at"], "2026-07-08T15:00:00.000Z");
    assert_eq!(listed[1]["expires_at"], "2026-07-31T14:02:05.000Z");
}

#[tokio::test]
async fn what_has_expired_is_not_listed_although_nothing_has_swept_it() {
    let world = World::new();
    let ann = world.ann().await;
    ann.logs_in().await;
    world.winds(days(7));
    let phone = ann.logs_in().await;
    assert_eq!(phone.lists().await.len(), 1);
    assert_eq!(world.rows(ann.id).await.len(), 2);
}

#[tokio::test]
async fn the_101st_session_takes_the_place_of_the_longest_unused() {
    let world = World::planned(Plan { hash_queue: 128, ..Plan::default() });
    let (ann, bob) = (world.ann().await, world.bob().await);
    let mut bobs = bob.logs_in().await;
    let mut oldest = ann.logs_in().await;
    world.winds(1);
    let mut next = ann.logs_in().await;
    world.winds(1);
    let others = join_all((0..98).map(|_| ann.logs_in())).await;
    world.winds(1);
    oldest.refreshes().await.is(200);
    assert_eq!(oldest.lists().await.len(), 100);
    let journal = ann.journal().await;
    let newest = ann.logs_in().await;
    assert_eq!(ann.journal_since(&journal).await, ["session_opened", "session_ended replaced"]);
    assert_eq!(newest.lists().await.len(), 100);
    next.refreshes().await.refused(401, "session_ended").because("replaced");
    assert!(oldest.is_logged_in().await, "it was opened first, and used last");
    others[0].presents(&others[0].refresh).await.is(200);
    assert!(bobs.is_logged_in().await);
}

#[tokio::test]
async fn t20_r13_after_an_acknowledged_log_out_no_refresh_succeeds() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    for round in 0..30 {
        if round % 10 == 0 {
            phone = ann.logs_in().await;
        }
        let racing = phone.clone();
        let refreshes = (0..4).map(|_| racing.presents(&racing.refresh));
        let (answers, ended) = if round % 10 == 9 {
            let (answers, ended) = tokio::join!(join_all(refreshes), racing.logs_out());
            (answers, Some(ended.is(204)))
        } else {
            (join_all(refreshes).await, None)
        };
        let given: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        if ended.is_none() {
            phone.keeps(given[0]);
            world.winds(W + 1);
            continue;
        }
        for answer in given {
            phone.presents(&answer.refresh_token()).await.refused(401, "session_ended").because("logout");
            phone.keeps(answer);
            phone.asks(ME).await.refused(401, "session_ended");
        }
    }
}

#[tokio::test]
async fn a_refresh_that_finds_its_session_ended_meanwhile_is_refused() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let mut phone = ann.logs_in_by(way).await;
        let (engine, id) = (std::sync::Arc::clone(&world.engine), ann.id);
        world.seam.before("rotate", async move {
            engine.sessions().end_all_of(id, &crate::people::nobody()).await.expect("a store that works");
        });
        phone.refreshes().await.refused(401, "session_ended").because("admin");
        assert_eq!(phone.row().await.generation.0, 0);
    }
}

#[tokio::test]
async fn every_route_that_needs_an_access_token_says_so() {
    let world = World::new();
    let routes = our_profile(&[]).wire.routes;
    for route in routes.iter().filter(|route| route.action.needs_access_token()) {
        let path = route.path.replace("{id}", "00000000-0000-0000-0000-000000000000");
        let call = Call::new(route.method.as_str(), &path);
        let answer = world.sends(call.clone()).await.refused(401, "token_missing");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
        let answer = world.sends(call.bearer("x.y.z")).await.refused(401, "token_invalid");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{path}");
    }
}

#[tokio::test]
async fn r53_an_administrator_is_told_the_trail_of_a_session_and_nobody_else_is() {
    let world = World::with(&[("journal_rotations = false", "journal_rotations = true")]);
    let (ann, root) = (world.ann().await, world.root().await);
    let mut phone = ann.logs_in().await;
    phone.refreshes().await.is(200);
    phone.logs_out().await.is(204);
    let path = format!("{ADMIN_SESSIONS}/{}", phone.session);

    let admin = root.logs_in().await;
    let told = world.sends(admin.bearer_call("GET", &path)).await.is(200).json();
    assert_eq!(told["ended_cause"], "logout");
    assert_eq!(told["account_id"], ann.id.to_string());
    let kinds: Vec<_> =
        told["events"].as_array().expect("events").iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["account_created", "session_opened", "session_rotated", "session_ended"]);
    assert_eq!(told["events"][2]["note"], serde_json::Value::Null, "nobody is told how often it has rotated");
    assert_eq!(told["events"][2]["ip"], "192.0.2.10");

    let laptop = ann.logs_in().await;
    world.sends(laptop.bearer_call("GET", &path)).await.refused(403, "forbidden");
    world.sends(Call::get(&path)).await.refused(401, "token_missing");
    let unknown = format!("{ADMIN_SESSIONS}/{}", ann.id);
    world.sends(admin.bearer_call("GET", &unknown)).await.refused(404, "session_unknown");
    let no_id = format!("{ADMIN_SESSIONS}/x");
    world.sends(admin.bearer_call("GET", &no_id)).await.refused(404, "session_unknown");
}

#[tokio::test]
async fn r20_an_administrator_is_not_told_of_the_session_they_ask_with() {
    let world = World::new();
    let admin = world.root().await.logs_in().await;
    let own = format!("{ADMIN_SESSIONS}/{}", admin.session);
    let answer = world.sends(admin.bearer_call("GET", &own)).await.refused(403, "forbidden");
    assert_eq!(answer.field("detail"), "nobody is told of the session they ask with; ask from another one");
}

#[tokio::test]
async fn r20_of_another_session_of_their_own_an_administrator_is_told_nothing_of_rotations_and_the_hours() {
    let world = World::with(&[("journal_rotations = false", "journal_rotations = true")]);
    let (ann, root) = (world.ann().await, world.root().await);
    let (mut own, mut anns) = (root.logs_in().await, ann.logs_in().await);
    world.winds(2 * 3600 + 125);
    own.refreshes().await.is(200);
    anns.refreshes().await.is(200);
    let admin = root.logs_in_by_cookie().await;
    let told = async |session: String| {
        let path = format!("{ADMIN_SESSIONS}/{session}");
        world.sends(admin.bearer_call("GET", &path)).await.is(200).json()
    };
    let at = |told: &serde_json::Value, kind: &str| {
        let events = told["events"].as_array().expect("events").clone();
        events.iter().find(|event| event["kind"] == kind).map(|event| event["at"].clone())
    };
    let of_ann = told(anns.session.to_string()).await;
    let moment = at(&of_ann, "session_rotated").expect("it has rotated");
    assert_eq!(moment, "2026-07-01T14:02:05.000Z", "of others the moment");
    own.turns().await;
    let before = told(own.session.to_string()).await;
    assert_eq!(at(&before, "session_rotated"), None, "of one's own account a copy must not tell it");
    assert_eq!(at(&before, "session_opened").expect("it was opened"), "2026-07-01T12:00:00.000Z");
    let spent = own.refresh.clone();
    own.turns().await;
    own.is_robbed().presents(&spent).await.is(200);
    assert!(world.journal(root.id).await.iter().any(|entry| entry.contains("foreign_retry")));
    assert_eq!(told(own.session.to_string()).await, before, "nothing of it moves with a rotation or a retry");
}
