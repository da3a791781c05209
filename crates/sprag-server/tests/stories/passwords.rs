//! Passwords: which are taken, kept exactly as typed, and what changing one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sprag::risk::RiskPolicy;

use crate::call::{Answer, Call};
use crate::people::{
    COOKIE, Device, LOGIN, LOGOUT, LOGOUT_ALL, ME, PASSWORD, REFRESH, REGISTER, SESSIONS, Way,
};
use crate::world::{ORIGIN, Plan, W, World};

const NEW: &str = "ann's next battery staple";

async fn registers(world: &World, root: &Device<'_>, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    world.sends(root.bearer_call("POST", REGISTER).json(&body)).await
}

async fn logs_in(world: &World, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    world.sends(Call::post(LOGIN).json(&body)).await
}

#[tokio::test]
async fn r42_a_password_has_8_characters_and_at_most_1024_bytes_of_anything() {
    let world = World::with(&[("password = { min = 15, ", "password = { min = 8, ")]);
    let root = world.root().await.logs_in().await;
    let before = world.dump().await;
    for short_or_long in [
        "seven c".to_owned(),
        "\u{1f642}xyz".to_owned(),
        spread(1025),
        "éa".repeat(513),
        "nul\0nul\0 nul".to_owned(),
    ] {
        let answer = registers(&world, &root, "carol", &short_or_long).await;
        assert_eq!(answer.refused(400, "password_rejected").field("field"), "password");
    }
    assert_eq!(world.dump().await, before);
    let good = [
        "eight ch".to_owned(),
        spread(1024),
        "\u{1f642}\u{1f40e}\u{1f50b}\u{1f4ce}\u{1f642}\u{1f389}\u{1f50b}\u{1f642}".to_owned(),
        "    x   ".to_owned(),
        "line\nbreak\r".to_owned(),
        "\u{202e}\u{feff}right to left".to_owned(),
    ];
    for (index, password) in good.iter().enumerate() {
        let name = format!("user{index}");
        registers(&world, &root, &name, password).await.is(201);
        logs_in(&world, &name, password).await.is(200);
    }
}

/// So many letters that repeat nothing.
fn spread(bytes: usize) -> String {
    (0..bytes).map(|at| char::from(b'a' + u8::try_from(at * at % 23).expect("it is small"))).collect()
}

#[tokio::test]
async fn a_password_that_is_all_one_logs_in_with_has_15_characters() {
    let world = World::new();
    let root = world.root().await.logs_in().await;
    let refused = registers(&world, &root, "carol", "fourteen chars").await.refused(400, "password_rejected");
    assert!(refused.text().contains("at least 15 characters"), "{}", refused.text());
    registers(&world, &root, "carol", "fifteen letters").await.is(201);
    // Whoever has a shorter one from before logs in, and chooses a longer one next time.
    let short = Call::post("/api/v1/auth/password");
    let world = World::with(&[("password = { min = 15, ", "password = { min = 8, ")]);
    let root = world.root().await.logs_in().await;
    registers(&world, &root, "carol", "eight ch").await.is(201);
    let bearer = logs_in(&world, "carol", "eight ch").await.is(200).access_token();
    let change =
        short.bearer(&bearer).json(&json!({ "current_password": "eight ch", "new_password": "seven c" }));
    world.sends(change).await.refused(400, "password_rejected");
}

#[tokio::test]
async fn whoever_changes_to_one_that_is_far_too_short_is_told_how_long_it_has_to_be() {
    let world = World::new();
    let ann = world.ann().await;
    let refused = ann.logs_in().await.changes_password(&ann.password, "short").await;
    let refused = refused.refused(400, "password_rejected");
    assert!(refused.text().contains("at least 15 characters"), "{}", refused.text());
}

