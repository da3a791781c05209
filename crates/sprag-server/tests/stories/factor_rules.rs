//! Who must show a second factor, and for what: changes of an account that has one, log-ins by mail, accounts that must have one, and
//! log-ins that are unlike those before them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use sprag::Fault;
use sprag::engine::{ClientPolicy, NewUser, OpenRequest};
use sprag::factor::totp::Seed;
use sprag::hooks::{BeforeLogin, Hooks, LoginAsked};
use sprag::letter::LetterKind;
use sprag::risk::RiskPolicy;
use sprag::session::{Methods, ProfileId};

use crate::call::{Answer, Call};
use crate::people::{COOKIE, Device, LOGIN, ME, Person, STEP_UP, nobody};
use crate::second_factor::{Phone, adds_app, claims, laptop, tries, waits};
use crate::world::{ORIGIN, Plan, World, our_profile};

const PASSWORD: &str = "/api/v1/auth/password";
const EMAIL: &str = "/api/v1/auth/email";
const DELETE_ME: &str = "/api/v1/auth/me/delete";
const TOTP: &str = "/api/v1/auth/factors/totp";
const NEW: &str = "ann's next battery staple";

/// A world whose profile logs in by mail, with another line of it.
fn by_mail(line: &str) -> World {
    let line = format!("registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\n{line}\n");
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", &line)])];
    World::planned(Plan { profiles, ..Plan::default() })
}

/// A world whose profile asks a second factor of some.
fn asking(of: &str) -> World {
    let line = format!("registration = \"admin\"\nsecond_factor = \"{of}\"\n");
    World::with(&[("registration = \"admin\"\n", &line)])
}

pub(super) async fn steps_up(device: &mut Device<'_>, code: &str) {
    let call = device.bearer_call("POST", STEP_UP).json(&json!({ "code": code }));
    let answer = device.world.sends(call).await.is(200);
    device.keeps(&answer);
}

/// Has the owner confirm the address that the account has.
async fn confirms_address(ann: &Person<'_>) {
    ann.world.letters().await;
    let asked = ann.world.engine.letters().ask_for_verification(ann.id, &nobody()).await;
    assert!(asked.expect("a store that works"));
    let token = ann.world.token_by_mail(LetterKind::VerifyEmail).await;
    ann.world.engine.letters().verify(&token, &nobody()).await.expect("a link that is good");
}

async fn begins(world: &World, body: Value) -> Answer {
    world.sends(Call::post(TOTP).json(&body)).await
}

/// Reads the seed of an answer, and gives the phone that has it.
fn phone<'w>(world: &'w World, begun: &Answer) -> Phone<'w> {
    let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
    Phone { world, seed, id: begun.field("id"), recovery_codes: Vec::new() }
}

async fn enrols(phone: &Phone<'_>, token: &str, code: &str) -> Answer {
    let path = format!("{TOTP}/{}/confirm", phone.id);
    phone.world.sends(Call::post(&path).json(&json!({ "mfa_token": token, "code": code }))).await
}

/// Or a stolen session and a phished password would own the account.
#[tokio::test]
async fn the_password_alone_changes_nothing_of_an_account_with_a_factor() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let phone = adds_app(&device).await;
    let change = json!({ "current_password": ann.password, "new_password": NEW });
    let move_away = json!({ "email": "ann@new.example", "current_password": ann.password });
    let delete = json!({ "current_password": ann.password });
    for (path, body) in [(PASSWORD, &change), (EMAIL, &move_away), (DELETE_ME, &delete)] {
        let answer = world.sends(device.bearer_call("POST", path).json(body)).await;
        answer.refused(403, "step_up_required");
    }
    world.letters().await;
    steps_up(&mut device, &phone.next_code()).await;
    let wrong = json!({ "current_password": "not her password", "new_password": NEW });
    world
        .sends(device.bearer_call("POST", PASSWORD).json(&wrong))
        .await
        .refused(403, "current_password_wrong");
    let answer = world.sends(device.bearer_call("POST", PASSWORD).json(&change)).await.is(200);
    device.keeps(&answer);
    let call = device.bearer_call("POST", EMAIL).json(&json!({ "email": "ann@new.example" }));
    world.sends(call).await.is(202);
    assert!(world.letters().await.iter().any(|letter| letter.kind == LetterKind::ChangeEmail));
    world.sends(device.bearer_call("POST", DELETE_ME).json(&json!({}))).await.is(202);
}

