//! A change of password whose answer was lost: the same request again is answered, and whoever else comes is told what
//! happened and accused of nothing.

use futures_util::future::join_all;
use serde_json::json;
use sprag::random::SystemRandom;
use sprag_server::profile::Profile;

use crate::call::{Answer, Call};
use crate::people::{COOKIE, Device, LOGIN, ME, PASSWORD, Person, REFRESH, SESSIONS, Way};
use crate::seam::Mood;
use crate::world::{Plan, W, World, our_profile};

const NEW: &str = "ann's next battery staple";

const ID: &str = "change-1";

/// The request as a careful client sends it: with the access token, the refresh token and a retry id.
fn change(device: &Device<'_>, current: &str) -> Call {
    let mut body = json!({ "current_password": current, "new_password": NEW });
    if device.way == Way::Body {
        body["refresh_token"] = device.refresh.clone().into();
    }
    device.bearer_call("POST", PASSWORD).json(&body).header("idempotency-key", ID)
}

/// Changes the password of whoever holds this device, and the answer is lost behind the store.
async fn loses_the_answer(ann: &Person<'_>, device: &Device<'_>) -> Call {
    let call = change(device, &ann.password);
    ann.world.seam.becomes(Mood::LosesAnswerOf("change_password"));
    ann.world.sends(call.clone()).await.refused(503, "unavailable");
    ann.world.seam.becomes(Mood::Well);
    call
}

/// What a token of a session says that a change of password ended, however it is presented.
async fn is_told_of_the_change(device: &Device<'_>, current: &str) {
    device.presents(&device.refresh).await.refused(401, "session_ended").because("password_changed");
    device.asks(ME).await.refused(401, "session_ended").because("password_changed");
    let call = change(device, current).without("idempotency-key");
    device.world.sends(call).await.refused(401, "session_ended").because("password_changed");
}

async fn live_sessions(ann: &Person<'_>) -> usize {
    ann.world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count()
}

#[tokio::test]
async fn a_change_of_password_whose_answer_was_lost_is_answered_when_it_comes_again() {
    for encoding in ["opaque", "jwt"] {
        for way in Way::BOTH {
            let encoding = format!("encoding = \"{encoding}\"");
            let world = World::with(&[("encoding = \"opaque\"", &encoding)]);
            let ann = world.ann().await;
            let mut device = ann.logs_in_by(way).await;
            device.refreshes().await.is(200);
            let before = device.row().await;
            let call = loses_the_answer(&ann, &device).await;
            let journal = ann.journal().await;
            world.winds(W / 2);
            let answer = world.sends(call.clone()).await.is(200);
            let again = world.sends(call).await.is(200);
            assert_eq!(answer.refresh_token(), again.refresh_token(), "byte for byte");
            assert_eq!(answer.field("session_id"), again.field("session_id"));
            let old = device.clone();
            device.keeps(&answer);
            assert_ne!(device.session, old.session);
            assert_eq!(device.row().await.expires_at, before.expires_at, "no longer than before");
            assert_eq!(live_sessions(&ann).await, 1, "one change, one session");
            assert!(ann.journal_since(&journal).await.is_empty(), "and nothing new to tell");
            is_told_of_the_change(&old, &ann.password).await;
            assert!(device.is_logged_in().await);
            is_told_of_the_change(&old, &ann.password).await;
            assert!(device.is_logged_in().await);
        }
    }
}

#[tokio::test]
async fn a_change_that_comes_again_is_answered_under_whichever_key_signed_it() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let call = loses_the_answer(&ann, &phone).await;
    let now = world.now();
    world.changes_keys(|keys| {
        keys.add_refresh(&SystemRandom::default(), now, now);
    });
    phone.keeps(&world.sends(call).await.is(200));
    assert!(phone.is_logged_in().await);
}

