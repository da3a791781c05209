//! Work that buys a try: for whoever is out of a network's budget, and never for guesses at one account.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sprag::budget::{Budget, Rate};
use sprag::limits::Rates;
use sprag_server::profile::{Profile, builtin_names};

use crate::call::{Answer, Call};
use crate::people::{LOGIN, REGISTER};
use crate::world::{ORIGIN, Plan, World, ip, our_profile};

const CHALLENGE: &str = "/api/v1/auth/challenge";

/// The route is off until the setting turns it on.
const OFFERED: &[(&str, &str)] = &[("optional = true # on where proof-of-work is\n", "")];

/// One log-in and one registration from each network, and three guesses at each account, for as long as a story takes.
fn plan() -> Plan {
    let rate = |burst| Rate { burst, interval: Duration::from_secs(86_400) };
    let rates = Rates::default().with(Budget::LoginPrefix, rate(1)).with(Budget::LoginAccount, rate(3));
    let rates = rates.with(Budget::RegisterPrefix, rate(1));
    let open = ("registration = \"admin\"\n", "registration = \"open\"\n");
    let profiles = vec![our_profile(&[OFFERED, &[open]].concat())];
    Plan { profiles, rates, proof_of_work: Some(2), ..Plan::default() }
}

/// The text of a challenge's solution, found as any client finds it.
fn solve(challenge: &Value) -> String {
    let parameters = &challenge["parameters"];
    let bytes =
        |name: &str| HEXLOWER.decode(parameters[name].as_str().expect("hex").as_bytes()).expect("hex");
    let begins = [bytes("salt"), bytes("nonce")].concat();
    let prefix = parameters["keyPrefix"].as_str().expect("a prefix");
    let hash = |counter: u32| {
        let all = [&begins[..], &counter.to_be_bytes()].concat();
        HEXLOWER.encode(digest(&SHA256, &all).as_ref())
    };
    let counter = (0..).find(|counter| hash(*counter).starts_with(prefix)).expect("there is one");
    let solution = json!({ "counter": counter, "derivedKey": hash(counter), "time": 3 });
    BASE64.encode(json!({ "challenge": challenge, "solution": solution }).to_string().as_bytes())
}

async fn solved(world: &World) -> String {
    solve(&world.sends(Call::get(CHALLENGE)).await.is(200).json())
}

async fn logs_in(world: &World, password: &str, altcha: Option<&str>) -> Answer {
    logs_in_as(world, "ann", password, altcha).await
}

async fn logs_in_as(world: &World, name: &str, password: &str, altcha: Option<&str>) -> Answer {
    let body = json!({ "username": name, "password": password, "altcha": altcha });
    world.sends(Call::post(LOGIN).json(&body).from(ip("203.0.113.7"))).await
}

#[tokio::test]
async fn whoever_is_out_of_a_networks_budget_buys_one_try_with_one_solution() {
    let mut world = World::planned(plan());
    let password = world.ann().await.password;
    logs_in(&world, &password, None).await.is(200);
    logs_in(&world, &password, None).await.refused(429, "rate_limited");
    let altcha = solved(&world).await;
    logs_in(&world, &password, Some(&altcha)).await.is(200);
    logs_in(&world, &password, Some(&altcha)).await.refused(429, "rate_limited");
    for nothing in ["", "spr_of_nobody", "e30=", &altcha[1..]] {
        logs_in(&world, &password, Some(nothing)).await.refused(429, "rate_limited");
    }
    let late = solved(&world).await;
    world.winds(300);
    logs_in(&world, &password, Some(&late)).await.refused(429, "rate_limited");
    let altcha = solved(&world).await;
    world.is_served_by_another_node();
    logs_in(&world, &password, Some(&altcha)).await.is(200);
    world.is_served_by_another_node();
    logs_in(&world, &password, Some(&altcha)).await.refused(429, "rate_limited");
}

