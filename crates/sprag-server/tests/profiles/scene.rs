//! Plays one scene of a profile's file.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use sprag::audit::Entry;
use sprag::engine::{Imported, ImportedSession};
use sprag::token::ForeignToken;
use sprag_server::profile::parse_duration;

use crate::call::{Answer, Call};
use crate::data::{Data, Import, Scene, Step, Sweep, Texts, Why};
use crate::hole::{Kept, compare, compare_cookie, filled};
use crate::people::nobody;
use crate::shape::tokens;
use crate::stage::{PASSWORD, Stage};
use crate::world::{ORIGIN, ip};

/// How long ended sessions are kept before a sweep removes them.
const KEEP_ENDED: Duration = Duration::from_secs(24 * 3600);

/// A scene under way.
struct Play<'a> {
    stage: Stage,
    data: &'a Data,
    kept: Kept,
    /// The cookies of each client.
    jars: BTreeMap<String, Texts>,
}

pub(crate) async fn plays(profile: &'static str, data: &'static Data, scene: &'static Scene) {
    let stage = Stage::of(profile, data, &scene.environment).await;
    let mut play = Play {
        stage,
        data,
        kept: Kept::from([("password".to_owned(), PASSWORD.to_owned())]),
        jars: BTreeMap::new(),
    };
    for (number, step) in scene.step.iter().enumerate() {
        let what = step.send.as_deref().unwrap_or("no request");
        let place = format!("step {} ({what})", number + 1);
        if let Err(problem) = play.step(step).await {
            panic!("{place}: {problem}");
        }
    }
}

