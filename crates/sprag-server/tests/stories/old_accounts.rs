//! Accounts come from another system one by one, as their owners log in; whoever was here once is not asked about.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use sprag::Fault;
use sprag::factor::totp::Seed;
use sprag::hooks::{Hooks, OldAccount, OldAccounts};
use sprag::letter::LetterKind;
use sprag::limits::Rates;

use crate::call::{Answer, Call};
use crate::people::{LOGIN, REGISTER, nobody};
use crate::world::{Plan, World, our_profile};

const FORGOT: &str = "/api/v1/auth/password/forgot";
const RESET: &str = "/api/v1/auth/password/reset";
const OLD: &str = "old pw";
const NEW: &str = "another good password";

/// A system with one account, and a password that is shorter than ours may be.
struct OldSystem {
    account: Mutex<Option<OldAccount>>,
    is_away: Mutex<bool>,
    asked: AtomicU32,
}

impl OldSystem {
    fn with_carol() -> Arc<Self> {
        let carol = OldAccount {
            id: "4711".to_owned(),
            username: Some("carol".to_owned()),
            email: Some("Carol@example.org".to_owned()),
            name: Some("Carol Example".to_owned()),
            given_name: None,
            family_name: None,
            language: Some("de".to_owned()),
            has_second_factor: false,
            totp_secret: None,
            recovery_codes: Vec::new(),
        };
        Arc::new(Self {
            account: Mutex::new(Some(carol)),
            is_away: Mutex::default(),
            asked: AtomicU32::new(0),
        })
    }

    fn has(&self, change: impl FnOnce(&mut OldAccount)) {
        change(self.account.lock().expect("no test panics here").as_mut().expect("an account"));
    }

    fn was_asked(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn found(&self, name: &str) -> Result<Option<OldAccount>, Fault> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.is_away.lock().expect("no test panics here") {
            return Err(Fault::unavailable("ask the old system", "the story says that it is away"));
        }
        let known = ["carol", "carol@example.org"].contains(&name.to_lowercase().as_str());
        Ok(self.account.lock().expect("no test panics here").clone().filter(|_| known))
    }
}

#[async_trait]
impl OldAccounts for OldSystem {
    async fn with_password(&self, name: &str, password: &str) -> Result<Option<OldAccount>, Fault> {
        Ok(self.found(name)?.filter(|_| password == OLD))
    }

    async fn of_name(&self, name: &str) -> Result<Option<OldAccount>, Fault> {
        self.found(name)
    }
}

fn world(old: &Arc<OldSystem>) -> World {
    let hooks = Hooks { old_accounts: Some(Arc::clone(old) as _), ..Hooks::default() };
    World::planned(Plan { hooks, ..Plan::default() })
}

async fn logs_in(world: &World, name: &str, password: &str) -> Answer {
    world.sends(Call::post(LOGIN).json(&json!({ "username": name, "password": password }))).await
}

async fn forgets(world: &World, address: &str) {
    world.sends(Call::post(FORGOT).json(&json!({ "email": address }))).await.is(202);
}

#[tokio::test]
async fn an_account_comes_here_as_its_owner_logs_in_and_is_asked_about_no_more() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    logs_in(&world, "carol", "a wrong password").await.refused(401, "credentials_invalid");
    assert_eq!(old.was_asked(), 1);
    assert!(world.engine.accounts().find("carol").await.is_err(), "nothing came of it");
    logs_in(&world, "CAROL@example.org", OLD).await.is(200);
    let account = world.engine.accounts().find("carol").await.expect("she is here");
    assert_eq!(account.email.as_deref(), Some("Carol@example.org"));
    assert!(account.email_confirmed_at().is_some() && !account.is_admin);
    assert_eq!(account.particulars.external.as_ref().map(|external| external.id.as_str()), Some("4711"));
    assert_eq!(account.particulars.name.as_deref(), Some("Carol Example"));
    assert_eq!(world.journal(account.id).await, ["account_imported", "session_opened"]);
    old.was_asked();
    logs_in(&world, "carol", OLD).await.is(200);
    logs_in(&world, "carol", "a wrong password").await.refused(401, "credentials_invalid");
    assert_eq!(old.was_asked(), 0, "she is known here, and so is her password");
}