#[tokio::test]
async fn who_has_a_factor_may_have_a_shorter_password_and_who_has_none_may_not() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    let short = json!({ "current_password": ann.password, "new_password": "ninechars" });
    let call = |device: &Device<'_>| device.bearer_call("POST", PASSWORD).json(&short);
    world.sends(call(&device)).await.refused(400, "password_rejected");
    let phone = adds_app(&device).await;
    steps_up(&mut device, &phone.next_code()).await;
    let seven = json!({ "current_password": ann.password, "new_password": "7 chars" });
    let answer = world.sends(device.bearer_call("POST", PASSWORD).json(&seven)).await;
    answer.refused(400, "password_rejected");
    world.sends(call(&device)).await.is(200);
}

#[tokio::test]
async fn an_account_without_a_password_gets_one_and_another_address_from_whoever_is_fresh_and_nobody_else() {
    let world = World::new();
    let user = NewUser { email: Some("eve@example.org"), ..NewUser::default() };
    let account = world.engine.accounts().create(user, &nobody()).await.expect("an account");
    let web = ClientPolicy::new(ProfileId(1), "sprag");
    let opens = async || {
        let eve = world.engine.authn().vouch_for(account.id, Methods::MAIL).await.expect("it is there");
        world.engine.open_session(&web, eve, OpenRequest::default(), &nobody()).await.expect("open")
    };
    let stale = opens().await;
    let moves = || Call::post(EMAIL).bearer(&stale.access_token).json(&json!({ "email": "eve@new.example" }));
    world.sends(moves()).await.is(202);
    assert_eq!(world.letters().await.len(), 1, "whoever is fresh needs no password for another address");
    world.winds(601);
    let late = Call::post(PASSWORD).bearer(&stale.access_token).json(&json!({ "new_password": NEW }));
    for call in [late, moves()] {
        world.sends(call).await.refused(403, "step_up_required");
    }
    assert!(world.letters().await.is_empty());
    let pair = opens().await;
    let call = |body: Value| Call::post(PASSWORD).bearer(&pair.access_token).json(&body);
    let with = json!({ "current_password": "any that there is", "new_password": NEW });
    world.sends(call(with)).await.refused(403, "current_password_wrong");
    let changed = world.sends(call(json!({ "new_password": NEW }))).await.is(200);
    let again = Call::post(PASSWORD).bearer(&changed.access_token());
    let again = again.json(&json!({ "new_password": "another battery staple" }));
    world.sends(again).await.refused(400, "field_missing");
    let log_in = json!({ "email": "eve@example.org", "password": NEW });
    world.sends(Call::post(LOGIN).json(&log_in)).await.is(200);
}

#[tokio::test]
async fn a_link_and_a_code_by_mail_are_followed_by_the_factor() {
    let world = by_mail("login_link = \"anywhere\"");
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    let asks = async || {
        world.letters().await;
        let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
        let login_id = world.sends(asked).await.is(202).field("login_id");
        let letter = world.letters().await.pop().expect("a letter");
        (login_id, letter.token.expect("a link"), letter.code.expect("a code"))
    };
    let log_in = async |body: Value| world.sends(Call::post("/api/v1/auth/code/login").json(&body)).await;

    let (login_id, _, code) = asks().await;
    let answer = log_in(json!({ "login_id": login_id, "code": code })).await;
    let token = answer.refused(401, "second_factor_required").field("mfa_token");
    log_in(json!({ "login_id": login_id, "code": code })).await.refused(400, "link_invalid");
    let opened = tries(&laptop(&world), &token, &phone.next_code()).await.is(200);
    assert_eq!(claims(&opened.access_token())["amr"], json!(["otp", "mail"]));

    let (_, link, _) = asks().await;
    let form = |fields: &[(&str, &str)]| Call::post("/code").form(fields).header("origin", ORIGIN);
    let page = world.is_asked(form(&[("token", &link)])).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("name=\"code\"") && page.cookie(COOKIE).is_none(), "{}", page.text());
    let text = page.text();
    let (_, rest) = text.split_once("name=\"token\" value=\"").expect("a form");
    let token = rest.split_once('"').expect("its end").0;
    let wrong = world.is_asked(form(&[("token", token), ("code", &phone.wrong_code())])).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("name=\"code\"") && wrong.cookie(COOKIE).is_none(), "{}", wrong.text());
    let code = phone.next_code();
    let foreign = Call::post("/code").form(&[("token", token), ("code", &code)]);
    let foreign = world.is_asked(foreign.header("origin", "https://evil.example")).await;
    assert_eq!((foreign.status, foreign.cookie(COOKIE)), (400, None), "another site logs nobody in");
    let done = world.is_asked(form(&[("token", token), ("code", &code)])).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.cookie(COOKIE).is_some());
}