#[tokio::test]
async fn what_others_try_first_and_ones_own_names_are_no_password() {
    let world = World::with(&[("password = { min = 15, ", "password = { min = 8, ")]);
    let root = world.root().await.logs_in().await;
    let before = world.dump().await;
    for common in ["password", "iloveyou", "PASSWORD", "passwordpassword", "12345678901234", "aaaaaaaaaaaa"] {
        let refused = registers(&world, &root, "carol", common).await.refused(400, "password_rejected");
        assert!(refused.text().contains("easily guessed"), "{}", refused.text());
    }
    for own in ["carol-1984", "Carol.Carol", "2026carol2026"] {
        let refused = registers(&world, &root, "carol", own).await.refused(400, "password_rejected");
        assert!(refused.text().contains("name of the account"), "{}", refused.text());
    }
    assert_eq!(world.dump().await, before);
    registers(&world, &root, "carol", "carol and her dog").await.is(201);
    let carol = logs_in(&world, "carol", "carol and her dog").await.is(200).access_token();
    let change = |new: &str| {
        let body = json!({ "current_password": "carol and her dog", "new_password": new });
        Call::post(PASSWORD).bearer(&carol).json(&body)
    };
    for no in ["password1", "carol-1984"] {
        world.sends(change(no)).await.refused(400, "password_rejected");
    }
    world.sends(change("a dog and carol")).await.is(200);
}

/// Says what one file of stolen passwords would, and fails where the story says so.
#[derive(Debug, Default)]
struct Stolen {
    is_away: AtomicBool,
}

#[async_trait::async_trait]
impl sprag::password::Breaches for Stolen {
    async fn know(&self, hash: &sprag::password::PasswordSha1) -> Result<bool, sprag::Fault> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(sprag::Fault::unavailable("ask for stolen passwords", "the story says so"));
        }
        // SHA-1 of STOLEN.
        Ok(hash.as_hex() == "BFC77E782AE0EA4B60C394E19364FAFADF39B93C")
    }
}

const STOLEN: &str = "a password of hers that was stolen";

#[tokio::test]
async fn a_password_that_was_stolen_elsewhere_is_not_chosen_and_makes_a_log_in_riskier() {
    let stolen = Arc::new(Stolen::default());
    let breaches = Some(Arc::clone(&stolen) as Arc<dyn sprag::password::Breaches>);
    let risk = Some(RiskPolicy { breached_password: 40, ..RiskPolicy::default() });
    let world = World::planned(Plan { breaches, risk, ..Plan::default() });
    let root = world.root().await.logs_in().await;
    let refused = registers(&world, &root, "carol", STOLEN).await.refused(400, "password_rejected");
    assert!(refused.text().contains("stolen elsewhere"), "{}", refused.text());
    // Nobody is kept from anything while nobody can be asked.
    stolen.is_away.store(true, Ordering::Relaxed);
    registers(&world, &root, "carol", STOLEN).await.is(201);
    // At the moment of its making an account has no log-in that could be unlike those before.
    world.clock.wind(Duration::from_secs(1));
    logs_in(&world, "carol", STOLEN).await.is(200);
    stolen.is_away.store(false, Ordering::Relaxed);
    logs_in(&world, "carol", STOLEN).await.is(200);
    let carol = world.engine.accounts().find("carol").await.expect("it is there").id;
    let told: Vec<Option<String>> =
        world.entries(carol).await.into_iter().map(|entry| entry.event.note).collect();
    let last = told.last().cloned().flatten().unwrap_or_default();
    assert!(last.contains("breached_password 40"), "{told:?}");
}

#[tokio::test]
async fn r42_a_password_is_kept_exactly_to_its_last_byte() {
    let world = World::with(&[("password = { min = 15, ", "password = { min = 8, ")]);
    let root = world.root().await.logs_in().await;
    let long = spread(72);
    let pairs = [
        ("  leading and trailing  ", "leading and trailing"),
        ("Capital letters", "capital letters"),
        ("caf\u{e9} au lait", "cafe au lait"),
        ("\u{ff41}\u{ff42}\u{ff43}\u{ff44}\u{ff41}\u{ff42}\u{ff41}\u{ff45}", "aaaaaaaaaaaa"),
        (&format!("{long}a"), &format!("{long}b")),
    ];
    for (index, (password, other)) in pairs.into_iter().enumerate() {
        let name = format!("user{index}");
        registers(&world, &root, &name, password).await.is(201);
        logs_in(&world, &name, password).await.is(200);
        logs_in(&world, &name, other).await.refused(401, "credentials_invalid");
    }
}

