//! Log-ins that are unlike those before them: what makes them so, what the journal says of it, and what is done.

use std::path::Path;

use serde_json::json;
use sprag::audit::EventKind;
use sprag::engine::{ClientPolicy, NewUser, OpenRequest, Requester};
use sprag::risk::{Decision, Reason, Risk, RiskPolicy};
use sprag::session::ProfileId;
use sprag_server::edge::proxies::Proxies;
use sprag_server::places::Places;
use sprag_testkit::mmdb::Mmdb;

use crate::call::Call;
use crate::people::{Device, LOGIN, Person};
use crate::seam::Mood;
use crate::world::{Plan, World, days, ip};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

const BERLIN: &str = "198.51.100.7";
const SYDNEY: &str = "203.0.113.7";
const PROXY: &str = "10.0.0.2";

fn places(folder: &Path, listed: &str) -> Places {
    let (geo, list) = (folder.join("places.mmdb"), folder.join("addresses"));
    std::fs::write(&geo, Mmdb::usual().bytes()).expect("a file");
    std::fs::write(&list, listed).expect("a file");
    Places::read(Some(&geo), Some(&list)).expect("files that are right")
}

fn weighing(policy: RiskPolicy, listed: &str) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let places = places(folder.path(), listed);
    let proxies: Proxies = "10.0.0.0/24".parse().expect("a network");
    World::planned(Plan { risk: Some(policy), places, proxies, ..Plan::default() })
}

/// Logs in through the proxy that is named, from there; whatever else a client claims does not count.
async fn log_in(ann: &Person<'_>, agent: &str, from: &str, password: &str) -> crate::call::Answer {
    let body = json!({ "username": ann.name, "password": password });
    let call = Call::post(LOGIN).header("user-agent", agent).json(&body).from(ip(PROXY));
    ann.world.sends(call.header("x-forwarded-for", format!("127.0.0.1, {from}"))).await
}

/// What the journal says of the risk of the last log-in.
async fn last_risk(ann: &Person<'_>) -> Option<Risk> {
    let entries = ann.world.entries(ann.id).await;
    let mut opened = entries.iter().rev().filter(|entry| entry.event.kind == EventKind::SessionOpened);
    opened.next()?.event.note.as_deref()?.parse().ok()
}

fn reasons(risk: &Option<Risk>) -> Vec<Reason> {
    risk.iter().flat_map(|risk| &risk.reasons).map(|found| found.reason).collect()
}

#[tokio::test]
async fn the_first_log_in_is_nothing_new_and_a_familiar_one_neither() {
    let world = weighing(RiskPolicy::default(), "");
    let ann = world.ann().await;
    world.winds(60);
    for _ in 0..3 {
        log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
        assert_eq!(last_risk(&ann).await, None);
        world.winds(3600);
    }
    assert_eq!(
        ann.journal().await,
        ["account_created", "session_opened", "session_opened", "session_opened"]
    );
}

#[tokio::test]
async fn a_new_device_far_away_a_moment_later_stands_in_the_journal_with_its_reasons() {
    let world = weighing(RiskPolicy::default(), "");
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    world.winds(1800);
    let session = log_in(&ann, "curl/8.5.0", SYDNEY, &ann.password).await.is(200).field("session_id");
    let risk = last_risk(&ann).await;
    assert_eq!(reasons(&risk), [Reason::NewDevice, Reason::NewCountry, Reason::ImpossibleTravel]);
    assert_eq!(risk.as_ref().map(|risk| (risk.score, risk.decision)), Some((100, Decision::Notify)));
    assert_eq!(
        ann.journal().await,
        ["account_created", "session_opened", "session_opened", "warning risky_login"]
    );
    let why =
        world.engine.sessions().explain(session.parse().expect("an id")).await.expect("a store that works");
    assert_eq!(why.expect("it is there").risk(), risk, "and whoever asks why is told");

    // A day later she is there, and both are known.
    world.winds(days(1));
    log_in(&ann, "curl/8.5.0", SYDNEY, &ann.password).await.is(200);
    assert_eq!(last_risk(&ann).await, None);
}

#[tokio::test]
async fn a_device_alone_is_told_and_warns_nobody() {
    let world = weighing(RiskPolicy::default(), "");
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    log_in(&ann, "okhttp/4.12.0", BERLIN, &ann.password).await.is(200);
    assert_eq!(reasons(&last_risk(&ann).await), [Reason::NewDevice]);
    assert_eq!(ann.journal().await, ["account_created", "session_opened", "session_opened"]);
    // An update of it is no other device.
    log_in(&ann, "okhttp/5.0.1", BERLIN, &ann.password).await.is(200);
    assert_eq!(last_risk(&ann).await, None);
}

