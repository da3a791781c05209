//! A walk at random over all calls and pages, of somebody who knows the password and reads the mail: it opens nothing.

use axum::http::Method;
use serde_json::{Map, Value, json};
use sprag::factor::totp::Seed;
use sprag_server::profile::{Input, Route};

use crate::call::{Answer, Call};
use crate::passkey::Key;
use crate::people::{DEVICE_COOKIE, Device, Person};
use crate::second_factor::laptop;
use crate::world::{ORIGIN, Plan, World, our_profile};

const STEPS: u32 = 2000;
const OPTIONS: &str = "/api/v1/auth/factors/passkey/options";
const PASSKEY: &str = "/api/v1/auth/factors/passkey";

/// The server's own pages, to which the links of letters lead.
const PAGES: [&str; 8] = ["/code", "/reset", "/undo", "/not-me", "/email", "/delete", "/verify", "/invite"];

/// What the thief has: each kind of thing that a field may hold, the newest last.
struct Pockets {
    password: String,
    mailed: Vec<String>,
    waiting: Vec<String>,
    login_ids: Vec<String>,
    codes: Vec<String>,
    /// An answer of the owner's passkey that was used.
    credential: Value,
    factor: String,
    stale: (String, String),
    random: u64,
}

impl Pockets {
    /// Below `most`, by a generator that begins alike each time.
    fn pick(&mut self, most: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).expect("31 bits") % most
    }

    fn one_of(&mut self, texts: &[String]) -> String {
        if texts.is_empty() { "x".to_owned() } else { texts[self.pick(texts.len())].clone() }
    }

    fn value(&mut self, input: Input) -> Value {
        let text = match input {
            Input::Name | Input::Username => "ann".to_owned(),
            Input::Email => "ann@example.org".to_owned(),
            Input::Password | Input::CurrentPassword | Input::NewPassword => self.password.clone(),
            Input::Token => self.one_of(&self.mailed.clone()),
            Input::LoginId => self.one_of(&self.login_ids.clone()),
            Input::MfaToken => self.one_of(&[self.waiting.clone(), self.mailed.clone()].concat()),
            Input::Code => self.one_of(&self.codes.clone()),
            Input::RefreshToken => self.stale.1.clone(),
            Input::Transport => "body".to_owned(),
            Input::RememberDevice => "true".to_owned(),
            Input::Credential => return self.credential.clone(),
            _ => "x".to_owned(),
        };
        text.into()
    }

    fn call(&mut self, route: &Route) -> Call {
        let path = route.path.replace("{id}", &self.factor);
        let mut call = Call::new(route.method.as_str(), &path);
        if self.pick(3) == 0 {
            call = call.bearer(&self.stale.0);
        }
        if route.method == Method::GET {
            return call;
        }
        let mut body = Map::new();
        for field in route.takes.fields() {
            if !field.is_optional || self.pick(2) == 0 {
                body.insert(field.name.clone(), self.value(field.input));
            }
        }
        call.json(&body.into())
    }

    /// A look at a page, or its form.
    fn page(&mut self) -> Call {
        let page = PAGES[self.pick(PAGES.len())];
        let token = self.one_of(&[self.mailed.clone(), self.waiting.clone()].concat());
        if self.pick(4) == 0 {
            return Call::get(&format!("{page}?token={token}"));
        }
        let code = self.one_of(&self.codes.clone());
        let password = self.password.clone();
        let mut fields = vec![("token", token.as_str()), ("new_password", password.as_str())];
        for field in [("code", code.as_str()), ("everywhere", "true")] {
            if self.pick(2) == 0 {
                fields.push(field);
            }
        }
        Call::post(page).form(&fields).header("origin", ORIGIN)
    }

    fn keeps(&mut self, answer: &Answer) {
        let reset = Some(answer.field("reset_token")).filter(|token| !token.is_empty());
        for token in reset.into_iter().chain(token_of_form(answer)) {
            if !self.mailed.contains(&token) && !self.waiting.contains(&token) {
                self.mailed.push(token);
            }
        }
        let token = answer.field("mfa_token");
        if !token.is_empty() {
            self.waiting.push(token);
        }
        self.login_ids.extend(Some(answer.field("login_id")).filter(|id| !id.is_empty()));
        let surplus = self.login_ids.len().saturating_sub(3);
        self.login_ids.drain(..surplus);
        if self.waiting.len() > 5 {
            self.waiting.remove(0);
        }
    }
}

