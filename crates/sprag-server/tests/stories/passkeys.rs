//! Passkeys: a device shows who its holder is, for this site only, once for each challenge.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sprag::budget::{Budget, Rate};
use sprag::limits::Rates;

use crate::call::{Answer, Call};
use crate::passkey::{Key, PRESENT, VERIFIED, decoded};
use crate::people::{Device, LOGIN, ME, Person, REFRESH, STEP_UP};
use crate::second_factor::{claims, laptop};
use crate::world::{ORIGIN, Plan, World, our_profile, second_profile};

const FACTORS: &str = "/api/v1/auth/factors";
const OPTIONS: &str = "/api/v1/auth/factors/passkey/options";
const PASSKEY: &str = "/api/v1/auth/factors/passkey";
const REQUEST: &str = "/api/v1/auth/login/passkey/options";
const LOGIN_PASSKEY: &str = "/api/v1/auth/login/passkey";
const LOGIN_FACTOR: &str = "/api/v1/auth/login/factor";

async fn adds(device: &Device<'_>, key: &mut Key) -> Answer {
    let world = device.world;
    let options = world.sends(device.bearer_call("POST", OPTIONS)).await.is(200).json();
    let body = json!({ "credential": key.makes(&options), "label": "her key" });
    world.sends(device.bearer_call("POST", PASSKEY).json(&body)).await
}

async fn asks(world: &World) -> Value {
    world.sends(Call::post(REQUEST).json(&json!({}))).await.is(200).json()
}

async fn logs_in(world: &World, credential: &Value) -> Answer {
    world.sends(Call::post(LOGIN_PASSKEY).json(&json!({ "credential": credential }))).await
}

async fn waits(person: &Person<'_>, device: &Device<'_>) -> Answer {
    person.tries_to_log_in(device, &person.password).await.refused(401, "second_factor_required")
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_and_stands_in_for_name_and_password() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let mut key = Key::new(1);
    let added = adds(&device, &mut key).await.is(201);
    assert_eq!(added.json()["recovery_codes"].as_array().map(Vec::len), Some(10), "it is the first factor");
    let listed = device.asks(FACTORS).await.is(200).json();
    assert_eq!(
        (&listed["factors"][0]["kind"], &listed["factors"][0]["label"]),
        (&json!("passkey"), &json!("her key"))
    );

    let waiting = waits(&ann, &laptop(&world)).await;
    assert_eq!(waiting.json()["factors"], json!(["passkey", "recovery_code"]));
    let token = waiting.field("mfa_token");
    let options = world.sends(Call::post(REQUEST).json(&json!({ "mfa_token": token }))).await.is(200).json();
    assert_eq!(decoded(&options["publicKey"]["allowCredentials"][0]["id"]), key.id);
    let body = json!({ "mfa_token": token, "credential": key.shows(&options) });
    let opened = world.sends(Call::post(LOGIN_FACTOR).json(&body)).await.is(200);
    let told = claims(&opened.access_token());
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd", "hwk", "mfa"]), &json!("aal2")));

    let options = asks(&world).await;
    assert_eq!(
        (&options["publicKey"]["allowCredentials"], &options["mediation"]),
        (&json!([]), &json!("conditional"))
    );
    let opened = logs_in(&world, &key.shows(&options)).await.is(200);
    let told = claims(&opened.access_token());
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["hwk", "mfa"]), &json!("aal2")));
}