#[tokio::test]
async fn failures_just_before_count_however_many_networks_they_came_from_and_pass() {
    let world = weighing(RiskPolicy::default(), "");
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    world.winds(60);
    for network in 0..3 {
        for _ in 0..7 {
            log_in(&ann, FIREFOX, &format!("198.51.{network}.9"), "wrong password").await.is(401);
        }
    }
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    let risk = last_risk(&ann).await.expect("it is told");
    assert_eq!(
        risk.reasons[0].detail.as_deref(),
        Some("21 in the hour before"),
        "also those only counted: {risk}"
    );
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    assert_eq!(last_risk(&ann).await, None, "after a success they are over");
    for _ in 0..5 {
        log_in(&ann, FIREFOX, BERLIN, "wrong password").await.is(401);
    }
    world.winds(3601);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    assert_eq!(last_risk(&ann).await, None, "and so they are after an hour");
}

#[tokio::test]
async fn an_address_on_the_operators_list_counts_and_no_claim_puts_it_there() {
    let world = weighing(RiskPolicy::default(), "203.0.113.0/24 # exits\n");
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, SYDNEY, &ann.password).await.is(200);
    assert_eq!(reasons(&last_risk(&ann).await), [Reason::ListedAddress]);
    // Past the proxies, what is claimed is not taken.
    let body = json!({ "username": "ann", "password": ann.password });
    let call = Call::post(LOGIN).header("user-agent", FIREFOX).header("x-forwarded-for", SYDNEY).json(&body);
    world.sends(call.from(ip("192.0.2.10"))).await.is(200);
    assert_eq!(reasons(&last_risk(&ann).await), []);
}

#[tokio::test]
async fn a_refusal_opens_nothing_ends_nothing_and_is_told_only_to_who_knows_the_password() {
    let policy = RiskPolicy { refuse: Some(100), ..RiskPolicy::default() };
    let world = weighing(policy, "");
    let ann = world.ann().await;
    world.winds(60);
    let mut phone = ann.logs_in_on(Device::new(&world, FIREFOX, BERLIN)).await;
    world.winds(60);
    log_in(&ann, "curl/8.5.0", SYDNEY, "wrong password").await.refused(401, "credentials_invalid");
    let body = json!({ "username": "nobody", "password": "wrong password" });
    let nobody = Call::post(LOGIN).header("user-agent", "curl/8.5.0").json(&body).from(ip(SYDNEY));
    world.sends(nobody).await.refused(401, "credentials_invalid");
    let before = world.rows(ann.id).await.len();
    log_in(&ann, "curl/8.5.0", SYDNEY, &ann.password).await.refused(403, "risk_refused");
    assert_eq!(world.rows(ann.id).await.len(), before);
    let entries = world.entries(ann.id).await;
    let refused = &entries.last().expect("an entry").event;
    assert_eq!(refused.kind, EventKind::LoginRefused);
    let risk: Risk = refused.note.as_deref().expect("reasons").parse().expect("a risk");
    assert_eq!((risk.score, risk.decision), (100, Decision::Refuse));
    assert!(phone.is_logged_in().await, "nothing has ended");
    // From home she logs in as ever.
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
}

#[tokio::test]
async fn who_was_refused_is_not_known_by_that() {
    let world = weighing(RiskPolicy { refuse: Some(100), ..RiskPolicy::default() }, "");
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    world.winds(60);
    for _ in 0..3 {
        log_in(&ann, "curl/8.5.0", SYDNEY, &ann.password).await.refused(403, "risk_refused");
    }
}

#[tokio::test]
async fn who_signs_up_is_not_weighed() {
    let folder = tempfile::tempdir().expect("a folder");
    let places = places(folder.path(), "0.0.0.0/0\n");
    let risk = Some(RiskPolicy { refuse: Some(1), ..RiskPolicy::default() });
    let world = World::planned(Plan { risk, places, ..Plan::default() });
    let engine = &world.engine;
    let nobody = Requester { ip: Some(SYDNEY.to_owned()), ..Requester::nobody() };
    let user = NewUser { username: Some("eve"), password: Some("a long password"), ..NewUser::default() };
    let client = ClientPolicy::new(ProfileId(1), "sprag");
    let eve = engine.accounts().sign_up(&client, user, None, &nobody).await.expect("a new account");
    let opened = engine.open_session(&client, eve, OpenRequest::default(), &nobody).await;
    assert!(opened.is_ok(), "{opened:?}");
}

#[tokio::test]
async fn what_nobody_asked_to_weigh_costs_no_look_and_no_word() {
    let world = World::new();
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    world.seam.calls();
    log_in(&ann, "curl/8.5.0", SYDNEY, &ann.password).await.is(200);
    assert!(!world.seam.calls().contains(&"entries_of"));
    assert_eq!(last_risk(&ann).await, None);
}

#[tokio::test]
async fn the_store_that_fails_meanwhile_is_no_risk_and_no_success() {
    let world = weighing(RiskPolicy::default(), "");
    let ann = world.ann().await;
    world.winds(60);
    log_in(&ann, FIREFOX, BERLIN, &ann.password).await.is(200);
    world.seam.becomes(Mood::FailsAfter(1));
    let answer = log_in(&ann, FIREFOX, BERLIN, &ann.password).await;
    answer.is_not_ready("unavailable");
}