/// Each has the route under a path of its own, and takes what it found where its own log-in is.
#[tokio::test]
async fn every_profile_hands_out_challenges_and_takes_their_solutions() {
    for name in builtin_names() {
        let mut profile = Profile::builtin(name).expect("it is shipped").expect("it is right");
        let off = std::mem::take(&mut profile.wire.off);
        profile.wire.routes.extend(off.into_iter().filter(|route| route.action.name() == "challenge"));
        let path = |action: &str| {
            let mut routes = profile.wire.routes.iter();
            routes
                .find(|route| route.action.name() == action)
                .unwrap_or_else(|| panic!("{name}"))
                .path
                .clone()
        };
        let (challenge, login) = (path("challenge"), path("login"));
        let world = World::planned(Plan { profiles: vec![profile.clone()], ..plan() });
        let ann = world.ann().await;
        let logs_in = async |altcha: Option<&str>| {
            let body = json!({ "email": "ann@example.org", "password": ann.password, "altcha": altcha });
            let call = Call::post(&login).json(&body).from(ip("203.0.113.7")).header("origin", ORIGIN);
            world.is_asked(call).await.status
        };
        assert_eq!((logs_in(None).await, logs_in(None).await), (200, 429), "{name}");
        let altcha = solve(&world.sends(Call::get(&challenge)).await.is(200).json());
        assert_eq!((logs_in(Some(&altcha)).await, logs_in(Some(&altcha)).await), (200, 429), "{name}");
    }
}

#[tokio::test]
async fn no_work_buys_a_guess_at_an_account_whose_budget_is_spent() {
    let world = World::planned(plan());
    let password = world.ann().await.password;
    logs_in(&world, "a guess", None).await.refused(401, "credentials_invalid");
    let mut kept = String::new();
    for _ in 0..2 {
        let altcha = solved(&world).await;
        logs_in(&world, "another guess", Some(&altcha)).await.refused(401, "credentials_invalid");
    }
    for _ in 0..2 {
        kept = solved(&world).await;
        logs_in(&world, &password, Some(&kept)).await.refused(429, "rate_limited");
    }
    // What bought nothing is not spent.
    let of_bob = world.bob().await.password;
    logs_in_as(&world, "bob", &of_bob, Some(&kept)).await.is(200);
}

#[tokio::test]
async fn a_registration_is_bought_in_the_same_way() {
    let world = World::planned(plan());
    let registers = async |name: &str, altcha: Option<&str>| {
        let body = json!({ "username": name, "password": "a long password of theirs", "altcha": altcha });
        world.sends(Call::post(REGISTER).json(&body).from(ip("203.0.113.7"))).await
    };
    registers("carol", None).await.is(201);
    registers("dave", None).await.refused(429, "rate_limited");
    let altcha = solved(&world).await;
    registers("dave", Some(&altcha)).await.is(201);
    registers("erin", Some(&altcha)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn a_letter_is_bought_in_the_same_way() {
    const MAILED: &str = "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\n";
    for path in ["/api/v1/auth/password/forgot", "/api/v1/auth/code"] {
        let profiles = vec![our_profile(&[OFFERED, &[("registration = \"admin\"\n", MAILED)]].concat())];
        let rate = Rate { burst: 1, interval: Duration::from_secs(86_400) };
        let rates = Rates::default().with(Budget::MailPrefix, rate);
        let world = World::planned(Plan { profiles, rates, ..plan() });
        world.ann().await;
        let asks = async |name: &str, altcha: Option<&str>| {
            let body = json!({ "email": format!("{name}@example.org"), "altcha": altcha });
            world.sends(Call::post(path).json(&body).from(ip("203.0.113.7"))).await
        };
        asks("nobody", None).await.is(202);
        asks("ann", None).await.refused(429, "rate_limited");
        assert_eq!(world.letters().await.len(), 0, "{path}");
        let altcha = solved(&world).await;
        asks("ann", Some(&altcha)).await.is(202);
        assert_eq!(world.letters().await.len(), 1, "{path}");
        asks("ann", Some(&altcha)).await.refused(429, "rate_limited");
    }
}

#[tokio::test]
async fn where_it_is_off_there_are_no_challenges_and_a_solution_is_worth_nothing() {
    let altcha = solved(&World::planned(plan())).await;
    let world = World::planned(Plan { proof_of_work: None, ..plan() });
    world.sends(Call::get(CHALLENGE)).await.refused(404, "not_found");
    let password = world.ann().await.password;
    logs_in(&world, &password, None).await.is(200);
    logs_in(&world, &password, Some(&altcha)).await.refused(429, "rate_limited");
}
