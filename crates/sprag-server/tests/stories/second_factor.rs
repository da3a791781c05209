//! Second factors: nobody gets in by the password alone who has one, and no code works twice.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sprag::factor::totp::Seed;

use crate::call::{Answer, Call};
use crate::people::{Device, LOGIN, ME, Person, STEP_UP, nobody};
use crate::world::{Plan, World, our_profile, second_profile};

const FACTORS: &str = "/api/v1/auth/factors";
const TOTP: &str = "/api/v1/auth/factors/totp";
const RECOVERY_CODES: &str = "/api/v1/auth/factors/recovery-codes";
const LOGIN_FACTOR: &str = "/api/v1/auth/login/factor";

/// An app that shows codes, and what its owner wrote down.
pub(super) struct Phone<'w> {
    pub(super) world: &'w World,
    pub(super) seed: Seed,
    pub(super) id: String,
    pub(super) recovery_codes: Vec<String>,
}

impl Phone<'_> {
    /// The code of this step, or that of another one.
    pub(super) fn code_in(&self, seconds: u64) -> String {
        self.seed.code(self.world.now().plus(std::time::Duration::from_secs(seconds)))
    }

    /// A code that nobody has used: the next step's.
    pub(super) fn next_code(&self) -> String {
        self.world.winds(30);
        self.code_in(0)
    }

    /// A code that is none of this minute's.
    pub(super) fn wrong_code(&self) -> String {
        let now = self.world.now();
        let near: Vec<String> = [-60_i64, -30, 0, 30, 60]
            .into_iter()
            .map(|seconds| self.seed.code(sprag::clock::Timestamp(now.0 + seconds * 1000)))
            .collect();
        let wrong = (0..10).map(|number| format!("00000{number}")).find(|code| !near.contains(code));
        wrong.expect("ten codes are not all near")
    }
}

/// Adds an app by this device, and shows its first code.
pub(super) async fn adds_app<'w>(device: &Device<'w>) -> Phone<'w> {
    let world = device.world;
    let begun =
        world.sends(device.bearer_call("POST", TOTP).json(&json!({ "label": "her phone" }))).await.is(200);
    let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
    let mut phone = Phone { world, seed, id: begun.field("id"), recovery_codes: Vec::new() };
    let confirmed = confirms(device, &phone, &phone.code_in(0)).await.is(200);
    let codes = confirmed.json()["recovery_codes"].as_array().cloned().unwrap_or_default();
    phone.recovery_codes = codes.iter().map(|code| code.as_str().expect("a text").to_owned()).collect();
    phone
}

pub(super) async fn confirms(device: &Device<'_>, phone: &Phone<'_>, code: &str) -> Answer {
    let path = format!("{TOTP}/{}/confirm", phone.id);
    device.world.sends(device.bearer_call("POST", &path).json(&json!({ "code": code }))).await
}

/// Types the right password, and is asked for more.
pub(super) async fn waits(person: &Person<'_>, device: &Device<'_>) -> String {
    let answer = person.tries_to_log_in(device, &person.password).await;
    let answer = answer.refused(401, "second_factor_required");
    let token = answer.field("mfa_token");
    assert!(token.starts_with("spo_"), "{}", answer.text());
    token
}

pub(super) fn shows(device: &Device<'_>, token: &str, code: &str) -> Call {
    device.call("POST", LOGIN_FACTOR).json(&json!({ "mfa_token": token, "code": code }))
}

pub(super) async fn tries(device: &Device<'_>, token: &str, code: &str) -> Answer {
    device.world.sends(shows(device, token, code)).await
}

pub(super) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url")).expect("JSON")
}

pub(super) fn laptop(world: &World) -> Device<'_> {
    Device::new(world, "Laptop/1.0", "192.0.2.30")
}