#[tokio::test]
async fn whoever_must_have_a_factor_may_add_a_passkey_and_their_log_in_goes_on_by_it() {
    let line = "registration = \"admin\"\nsecond_factor = \"required\"\n";
    let world = World::with(&[("registration = \"admin\"\n", line)]);
    let ann = world.ann().await;
    let answer = ann.tries_to_log_in(&laptop(&world), &ann.password).await.refused(401, "enrolment_required");
    let token = answer.field("mfa_token");
    let options = world.sends(Call::post(OPTIONS).json(&json!({ "mfa_token": token }))).await.is(200).json();
    let add = |credential: Value| {
        Call::post(PASSKEY).json(&json!({ "mfa_token": token, "credential": credential, "label": "her key" }))
    };

    let mut unverified = Key::new(2);
    unverified.flags = PRESENT;
    world.sends(add(unverified.makes(&options))).await.refused(403, "code_wrong");
    let mut key = Key::new(1);
    world.sends(add(key.makes(&options))).await.refused(403, "code_wrong");

    let options = world.sends(Call::post(OPTIONS).json(&json!({ "mfa_token": token }))).await.is(200).json();
    let opened = world.sends(add(key.makes(&options))).await.is(201);
    assert_eq!(opened.json()["recovery_codes"].as_array().map(Vec::len), Some(10));
    let told = claims(&opened.access_token());
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd", "hwk", "mfa"]), &json!("aal2")));
    let listed = world.sends(Call::get(FACTORS).bearer(&opened.access_token())).await.is(200).json();
    assert_eq!(listed["factors"][0]["id"], json!(opened.field("id")));

    world.sends(Call::post(OPTIONS).json(&json!({ "mfa_token": token }))).await.refused(400, "link_invalid");
    waits(&ann, &laptop(&world)).await;
}

/// A passkey of one account that waits, made for the challenge of another.
#[tokio::test]
async fn a_passkey_made_for_another_account_that_waits_is_added_to_neither() {
    let line = "registration = \"admin\"\nsecond_factor = \"required\"\n";
    let world = World::with(&[("registration = \"admin\"\n", line)]);
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (mut tokens, mut challenges) = (Vec::new(), Vec::new());
    for person in [&ann, &bob] {
        let answer = person.tries_to_log_in(&laptop(&world), &person.password).await;
        let token = answer.refused(401, "enrolment_required").field("mfa_token");
        let asked = Call::post(OPTIONS).json(&json!({ "mfa_token": token }));
        challenges.push(world.sends(asked).await.is(200).json());
        tokens.push(token);
    }
    let body = json!({ "mfa_token": tokens[0], "credential": Key::new(1).makes(&challenges[1]) });
    world.sends(Call::post(PASSKEY).json(&body)).await.refused(403, "code_wrong");
    for person in [&ann, &bob] {
        let answer = person.tries_to_log_in(&laptop(&world), &person.password).await;
        answer.refused(401, "enrolment_required");
    }
}

#[tokio::test]
async fn another_passkey_left_a_device_remembered_that_was_never_asked_for_it() {
    let world = World::new();
    let ann = world.ann().await;
    let (mut key, mut other) = (Key::new(1), Key::new(2));
    adds(&ann.logs_in().await, &mut key).await.is(201);
    let token = waits(&ann, &laptop(&world)).await.field("mfa_token");
    let options = world.sends(Call::post(REQUEST).json(&json!({ "mfa_token": token }))).await.is(200).json();
    let body = json!({ "mfa_token": token, "credential": key.shows(&options), "remember_device": true });
    let opened = world.sends(Call::post(LOGIN_FACTOR).json(&body)).await.is(200);
    let device_token = opened.field("device_token");
    let logs_in = async || {
        let body = json!({ "username": "ann", "password": ann.password, "device_token": device_token });
        world.sends(Call::post(LOGIN).json(&body)).await
    };
    logs_in().await.is(200);
    let asks = |path: &str| Call::post(path).bearer(&opened.access_token());
    let options = world.sends(asks(OPTIONS)).await.is(200).json();
    world.sends(asks(PASSKEY).json(&json!({ "credential": other.makes(&options) }))).await.is(201);
    logs_in().await.refused(401, "second_factor_required");
}

/// What makes a key say something that is not so.
type Lie = fn(&mut Key);