impl Play<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        if let Some(clock) = &step.clock {
            self.stage.world.clock.wind(span(clock));
        }
        if let Some(import) = &step.imports {
            self.import(import).await;
        }
        if let Some(name) = &step.disables {
            let account = self.stage.account(self.data, name).await;
            let done = self.stage.world.engine.accounts().disable(account, &nobody()).await;
            assert!(done.expect("a store that works"), "{name} was enabled");
        }
        if let Some(expected) = &step.sweeps {
            self.sweep(expected).await?;
        }
        let before = self.stage.kept().await;
        if let Some(send) = &step.send {
            let answer = self.stage.world.is_asked(self.call(send, step)).await;
            self.keep_cookies(step, &answer);
            self.check(step, &answer).map_err(|problem| format!("{problem}\n{}", answer.text()))?;
        }
        if step.unchanged && self.stage.kept().await != before {
            return Err(format!("the store is not as before:\n{before}\n{}", self.stage.kept().await));
        }
        match &step.why {
            Some(why) => self.tells(why).await,
            None => Ok(()),
        }
    }

    async fn import(&self, import: &Import) {
        let now = self.stage.world.now();
        let session = ImportedSession {
            user: &import.user,
            token: ForeignToken::new(&import.token).expect("a token of another system"),
            created_at: None,
            expires_at: now.plus(span(&import.expires)),
            is_live: true,
            ip: None,
            user_agent: None,
            device: None,
        };
        let client = self.stage.profile.client_policy();
        let imported = self.stage.world.engine.imports().session(&client, session).await;
        assert_eq!(imported.expect("a store that works"), Imported::New);
    }

    async fn sweep(&self, expected: &Sweep) -> Result<(), String> {
        let swept =
            self.stage.world.engine.upkeep().sweep(None, KEEP_ENDED).await.expect("a store that works");
        if (swept.ended, swept.removed) == (expected.ended, expected.removed) {
            return Ok(());
        }
        Err(format!("the sweep ended {} and removed {}", swept.ended, swept.removed))
    }

    fn call(&self, send: &str, step: &Step) -> Call {
        let (method, path) = send.split_once(' ').expect("a method and a path");
        let mut call = Call::new(method, &filled(path, &self.kept));
        if let Some(json) = &step.json {
            call = call.text("application/json", filled(json, &self.kept));
        }
        if let Some(form) = step.form.as_ref().or(step.parts.as_ref()) {
            let fields: Vec<_> =
                form.iter().map(|(name, value)| (name.clone(), filled(value, &self.kept))).collect();
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            call = if step.form.is_some() { call.form(&fields) } else { call.multipart(&fields) };
        }
        if let Some(text) = &step.text {
            call = call.bytes(text.as_bytes());
        }
        for (name, value) in &step.headers {
            call = call.without(name).header(name, filled(value, &self.kept));
        }
        if let Some(token) = &step.bearer {
            call = call.bearer(&filled(token, &self.kept));
        }
        if let Some(address) = &step.from {
            call = call.from(ip(address));
        }
        let Some(client) = &step.client else { return call };
        if client.starts_with("browser") && !step.headers.contains_key("origin") {
            call = call.header("origin", ORIGIN);
        }
        let jar = self.jars.get(client).into_iter().flatten();
        jar.fold(call, |call, (name, value)| call.cookie(name, value))
    }

    fn keep_cookies(&mut self, step: &Step, answer: &Answer) {
        let Some(client) = &step.client else { return };
        let jar = self.jars.entry(client.clone()).or_default();
        for cookie in answer.set_cookies() {
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            match rest.split(';').next().unwrap_or_default() {
                "" => drop(jar.remove(name)),
                value => drop(jar.insert(name.to_owned(), value.to_owned())),
            }
        }
    }

    fn check(&mut self, step: &Step, answer: &Answer) -> Result<(), String> {
        let expected = step.status.expect("a step that sends says its status");
        if answer.status != expected {
            return Err(format!("the status is {}, not {expected}", answer.status));
        }
        match &step.answer {
            Some(expected) => {
                let expected = serde_json::from_str(expected).expect("answer is JSON");
                compare(&expected, &answer.json(), &mut self.kept, "the answer")?;
            }
            None if step.contains.is_empty() && !answer.body.is_empty() => {
                return Err("there is a body, and the step expects none".to_owned());
            }
            None => {}
        }
        if let Some(missing) = step.contains.iter().find(|text| !answer.text().contains(text.as_str())) {
            return Err(format!("the body does not contain {missing}"));
        }
        let set = answer.set_cookies();
        if set.len() != step.cookies.len() {
            return Err(format!("the cookies are {set:#?}"));
        }
        step.cookies.iter().zip(&set).try_for_each(|(e, a)| compare_cookie(e, a, &mut self.kept))?;
        for (name, expected) in &step.tells {
            let actual = answer.header(name);
            if actual != *expected {
                return Err(format!("the header {name} is {actual:?}, not {expected:?}"));
            }
        }
        self.check_token(step, answer)
    }

    /// The access token, as a library reads it that knows nothing of us.
    fn check_token(&mut self, step: &Step, answer: &Answer) -> Result<(), String> {
        if step.claims.is_none() && step.lives.is_none() {
            return Ok(());
        }
        let token = tokens(answer).0.ok_or("there is no access token")?;
        let expected: Option<Value> =
            step.claims.as_ref().map(|claims| serde_json::from_str(claims).expect("claims are JSON"));
        // As PyJWT and python-jose: whoever expects no audience refuses a token that names one. The clock is wound by
        // hand, so the library's own cannot judge the times.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = expected.as_ref().is_none_or(|claims| claims.get("aud").is_none());
        let key = DecodingKey::from_secret(self.stage.secret.as_bytes());
        let read =
            jsonwebtoken::decode::<Value>(&token, &key, &validation).map_err(|error| error.to_string())?;
        if let Some(expected) = &expected {
            compare(expected, &read.claims, &mut self.kept, "the access token")?;
        }
        let lives = read.claims["exp"].as_u64().zip(read.claims["iat"].as_u64()).map(|(exp, iat)| exp - iat);
        match &step.lives {
            Some(expected) if lives != Some(span(expected).as_secs()) => {
                Err(format!("the access token lives for {lives:?} seconds, not {expected}"))
            }
            _ => Ok(()),
        }
    }

    async fn tells(&self, why: &Why) -> Result<(), String> {
        let token = self.kept.get(&why.of).unwrap_or_else(|| panic!("nothing was kept under {}", why.of));
        let engine = &self.stage.world.engine;
        let token =
            engine.tokens().parse(&self.stage.profile.client_policy(), token).expect("a token of ours");
        let told = engine
            .sessions()
            .explain(token.key.session)
            .await
            .expect("a store that works")
            .expect("a session");
        let mut says: Vec<String> = told.events.iter().map(in_words).collect();
        let with = |word: &str, text: &Option<String>| {
            text.as_deref().map(|text| format!(" {word} {text}")).unwrap_or_default()
        };
        let state = match told.session.ended {
            Some(ended) => format!("ended: {}{}", ended.cause, with("from", &told.detail.ended_ip)),
            None => "live".to_owned(),
        };
        says.push(state + &with("on", &told.detail.device));
        if says == why.says { Ok(()) } else { Err(format!("why says {says:#?}")) }
    }
}

/// `session_rotated from 192.0.2.1: generation 1 replaced generation 0`.
fn in_words(entry: &Entry) -> String {
    let event = &entry.event;
    let cause = event.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    let from = event.ip.as_deref().map(|ip| format!(" from {ip}")).unwrap_or_default();
    let note = event.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("{}{cause}{from}{note}", event.kind.name())
}

/// `+31m`.
fn span(text: &str) -> Duration {
    parse_duration(text.trim_start_matches('+')).unwrap_or_else(|error| panic!("{text}: {error}"))
}