#[tokio::test]
async fn who_chose_a_password_on_one_system_was_refused_on_another_that_composes_letters_otherwise() {
    let world = World::with(&[("password = { min = 15, ", "password = { min = 8, ")]);
    let root = world.root().await.logs_in().await;
    let composed_and_not = ["caf\u{e9} \u{304c} au lait", "cafe\u{301} \u{304b}\u{3099} au lait"];
    for (index, (chosen, other)) in [(0, 1), (1, 0)].into_iter().enumerate() {
        let (chosen, other) = (composed_and_not[chosen], composed_and_not[other]);
        let name = format!("user{index}");
        registers(&world, &root, &name, chosen).await.is(201);
        for password in [other, chosen] {
            logs_in(&world, &name, password).await.is(200);
        }
        logs_in(&world, &name, "cafe \u{304b} au lait").await.refused(401, "credentials_invalid");

        let pair = logs_in(&world, &name, chosen).await.is(200);
        let bearer = pair.access_token();
        let change = |current: &str, new: &str| {
            let body = json!({ "current_password": current, "new_password": new });
            Call::post(PASSWORD).bearer(&bearer).json(&body)
        };
        world.sends(change("cafe \u{304b} au lait", NEW)).await.refused(403, "current_password_wrong");
        world.sends(change(other, NEW)).await.is(200);
        logs_in(&world, &name, NEW).await.is(200);
    }
}

#[tokio::test]
async fn r42_a_form_that_is_not_unicode_is_refused_for_two_passwords_would_become_one() {
    let world = World::new();
    let root = world.root().await.logs_in().await;
    let before = world.dump().await;
    for body in ["username=carol&password=caf%E9caf%E9caf%E9", "username=%ff&password=eight+or+more"] {
        let call = root.bearer_call("POST", REGISTER).text("application/x-www-form-urlencoded", body);
        world.sends(call).await.refused(400, "request_invalid");
    }
    let parts: Vec<u8> = b"--cut\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\ncarol\r\n\
        --cut\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ncaf\xe9caf\xe9caf\xe9\r\n--cut--\r\n"
        .to_vec();
    let call = root.bearer_call("POST", REGISTER).text("multipart/form-data; boundary=cut", parts);
    world.sends(call).await.refused(400, "request_invalid");
    assert_eq!(world.dump().await, before);
    let call = root.bearer_call("POST", REGISTER);
    let good = "username=carol&password=caf%C3%A9+%26+%25+100%+more";
    world.sends(call.text("application/x-www-form-urlencoded", good)).await.is(201);
    logs_in(&world, "carol", "café & % 100% more").await.is(200);
}

#[tokio::test]
async fn a_form_in_parts_is_a_form_like_any_other() {
    let world = World::new();
    let root = world.root().await.logs_in().await;
    let carol = [("username", "carol"), ("password", "café & % 100% more"), ("email", "")];
    world.sends(root.bearer_call("POST", REGISTER).multipart(&carol)).await.is(201);
    let pair = world.sends(Call::post(LOGIN).multipart(&carol)).await.is(200);
    let pair =
        world.sends(Call::post(REFRESH).multipart(&[("refresh_token", &pair.refresh_token())])).await.is(200);
    world.sends(Call::post(LOGOUT).multipart(&[("refresh_token", &pair.refresh_token())])).await.is(204);
    world.sends(Call::post(LOGIN).multipart(&carol[..1])).await.refused(400, "field_missing");
    world.sends(Call::post(LOGIN).multipart(&[])).await.refused(400, "field_missing");
}