#[tokio::test]
async fn whatever_a_passkey_signs_for_elsewhere_or_twice_or_unasked_opens_nothing_and_is_counted() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (mut key, mut other) = (Key::new(1), Key::new(2));
    adds(&ann.logs_in().await, &mut key).await.is(201);
    adds(&bob.logs_in().await, &mut other).await.is(201);
    let journal = ann.journal().await;
    let honest = |key: &mut Key| {
        (key.origin, key.site, key.flags) =
            (ORIGIN.to_owned(), "auth.example.org".to_owned(), PRESENT | VERIFIED)
    };
    let lies: [(&str, Lie); 5] = [
        ("another origin", |key| key.origin = "https://evil.example".to_owned()),
        ("a neighbour's origin", |key| key.origin = "https://other.example.org".to_owned()),
        ("another site", |key| key.site = "evil.example".to_owned()),
        ("nobody verified", |key| key.flags = PRESENT),
        ("nobody present", |key| key.flags = VERIFIED),
    ];
    for (what, lie) in lies {
        let options = asks(&world).await;
        lie(&mut key);
        let answer = key.shows(&options);
        assert_eq!(logs_in(&world, &answer).await.refused(403, "code_wrong").status, 403, "{what}");
        honest(&mut key);
        let again = key.shows(&options);
        logs_in(&world, &again).await.refused(403, "code_wrong");
    }
    assert_eq!(ann.journal_since(&journal).await, vec!["warning login_failed"; 5]);

    // Bob's key, in ann's name.
    let options = asks(&world).await;
    let answer = Key { owner: ann.id.0.as_bytes().to_vec(), ..other }.shows(&options);
    logs_in(&world, &answer).await.refused(403, "code_wrong");

    let options = asks(&world).await;
    let answer = key.shows(&options);
    logs_in(&world, &answer).await.is(200);
    logs_in(&world, &answer).await.refused(403, "code_wrong");
    for odd in [json!({}), json!({ "response": { "clientDataJSON": "e30" } })] {
        logs_in(&world, &odd).await.refused(403, "code_wrong");
    }
    let options = asks(&world).await;
    world.winds(300);
    logs_in(&world, &key.shows(&options)).await.refused(403, "code_wrong");
}