#[tokio::test]
async fn r49_an_app_is_a_factor_once_its_first_code_was_shown_and_then_the_password_opens_nothing() {
    let world = World::new();
    let ann = world.ann().await;
    let (mut device, other) = (ann.logs_in().await, ann.logs_in().await);
    let begun = world.sends(device.bearer_call("POST", TOTP).json(&json!({}))).await.is(200);
    let (secret, uri) = (begun.field("secret"), begun.field("uri"));
    assert_eq!(
        uri,
        format!(
            "otpauth://totp/auth.example.org:ann%40example.org?secret={secret}&issuer=auth.example.org\
             &algorithm=SHA1&digits=6&period=30"
        )
    );
    assert!(begun.field("qr_svg").starts_with("<?xml version=\"1.0\" standalone=\"yes\"?><svg "));
    let seed = Seed::from_base32(&secret, None).expect("a seed");
    let phone = Phone { world: &world, seed, id: begun.field("id"), recovery_codes: Vec::new() };
    ann.logs_in().await;
    assert_eq!(device.asks(FACTORS).await.is(200).json(), json!({ "factors": [], "recovery_codes_left": 0 }));
    confirms(&device, &phone, &phone.wrong_code()).await.refused(403, "code_wrong");

    let journal = ann.journal().await;
    let used = phone.code_in(0);
    let confirmed = confirms(&device, &phone, &used).await.is(200);
    assert_eq!(confirmed.json()["recovery_codes"].as_array().map(Vec::len), Some(10));
    let told = ann.journal_since(&journal).await;
    assert_eq!(told[..2], ["factor_added", "recovery_codes_made"]);
    other.asks(ME).await.refused(401, "session_ended").because("revoked");
    assert!(device.is_logged_in().await, "whoever added it goes on");
    confirms(&device, &phone, &phone.code_in(0)).await.refused(403, "step_up_required");
    let listed = device.asks(FACTORS).await.is(200).json();
    assert_eq!(listed["factors"][0]["kind"], "totp");
    assert_eq!(listed["recovery_codes_left"], 10);

    let answer = ann.tries_to_log_in(&laptop(&world), &ann.password).await;
    let answer = answer.refused(401, "second_factor_required");
    assert_eq!(answer.json()["factors"], json!(["totp", "recovery_code"]));
    assert_eq!(answer.json()["expires_in"], 300);
    let mut laptop = laptop(&world);
    tries(&laptop, &answer.field("mfa_token"), &used).await.refused(403, "code_wrong");
    let opened = tries(&laptop, &answer.field("mfa_token"), &phone.next_code()).await.is(200);
    laptop.keeps(&opened);
    for _ in 0..2 {
        let told = claims(&laptop.access);
        assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("aal2")));
        laptop.turns().await;
    }
    tries(&laptop, &answer.field("mfa_token"), &phone.next_code()).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn r49_a_log_in_may_be_gone_on_with_five_times_and_a_code_used_before_costs_no_try() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let (device, token) = (laptop(&world), waits(&ann, &laptop(&world)).await);
    let used = phone.code_in(0);
    for _ in 0..8 {
        tries(&device, &token, &used).await.refused(403, "code_wrong");
    }
    let journal = ann.journal().await;
    for _ in 0..5 {
        tries(&device, &token, &phone.wrong_code()).await.refused(403, "code_wrong");
    }
    assert_eq!(ann.journal_since(&journal).await, vec!["warning login_failed"; 5]);
    tries(&device, &token, &phone.next_code()).await.refused(400, "link_invalid");
    let token = waits(&ann, &device).await;
    tries(&device, &token, &phone.code_in(0)).await.is(200);
}

/// Apps show a code in two halves, and people type it so: it is the code that they see, and no other one.
#[tokio::test]
async fn r49_a_code_that_was_used_worked_once_more_with_blanks_between_its_digits() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let device = laptop(&world);
    let spelled = |code: &str| {
        let (first, last) = code.split_at(3);
        let apart = code.chars().map(|digit| format!("{digit} ")).collect::<String>();
        [format!("{first} {last}"), format!(" {first}\u{a0}{last} "), apart]
    };
    let token = waits(&ann, &device).await;
    let journal = ann.journal().await;
    // Twice as many as there are tries of a code that is none of the account's.
    for used in [&phone.code_in(0); 4].into_iter().flat_map(|used| spelled(used)) {
        tries(&device, &token, &used).await.refused(403, "code_wrong");
    }
    assert!(ann.journal_since(&journal).await.is_empty(), "it was known as used, and is no guess");
    let [typed, ..] = spelled(&phone.next_code());
    tries(&device, &token, &typed).await.is(200);
    let token = waits(&ann, &device).await;
    let opened = world.rows(ann.id).await.len();
    for used in spelled(&phone.code_in(0)).into_iter().chain([phone.code_in(0)]) {
        tries(&device, &token, &used).await.refused(403, "code_wrong");
    }
    assert_eq!(world.rows(ann.id).await.len(), opened, "no session was opened by it");
}