#[tokio::test]
async fn whoever_must_have_a_factor_is_let_in_no_further_than_to_add_one() {
    let world = asking("required");
    let ann = world.ann().await;
    let device = laptop(&world);
    let answer = ann.tries_to_log_in(&device, &ann.password).await.refused(401, "enrolment_required");
    let told = answer.json();
    assert_eq!((&told["factors"], &told["expires_in"]), (&json!([]), &json!(900)), "nothing was confirmed");
    let token = answer.field("mfa_token");
    let begun = begins(&world, json!({ "mfa_token": token })).await.is(200);
    let phone = phone(&world, &begun);
    tries(&device, &token, &phone.code_in(0)).await.refused(400, "link_invalid");
    for path in [ME, "/api/v1/auth/factors", "/api/v1/auth/sessions"] {
        world.sends(Call::get(path).bearer(&token)).await.refused(401, "token_invalid");
    }
    enrols(&phone, &token, &phone.wrong_code()).await.refused(403, "code_wrong");
    let journal = ann.journal().await;
    let opened = enrols(&phone, &token, &phone.code_in(0)).await.is(200);
    assert_eq!(opened.json()["recovery_codes"].as_array().map(Vec::len), Some(10));
    let told = claims(&opened.access_token());
    assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("aal2")));
    assert_eq!(ann.journal_since(&journal).await, ["session_opened", "factor_added", "recovery_codes_made"]);
    world.sends(Call::get(ME).bearer(&opened.access_token())).await.is(200);
    enrols(&phone, &token, &phone.next_code()).await.refused(400, "link_invalid");
    begins(&world, json!({ "mfa_token": token })).await.refused(400, "link_invalid");
    let token = waits(&ann, &device).await;
    tries(&device, &token, &phone.next_code()).await.is(200);
    begins(&world, json!({})).await.refused(401, "token_missing");
}

/// Else whoever found a password would add a factor of their own.
#[tokio::test]
async fn where_the_address_is_confirmed_its_owner_adds_the_factor_that_is_missing() {
    let world = asking("required");
    let ann = world.ann().await;
    confirms_address(&ann).await;
    let device = laptop(&world);
    let answer = ann.tries_to_log_in(&device, &ann.password).await.refused(401, "enrolment_required");
    assert_eq!(answer.json()["factors"], json!(["mailed_code"]));
    let token = answer.field("mfa_token");
    let letters = world.letters().await;
    let [letter] = &letters[..] else { panic!("one letter, not {letters:?}") };
    assert_eq!((letter.kind, letter.to.as_str()), (LetterKind::LogInCode, "ann@example.org"));
    let code = letter.code.clone().expect("a code");
    let wrong = format!("{:06}", (code.parse::<u32>().expect("digits") + 1) % 1_000_000);
    begins(&world, json!({ "mfa_token": token })).await.refused(403, "code_wrong");
    begins(&world, json!({ "mfa_token": token, "code": wrong })).await.refused(403, "code_wrong");
    let begun = begins(&world, json!({ "mfa_token": token, "code": code })).await.is(200);
    let again = begins(&world, json!({ "mfa_token": token })).await.is(200);
    let (old, phone) = (phone(&world, &begun), phone(&world, &again));
    enrols(&old, &token, &old.code_in(0)).await.refused(404, "factor_unknown");
    enrols(&phone, &token, &phone.code_in(0)).await.is(200);

    let bob = world.bob().await;
    confirms_address(&bob).await;
    let answer = bob.tries_to_log_in(&device, &bob.password).await.refused(401, "enrolment_required");
    let (token, code) = (answer.field("mfa_token"), world.letters().await.pop().and_then(|it| it.code));
    for _ in 0..5 {
        begins(&world, json!({ "mfa_token": token, "code": wrong })).await.refused(403, "code_wrong");
    }
    begins(&world, json!({ "mfa_token": token, "code": code })).await.refused(400, "link_invalid");
}