#[tokio::test]
async fn of_many_first_log_ins_at_once_each_gets_in_and_one_account_is_made() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    let log_ins = (0..8).map(|_| logs_in(&world, "carol", OLD));
    for answer in futures_util::future::join_all(log_ins).await {
        answer.is(200);
    }
    let account = world.engine.accounts().find("carol").await.expect("she is here");
    let made = world.journal(account.id).await;
    assert_eq!(made.iter().filter(|entry| *entry == "account_imported").count(), 1);
}

#[tokio::test]
async fn a_name_that_was_held_here_is_never_asked_about_again() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    logs_in(&world, "carol", OLD).await.is(200);
    let account = world.engine.accounts().find("carol").await.expect("she is here").id;
    world.engine.accounts().delete(account, &nobody()).await.expect("she can be deleted");
    old.was_asked();
    for name in ["carol", "Carol", "carol@example.org", " CAROL@EXAMPLE.ORG "] {
        logs_in(&world, name, OLD).await.refused(401, "credentials_invalid");
    }
    forgets(&world, "carol@example.org").await;
    world.engine.accounts().erase(account).await.expect("she can be erased");
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    // The ring that the name was hashed under is an older one by now.
    let now = world.now();
    world.changes_keys(|ring| {
        ring.add_refresh(&sprag::random::SystemRandom::default(), now, now);
    });
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    assert_eq!(old.was_asked(), 0);
    assert!(world.letters().await.is_empty());
    let file = std::fs::read(world.backs_up()).expect("the file");
    assert!(
        !file.windows(17).any(|bytes| bytes.eq_ignore_ascii_case(b"carol@example.org")),
        "nor does it stand there"
    );
}

#[tokio::test]
async fn an_erased_account_came_back_under_the_other_names_that_its_owner_has_there_by_now() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    old.has(|carol| (carol.username, carol.email) = (None, Some("carol@example.org".to_owned())));
    logs_in(&world, "carol@example.org", OLD).await.is(200);
    let account = world.engine.accounts().find("carol@example.org").await.expect("she is here").id;
    world.engine.accounts().erase(account).await.expect("she can be erased");
    old.has(|carol| (carol.username, carol.email) = (Some("carol".to_owned()), None));
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    assert!(world.engine.accounts().find("carol").await.is_err());
}

#[tokio::test]
async fn what_the_old_system_says_takes_nobodys_account_and_makes_no_administrator() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    world.ann().await;
    old.has(|carol| carol.email = Some("ann@example.org".to_owned()));
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    assert!(world.engine.accounts().find("carol").await.is_err());
    old.has(|carol| (carol.username, carol.email) = (Some("mallory".to_owned()), None));
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    old.has(|carol| (carol.username, carol.id) = (Some("carol".to_owned()), String::new()));
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    *old.is_away.lock().expect("no test panics here") = true;
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
}

#[tokio::test]
async fn it_is_asked_only_while_the_budgets_have_room() {
    let old = OldSystem::with_carol();
    let hooks = Hooks { old_accounts: Some(Arc::clone(&old) as _), ..Hooks::default() };
    let world = World::planned(Plan { hooks, rates: Rates::default(), ..Plan::default() });
    for _ in 0..10 {
        logs_in(&world, "carol", "a wrong password").await.refused(401, "credentials_invalid");
    }
    assert_eq!(old.was_asked(), 10);
    logs_in(&world, "carol", OLD).await.refused(429, "rate_limited");
    assert_eq!(old.was_asked(), 0);
}

#[tokio::test]
async fn a_forgotten_password_brings_the_account_once_the_link_is_used() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    forgets(&world, "nobody@example.org").await;
    assert!(world.letters().await.is_empty());
    forgets(&world, "carol@example.org").await;
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    assert!(world.engine.accounts().find("carol").await.is_err(), "not before its owner has the letter");
    let page = world.is_asked(Call::get(&format!("/reset?token={token}"))).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let reset = |password: &str| Call::post(RESET).json(&json!({ "token": token, "new_password": password }));
    world.sends(reset("x")).await.refused(400, "password_rejected");
    world.sends(reset(NEW)).await.is(204);
    world.sends(reset(NEW)).await.refused(400, "link_invalid");
    let account = world.engine.accounts().find("carol").await.expect("she is here");
    assert!(account.email_confirmed_at().is_some() && !account.is_admin);
    logs_in(&world, "carol", NEW).await.is(200);
    old.was_asked();
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    assert_eq!(old.was_asked(), 0, "what was right there is so no more");
}