/// The world limits nothing: this budget holds all the same, and neither a log-in nor another device makes it whole.
#[tokio::test]
async fn r49_guesses_of_a_code_have_a_budget_that_logging_in_again_does_not_reset() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let (mut looked_at, mut devices) = (0, ["192.0.2.40", "198.51.100.7", "203.0.113.9"].iter().cycle());
    for _ in 0..6 {
        let device = Device::new(&world, "Guesser/1.0", devices.next().expect("an address"));
        let token = waits(&ann, &device).await;
        for _ in 0..4 {
            let answer = tries(&device, &token, &phone.wrong_code()).await;
            match answer.status {
                403 => looked_at += 1,
                _ => assert!(!answer.refused(429, "rate_limited").header("retry-after").is_empty()),
            }
        }
    }
    assert_eq!(looked_at, 10);
    let token = waits(&ann, &laptop(&world)).await;
    tries(&laptop(&world), &token, &phone.code_in(0)).await.refused(429, "rate_limited");
    world.winds(60);
    tries(&laptop(&world), &token, &phone.code_in(0)).await.is(200);
}

#[tokio::test]
async fn a_log_in_that_waits_is_its_accounts_its_profiles_and_its_instances_and_lasts_five_minutes() {
    let profiles = vec![our_profile(&[]), second_profile(&[])];
    let world = World::planned(Plan { profiles, ..Plan::default() });
    let (ann, bob) = (world.ann().await, world.bob().await);
    let phone = adds_app(&ann.logs_in().await).await;
    let bobs = adds_app(&bob.logs_in().await).await;
    let device = laptop(&world);

    let token = waits(&ann, &device).await;
    tries(&device, &token, &bobs.next_code()).await.refused(403, "code_wrong");
    let elsewhere = Call::post("/second/login/factor");
    let elsewhere = elsewhere.json(&json!({ "mfa_token": token, "code": phone.code_in(0) }));
    world.sends(elsewhere).await.refused(400, "link_invalid");
    for odd in ["spo_", "x", &token[..token.len() - 1], &token.to_lowercase()] {
        tries(&device, odd, &phone.code_in(0)).await.refused(400, "link_invalid");
    }
    let reset = json!({ "token": token, "new_password": "another battery staple" });
    world.sends(Call::post("/api/v1/auth/password/reset").json(&reset)).await.refused(400, "link_invalid");
    // Phones change networks; who says which client it is stays that one.
    let moved = Device::new(&world, "Laptop/1.0", "203.0.113.80");
    tries(&moved, &token, &phone.code_in(0)).await.is(200);

    let named = |name: &str| device.call("POST", LOGIN).header("sprag-instance", name);
    let login = json!({ "username": "ann", "password": ann.password });
    let token = world.sends(named("tab-1").json(&login)).await.field("mfa_token");
    let thief = shows(&device, &token, &phone.next_code()).header("sprag-instance", "tab-2");
    world.sends(thief).await.refused(400, "link_invalid");
    let same = shows(&device, &token, &phone.code_in(0)).header("sprag-instance", "tab-1");
    world.sends(same).await.is(200);

    let token = waits(&ann, &device).await;
    world.winds(300);
    tries(&device, &token, &phone.next_code()).await.refused(400, "link_invalid");
    let token = waits(&ann, &device).await;
    let done = world.engine.accounts().set_password(ann.id, "ann's next battery staple", &nobody()).await;
    done.expect("a store that works");
    tries(&device, &token, &phone.next_code()).await.refused(400, "link_invalid");
}

#[tokio::test]
async fn a_recovery_code_stands_in_once_and_new_ones_take_the_place_of_all() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let mut device = laptop(&world);
    let journal = ann.journal().await;
    let typed = phone.recovery_codes[0].to_uppercase().replace('-', " ");
    let token = waits(&ann, &device).await;
    let opened = tries(&device, &token, &typed).await.is(200);
    device.keeps(&opened);
    assert_eq!(ann.journal_since(&journal).await, ["session_opened", "warning recovery_code_used"]);
    assert_eq!(claims(&device.access)["acr"], "aal2");
    let token = waits(&ann, &device).await;
    tries(&device, &token, &phone.recovery_codes[0]).await.refused(403, "code_wrong");
    assert_eq!(device.asks(FACTORS).await.json()["recovery_codes_left"], 9);

    let made = world.sends(device.bearer_call("POST", RECOVERY_CODES)).await.is(200).json();
    let new: Vec<&str> =
        made["recovery_codes"].as_array().expect("codes").iter().filter_map(Value::as_str).collect();
    assert_eq!(new.len(), 10);
    tries(&device, &token, &phone.recovery_codes[1]).await.refused(403, "code_wrong");
    tries(&device, &token, new[9]).await.is(200);
}