/// While nobody is answered the access token of the request may run out, and its window does not.
#[tokio::test]
async fn a_change_that_comes_again_after_an_outage_is_answered_though_its_access_token_has_expired() {
    let world = World::new();
    world.engine.upkeep().serve_at("here");
    world.engine.upkeep().mark().await.expect("a store that works");
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let call = loses_the_answer(&ann, &phone).await;
    world.winds(20 * 60);
    phone.asks(ME).await.refused(401, "token_expired");
    phone.keeps(&world.sends(call).await.is(200));
    assert!(phone.refreshes().await.status == 200);
}

#[tokio::test]
async fn a_change_of_password_is_answered_again_inside_the_reuse_interval_only() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let call = loses_the_answer(&ann, &phone).await;
    world.winds(W);
    world.sends(call.clone()).await.is(200);
    world.winds(1);
    world.sends(call).await.refused(401, "session_ended").because("password_changed");
    is_told_of_the_change(&phone, &ann.password).await;

    let strict = World::with(&[("reuse_interval = \"30s\"", "reuse_interval = \"0s\"")]);
    let ann = strict.ann().await;
    let phone = ann.logs_in().await;
    let call = loses_the_answer(&ann, &phone).await;
    strict.sends(call).await.refused(401, "session_ended").because("password_changed");
}

/// Each of them lacks one thing of what the request had; the last comes when its first answer has been used.
#[tokio::test]
async fn nobody_else_gets_the_new_session_of_a_changed_password() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let mut device = ann.logs_in_by(way).await;
        let bobs = world.bob().await.logs_in().await;
        let call = loses_the_answer(&ann, &device).await;
        let journal = ann.journal().await;
        let robbed = device.is_robbed();
        let forgets = |call: &Call| call.clone().without("cookie").text("application/json", "{}");
        let passwords = json!({ "current_password": ann.password, "new_password": NEW });
        let without_token = forgets(&call).json(&passwords);
        let others = [
            (
                "another retry id",
                call.clone().without("idempotency-key").header("idempotency-key", "change-2"),
            ),
            ("no retry id", call.clone().without("idempotency-key")),
            ("another instance", change(&robbed, &ann.password)),
            ("a named instance", call.clone().without("cookie").header("sprag-instance", "tab")),
            ("no refresh token", without_token),
        ];
        for (what, call) in others {
            let answer = world.sends(call).await;
            assert_eq!(
                (answer.status, answer.cause().as_str()),
                (401, "password_changed"),
                "{what}, {way:?}"
            );
        }
        let with_bobs_token = call.clone().without("authorization").bearer(&bobs.access);
        let answer = world.sends(with_bobs_token).await;
        assert_eq!(answer.status, 403, "the current password is bob's to know: {}", answer.text());
        let forged = call.clone().without("authorization").bearer("x.y.z");
        world.sends(forged).await.refused(401, "token_invalid");
        assert!(ann.journal_since(&journal).await.is_empty());

        let mut guess = passwords.clone();
        guess["new_password"] = "another battery staple".into();
        if way == Way::Body {
            guess["refresh_token"] = device.refresh.clone().into();
        }
        let guessing = call.clone().json(&guess);
        world.sends(guessing).await.refused(401, "session_ended").because("password_changed");
        assert_eq!(ann.journal_since(&journal).await, ["warning login_failed"], "a guess is written down");

        let old = device.clone();
        device.keeps(&world.sends(call.clone()).await.is(200));
        device.refreshes().await.is(200);
        world.sends(call).await.refused(401, "session_ended").because("password_changed");
        is_told_of_the_change(&old, &ann.password).await;
        assert!(device.is_logged_in().await);
    }
}

#[tokio::test]
async fn a_new_session_that_is_over_is_not_handed_out_again() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let call = loses_the_answer(&ann, &phone).await;
    ann.is_disabled().await;
    world.sends(call.clone()).await.refused(401, "session_ended").because("password_changed");
    ann.is_enabled().await;
    world.sends(call).await.refused(401, "session_ended").because("password_changed");
}

