//! When the store, the hashing threads or our own code break: who is told what, and what is left afterwards.

use futures_util::future::join_all;
use serde_json::json;

use crate::call::Call;
use crate::people::{
    COOKIE, Device, LOGIN, LOGOUT, LOGOUT_ALL, ME, PASSWORD, Person, REFRESH, REGISTER, SESSIONS, Way,
};
use crate::seam::Mood;
use crate::world::{Plan, W, World};

/// What is asked of the server, each as it would succeed, and how many calls to the store that takes.
const EVERYTHING: [(&str, u32); 12] = [
    // Whether the account has a second factor, too.
    ("log in", 3),
    ("log in in vain", 2),
    ("refresh", 1),
    ("refresh again", 3),
    // Before anybody is accused, the marks of life are read: an outage may excuse them.
    ("be caught", 5),
    ("ask who I am", 2),
    ("list", 2),
    ("register", 3),
    ("end another", 2),
    ("change the password", 7),
    ("log out", 2),
    ("log out everywhere", 2),
];

/// A world in which all of that can be asked.
struct Scene<'w> {
    ann: Person<'w>,
    device: Device<'w>,
    other: Device<'w>,
    root: Device<'w>,
    spent: String,
}

impl<'w> Scene<'w> {
    async fn of(world: &'w World, way: Way) -> Self {
        let ann = world.ann().await;
        let root = world.root().await.logs_in().await;
        let (mut device, other) = (ann.logs_in_by(way).await, ann.logs_in().await);
        let spent = device.refresh.clone();
        device.refreshes().await.is(200);
        Self { ann, device, other, root, spent }
    }

    fn call(&self, what: &str) -> Call {
        let (world, device) = (self.ann.world, &self.device);
        let named = |password: &str| json!({ "username": "ann", "password": password });
        match what {
            "log in" => Call::post(LOGIN).json(&named(&self.ann.password)),
            "log in in vain" => Call::post(LOGIN).json(&named("wrong password")),
            "refresh" => {
                world.winds(W + 1);
                device.showing(&device.refresh, REFRESH)
            }
            "refresh again" => device.showing(&self.spent, REFRESH),
            "be caught" => {
                world.winds(W + 1);
                device.showing(&self.spent, REFRESH)
            }
            "ask who I am" => device.bearer_call("GET", ME),
            "list" => device.bearer_call("GET", SESSIONS),
            "register" => {
                let user = json!({ "username": "carol", "password": "fifteen or more" });
                self.root.bearer_call("POST", REGISTER).json(&user)
            }
            "end another" => device.bearer_call("DELETE", &format!("{SESSIONS}/{}", self.other.session)),
            "change the password" => {
                let change =
                    json!({ "current_password": self.ann.password, "new_password": "another password" });
                device.bearer_call("POST", PASSWORD).json(&change)
            }
            "log out" => device.showing(&device.refresh, LOGOUT),
            "log out everywhere" => device.bearer_call("POST", LOGOUT_ALL),
            _ => panic!("nobody can {what}"),
        }
    }
}

#[tokio::test]
async fn r14_wherever_the_store_fails_the_answer_is_503_and_nothing_is_acknowledged() {
    for way in Way::BOTH {
        for (what, calls) in EVERYTHING {
            let world = World::new();
            let scene = Scene::of(&world, way).await;
            let (call, before) = (scene.call(what), world.dump().await);
            for failing in 0..calls {
                world.seam.becomes(Mood::FailsAfter(failing));
                let answer = world.sends(call.clone()).await.refused(503, "unavailable");
                assert_eq!(answer.header("retry-after"), "1", "{what}");
                assert_eq!(world.dump().await, before, "{what}, after {failing} calls");
            }
            world.seam.becomes(Mood::Well);
            world.seam.calls();
            let answer = world.sends(call).await;
            assert_ne!(answer.status, 503, "{what} works again");
            assert_eq!(world.seam.calls().len() as u32, calls, "{what} asks the store so often");
        }
    }
}

#[tokio::test]
async fn wherever_the_store_hangs_the_answer_is_503_in_time_and_nothing_is_acknowledged() {
    for way in Way::BOTH {
        for (what, calls) in EVERYTHING {
            for hanging in 0..calls {
                let mut world = World::new();
                let (call, before) = (Scene::of(&world, way).await.call(what), world.dump().await);
                world.loses_patience();
                world.seam.becomes(Mood::HangsAfter(hanging));
                let answer = world.sends(call).await.refused(503, "unavailable");
                assert_eq!(answer.header("retry-after"), "1", "{what}");
                assert!(answer.set_cookies().is_empty(), "{what}");
                world.seam.becomes(Mood::Well);
                assert_eq!(world.dump().await, before, "{what}, after {hanging} calls");
            }
        }
    }
}

#[tokio::test]
async fn readiness_is_told_in_time_and_a_refresh_given_up_is_counted_as_a_fault_of_the_store() {
    let mut world = World::new();
    let ann = world.ann().await;
    let refresh = ann.logs_in().await.refresh;
    world.loses_patience();
    world.seam.becomes(Mood::HangsAfter(0));
    world.sends(Call::get("/readyz")).await.is_not_ready("unavailable");
    world.sends(Call::get("/healthz")).await.is(200);
    let call = Call::post(REFRESH).json(&json!({ "refresh_token": refresh }));
    world.sends(call).await.refused(503, "unavailable");
    assert_eq!(world.verdicts().await[&2], 1);
}

