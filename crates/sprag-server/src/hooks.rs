//! Hooks by HTTP: what a profile's other systems are asked, and how they answer.
//!
//! Each request is signed as a webhook is, and bounded; nothing of it is queued, tried again or logged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sprag::account::Account;
use sprag::clock::Clock;
use sprag::hooks::{AsksClaims, BeforeLogin, Hooks, LoginAsked, OldAccount, OldAccounts};
use sprag::random::{self, SystemRandom};
use sprag::session::SessionId;
use sprag::{Fault, seldom};
use url::Url;

use crate::moment;
use crate::outgoing::{Outgoing, shown};
use crate::profile::{HookTargets, Profile};

/// How long a decision may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long the old system may take; the library waits no longer either.
const PATIENCE_OF_OLD: Duration = Duration::from_millis(1500);

const BEFORE_LOGIN: &str = "ask whether somebody may log in";
const CLAIMS: &str = "ask what an access token shall say";
const OLD_ACCOUNT: &str = "ask the old system for an account";

/// Another system that is asked.
struct Asked {
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
    url: Url,
    /// On behalf of which profile.
    profile: String,
}

/// Asks whether somebody may log in.
struct AsksBeforeLogin {
    asked: Asked,
    /// Whether they may where nobody answers.
    lets_in: bool,
}

/// Asks what access tokens say.
struct AsksForClaims(Asked);

/// Asks the system whose accounts come here one by one.
struct AsksOldSystem(Asked);

#[derive(Deserialize)]
struct Decided {
    decision: Decision,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Allow,
    Refuse,
}

#[derive(Deserialize)]
struct Said {
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Known {
    account: Option<OldAccount>,
}

/// What a profile has asked.
pub(crate) fn of_profile(profile: &Profile, outgoing: &Outgoing, clock: &Arc<dyn Clock>) -> Hooks {
    let HookTargets { before_login, claims, old_accounts } = &profile.hooks;
    let asked = |url: &Url| Asked {
        outgoing: outgoing.clone(),
        clock: Arc::clone(clock),
        url: url.clone(),
        profile: profile.name.clone(),
    };
    Hooks {
        before_login: before_login
            .as_ref()
            .map(|(url, lets_in)| Arc::new(AsksBeforeLogin { asked: asked(url), lets_in: *lets_in }) as _),
        claims: claims
            .as_ref()
            .map(|(url, when_away)| (Arc::new(AsksForClaims(asked(url))) as _, *when_away)),
        old_accounts: old_accounts.as_ref().map(|url| Arc::new(AsksOldSystem(asked(url))) as _),
    }
}

impl Asked {
    /// Asks, and reads the answer. What went wrong names neither the question nor the answer.
    async fn ask<T: DeserializeOwned>(
        &self,
        (doing, kind): (&'static str, &str),
        data: Value,
        patience: Duration,
    ) -> Result<T, Fault> {
        let now = self.clock.now();
        let body = json!({ "type": kind, "timestamp": moment::rfc3339(now), "data": data });
        let id = random::id(&SystemRandom::default(), now).simple();
        let body = Bytes::from(body.to_string());
        let at_seconds = now.0.div_euclid(1000);
        let asked = self.outgoing.post(&self.url, (&format!("msg_{id}"), at_seconds), body, patience).await;
        let reply = asked.map_err(|error| Fault::unavailable(doing, error))?;
        if !reply.is_success() {
            let why = format!("{} answers {}", shown(&self.url), reply.status);
            return Err(Fault::unavailable(doing, why));
        }
        serde_json::from_slice(&reply.body).map_err(|_| {
            Fault::unavailable(
                doing,
                format!("{} answers something else than was asked for", shown(&self.url)),
            )
        })
    }
}

#[async_trait]
impl BeforeLogin for AsksBeforeLogin {
    async fn may_log_in(&self, login: &LoginAsked<'_>) -> Result<bool, Fault> {
        let data = json!({
            "profile": self.asked.profile,
            "account": told_of(login.account),
            "methods": login.methods,
            "device": login.device,
            "is_on_known_device": login.is_on_known_device,
            "ip": login.requester.ip,
            "user_agent": login.requester.user_agent,
        });
        match self.asked.ask::<Decided>((BEFORE_LOGIN, "before_login"), data, PATIENCE).await {
            Ok(decided) => Ok(decided.decision == Decision::Allow),
            Err(fault) if self.lets_in => {
                if let Some(left_out) = seldom::left_out(BEFORE_LOGIN) {
                    let why = fault.source.as_ref().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(
                        left_out,
                        "nobody said whether somebody may log in, and so they may: {why}"
                    );
                }
                Ok(true)
            }
            Err(fault) => Err(fault),
        }
    }
}

#[async_trait]
impl AsksClaims for AsksForClaims {
    async fn claims(
        &self,
        account: &Account,
        session: Option<SessionId>,
    ) -> Result<Map<String, Value>, Fault> {
        let data = json!({
            "profile": self.0.profile,
            "account": told_of(account),
            "session_id": session.map(|session| session.0),
        });
        let said = self.0.ask::<Said>((CLAIMS, "access_token_claims"), data, PATIENCE).await?;
        Ok(said.claims)
    }
}

#[async_trait]
impl OldAccounts for AsksOldSystem {
    async fn with_password(&self, name: &str, password: &str) -> Result<Option<OldAccount>, Fault> {
        let data = json!({ "profile": self.0.profile, "name": name, "password": password });
        let known = self.0.ask::<Known>((OLD_ACCOUNT, "old_account_login"), data, PATIENCE_OF_OLD).await?;
        Ok(known.account)
    }

    async fn of_name(&self, name: &str) -> Result<Option<OldAccount>, Fault> {
        let data = json!({ "profile": self.0.profile, "name": name });
        let known = self.0.ask::<Known>((OLD_ACCOUNT, "old_account_exists"), data, PATIENCE_OF_OLD).await?;
        Ok(known.account)
    }
}

/// What a hook is told of an account.
fn told_of(account: &Account) -> Value {
    json!({
        "id": account.id.0,
        "external_id": account.particulars.external.as_ref().map(|external| &external.id),
        "username": account.username,
        "email": account.email,
        "email_verified": account.email_confirmed_at().is_some(),
        "is_admin": account.is_admin,
        "role": account.role(),
        "name": account.particulars.name,
        "given_name": account.particulars.given_name,
        "family_name": account.particulars.family_name,
        "language": account.particulars.language,
    })
}