/// The token in the form of a page, where the answer is one.
fn token_of_form(answer: &Answer) -> Option<String> {
    let text = answer.text();
    let (_, rest) = text.split_once("name=\"token\" value=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// What whoever has robbed an owner's desk and mailbox has of their account.
fn robbed(ann: &Person<'_>, device: &Device<'_>, factor: String, credential: Value) -> Pockets {
    Pockets {
        password: ann.password.clone(),
        mailed: Vec::new(),
        waiting: Vec::new(),
        login_ids: Vec::new(),
        codes: vec!["12345".to_owned(), "aaaa-bbbb-cccc-dddd".to_owned(), String::new()],
        credential,
        factor,
        stale: (device.access.clone(), device.refresh.clone()),
        random: 20_267,
    }
}

/// An account with an app, one of whose codes was seen when it was used.
async fn robbed_beside_an_app(ann: &Person<'_>) -> Pockets {
    let (world, device) = (ann.world, ann.logs_in().await);
    let begun = device.bearer_call("POST", "/api/v1/auth/factors/totp").json(&json!({}));
    let begun = world.sends(begun).await.is(200);
    let seed = Seed::from_base32(&begun.field("secret"), None).expect("a seed");
    let (used, factor) = (seed.code(world.now()), begun.field("id"));
    let path = format!("/api/v1/auth/factors/totp/{factor}/confirm");
    world.sends(device.bearer_call("POST", &path).json(&json!({ "code": used }))).await.is(200);
    device.logs_out().await.is(204);
    let mut pockets = robbed(ann, &device, factor, json!({}));
    pockets.codes.push(used);
    pockets
}

/// An account with a passkey, what that signed being known.
async fn robbed_beside_a_passkey(ann: &Person<'_>) -> Pockets {
    let world = ann.world;
    let begun = ann.tries_to_log_in(&laptop(world), &ann.password).await;
    let token = json!({ "mfa_token": begun.refused(401, "enrolment_required").field("mfa_token") });
    let mut key = Key::new(1);
    let options = world.sends(Call::post(OPTIONS).json(&token)).await.is(200).json();
    let credential = key.makes(&options);
    let body = json!({ "mfa_token": token["mfa_token"], "credential": credential });
    let mut device = laptop(world);
    let added = world.sends(Call::post(PASSKEY).json(&body)).await.is(201);
    device.keeps(&added);
    device.logs_out().await.is(204);
    let factors = world.engine.factors().of(ann.id).await.expect("a store that works").factors;
    let factor = factors.first().map(|factor| factor.id.to_string()).expect("a passkey");
    robbed(ann, &device, factor, credential)
}

/// Walks over all calls of a profile and the server's pages, and opens nothing.
async fn walks(world: &World, ann: &Person<'_>, mut pockets: Pockets, routes: &[Route]) {
    let (mut done, mut asked_for_more, mut done_by_forms) = (0, 0, 0);
    for step in 0..STEPS {
        let is_page = pockets.pick(4) == 0;
        let answer = if is_page {
            world.is_asked(pockets.page()).await
        } else {
            let route = &routes[pockets.pick(routes.len())];
            world.sends(pockets.call(route)).await
        };
        assert!(answer.access_token().is_empty(), "{step}: {} opened a session", answer.line);
        // The page that asks for a code marks the browser before.
        let is_mark = |cookie: &String| is_page && cookie.starts_with(DEVICE_COOKIE);
        assert!(
            answer.set_cookies().iter().all(is_mark),
            "{step}: {} set {:?}",
            answer.line,
            answer.set_cookies()
        );
        done += u32::from(!is_page && answer.status < 300);
        done_by_forms += u32::from(is_page && answer.status == 200 && answer.line.starts_with("POST "));
        asked_for_more += u32::from(answer.code() == "second_factor_required");
        pockets.keeps(&answer);
        let letters = world.letters().await;
        for letter in letters {
            pockets.mailed.extend(letter.token);
            pockets.codes.extend(letter.code);
        }
        let old = pockets.codes.len().saturating_sub(6);
        pockets.codes.drain(..old);
        let surplus = pockets.mailed.len().saturating_sub(8);
        pockets.mailed.drain(..surplus);
        world.winds(pockets.pick(40) as u64);
    }
    assert!(
        done > 20 && asked_for_more > 5 && done_by_forms > 0,
        "the walk comes somewhere: {done} done, {asked_for_more} asked for more, {done_by_forms} done by forms"
    );
    let live = world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count();
    assert_eq!(live, 0);
    let held = world.engine.factors().of(ann.id).await.expect("a store that works");
    assert_eq!((held.factors.len(), held.recovery_codes), (1, 10), "and nothing was taken away");
}

const OFFERS: &str = "registration = \"admin\"\noffers = [\"send_code\", \"login_by_code\"]\n";

/// A world that logs in by mail, with other lines of its profile, and the calls of that.
fn offering(lines: &str) -> (World, Vec<Route>) {
    let profile = our_profile(&[("registration = \"admin\"\n", &format!("{OFFERS}{lines}"))]);
    let routes = profile.wire.routes.clone();
    (World::planned(Plan { profiles: vec![profile], ..Plan::default() }), routes)
}

#[tokio::test]
async fn r50_whoever_knows_the_password_and_reads_the_mail_opens_nothing_of_an_account_with_a_factor() {
    let (world, routes) = offering("");
    let ann = world.ann().await;
    let pockets = robbed_beside_an_app(&ann).await;
    walks(&world, &ann, pockets, &routes).await;
}

#[tokio::test]
async fn r50_nor_where_the_link_of_a_letter_logs_in_on_any_device() {
    let (world, routes) = offering("login_link = \"anywhere\"\n");
    let ann = world.ann().await;
    let pockets = robbed_beside_an_app(&ann).await;
    walks(&world, &ann, pockets, &routes).await;
}

#[tokio::test]
async fn r50_nor_where_everybody_must_have_one_and_it_is_a_passkey_that_has_signed_before() {
    let (world, routes) = offering("second_factor = \"required\"\n");
    let ann = world.ann().await;
    let pockets = robbed_beside_a_passkey(&ann).await;
    walks(&world, &ann, pockets, &routes).await;
}