#[tokio::test]
async fn a_log_in_takes_shorter_passwords_than_a_new_one_may_be() {
    let world = World::new();
    world.ann().await;
    logs_in(&world, "ann", "x").await.refused(401, "credentials_invalid");
    logs_in(&world, "ann", &"x".repeat(1024)).await.refused(401, "credentials_invalid");
    logs_in(&world, "ann", &"x".repeat(1025)).await.refused(400, "password_rejected");
}

#[tokio::test]
async fn t22_changing_the_password_with_the_access_token_alone_makes_a_new_session() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let (mut laptop, mut browser) = (ann.logs_in().await, ann.logs_in_by_cookie().await);
    let journal = ann.journal().await;
    let answer = phone.changes_password(&ann.password, NEW).await.is(200);

    let mut renewed = phone.clone();
    renewed.keeps(&answer);
    assert_ne!(renewed.session, phone.session, "R17");
    assert_eq!(renewed.row().await.expires_at, phone.row().await.expires_at, "R19: no longer than before");
    for device in [&mut phone.clone(), &mut laptop, &mut browser] {
        device.refreshes().await.refused(401, "session_ended").because("password_changed");
        device.asks(ME).await.refused(401, "session_ended").because("password_changed");
    }
    assert!(renewed.is_logged_in().await);
    let mut expected = vec!["password_changed"];
    expected.extend(["session_ended password_changed"; 3]);
    assert_eq!(ann.journal_since(&journal).await, expected);
    logs_in(&world, "ann", &ann.password).await.refused(401, "credentials_invalid");
    logs_in(&world, "ann", NEW).await.is(200);
}

#[tokio::test]
async fn t22_changing_the_password_in_a_browser_replaces_its_session_and_ends_the_others() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let mut phone = ann.logs_in().await;
    browser.refreshes().await.is(200);
    let before = browser.clone();
    let answer = browser.changes_password(&ann.password, NEW).await.is(200);
    assert!(answer.cookie(COOKIE).is_some());
    browser.keeps(&answer);
    assert_ne!(browser.session, before.session, "R17");
    assert_eq!(browser.row().await.expires_at, before.row().await.expires_at, "R19: no longer than before");
    for device in [&mut before.clone(), &mut phone] {
        device.refreshes().await.refused(401, "session_ended").because("password_changed");
        device.asks(ME).await.refused(401, "session_ended").because("password_changed");
    }
    assert!(
        browser.refreshes().await.is(200).cookie(COOKIE).is_some(),
        "the new session's first refresh rotates"
    );
    assert!(browser.is_logged_in().await);
}

/// Whoever holds a token from before, access or refresh, spent or newest, finds a session that is over, and nothing that
/// it does with it reaches the owner's new one.
#[tokio::test]
async fn t22_what_was_handed_out_before_a_password_change_neither_sees_nor_ends_anything_after_it() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        let first = ann.logs_in_by(way).await;
        let mut owner = first.clone();
        owner.refreshes().await.is(200);
        let newest = owner.clone();
        let answer = owner.changes_password(&ann.password, NEW).await.is(200);
        owner.keeps(&answer);
        let journal = ann.journal().await;
        for thief in [&first, &newest] {
            for wound in [0, W + 1] {
                world.winds(wound);
                let answer = thief.presents(&thief.refresh).await;
                answer.refused(401, "session_ended").because("password_changed");
            }
        }
        let list = newest.bearer_call("GET", SESSIONS);
        world.sends(list).await.refused(401, "session_ended").because("password_changed");
        let end = newest.bearer_call("DELETE", &format!("{SESSIONS}/{}", owner.session));
        world.sends(end).await.refused(401, "session_ended").because("password_changed");
        world.sends(newest.bearer_call("POST", LOGOUT_ALL)).await.refused(401, "session_ended");
        for thief in [&first, &newest] {
            let call = Call::post(LOGOUT).json(&json!({ "refresh_token": thief.refresh }));
            world.sends(call).await.is(204);
        }
        assert!(owner.is_logged_in().await);
        assert!(ann.journal_since(&journal).await.is_empty(), "and nothing of the owner's was ended");
    }
}

