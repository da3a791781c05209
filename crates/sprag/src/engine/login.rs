//! Log-in: a name and a password for a new session.

use super::pair::Told;
use super::{ClientPolicy, Engine, Requester, TokenPair};
use crate::account::{Account, Name};
use crate::audit::{Event, EventKind, NOBODY};
use crate::clock::Timestamp;
use crate::error::{Error, Fault, Refusal};
use crate::password::{Match, Password};
use crate::session::{AccountId, Epoch, Methods, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Opened, Opening, Rotated};
use crate::token::RefreshToken;

/// A request to log in.
#[derive(Clone, Copy, Debug)]
pub struct LogIn<'a> {
    /// A user name or e-mail address, as typed.
    pub name: &'a str,
    /// The password, as typed.
    pub password: &'a str,
    /// What the user calls the device.
    pub device: Option<&'a str>,
    /// The refresh token this device still has from before, if it shows one: that session gives way.
    pub superseded: Option<&'a str>,
}

impl Engine {
    /// Opens a session for whoever knows the password.
    ///
    /// An unknown name and a wrong password take the same path: the same work, the same entry in the journal, the
    /// same answer.
    ///
    /// # Errors
    /// [`Refusal::CredentialsInvalid`], [`Refusal::AccountDisabled`] (only to who knows the password),
    /// [`Refusal::PasswordRejected`] for a password nobody can have; a [`Fault`], busy if too many log in at once.
    pub async fn log_in(
        &self,
        client: &ClientPolicy,
        log_in: LogIn<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let password = Password::typed(log_in.password)?;
        let credential = match Name::either(log_in.name) {
            Ok(name) => self.store.credential(&name).await?,
            Err(_) => None,
        };
        let stored = credential.as_ref().map(|credential| credential.password_hash.clone());
        let matched = self.hasher.verify(password.clone(), stored).await?;
        let account = credential.as_ref().map_or(NOBODY, |credential| credential.account.id);
        let Some(credential) = credential.filter(|_| matched != Match::No) else {
            // On the account's chain, or on nobody's: both cost one write, so that time does not tell them apart.
            // The name that was typed is not recorded, for people type passwords there.
            let event = failed(account, requester, self.now(), "unknown name or wrong password");
            self.store.record(event).await?;
            return Err(Refusal::CredentialsInvalid.into());
        };
        let account = &credential.account;
        if account.disabled_at.is_some() {
            let event = failed(account.id, requester, self.now(), "the account is disabled");
            self.store.record(event).await?;
            return Err(Refusal::AccountDisabled.into());
        }
        if matched == Match::Outdated {
            self.renew(account.id, password, &credential.password_hash).await;
        }
        let superseded = match log_in.superseded {
            Some(text) => self.recognise(client, text, self.now()).await?,
            None => None,
        };
        let replaces = superseded.filter(|token| token.key.account == account.id);
        self.open(client, account, log_in.device, replaces, requester).await
    }

    /// Hashes a password anew with today's parameters. If that fails, the next log-in tries again.
    async fn renew(&self, account: AccountId, password: Password, old: &str) {
        let renewed = match self.hasher.hash(password, self.random.as_ref()).await {
            Ok(newer) => self.store.rehash(account, old, &newer, None).await.map(drop),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = renewed {
            tracing::warn!(%fault, %account, "an outdated password hash was not renewed");
        }
    }

    /// Opens a session for an account that has shown its credentials in the epoch that is given with it.
    pub(super) async fn open(
        &self,
        client: &ClientPolicy,
        account: &Account,
        device: Option<&str>,
        replaces: Option<RefreshToken>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let now = self.now();
        let key = self.key_of_new_session(account.id, now);
        let token = RefreshToken::first(client.profile, key, self.random.as_ref());
        let session = new_session(client, &token, account.epoch, requester, now);
        let session = Session { methods: Methods::PASSWORD, ..session };
        let told = Told::fresh(client, Rotated::of(&session), now);
        let opening = Opening {
            event: requester.event(key, EventKind::SessionOpened, now, None),
            detail: detail(requester, device),
            session,
            replaces: self.session_to_replace(replaces).await?,
            most: self.limits.sessions_per_account,
            // It may have come with more, and nobody is logged out by moving.
            spares_the_rest: account.particulars.external.is_some(),
        };
        match self.store.open(opening).await? {
            Opened::Open => Ok(self.new_pair(client, Some(account), &token, told, now)?),
            Opened::AccountMoved => Err(Refusal::CredentialsInvalid.into()),
        }
    }

    /// A tag alone is not enough to end a session: the token's secret must be the row's.
    async fn session_to_replace(&self, token: Option<RefreshToken>) -> Result<Option<SessionId>, Fault> {
        let Some(token) = token else { return Ok(None) };
        let found = self.store.find(token.key).await?;
        let is_its = |state: &crate::ratchet::SessionState| {
            state.session.secret_hash == token.secret_hash() && state.session.ended.is_none()
        };
        Ok(found.filter(is_its).map(|_| token.key.session))
    }
}

pub(super) fn new_session(
    client: &ClientPolicy,
    token: &RefreshToken,
    epoch: Epoch,
    requester: &Requester,
    now: Timestamp,
) -> Session {
    let begun = Session::begun(token.key, client.profile, token.secret_hash(), epoch, &client.policy, now);
    Session { instance_hash: requester.instance, ..begun }
}

pub(super) fn detail(requester: &Requester, device: Option<&str>) -> SessionDetail {
    SessionDetail {
        ip: requester.ip.clone(),
        user_agent: requester.user_agent.clone(),
        device: device.map(str::to_owned),
        ended_ip: None,
    }
}

fn failed(account: AccountId, requester: &Requester, at: Timestamp, why: &str) -> Event {
    let nowhere = SessionKey { account, session: SessionId(uuid::Uuid::nil()) };
    Event { session: None, ..requester.event(nowhere, EventKind::LoginFailed, at, Some(why.into())) }
}