/// However the second one falls behind: before it looks at the current password, and after.
#[tokio::test]
async fn two_changes_of_password_that_are_one_request_are_both_answered_with_one_session() {
    for way in Way::BOTH {
        for moment in ["find", "credential_of", "change_password"] {
            let world = World::new();
            let ann = world.ann().await;
            let mut device = ann.logs_in_by(way).await;
            let call = change(&device, &ann.password);
            world.seam.before(moment, world.later(call.clone(), 200));
            let late = world.sends(call.clone()).await.is(200);
            let again = world.sends(call).await.is(200);
            assert_eq!(late.refresh_token(), again.refresh_token(), "{moment}");
            device.keeps(&late);
            assert_eq!(live_sessions(&ann).await, 1, "{moment}");
            assert!(!ann.journal().await.contains(&"warning login_failed".to_owned()), "{moment}");
            assert!(device.is_logged_in().await);
        }
    }
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let calls = (0..8).map(|_| world.sends(change(&phone, &ann.password)));
    let tokens: Vec<String> =
        join_all(calls).await.into_iter().map(|one| one.is(200).refresh_token()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "eight at once have one answer");
    assert_eq!(live_sessions(&ann).await, 1);
}

/// The current password was right when they were let in; it is not they who were wrong.
#[tokio::test]
async fn of_two_different_changes_the_late_one_hears_of_the_other_and_not_that_its_password_is_wrong() {
    for moment in ["credential_of", "change_password"] {
        let world = World::new();
        let ann = world.ann().await;
        let (phone, laptop) = (ann.logs_in().await, ann.logs_in().await);
        let journal = ann.journal().await;
        world.seam.before(moment, world.later(change(&phone, &ann.password), 200));
        let late = laptop.changes_password(&ann.password, "the late one's password").await;
        late.refused(401, "session_ended").because("password_changed");
        assert!(!ann.journal_since(&journal).await.contains(&"warning login_failed".to_owned()), "{moment}");
    }
}

