//! A log-in that goes on once the account has a second factor, which it must have and has not: whoever knows the password may add
//! one and do nothing else. Where letters are sent, and the address is confirmed, they show first that they read its mail.

use std::fmt;

use uuid::Uuid;

use super::opening::{Opened, Spending};
use super::waiting::Found;
use super::{ClientPolicy, Factors, NewTotp, OpenRequest, Requester, TokenPair, tried_too_often};
use crate::authn::{Authenticated, Shown};
use crate::error::{Error, Refusal};
use crate::factor::recovery::RecoveryCode;
use crate::one_time::{Proof, Purpose};
use crate::ratchet::MAX_MISSES;
use crate::session::Methods;

/// A factor, by which a log-in goes on that waits until its account has one.
#[derive(Clone, Copy)]
pub struct EnrolmentRequest<'a> {
    /// The token of the [`WaitingLogIn`](super::WaitingLogIn).
    pub token: &'a str,
    /// What is added.
    pub factor: NewFactor<'a>,
    /// What the client asks of the session; what it called the device before stands where it says nothing now.
    pub open: OpenRequest<'a>,
}

/// A second factor that somebody adds.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum NewFactor<'a> {
    /// An app: which seed, and its first code, as typed.
    Totp(Uuid, &'a str),
    /// A passkey: what a browser has made, as JSON, and what its owner calls it.
    Passkey(&'a serde_json::Value, Option<&'a str>),
}

/// A session that waited until its account had a second factor.
#[derive(Debug)]
pub struct Enrolled {
    /// Its pair.
    pub pair: TokenPair,
    /// Which of the account's factors was added.
    pub id: Uuid,
    /// Recovery codes: nobody can be told them again.
    pub recovery_codes: Vec<RecoveryCode>,
}

/// Prints what a log may show: no token and no code.
impl fmt::Debug for EnrolmentRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentRequest")
    }
}

impl NewFactor<'_> {
    /// How somebody has shown who they are who shows it.
    fn methods(self) -> Methods {
        match self {
            Self::Totp(..) => Methods::OTP,
            Self::Passkey(..) => Methods::KEY | Methods::USER_VERIFIED,
        }
    }
}

impl Factors<'_> {
    /// Begins to add a seed for a log-in that waits for a second factor. Where a code was mailed, it must come, once.
    ///
    /// # Errors
    /// [`Refusal::LogInLapsed`]; [`Refusal::CodeWrong`], also where none came and one was mailed; [`Refusal::RateLimited`]; a
    /// [`Fault`](crate::Fault).
    pub async fn enrol_totp(
        &self,
        client: &ClientPolicy,
        (token, mailed): (&str, Option<&str>),
        label: Option<&str>,
        requester: &Requester,
    ) -> Result<NewTotp, Error> {
        let found = self.enrols(client, (token, mailed), requester).await?;
        self.add_totp(found.account.id, label).await
    }

    /// What a browser needs to make a passkey for a log-in that waits for a second factor, as
    /// [`passkey_options`](Self::passkey_options). Where a code was mailed, it must come, once.
    ///
    /// # Errors
    /// As [`enrol_totp`](Self::enrol_totp), and as [`passkey_options`](Self::passkey_options).
    pub async fn enrol_passkey(
        &self,
        client: &ClientPolicy,
        (token, mailed): (&str, Option<&str>),
        requester: &Requester,
    ) -> Result<serde_json::Value, Error> {
        let Self(engine) = self;
        engine.passkeys()?;
        let found = self.enrols(client, (token, mailed), requester).await?;
        self.passkey_options(found.account.id).await
    }

    /// Adds a factor, and opens the session that waited for it. Every other session of the account ends.
    ///
    /// # Errors
    /// [`Refusal::LogInLapsed`]; [`Refusal::CodeWrong`], or of a passkey [`Refusal::PasskeyWrong`];
    /// [`Refusal::PasskeysUnavailable`]; [`Refusal::FactorUnknown`]; [`Refusal::RateLimited`]; what
    /// [`open_session`](crate::Engine::open_session) refuses; a [`Fault`](crate::Fault).
    pub async fn confirm_enrolment(
        &self,
        client: &ClientPolicy,
        request: EnrolmentRequest<'_>,
        shown: &Shown,
        requester: &Requester,
    ) -> Result<Enrolled, Error> {
        let Self(engine) = self;
        let authn = engine.authn();
        let mut found = self.enrols(client, (request.token, None), requester).await?;
        let account = found.account.id;
        // Its challenge is good for one look.
        let made = match request.factor {
            NewFactor::Passkey(credential, label) => {
                Some(self.made_passkey(account, (credential, label), requester).await?)
            }
            NewFactor::Totp(..) => None,
        };
        let reserved = authn.reserve_code(account, requester).await?;
        for _ in 0..=MAX_MISSES {
            let (held, now) = (authn.held(account).await?, engine.now());
            let (id, confirmed) = match request.factor {
                NewFactor::Totp(id, code) => {
                    (id, self.confirming(&found.account, &held, (id, code), None, requester)?)
                }
                NewFactor::Passkey(..) => {
                    let made = made.as_ref().ok_or(Refusal::PasskeyWrong)?;
                    self.adding_passkey((&found.account, None), &held, made, requester)?
                }
            };
            let spend = found.spend(Proof::Secret(found.parsed.secret_hash), now);
            let events = confirmed.events.into_iter();
            let spending = Spending {
                steps: std::iter::once(spend).chain(confirmed.steps).collect(),
                events: events
                    .map(|(kind, note)| requester.event_of_account(account, kind, now, note))
                    .collect(),
                risk: found.risk(),
            };
            let methods = Methods::from_bits(found.waiting.methods) | request.factor.methods();
            let known = authn.known(account, shown).await?;
            let somebody = Authenticated::by_factor(found.account.clone(), methods, now, known);
            let device = request.open.device.or(found.waiting.device.as_deref());
            let open = OpenRequest { device, ..request.open };
            let opened = engine.open(client, somebody, Some(spending), open, requester).await?;
            if let Opened::Session(pair) = opened {
                authn.give_code_back(&reserved).await;
                engine.letters_wait.notify_one();
                return Ok(Enrolled { pair: *pair, id, recovery_codes: confirmed.codes });
            }
            found = self.enrols(client, (request.token, None), requester).await?;
        }
        Err(tried_too_often("add a second factor").into())
    }

    /// The log-in that waits for a second factor of an account that has none, of whose owner it is known that they read its mail, where
    /// a code was mailed.
    async fn enrols(
        &self,
        client: &ClientPolicy,
        (token, mailed): (&str, Option<&str>),
        requester: &Requester,
    ) -> Result<Found, Error> {
        let Self(engine) = self;
        let found = engine.waiting(client, Purpose::Enrolment, token, requester).await?;
        if engine.authn().held(found.account.id).await?.has_factor() {
            return Err(Refusal::LogInLapsed.into());
        }
        if found.waiting.wants_mailed_code && found.token.solved_by.is_none() {
            let code = mailed.ok_or(Refusal::CodeWrong)?;
            let reserved = engine.authn().reserve_code(found.account.id, requester).await?;
            let _ = engine.solves(&found, (token, code), requester).await?;
            engine.authn().give_code_back(&reserved).await;
        }
        Ok(found)
    }
}