#[tokio::test]
async fn a_wrong_current_password_is_not_401_and_changes_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut device = ann.logs_in_by(way).await;
        let (rows, journal) = (world.rows(ann.id).await, ann.journal().await);
        device.changes_password("wrong password", NEW).await.refused(403, "current_password_wrong");
        assert_eq!(world.rows(ann.id).await, rows);
        assert_eq!(ann.journal_since(&journal).await, ["warning login_failed"]);
        assert!(device.is_logged_in().await);
    }
    logs_in(&world, "ann", NEW).await.refused(401, "credentials_invalid");
    logs_in(&world, "ann", &ann.password).await.is(200);
}

#[tokio::test]
async fn a_new_password_that_is_not_taken_changes_nothing_and_names_its_field() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let before = world.dump().await;
    for new in ["short", &spread(1025)] {
        let answer = phone.changes_password(&ann.password, new).await.refused(400, "password_rejected");
        assert_eq!(answer.field("field"), "new_password");
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn r36_a_password_change_with_a_cookie_from_another_site_changes_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    let browser = ann.logs_in_by_cookie().await;
    let before = world.dump().await;
    let body = json!({ "current_password": ann.password, "new_password": NEW });
    let call = browser.bearer_call("POST", PASSWORD).without("origin").json(&body);
    world.sends(call.header("origin", "https://evil.example.com")).await.refused(403, "origin_refused");
    assert_eq!(world.dump().await, before);
}

fn change_call(device: &Device<'_>, current: &str) -> Call {
    let body = json!({ "current_password": current, "new_password": NEW });
    device.bearer_call("POST", PASSWORD).json(&body)
}

#[tokio::test]
async fn r16_a_log_in_with_the_old_password_that_comes_too_late_opens_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    world.seam.before("open", world.later(change_call(&phone, &ann.password), 200));
    logs_in(&world, "ann", &ann.password).await.refused(401, "credentials_invalid");
    let live = world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count();
    assert_eq!(live, 1, "only the session that changed the password");
}

#[tokio::test]
async fn of_two_password_changes_at_once_one_is_too_late() {
    let world = World::new();
    let ann = world.ann().await;
    let (phone, laptop) = (ann.logs_in().await, ann.logs_in().await);
    world.seam.before("change_password", world.later(change_call(&phone, &ann.password), 200));
    let late = laptop.changes_password(&ann.password, "the late one's password").await;
    late.refused(401, "session_ended").because("password_changed");
    logs_in(&world, "ann", NEW).await.is(200);
}

#[tokio::test]
async fn a_password_change_of_an_account_that_is_disabled_meanwhile_does_not_happen() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let device = ann.logs_in_by(way).await;
        let (engine, id) = (std::sync::Arc::clone(&world.engine), ann.id);
        world.seam.before("change_password", async move {
            engine.accounts().disable(id, &crate::people::nobody()).await.expect("a store that works");
        });
        let answer = device.changes_password(&ann.password, NEW).await;
        answer.refused(401, "session_ended").because("disabled");
        ann.is_enabled().await;
        logs_in(&world, "ann", NEW).await.refused(401, "credentials_invalid");
    }
}

#[tokio::test]
async fn a_tab_that_refreshes_while_another_changes_the_password_loses_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    let mut browser = ann.logs_in_by_cookie().await;
    let refresh = browser.call("POST", crate::people::REFRESH);
    world.seam.before("change_password", world.later(refresh, 200));
    let answer = browser.changes_password(&ann.password, NEW).await.is(200);
    browser.keeps(&answer);
    assert_eq!(browser.row().await.generation.0, 0, "of the session that took the place of the one both had");
    assert!(browser.is_logged_in().await);
}

#[tokio::test]
async fn somebody_elses_cookie_beside_the_access_token_turns_nothing_of_theirs() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (phone, mut bobs) = (ann.logs_in().await, bob.logs_in_by_cookie().await);
    let call = change_call(&phone, &ann.password).header("origin", ORIGIN).cookie(COOKIE, &bobs.refresh);
    world.sends(call).await.is(200);
    assert!(bobs.is_logged_in().await);
}