/// The page adds no factor; the code of the same letter leads on where it was asked for.
#[tokio::test]
async fn the_page_spends_no_link_of_somebody_who_must_add_a_factor_first() {
    let world = by_mail("login_link = \"anywhere\"\nsecond_factor = \"required\"");
    world.ann().await;
    let asked = Call::post("/api/v1/auth/code").json(&json!({ "email": "ann@example.org" }));
    let login_id = world.sends(asked).await.is(202).field("login_id");
    let letter = world.letters().await.pop().expect("a letter");
    let (link, code) = (letter.token.expect("a link"), letter.code.expect("a code"));
    let page = world.is_asked(Call::get(&format!("/code?token={link}"))).await;
    assert!(page.text().contains(&code) && !page.text().contains("<form"), "{}", page.text());
    let sent = world.is_asked(Call::post("/code").form(&[("token", &link)]).header("origin", ORIGIN)).await;
    assert!(sent.text().contains("A second factor is missing"), "{}", sent.text());
    assert_eq!(sent.cookie(COOKIE), None);
    let body = json!({ "login_id": login_id, "code": code });
    let on = world.sends(Call::post("/api/v1/auth/code/login").json(&body)).await;
    let token = on.refused(401, "enrolment_required").field("mfa_token");
    let begun = begins(&world, json!({ "mfa_token": token })).await.is(200);
    let phone = phone(&world, &begun);
    enrols(&phone, &token, &phone.code_in(0)).await.is(200);
}

#[tokio::test]
async fn where_administrators_must_have_a_factor_others_need_none() {
    let world = asking("admins");
    let (ann, root) = (world.ann().await, world.root().await);
    ann.logs_in().await;
    let device = laptop(&world);
    root.tries_to_log_in(&device, &root.password).await.refused(401, "enrolment_required");
}

#[tokio::test]
async fn a_log_in_unlike_those_before_it_takes_a_factor_or_else_a_code_by_mail() {
    let risk = Some(RiskPolicy { second_factor: Some(20), ..RiskPolicy::default() });
    let world = World::planned(Plan { risk, ..Plan::default() });
    let ann = world.ann().await;
    ann.logs_in().await;
    world.winds(60);
    let stranger = Device::new(&world, "curl/8.0", "203.0.113.66");
    ann.tries_to_log_in(&stranger, &ann.password).await.refused(403, "risk_refused");
    confirms_address(&ann).await;
    let answer = ann.tries_to_log_in(&stranger, &ann.password).await;
    let answer = answer.refused(401, "second_factor_required");
    assert_eq!(answer.json()["factors"], json!(["mailed_code"]));
    let letter = world.letters().await.into_iter().find(|letter| letter.kind == LetterKind::LogInCode);
    let code = letter.and_then(|letter| letter.code).expect("a code");
    let wrong = format!("{:06}", (code.parse::<u32>().expect("digits") + 1) % 1_000_000);
    let token = answer.field("mfa_token");
    tries(&stranger, &token, &wrong).await.refused(403, "code_wrong");
    tries(&stranger, &token, "no code").await.refused(403, "code_wrong");
    let opened = tries(&stranger, &token, &code).await.is(200);
    assert_eq!(claims(&opened.access_token())["amr"], json!(["pwd", "mail"]));
    tries(&stranger, &token, &code).await.refused(400, "link_invalid");

    // A factor that its owner adds meanwhile is not replaced by a letter.
    let device = ann.logs_in().await;
    world.winds(60);
    let stranger = Device::new(&world, "links/2.0", "203.0.113.67");
    let token = waits(&ann, &stranger).await;
    let letters = world.letters().await;
    let code = letters.into_iter().rev().find_map(|letter| letter.code).expect("a code");
    adds_app(&device).await;
    tries(&stranger, &token, &code).await.refused(400, "link_invalid");

    let bob = world.bob().await;
    let phone = adds_app(&bob.logs_in().await).await;
    world.winds(60);
    let stranger = Device::new(&world, "wget/1.0", "198.51.100.9");
    let token = waits(&bob, &stranger).await;
    let journal = bob.journal().await;
    tries(&stranger, &token, &phone.next_code()).await.is(200);
    let told = bob.journal_since(&journal).await;
    assert_eq!(told[0], "session_opened");
    let note = world.entries(bob.id).await.into_iter().rev().find_map(|entry| entry.event.note);
    assert!(note.is_some_and(|note| note.contains("new_device")), "it counts as it did at the password");
}

