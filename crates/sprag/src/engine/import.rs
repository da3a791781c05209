//! A stand-in for the engine's side of an import, of the shape that it will have.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use super::login::new_session;
use super::{Client, Engine, Terms};
use crate::account::{Account, Name};
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::error::{Fault, Refusal};
use crate::session::{AccountId, Epoch, SessionDetail, SessionId, SessionKey};
use crate::store::{NewAccount, Opened, Opening};
use crate::token::{ForeignToken, RefreshToken};

/// An account that lived elsewhere before.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedUser<'a> {
    /// What its former home calls it.
    pub external_id: &'a str,
    /// Its user name.
    pub username: Option<&'a str>,
    /// Its e-mail address.
    pub email: Option<&'a str>,
    /// Its password's hash.
    pub password_hash: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its given name.
    pub given_name: Option<&'a str>,
    /// Its family name.
    pub family_name: Option<&'a str>,
    /// Its role.
    pub role: Option<&'a str>,
    /// Whether it administers others.
    pub is_admin: bool,
    /// Whether it may not log in.
    pub is_disabled: bool,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// A live session of a home-made system.
#[derive(Clone, Debug)]
pub struct ImportedSession<'a> {
    /// External id of its user.
    pub user: &'a str,
    /// Its token.
    pub token: ForeignToken,
    /// When it was opened.
    pub created_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it lives.
    pub is_live: bool,
    /// Its address.
    pub ip: Option<&'a str>,
    /// Its browser.
    pub user_agent: Option<&'a str>,
    /// Its device.
    pub device: Option<&'a str>,
}

/// What an import of one came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Imported {
    /// It is in.
    New,
    /// It was in.
    AlreadyThere,
    /// It is not, and why.
    Refused(Cow<'static, str>),
}

fn id(label: &str, bytes: &[u8]) -> Uuid {
    let hash = digest(&SHA256, &[label.as_bytes(), bytes].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_random_bytes(id).into_uuid()
}

impl Engine {
    /// Takes an account in.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn import_user(&self, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        match self.preview_user(user).await? {
            Imported::New => {}
            other => return Ok(other),
        }
        let now = self.now();
        let account = Account {
            id: AccountId(id("user", user.external_id.as_bytes())),
            username: user.username.map(str::to_owned),
            email: user.email.map(str::to_owned),
            is_admin: user.is_admin,
            disabled_at: user.is_disabled.then_some(now),
            epoch: Epoch(0),
            created_at: user.created_at.unwrap_or(now),
        };
        let names = [user.username.map(Name::username), user.email.map(Name::email)];
        let event = event(account.id, EventKind::AccountCreated, now);
        let names = names.into_iter().flatten().flatten().collect();
        let new = NewAccount { account, names, password_hash: user.password_hash.to_owned(), event };
        let is_new = self.store.create(new).await?;
        if is_new { Ok(Imported::New) } else { Ok(Imported::Refused(Refusal::NameTaken.to_string().into())) }
    }

    /// What [`import_user`](Self::import_user) would say.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_user(&self, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        let names = [user.username.map(Name::username), user.email.map(Name::email)];
        let names = match names.into_iter().flatten().collect::<Result<Vec<_>, _>>() {
            Ok(names) => names,
            Err(refusal) => return Ok(Imported::Refused(refusal.to_string().into())),
        };
        if names.is_empty() {
            return Ok(Imported::Refused("an account needs a user name or an e-mail address".into()));
        }
        if !user.password_hash.starts_with('$') {
            return Ok(Imported::Refused("the password hash is of no kind that is known".into()));
        }
        let account = AccountId(id("user", user.external_id.as_bytes()));
        if self.store.account(account).await?.is_some() {
            return Ok(Imported::AlreadyThere);
        }
        for name in &names {
            if self.store.credential(name).await?.is_some() {
                return Ok(Imported::Refused(Refusal::NameTaken.to_string().into()));
            }
        }
        Ok(Imported::New)
    }

    /// Takes a session in.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn import_session(
        &self,
        terms: &Terms,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        match self.preview_session(terms, session.clone()).await? {
            Imported::New => {}
            other => return Ok(other),
        }
        let account = AccountId(id("user", session.user.as_bytes()));
        let key = SessionKey { account, session: SessionId(id("session", &session.token.hash())) };
        let token = RefreshToken::first(terms.profile, key, self.chance.as_ref());
        let client = Client { ip: None, user_agent: None, instance: Default::default() };
        let row = new_session(terms, &token, Epoch(0), &client, self.now());
        let own = |text: Option<&str>| text.map(str::to_owned);
        let detail = SessionDetail {
            ip: own(session.ip),
            user_agent: own(session.user_agent),
            device: own(session.device),
            ended_ip: None,
        };
        let event =
            Event { session: Some(key.session), ..event(account, EventKind::SessionOpened, self.now()) };
        let most = self.limits.sessions_per_account;
        match self.store.open(Opening { session: row, detail, replaces: None, most, event }).await? {
            Opened::Open => Ok(Imported::New),
            Opened::AccountMoved => Ok(Imported::Refused("its user is disabled".into())),
        }
    }

    /// What [`import_session`](Self::import_session) would say.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_session(
        &self,
        _terms: &Terms,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        if !session.is_live {
            return Ok(Imported::Refused("it was revoked".into()));
        }
        if session.expires_at <= self.now() {
            return Ok(Imported::Refused("it has expired".into()));
        }
        let account = AccountId(id("user", session.user.as_bytes()));
        if self.store.account(account).await?.is_none() {
            return Ok(Imported::Refused("its user was not imported".into()));
        }
        let named = self.store.named(SessionId(id("session", &session.token.hash()))).await?;
        Ok(if named.is_some() { Imported::AlreadyThere } else { Imported::New })
    }
}

fn event(account: AccountId, kind: EventKind, at: Timestamp) -> Event {
    Event { account, at, kind, session: None, cause: None, ip: None, user_agent: None, note: None }
}