/// Or a stolen session and a phished password would own the account.
#[tokio::test]
async fn an_account_with_a_factor_is_fresh_by_it_only_and_steps_up_by_it_only() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    for call in [
        ("POST", TOTP.to_owned()),
        ("POST", RECOVERY_CODES.to_owned()),
        ("DELETE", format!("{FACTORS}/{}", phone.id)),
    ] {
        let call = device.bearer_call(call.0, &call.1);
        world.sends(call).await.refused(403, "step_up_required");
    }
    let by_password = device.bearer_call("POST", STEP_UP).json(&json!({ "password": ann.password }));
    world.sends(by_password).await.refused(401, "second_factor_required");
    let by_code =
        |device: &Device<'_>, code: &str| device.bearer_call("POST", STEP_UP).json(&json!({ "code": code }));
    world.sends(by_code(&device, &phone.wrong_code())).await.refused(403, "code_wrong");
    world.sends(by_code(&device, &phone.code_in(0))).await.refused(403, "code_wrong");
    let old = device.clone();
    let answer = world.sends(by_code(&device, &phone.next_code())).await.is(200);
    device.keeps(&answer);
    old.asks(ME).await.refused(401, "session_ended").because("replaced");
    let told = claims(&device.access);
    assert_eq!(
        (&told["amr"], &told["auth_time"]),
        (&json!(["pwd", "otp", "mfa"]), &json!(world.now().seconds()))
    );
    world.sends(device.bearer_call("POST", RECOVERY_CODES)).await.is(200);
    world.winds(601);
    world.sends(device.bearer_call("POST", RECOVERY_CODES)).await.refused(403, "step_up_required");
}

#[tokio::test]
async fn a_step_up_by_a_code_whose_answer_was_lost_is_answered_when_it_comes_again() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    let body = json!({ "code": phone.next_code(), "refresh_token": device.refresh });
    let call = device.bearer_call("POST", STEP_UP).json(&body).header("idempotency-key", "step-1");
    let answer = world.sends(call.clone()).await.is(200);
    let again = world.sends(call.clone()).await.is(200);
    assert_eq!(answer.refresh_token(), again.refresh_token());
    let other = json!({ "code": phone.wrong_code(), "refresh_token": device.refresh });
    world.sends(call.json(&other)).await.refused(401, "session_ended").because("replaced");
    device.keeps(&answer);
    assert!(device.is_logged_in().await);
}

#[tokio::test]
async fn with_the_last_factor_its_recovery_codes_go_and_the_other_sessions_end() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let (mut device, mut other) = (laptop(&world), laptop(&world));
    for device in [&mut device, &mut other] {
        let token = waits(&ann, device).await;
        let opened = tries(device, &token, &phone.next_code()).await.is(200);
        device.keeps(&opened);
    }
    world
        .sends(device.bearer_call("DELETE", &format!("{FACTORS}/{}", uuid::Uuid::max())))
        .await
        .refused(404, "factor_unknown");
    let journal = ann.journal().await;
    world.sends(device.bearer_call("DELETE", &format!("{FACTORS}/{}", phone.id))).await.is(204);
    let told = ann.journal_since(&journal).await;
    assert_eq!(told[0], "factor_removed");
    other.asks(ME).await.refused(401, "session_ended").because("revoked");
    assert!(device.is_logged_in().await);
    assert_eq!(device.asks(FACTORS).await.json(), json!({ "factors": [], "recovery_codes_left": 0 }));
    ann.logs_in().await;
}

#[tokio::test]
async fn an_account_has_five_apps_at_most_and_of_those_that_wait_one() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let first = adds_app(&device).await;
    for _ in 0..4 {
        let body = json!({ "code": first.next_code() });
        let answer = world.sends(device.bearer_call("POST", STEP_UP).json(&body)).await.is(200);
        device.keeps(&answer);
        assert!(adds_app(&device).await.recovery_codes.is_empty(), "they are told at the first factor");
    }
    world.sends(device.bearer_call("POST", TOTP).json(&json!({}))).await.refused(409, "factors_full");
    let id = device.asks(FACTORS).await.json()["factors"][4]["id"].as_str().expect("an id").to_owned();
    world.sends(device.bearer_call("DELETE", &format!("{FACTORS}/{id}"))).await.is(204);
    let begin = || device.bearer_call("POST", TOTP).json(&json!({}));
    let (one, two) = (world.sends(begin()).await.is(200), world.sends(begin()).await.is(200));
    for (begun, status) in [(one, 404), (two, 200)] {
        let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
        let phone = Phone { world: &world, seed, id: begun.field("id"), recovery_codes: Vec::new() };
        confirms(&device, &phone, &phone.code_in(0)).await.is(status);
    }
}