/// Says yes, and how often it was asked.
#[derive(Default)]
struct Counting(AtomicU32);

#[async_trait]
impl BeforeLogin for Counting {
    async fn may_log_in(&self, login: &LoginAsked<'_>) -> Result<bool, Fault> {
        assert!(login.account.username.is_some());
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}

#[tokio::test]
async fn another_system_is_asked_once_for_a_log_in_with_a_factor() {
    let other = Arc::new(Counting::default());
    let hooks = Hooks { before_login: Some(Arc::clone(&other) as _), ..Hooks::default() };
    let world = World::planned(Plan { hooks, ..Plan::default() });
    let ann = world.ann().await;
    let phone = adds_app(&ann.logs_in().await).await;
    assert_eq!(other.0.swap(0, Ordering::Relaxed), 1);
    let token = waits(&ann, &laptop(&world)).await;
    tries(&laptop(&world), &token, &phone.wrong_code()).await.refused(403, "code_wrong");
    assert_eq!(other.0.load(Ordering::Relaxed), 0, "not before all was shown");
    tries(&laptop(&world), &token, &phone.next_code()).await.is(200);
    assert_eq!(other.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_undo_of_a_change_of_address_takes_away_the_factors_that_were_added_since() {
    let world = World::new();
    let ann = world.ann().await;
    let thief = ann.logs_in().await;
    let change = thief.bearer_call("POST", EMAIL).json(&json!({ "email": "thief@evil.example" }));
    world.sends(change).await.is(202);
    let token = world.token_by_mail(LetterKind::ChangeEmail).await;
    let confirm = Call::post("/api/v1/auth/email/confirm").json(&json!({ "token": token }));
    world.sends(confirm).await.is(204);
    let undo = world.token_by_mail(LetterKind::EmailChanged).await;
    world.winds(1);
    adds_app(&thief).await;
    world.winds(60);
    let undone = Call::post("/api/v1/auth/email/undo").json(&json!({ "token": undo }));
    let reset = world.sends(undone).await.is(200).field("reset_token");
    let held = world.engine.factors().of(ann.id).await.expect("a store that works");
    assert_eq!((held.factors.len(), held.recovery_codes), (0, 0));
    let body = json!({ "token": reset, "new_password": NEW });
    world.sends(Call::post("/api/v1/auth/password/reset").json(&body)).await.is(204);
    let log_in = json!({ "email": "ann@example.org", "password": NEW });
    world.sends(Call::post(LOGIN).json(&log_in)).await.is(200);
}

#[tokio::test]
async fn a_letter_that_tells_of_a_factor_ends_every_session_by_its_link_and_takes_no_factor_away() {
    let world = World::new();
    let ann = world.ann().await;
    let mut device = ann.logs_in().await;
    adds_app(&device).await;
    let letters = world.letters().await;
    let added = letters.into_iter().find(|letter| letter.kind == LetterKind::FactorAdded);
    let token = added.and_then(|letter| letter.token).expect("a link");
    let page = world.is_asked(Call::get(&format!("/not-me?token={token}"))).await;
    assert!(page.status == 200 && !page.text().contains("name=\"everywhere\""), "{}", page.text());
    let answer = world.sends(Call::post("/api/v1/auth/not-me").json(&json!({ "token": token }))).await;
    let reset = answer.is(200).field("reset_token");
    assert!(!device.is_logged_in().await);
    let held = world.engine.factors().of(ann.id).await.expect("a store that works");
    assert_eq!((held.factors.len(), held.recovery_codes), (1, 10));
    let body = json!({ "token": reset, "new_password": NEW });
    world.sends(Call::post("/api/v1/auth/password/reset").json(&body)).await.is(204);
    let ann = Person { password: NEW.to_owned(), ..ann };
    waits(&ann, &laptop(&world)).await;
}