#[tokio::test]
async fn pages_of_a_related_site_use_the_same_passkeys_and_those_of_others_do_not() {
    let passkey_origins = vec!["https://app.example.com".to_owned()];
    let world = World::planned(Plan { passkey_origins, ..Plan::default() });
    let ann = world.ann().await;
    let (mut key, device) = (Key::new(1), ann.logs_in().await);
    "https://app.example.com".clone_into(&mut key.origin);
    adds(&device, &mut key).await.is(201);
    for (origin, status) in
        [("https://app.example.com", 200), (ORIGIN, 200), ("https://other.example.com", 403)]
    {
        origin.clone_into(&mut key.origin);
        let answer = key.shows(&asks(&world).await);
        assert_eq!(logs_in(&world, &answer).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_copy_of_a_key_is_noticed_by_its_counter() {
    let world = World::new();
    let ann = world.ann().await;
    let mut key = Key::new(1);
    adds(&ann.logs_in().await, &mut key).await.is(201);
    let options = asks(&world).await;
    logs_in(&world, &key.shows(&options)).await.is(200);
    key.counter -= 1;
    let journal = ann.journal().await;
    let options = asks(&world).await;
    logs_in(&world, &key.shows(&options)).await.refused(403, "code_wrong");
    assert_eq!(ann.journal_since(&journal).await, ["critical passkey_went_back", "warning login_failed"]);
}

#[tokio::test]
async fn a_passkey_steps_up_for_its_own_account_only() {
    let world = World::new();
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (mut device, bobs) = (ann.logs_in().await, bob.logs_in().await);
    let (mut key, mut other) = (Key::new(1), Key::new(2));
    adds(&device, &mut key).await.is(201);
    adds(&bobs, &mut other).await.is(201);
    world.sends(device.bearer_call("POST", OPTIONS)).await.refused(403, "step_up_required");
    let options = asks(&world).await;
    let call = |device: &Device<'_>, credential: Value| {
        device.bearer_call("POST", STEP_UP).json(&json!({ "credential": credential }))
    };
    world.sends(call(&device, other.shows(&options))).await.refused(403, "code_wrong");
    let options = asks(&world).await;
    let answer = world.sends(call(&device, key.shows(&options))).await.is(200);
    device.keeps(&answer);
    assert_eq!(claims(&device.access)["amr"], json!(["pwd", "hwk", "mfa"]));
    world.sends(device.bearer_call("POST", OPTIONS)).await.is(200);
}

/// Its challenge is spent by then, so that the passkey cannot be looked at again.
#[tokio::test]
async fn a_step_up_by_passkey_whose_answer_was_lost_is_answered_when_it_comes_again() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let mut key = Key::new(1);
    adds(&device, &mut key).await.is(201);
    let shown = key.shows(&asks(&world).await);
    let call = |credential: &Value| {
        let body = json!({ "credential": credential, "refresh_token": device.refresh });
        device.bearer_call("POST", STEP_UP).json(&body).header("idempotency-key", "step-up-1")
    };
    let answer = world.sends(call(&shown)).await.is(200);
    let again = world.sends(call(&shown)).await.is(200);
    assert_eq!(answer.refresh_token(), again.refresh_token(), "byte for byte");
    // Whoever has the tokens and the retry id, and not what the passkey signed, gets nothing.
    let other = key.shows(&asks(&world).await);
    for credential in [&other, &json!({}), &json!({ "response": { "signature": "" } })] {
        world.sends(call(credential)).await.refused(401, "session_ended").because("replaced");
    }
    let refresh = Call::post(REFRESH).json(&json!({ "refresh_token": again.refresh_token() }));
    world.sends(refresh).await.is(200);
    world.sends(call(&shown)).await.refused(401, "session_ended").because("replaced");
}

#[tokio::test]
async fn an_answer_that_makes_a_passkey_is_its_accounts_and_works_once() {
    let world = World::new();
    let (ann, bob) = (world.ann().await.logs_in().await, world.bob().await.logs_in().await);
    let options = world.sends(ann.bearer_call("POST", OPTIONS)).await.is(200).json();
    let mut key = Key::new(1);
    let made = json!({ "credential": key.makes(&options) });
    world.sends(bob.bearer_call("POST", PASSKEY).json(&made)).await.refused(403, "code_wrong");
    world.sends(ann.bearer_call("POST", PASSKEY).json(&made)).await.refused(403, "code_wrong");
    adds(&ann, &mut key).await.is(201);
    assert_eq!(bob.asks(FACTORS).await.json()["factors"], json!([]));
}

#[tokio::test]
async fn a_second_factor_that_waits_at_one_profile_is_asked_for_there_only() {
    let profiles = vec![our_profile(&[]), second_profile(&[])];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let ann = world.ann().await;
    let mut key = Key::new(1);
    adds(&ann.logs_in().await, &mut key).await.is(201);
    let token = waits(&ann, &laptop(&world)).await.field("mfa_token");
    let elsewhere = Call::post("/second/login/passkey/options").json(&json!({ "mfa_token": token }));
    world.sends(elsewhere).await.refused(400, "link_invalid");
    let me = world.sends(Call::get(ME)).await;
    me.refused(401, "token_missing");
}

/// Nobody learns by it who has an account, whatever they send.
#[tokio::test]
async fn what_is_asked_for_by_nobody_tells_of_nobody_and_whoever_steps_up_is_told_of_their_own() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let mut key = Key::new(1);
    adds(&device, &mut key).await.is(201);
    let shape = |mut options: Value| {
        options["publicKey"]["challenge"] = Value::Null;
        options
    };
    let nobodys = shape(asks(&world).await);
    for body in [json!({ "username": "ann" }), json!({ "email": "nobody@example.org" })] {
        let answer = world.sends(Call::post(REQUEST).json(&body)).await.is(200);
        assert_eq!(shape(answer.json()), nobodys);
    }
    let own = world.sends(device.bearer_call("POST", REQUEST)).await.is(200).json();
    assert_eq!(decoded(&own["publicKey"]["allowCredentials"][0]["id"]), key.id);
    let bob = world.bob().await;
    let bobs = bob.logs_in().await;
    world.sends(bobs.bearer_call("POST", REQUEST)).await.refused(404, "factor_unknown");
    world.sends(Call::post(REQUEST).bearer("x")).await.refused(401, "token_invalid");
    world
        .sends(Call::post(REQUEST).json(&json!({ "mfa_token": "spo_x" })))
        .await
        .refused(400, "link_invalid");

    // An account that is not there, one that has no passkey, and another passkey than the account's.
    for owner in [vec![7; 16], bob.id.0.as_bytes().to_vec(), ann.id.0.as_bytes().to_vec(), Vec::new()] {
        let mut unknown = Key { owner, ..Key::new(9) };
        let answer = unknown.shows(&asks(&world).await);
        let refused = logs_in(&world, &answer).await.refused(403, "code_wrong");
        assert!(!refused.text().contains("account"), "{}", refused.text());
    }
}