#[tokio::test]
async fn r59_a_panic_is_500_for_that_request_alone() {
    let panicking = [
        ("log in", "open"),
        ("log in in vain", "record"),
        ("refresh", "rotate"),
        ("refresh again", "retry"),
        ("be caught", "end"),
        ("list", "of"),
        ("register", "create"),
        ("change the password", "change_password"),
        ("log out", "find"),
        ("log out everywhere", "end_all"),
    ];
    for (what, call) in panicking {
        let world = World::new();
        let scene = Scene::of(&world, Way::Cookie).await;
        let request = scene.call(what);
        let before = world.dump().await;
        world.seam.becomes(Mood::PanicsAt(call));
        world.sends(request.clone()).await.refused(500, "internal");
        world.sends(Call::get("/healthz")).await.is(200);
        world.seam.becomes(Mood::Well);
        assert_eq!(world.dump().await, before, "{what}");
        let answer = world.sends(request).await;
        assert!(answer.status < 500, "{what}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_behind_the_store_is_answered_on_the_next_try() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut device = ann.logs_in_by(way).await;
        for _ in 0..3 {
            world.winds(W + 1);
            let generation = device.row().await.generation;
            world.seam.becomes(Mood::LosesAnswerOf("rotate"));
            device.refreshes().await.refused(503, "unavailable");
            assert_eq!(device.row().await.generation, generation.next(), "it was committed all the same");
            world.seam.becomes(Mood::Well);
            device.refreshes().await.is(200);
            assert_eq!(device.row().await.generation, generation.next());
        }
        assert!(device.is_logged_in().await);
    }
}

#[tokio::test]
async fn an_end_whose_answer_is_lost_is_not_acknowledged_and_can_be_asked_for_again() {
    let world = World::new();
    let ann = world.ann().await;
    for way in Way::BOTH {
        let mut device = ann.logs_in_by(way).await;
        world.seam.becomes(Mood::LosesAnswerOf("end"));
        device.logs_out().await.refused(503, "unavailable");
        world.seam.becomes(Mood::Well);
        device.logs_out().await.is(204);
        device.refreshes().await.refused(401, "session_ended").because("logout");
    }
}

#[tokio::test]
async fn a_password_change_whose_answer_is_lost_leaves_a_way_in() {
    let world = World::new();
    let ann = world.ann().await;
    let browser = ann.logs_in_by_cookie().await;
    world.seam.becomes(Mood::LosesAnswerOf("change_password"));
    browser.changes_password(&ann.password, "another password").await.refused(503, "unavailable");
    world.seam.becomes(Mood::Well);
    let answer = browser.presents(&browser.refresh).await;
    answer.refused(401, "session_ended").because("password_changed");
    ann.tries_to_log_in(&browser, &ann.password).await.refused(401, "credentials_invalid");
    ann.tries_to_log_in(&browser, "another password").await.is(200);
}

#[tokio::test]
async fn theft_that_could_not_be_written_down_is_caught_the_next_time() {
    let world = World::new();
    let ann = world.ann().await;
    let mut phone = ann.logs_in().await;
    let thief = phone.is_robbed();
    phone.refreshes().await.is(200);
    world.winds(W + 1);
    world.seam.becomes(Mood::FailsAfter(2));
    thief.presents(&thief.refresh).await.refused(503, "unavailable");
    world.seam.becomes(Mood::Well);
    thief.presents(&thief.refresh).await.refused(401, "session_ended").because("reuse");
}

#[tokio::test]
async fn not_ready_while_the_store_is_away_and_alive_all_the_same() {
    let world = World::new();
    world.sends(Call::get("/readyz")).await.is(200);
    world.seam.becomes(Mood::FailsAfter(0));
    world.sends(Call::get("/readyz")).await.is_not_ready("unavailable");
    world.sends(Call::get("/healthz")).await.is(200);
    world.seam.becomes(Mood::Well);
    world.sends(Call::get("/readyz")).await.is(200);
    world.winds_back(365 * 24 * 3600);
    world.sends(Call::get("/readyz")).await.is_not_ready("clock");
}

#[tokio::test]
async fn r57_too_many_log_ins_are_turned_away_at_once_and_refreshes_go_on() {
    let world = World::planned(Plan { hash_queue: 1, ..Plan::default() });
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    let journal = ann.journal().await;
    let devices: Vec<_> = (0..24).map(|_| Device::new(&world, "Phone/1.0", "192.0.2.10")).collect();
    let log_ins = join_all(devices.iter().map(|device| ann.tries_to_log_in(device, &ann.password)));
    let refreshes = join_all((0..8).map(|_| phone.presents(&phone.refresh)));
    let (log_ins, refreshes) = tokio::join!(log_ins, refreshes);
    let (busy, done): (Vec<_>, Vec<_>) = log_ins.into_iter().partition(|answer| answer.status == 503);
    assert!(!busy.is_empty() && !done.is_empty());
    for answer in busy {
        assert_eq!(answer.refused(503, "busy").header("retry-after"), "1");
    }
    for answer in refreshes {
        assert!(!answer.is(200).access_token().is_empty());
    }
    assert_eq!(ann.journal_since(&journal).await, vec!["session_opened"; done.len()]);
    assert!(done.into_iter().all(|answer| answer.status == 200 && answer.cookie(COOKIE).is_none()));
}
