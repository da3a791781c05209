//! Canaries of letters and second factors: what is handed out once, by mail or beside a password.

use std::collections::BTreeSet;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use serde_json::{Value, json};
use sprag::letter::{Letter, LetterKind};

use crate::call::{Answer, Call};
use crate::canary::forms;
use crate::people::{Device, LOGIN, Person};
use crate::second_factor::{Phone, adds_app, laptop, tries, waits};
use crate::world::{Plan, World, our_profile, second_profile};

const AUTH: &str = "/api/v1/auth";
const LOGIN_FACTOR: &str = "/api/v1/auth/login/factor";

/// A world whose people log in by mail and invite others; its second profile lets nobody in who has no second factor.
pub(super) fn with_letters() -> World {
    let line = "registration = \"admin\"\n";
    let ours = "registration = \"open\"\noffers = [\"send_code\", \"login_by_code\"]\n";
    let second = "registration = \"admin\"\nsecond_factor = \"required\"\n";
    let profiles = vec![our_profile(&[(line, ours)]), second_profile(&[(line, second)])];
    World::planned(Plan { profiles, ..Plan::default() })
}

/// What was handed out for its owner alone.
#[derive(Default)]
pub(super) struct Confided {
    /// Texts, and what counts of each in every form: they stand nowhere.
    pub(super) secrets: BTreeSet<Vec<u8>>,
    /// Codes of six digits: they stand nowhere by themselves, but may occur within a longer number.
    pub(super) codes: Vec<String>,
}

impl Confided {
    /// A one-time token: whole, its secret and its tag.
    fn token(&mut self, text: &str) {
        let body = text.strip_prefix("spo_").expect("a one-time token");
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).expect("base64url");
        assert_eq!(bytes.len(), 83);
        self.secrets.insert(text.into());
        for part in [&bytes[35..51], &bytes[51..]] {
            self.secrets.extend(forms(part));
        }
    }

    /// What a device keeps that is remembered: whole, and its secret.
    fn device_token(&mut self, text: &str) {
        let body = text.strip_prefix("spm_").expect("what a device keeps");
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).expect("base64url");
        self.secrets.insert(text.into());
        self.secrets.extend(forms(&bytes[16..]));
    }

    /// A seed or a recovery code, as it is shown and in every other form.
    fn base32(&mut self, text: &str) {
        let plain = text.replace('-', "").to_uppercase();
        let bytes = BASE32_NOPAD.decode(plain.as_bytes()).expect("base32");
        for spelled in [text.to_owned(), plain.to_lowercase(), plain] {
            self.secrets.insert(spelled.into_bytes());
        }
        self.secrets.extend(forms(&bytes));
    }
}

/// Bob's day, and what he was told in it.
struct Day<'w> {
    bob: Person<'w>,
    told: Confided,
}