/// The log-in has looked whether there is a factor; what it looked at changes before it opens its session.
#[tokio::test]
async fn a_log_in_under_way_opens_nothing_by_the_password_once_a_factor_was_added() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let begun = world.sends(device.bearer_call("POST", TOTP).json(&json!({}))).await.is(200);
    let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
    let path = format!("{TOTP}/{}/confirm", begun.field("id"));
    let confirm = device.bearer_call("POST", &path).json(&json!({ "code": seed.code(world.now()) }));
    world.seam.before("open", world.later(confirm, 200));
    let before = world.rows(ann.id).await.len();
    ann.tries_to_log_in(&laptop(&world), &ann.password).await.refused(401, "second_factor_required");
    assert_eq!(world.rows(ann.id).await.len(), before, "no session was opened");
}

#[tokio::test]
async fn of_two_that_show_one_code_at_once_one_gets_in() {
    let world = World::new();
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    for code in [phone.next_code(), phone.recovery_codes[0].clone()] {
        let device = laptop(&world);
        let (one, two) = (waits(&ann, &device).await, waits(&ann, &device).await);
        world.seam.before("open", world.later(shows(&device, &one, &code), 200));
        tries(&device, &two, &code).await.refused(403, "code_wrong");
    }
}

#[tokio::test]
async fn a_link_that_sets_a_new_password_skips_no_second_factor() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    world.letters().await;
    let forgot = Call::post("/api/v1/auth/password/forgot").json(&json!({ "username": "ann" }));
    world.sends(forgot).await.is(202);
    let token = world.token_by_mail(sprag::letter::LetterKind::ResetPassword).await;
    let body = json!({ "token": token, "new_password": "ann's next battery staple" });
    world.sends(Call::post("/api/v1/auth/password/reset").json(&body)).await.is(204);
    let ann = Person { password: "ann's next battery staple".to_owned(), ..ann };
    let token = waits(&ann, &laptop(&world)).await;
    tries(&laptop(&world), &token, &phone.next_code()).await.is(200);
}

/// Whoever has the database and not the key ring has no seed and no code.
#[tokio::test]
async fn r8_nothing_in_the_database_shows_a_seed_or_a_code() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    let token = waits(&ann, &laptop(&world)).await;
    let file = std::fs::read(world.backs_up()).expect("the file");
    let has = |text: &[u8]| file.windows(text.len()).any(|bytes| bytes == text);
    assert!(has(b"totp"), "its row is there");
    let secret = phone.seed.base32();
    let seed = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).expect("base32");
    assert!(!has(&seed) && !has(secret.as_bytes()) && !has(secret.to_lowercase().as_bytes()));
    for code in &phone.recovery_codes {
        let plain = code.replace('-', "").to_uppercase();
        let bytes = data_encoding::BASE32_NOPAD.decode(plain.as_bytes()).expect("base32");
        assert!(!has(code.as_bytes()) && !has(plain.as_bytes()) && !has(&bytes));
    }
    assert!(!has(token.as_bytes()) && !has(&token.as_bytes()[60..]));
    assert!(!has(b"her phone"), "what its owner calls it is sealed with it");
}

#[tokio::test]
async fn after_a_reset_by_an_administrator_every_session_is_over_and_the_password_does() {
    let world = World::new();
    let ann = world.ann().await;
    let device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    let token = waits(&ann, &laptop(&world)).await;
    let engine = Arc::clone(&world.engine);
    let ended = engine.factors().reset(ann.id, &nobody()).await.expect("a store that works");
    assert_eq!(ended, 1);
    device.asks(ME).await.refused(401, "session_ended").because("admin");
    tries(&laptop(&world), &token, &phone.next_code()).await.refused(400, "link_invalid");
    ann.logs_in().await;
    assert!(engine.factors().reset(ann.id, &nobody()).await.is_err(), "there is nothing left");
}