/// RFC 6238's own seed.
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[tokio::test]
async fn an_account_with_a_second_factor_there_was_opened_here_by_its_password_alone() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    old.has(|carol| carol.has_second_factor = true);
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    forgets(&world, "carol@example.org").await;
    assert!(world.letters().await.is_empty(), "nor does a link bring it");
    old.has(|carol| carol.totp_secret = Some("no seed!".to_owned()));
    logs_in(&world, "carol", OLD).await.refused(401, "credentials_invalid");
    assert!(world.engine.accounts().find("carol").await.is_err(), "it does not come without its factor");

    old.has(|carol| carol.totp_secret = Some(SEED.to_owned()));
    let answer = logs_in(&world, "carol", OLD).await.refused(401, "second_factor_required");
    let code = Seed::from_base32(SEED, None).expect("a seed").code(world.now());
    let body = json!({ "mfa_token": answer.field("mfa_token"), "code": code });
    world.sends(Call::post("/api/v1/auth/login/factor").json(&body)).await.is(200);
}

#[tokio::test]
async fn a_link_that_brings_an_account_brings_its_second_factor() {
    let old = OldSystem::with_carol();
    let world = world(&old);
    old.has(|carol| carol.totp_secret = Some(SEED.to_owned()));
    forgets(&world, "carol@example.org").await;
    let token = world.token_by_mail(LetterKind::ResetPassword).await;
    let reset = Call::post(RESET).json(&json!({ "token": token, "new_password": NEW }));
    world.sends(reset).await.is(204);
    logs_in(&world, "carol", NEW).await.refused(401, "second_factor_required");
}

/// A world with the old system in which everybody registers.
fn open(old: &Arc<OldSystem>, confirmation: &str) -> World {
    let line = format!("registration = \"open\"\nemail_confirmation = {confirmation:?}\n");
    let profiles = vec![our_profile(&[("registration = \"admin\"\n", &line)])];
    let hooks = Hooks { old_accounts: Some(Arc::clone(old) as _), ..Hooks::default() };
    World::planned(Plan { profiles, hooks, ..Plan::default() })
}

async fn registers(world: &World, username: &str, email: &str) -> Answer {
    let body = json!({ "username": username, "email": email, "password": NEW });
    world.sends(Call::post(REGISTER).json(&body)).await
}

#[tokio::test]
async fn somebody_registered_with_the_name_of_one_who_had_not_come_here_yet() {
    let old = OldSystem::with_carol();
    let world = open(&old, "off");
    registers(&world, "Carol", "mallory@example.org").await.refused(409, "name_taken");
    registers(&world, "mallory", "carol@example.org").await.refused(409, "name_taken");
    *old.is_away.lock().expect("no test panics here") = true;
    registers(&world, "mallory", "mallory@example.org").await.refused(503, "unavailable");
    assert!(world.engine.accounts().find("mallory").await.is_err(), "nothing is made meanwhile");
    *old.is_away.lock().expect("no test panics here") = false;
    registers(&world, "mallory", "mallory@example.org").await.is(201);
    logs_in(&world, "carol", OLD).await.is(200);
    old.was_asked();
    registers(&world, "carol", "carol@example.org").await.refused(409, "name_taken");
    assert_eq!(old.was_asked(), 0, "she is known here");
}

#[tokio::test]
async fn nothing_told_whether_the_old_system_has_an_address_and_its_owner_got_it_all_the_same() {
    let old = OldSystem::with_carol();
    let world = open(&old, "required");
    world.ann().await;
    let addresses = ["carol@example.org", "ann@example.org", "nobody@example.org"];
    let mut texts = Vec::new();
    for (address, name) in addresses.iter().zip(["m1", "m2", "m3"]) {
        texts.push(registers(&world, name, address).await.is(202).text());
        assert!(old.was_asked() >= 1, "{address}: it is asked about");
    }
    assert!(texts.windows(2).all(|two| two[0] == two[1]));
    let mut told: Vec<_> = world.letters().await.into_iter().map(|letter| (letter.to, letter.kind)).collect();
    told.sort();
    let expected = [
        ("Carol@example.org", LetterKind::SignUpKnown),
        ("ann@example.org", LetterKind::SignUpKnown),
        ("nobody@example.org", LetterKind::VerifyEmail),
    ];
    assert_eq!(told, expected.map(|(to, kind)| (to.to_owned(), kind)));
    logs_in(&world, "carol@example.org", OLD).await.is(200);
    *old.is_away.lock().expect("no test panics here") = true;
    for (address, name) in addresses.iter().zip(["n1", "n2", "n3"]) {
        registers(&world, name, address).await.refused(503, "unavailable");
    }
}