/// A profile of somebody's own: another shape, other names, retries refused, tokens in JWTs.
#[tokio::test]
async fn a_house_profile_of_ones_own_answers_a_change_again_and_accuses_nobody() {
    const HOUSE: &str = "
id = 40
about = \"a house of its own\"
lifetimes = { access = \"15m\", refresh = \"7d\", absolute = \"30d\" }
[refresh_token]
encoding = \"jwt\"
body = \"refreshToken\"
[ratchet]
retry = \"refuse\"
reuse_interval = \"10s\"
[[route]]
on = \"POST /house/in\"
does = \"login\"
takes = { user = \"$name\", secret = \"$password\" }
gives = { access = \"$access_token\", refresh = \"$refresh_token\" }
[[route]]
on = \"POST /house/again\"
does = \"refresh\"
gives = { access = \"$access_token\", refresh = \"$refresh_token\" }
[[route]]
on = \"PUT /house/secret\"
does = \"password\"
takes = { old = \"$current_password\", new = \"$new_password\", refreshToken = \"$refresh_token\" }
gives = { access = \"$access_token\", refresh = \"$refresh_token\" }
[refusal]
gives = { code = \"$code\", why = \"$cause?\", said = \"$message\" }
";
    let house = Profile::parse("house", "house.toml", HOUSE).unwrap_or_else(|error| panic!("{error}"));
    let profiles = vec![our_profile(&[]), house];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let ann = world.ann().await;
    let log_in = Call::post("/house/in").json(&json!({ "user": "ann", "secret": ann.password }));
    let pair = world.is_asked(log_in).await.is(200);
    let (access, old) = (pair.field("access"), pair.field("refresh"));
    let body = json!({ "old": ann.password, "new": NEW, "refreshToken": old });
    let call = Call::new("PUT", "/house/secret").bearer(&access).header("idempotency-key", ID).json(&body);
    world.seam.becomes(Mood::LosesAnswerOf("change_password"));
    let lost = world.is_asked(call.clone()).await.is(503);
    assert!(lost.field("said").contains("may have been changed"), "{}", lost.text());
    world.seam.becomes(Mood::Well);
    let answer = world.is_asked(call.clone()).await.is(200);
    assert_eq!(answer.field("refresh"), world.is_asked(call.clone()).await.is(200).field("refresh"));

    let refresh = |token: &str| Call::post("/house/again").json(&json!({ "refreshToken": token }));
    let is_told = |answer: &Answer| {
        let said = (answer.status, answer.field("code"), answer.field("why"));
        assert_eq!(said, (401, "session_ended".to_owned(), "password_changed".to_owned()));
    };
    let next = world.is_asked(refresh(&answer.field("refresh"))).await.is(200);
    for wound in [0, 11, 600] {
        world.winds(wound);
        is_told(&world.is_asked(refresh(&old)).await);
        is_told(&world.is_asked(call.clone()).await);
    }
    world.is_asked(refresh(&next.field("refresh"))).await.is(200);
}

/// What the answer of a call that was lost behind the store says must be true, and what it advises must work.
#[tokio::test]
async fn a_503_says_of_each_call_that_it_may_have_happened_and_what_to_do_then() {
    type Told = (&'static str, &'static str, &'static [&'static str]);
    const TOLD: [Told; 7] = [
        ("open", "if a session was opened, nobody has its tokens", &["200"]),
        ("rotate", "with the same token", &["200"]),
        ("end", "the session may have ended or not", &["204"]),
        (
            "end_all",
            "if yours has ended then, log in to see which are left",
            &["401 session_ended logout_all"],
        ),
        ("end another", "if there is no such session then, it has ended", &["404 session_unknown"]),
        ("create", "the account may have been made", &["409 name_taken"]),
        ("change_password", "send the same request again", &["200"]),
    ];
    for (commit, said, then) in TOLD {
        let world = World::new();
        let ann = world.ann().await;
        let (phone, other) = (ann.logs_in().await, ann.logs_in().await);
        let call = match commit {
            "open" => Call::post(LOGIN).json(&json!({ "username": "ann", "password": ann.password })),
            "rotate" => phone.showing(&phone.refresh, REFRESH),
            "end" => phone.showing(&phone.refresh, crate::people::LOGOUT),
            "end_all" => phone.bearer_call("POST", crate::people::LOGOUT_ALL),
            "end another" => phone.bearer_call("DELETE", &format!("{SESSIONS}/{}", other.session)),
            "create" => {
                let user = json!({ "username": "carol", "password": "fifteen or more" });
                let root = world.root().await.logs_in().await;
                root.bearer_call("POST", crate::people::REGISTER).json(&user)
            }
            _ => change(&phone, &ann.password),
        };
        let lost = commit.split(' ').next().expect("a name");
        world.seam.becomes(Mood::LosesAnswerOf(lost));
        let answer = world.sends(call.clone()).await.refused(503, "unavailable");
        let detail = answer.field("detail");
        assert!(detail.contains(said), "{commit}: {detail}");
        world.seam.becomes(Mood::Well);
        let answer = world.sends(call).await;
        let words = [answer.status.to_string(), answer.code(), answer.cause()];
        assert_eq!([words.join(" ").trim()], then, "{commit}");
    }
}

#[tokio::test]
async fn a_reading_call_that_was_not_answered_changed_nothing_and_says_so() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let before = world.dump().await;
    for path in [ME, SESSIONS] {
        world.seam.becomes(Mood::FailsAfter(1));
        let detail = phone.asks(path).await.refused(503, "unavailable").field("detail");
        assert!(detail.ends_with("try again in a second, with the same token"), "{detail}");
        world.seam.becomes(Mood::Well);
    }
    assert_eq!(world.dump().await, before);
    assert!(phone.asks(ME).await.is(200).cookie(COOKIE).is_none());
}