impl<'w> Day<'w> {
    fn world(&self) -> &'w World {
        self.bob.world
    }

    /// The newest letter of a kind. All that wait are looked at and go on waiting, as where no mail server takes them.
    async fn letter(&mut self, kind: LetterKind) -> Letter {
        let (outbox, mut letters) = (self.world().engine.outbox(), Vec::new());
        loop {
            let leased = outbox.lease(|_, _| ()).await.expect("a store that works");
            if leased.is_empty() {
                break;
            }
            letters.extend(leased.into_iter().map(|leased| leased.letter));
        }
        for letter in &letters {
            if let Some(token) = &letter.token {
                self.told.token(token);
            }
            self.told.codes.extend(letter.code.clone());
        }
        letters.into_iter().rfind(|letter| letter.kind == kind).unwrap_or_else(|| panic!("no {kind:?}"))
    }

    async fn link(&mut self, kind: LetterKind) -> String {
        self.letter(kind).await.token.expect("it has a link")
    }

    async fn says(&self, path: &str, body: Value, status: u16) -> Answer {
        self.world().sends(Call::post(&format!("{AUTH}{path}")).json(&body)).await.is(status)
    }

    async fn asks(&self, device: &Device<'_>, path: &str, body: Value, status: u16) -> Answer {
        let call = device.bearer_call("POST", &format!("{AUTH}{path}")).json(&body);
        self.world().sends(call).await.is(status)
    }

    /// Types the right password, is asked for more, and gives what goes on with that.
    async fn waits(&mut self) -> String {
        let token = waits(&self.bob, &laptop(self.world())).await;
        self.told.token(&token);
        token
    }

    fn next_code(&mut self, phone: &Phone<'_>) -> String {
        let code = phone.next_code();
        self.told.codes.push(code.clone());
        code
    }

    async fn forgets_the_password(&mut self) -> String {
        self.says("/password/forgot", json!({ "email": "bob@example.org" }), 202).await;
        self.link(LetterKind::ResetPassword).await
    }

    /// Chooses a password by what a link has led to.
    async fn resets(&mut self, answer: &Answer) {
        let token = answer.field("reset_token");
        self.told.token(&token);
        let body = json!({ "token": token, "new_password": self.bob.password });
        self.says("/password/reset", body, 204).await;
    }

    async fn confirms_and_moves_and_comes_back(&mut self) {
        let device = self.bob.logs_in().await;
        self.asks(&device, "/email/verification", json!({}), 202).await;
        let token = self.link(LetterKind::VerifyEmail).await;
        self.says("/email/verify", json!({ "token": token }), 204).await;
        let token = self.forgets_the_password().await;
        self.says("/password/reset", json!({ "token": token, "new_password": "short" }), 400).await;
        self.asks(&device, "/email", json!({ "email": "bob@new.example" }), 202).await;
        let token = self.link(LetterKind::ChangeEmail).await;
        self.says("/email/confirm", json!({ "token": token }), 204).await;
        let token = self.link(LetterKind::EmailChanged).await;
        let undone = self.says("/email/undo", json!({ "token": token }), 200).await;
        self.resets(&undone).await;
    }

    async fn logs_in_by_mail(&mut self) {
        for is_by_code in [true, false] {
            let asked = self.says("/code", json!({ "email": "bob@example.org" }), 202).await;
            let login_id = asked.field("login_id");
            self.told.secrets.insert(login_id.clone().into());
            let Letter { token, code, .. } = self.letter(LetterKind::LogIn).await;
            let body = match is_by_code {
                true => json!({ "login_id": login_id, "code": code }),
                false => json!({ "login_id": login_id, "token": token }),
            };
            self.says("/code/login", body, 200).await;
        }
    }

    /// Begins to add the factor that the other profile wants.
    async fn is_asked_for_a_factor(&mut self) {
        let body = json!({ "username": "bob", "password": self.bob.password });
        let waiting = self.world().sends(Call::post("/second/login").json(&body)).await;
        let token = waiting.refused(401, "enrolment_required").field("mfa_token");
        self.told.token(&token);
        let code = self.letter(LetterKind::LogInCode).await.code.expect("a code");
        let begin = Call::post("/second/factors/totp").json(&json!({ "mfa_token": token, "code": code }));
        let begun = self.world().sends(begin).await.is(200);
        self.told.base32(&begun.field("secret"));
    }

    async fn adds_and_shows_factors(&mut self) -> Phone<'w> {
        let phone = adds_app(&self.bob.logs_in().await).await;
        self.told.base32(&phone.seed.base32());
        self.told.codes.push(phone.code_in(0));
        for code in &phone.recovery_codes {
            self.told.base32(code);
        }
        let not_me = self.link(LetterKind::FactorAdded).await;

        let token = self.waits().await;
        tries(&laptop(self.world()), &token, &phone.code_in(0)).await.refused(403, "code_wrong");
        tries(&laptop(self.world()), &token, &phone.recovery_codes[0]).await.is(200);
        self.link(LetterKind::RecoveryCodeUsed).await;
        let disowned = self.says("/not-me", json!({ "token": not_me }), 200).await;
        self.resets(&disowned).await;
        phone
    }

    async fn wants_to_go_and_stays(&mut self, phone: &Phone<'_>) {
        let (token, code) = (self.waits().await, self.next_code(phone));
        let mut device = laptop(self.world());
        let opened = tries(&device, &token, &code).await.is(200);
        device.keeps(&opened);
        self.asks(&device, "/me/delete", json!({}), 202).await;
        let token = self.link(LetterKind::AccountDeletion).await;
        self.says("/me/keep", json!({ "token": token }), 204).await;
    }

    async fn has_a_device_remembered(&mut self, phone: &Phone<'_>) {
        let (token, code) = (self.waits().await, self.next_code(phone));
        let body = json!({ "mfa_token": token, "code": code, "remember_device": true });
        let call = laptop(self.world()).call("POST", LOGIN_FACTOR).json(&body);
        let kept = self.world().sends(call).await.is(200).field("device_token");
        self.told.device_token(&kept);
        let body = json!({ "username": "bob", "password": self.bob.password, "device_token": kept });
        self.world().sends(laptop(self.world()).call("POST", LOGIN).json(&body)).await.is(200);
    }

    /// Root invites somebody.
    async fn hears_of_an_invitation(&mut self) {
        let body = json!({ "username": "root", "password": "root's battery staple" });
        let root = self.says("/login", body, 200).await;
        let call = Call::post(&format!("{AUTH}/invites")).bearer(&root.access_token());
        let invited = self.world().sends(call.json(&json!({ "email": "eve@example.org" }))).await.is(201);
        self.told.token(&invited.field("invite"));
        self.letter(LetterKind::Invite).await;
    }
}

/// Everything that can happen by letters and with second factors, in a world where root is known and bob is not.
pub(super) async fn a_day_of_letters(world: &World) -> Confided {
    let mut day = Day { bob: world.bob().await, told: Confided::default() };
    day.confirms_and_moves_and_comes_back().await;
    day.logs_in_by_mail().await;
    day.is_asked_for_a_factor().await;
    let phone = day.adds_and_shows_factors().await;
    day.wants_to_go_and_stays(&phone).await;
    day.has_a_device_remembered(&phone).await;
    day.hears_of_an_invitation().await;
    day.forgets_the_password().await;
    day.told
}