#[tokio::test]
async fn of_many_answers_to_one_challenge_at_once_one_opens_a_session() {
    let world = World::new();
    let ann = world.ann().await;
    let mut key = Key::new(1);
    adds(&ann.logs_in().await, &mut key).await.is(201);
    let answer = key.shows(&asks(&world).await);
    let statuses = join_all((0..8).map(|_| logs_in(&world, &answer))).await;
    let mut statuses: Vec<u16> = statuses.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![403; 7]].concat());
}

#[tokio::test]
async fn whoever_may_not_log_in_may_not_by_a_passkey_and_one_that_was_removed_is_none() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let mut key = Key::new(1);
    let added = adds(&device, &mut key).await.is(201);
    ann.is_disabled().await;
    logs_in(&world, &key.shows(&asks(&world).await)).await.refused(401, "account_disabled");
    ann.is_enabled().await;
    let opened = logs_in(&world, &key.shows(&asks(&world).await)).await.is(200);
    device.keeps(&opened);
    let path = format!("{FACTORS}/{}", added.field("id"));
    world.sends(device.bearer_call("DELETE", &path)).await.is(204);
    logs_in(&world, &key.shows(&asks(&world).await)).await.refused(403, "code_wrong");
    assert_eq!(device.asks(FACTORS).await.is(200).json()["factors"], json!([]));
}

#[tokio::test]
async fn a_network_asks_so_often_and_a_passkey_is_tried_so_often_and_a_stranger_locks_nobody_out() {
    let one = Rate { burst: 24, interval: std::time::Duration::from_secs(3600) };
    let rates = Rates::default().with(Budget::LoginPrefix, one);
    let world = World::planned(Plan { rates, ..Plan::default() });
    let (ann, bob) = (world.ann().await, world.bob().await);
    let (mut key, mut other) = (Key::new(1), Key::new(2));
    adds(&ann.logs_in().await, &mut key).await.is(201);
    adds(&bob.logs_in().await, &mut other).await.is(201);
    let from = |address: &'static str| Device::new(&world, "Browser/1.0", address);
    let asked = async |device: &Device<'_>| world.sends(device.call("POST", REQUEST).json(&json!({}))).await;
    let shown = async |device: &Device<'_>, credential: Value| {
        let call = device.call("POST", LOGIN_PASSKEY).json(&json!({ "credential": credential }));
        world.sends(call).await
    };
    // Of ann's account with a key of their own: that costs her nothing, however often.
    let stranger = from("198.51.100.7");
    let mut strange = Key { owner: ann.id.0.as_bytes().to_vec(), ..Key::new(9) };
    for _ in 0..12 {
        let options = asked(&stranger).await.is(200).json();
        shown(&stranger, strange.shows(&options)).await.refused(403, "code_wrong");
    }
    asked(&stranger).await.refused(429, "rate_limited");
    shown(&stranger, json!({})).await.refused(429, "rate_limited");
    let (home, more) = (from("192.0.2.60"), from("203.0.113.60"));
    shown(&home, key.shows(&asked(&home).await.is(200).json())).await.is(200);
    // With what is ann's and not right: ten, and then nobody is looked at.
    key.flags = PRESENT;
    for _ in 0..10 {
        let options = asked(&more).await.is(200).json();
        shown(&more, key.shows(&options)).await.refused(403, "code_wrong");
    }
    let options = asked(&more).await.is(200).json();
    shown(&more, key.shows(&options)).await.refused(429, "rate_limited");
    shown(&home, other.shows(&asked(&home).await.is(200).json())).await.is(200);
}
