//! Accounts and live sessions of another system.
//!
//! Importing twice is importing once: an account is known by its key in its former home, a session by its token. What
//! has moved on here since (a password that was changed, a session that ended) is never undone.

use std::borrow::Cow;

use super::account::about;
use super::login::detail;
use super::{Client, Engine, Terms};
use crate::account::{Account, Name, Particulars};
use crate::audit::EventKind;
use crate::chance;
use crate::clock::Timestamp;
use crate::error::{Fault, Refusal};
use crate::password::{NO_PASSWORD, check_hash};
use crate::session::{AccountId, EndCause, Epoch, Generation, Session, SessionKey};
use crate::store::{Adoption, NewAccount, Opened, Opening};
use crate::token::{ForeignToken, RefreshToken};

/// How many of an account's events are looked through for a session that was here before.
const EVENTS: u32 = 10_000;

/// An account that lived elsewhere before.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedUser<'a> {
    /// Its key in its former home.
    pub external_id: &'a str,
    /// Its user name, if it has one.
    pub username: Option<&'a str>,
    /// Its e-mail address, if it has one.
    pub email: Option<&'a str>,
    /// Its password hash, in any format of [`check_hash`]; empty if it never had a password.
    pub password_hash: &'a str,
    /// What people call its owner.
    pub name: Option<&'a str>,
    /// The owner's given name.
    pub given_name: Option<&'a str>,
    /// The owner's family name.
    pub family_name: Option<&'a str>,
    /// What it may do there.
    pub role: Option<&'a str>,
    /// Whether it may administer others here.
    pub is_admin: bool,
    /// Whether it may not log in.
    pub is_disabled: bool,
    /// When it was made there.
    pub created_at: Option<Timestamp>,
}

/// A session of another system, whose client has its refresh token.
#[derive(Clone, Copy, Debug)]
pub struct ImportedSession<'a> {
    /// The key of its user there.
    pub user: &'a str,
    /// What is known of its token.
    pub token: ForeignToken,
    /// When it was opened, or last turned.
    pub created_at: Option<Timestamp>,
    /// When its token expires.
    pub expires_at: Timestamp,
    /// Whether it is neither revoked nor inactive there.
    pub is_live: bool,
    /// The address that opened it.
    pub ip: Option<&'a str>,
    /// What its client called itself.
    pub user_agent: Option<&'a str>,
    /// What the user calls the device.
    pub device: Option<&'a str>,
}

/// What became of one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Imported {
    /// It is here now.
    New,
    /// An earlier import brought it; nothing was changed.
    AlreadyThere,
    /// It is over in its former home: expired, revoked or inactive. An import leaves such out, and that is no error.
    Over(&'static str),
    /// It was not taken, for this reason.
    Refused(Cow<'static, str>),
}

impl Engine {
    /// Makes an account as it was in its former home.
    ///
    /// # Errors
    /// A [`Fault`]; then nothing was made, or the same call finds it [`AlreadyThere`](Imported::AlreadyThere).
    pub async fn import_user(&self, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        let external = match self.look_at_user(&user).await? {
            Ok(new) => new,
            Err(outcome) => return Ok(outcome),
        };
        let name = external.names[0].clone();
        if self.store.create(external).await? {
            return Ok(Imported::New);
        }
        // Somebody else has made it, or taken its name, since it was looked at.
        let is_there = self.store.credential(&name).await?.is_some();
        Ok(if is_there { Imported::AlreadyThere } else { refused("another account has one of its names") })
    }

    /// What [`import_user`](Self::import_user) would say; writes nothing.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_user(&self, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        Ok(self.look_at_user(&user).await?.map_or_else(|outcome| outcome, |_| Imported::New))
    }

    /// Makes the session whose token of generation 0 is the other system's token.
    ///
    /// # Errors
    /// A [`Fault`], as [`import_user`](Self::import_user).
    pub async fn import_session(
        &self,
        terms: &Terms,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        if !session.is_live {
            self.end_unadopted(&session.token).await?;
        }
        let opening = match self.look_at_session(terms, &session).await? {
            Ok(opening) => opening,
            Err(outcome) => return Ok(outcome),
        };
        Ok(match self.store.open(opening).await? {
            Opened::Open => Imported::New,
            Opened::AccountMoved => refused(MOVED),
        })
    }

    /// What [`import_session`](Self::import_session) would say; writes nothing.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_session(
        &self,
        terms: &Terms,
        session: ImportedSession<'_>,
    ) -> Result<Imported, Fault> {
        Ok(self.look_at_session(terms, &session).await?.map_or_else(|outcome| outcome, |_| Imported::New))
    }

    async fn look_at_user(&self, user: &ImportedUser<'_>) -> Result<Result<NewAccount, Imported>, Fault> {
        let now = self.now();
        let id = AccountId(chance::id(self.chance.as_ref(), user.created_at.unwrap_or(now).min(now)));
        let new = match new_account(user, id, now) {
            Ok(new) => new,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if self.store.credential(&new.names[0]).await?.is_some() {
            return Ok(Err(Imported::AlreadyThere));
        }
        for name in &new.names[1..] {
            if self.store.credential(name).await?.is_some() {
                let what = format!("another account has this {}", kind_of(name));
                return Ok(Err(Imported::Refused(what.into())));
            }
        }
        Ok(Ok(new))
    }

    async fn look_at_session(
        &self,
        terms: &Terms,
        session: &ImportedSession<'_>,
    ) -> Result<Result<Opening, Imported>, Fault> {
        let now = self.now();
        if !session.is_live {
            return Ok(Err(Imported::Over("it is revoked or inactive there")));
        }
        if session.expires_at <= now {
            return Ok(Err(Imported::Over("it has expired")));
        }
        let Ok(external) = Name::external(session.user) else {
            return Ok(Err(refused("it names no user")));
        };
        let Some(account) = self.store.credential(&external).await?.map(|found| found.account) else {
            return Ok(Err(refused("its user is not here; import the users first")));
        };
        let id = session.token.session();
        if self.store.named(id).await?.is_some() {
            return Ok(Err(Imported::AlreadyThere));
        }
        if account.disabled_at.is_some() {
            return Ok(Err(Imported::Over("its account is disabled")));
        }
        if account.epoch != Epoch(0) {
            return Ok(Err(refused(MOVED)));
        }
        // It may have been here, ended and been swept away; what has ended stays so.
        let events = self.store.entries_of(account.id, EVENTS).await?;
        if events.iter().any(|entry| entry.event.session == Some(id)) {
            // Or somebody else has imported it since the row was looked for.
            let is_there = self.store.named(id).await?.is_some();
            let gone = refused("it was imported before and has ended since");
            return Ok(Err(if is_there { Imported::AlreadyThere } else { gone }));
        }
        Ok(Ok(opening(terms, session, &account, now)))
    }

    /// Ends a session that was revoked in its former home after it was imported, unless its client has come by.
    async fn end_unadopted(&self, token: &ForeignToken) -> Result<(), Fault> {
        let Some((session, _)) = self.store.named(token.session()).await? else { return Ok(()) };
        if session.secret_hash == token.placeholder() && session.ended.is_none() {
            let ending = Client::nobody().ending(EndCause::Revoked, self.now());
            self.store.end(session.key, ending).await?;
        }
        Ok(())
    }

    /// The token of generation 0 that another system's token stands for, if a session was imported for it.
    ///
    /// The first time, the session gets the secret that this very text makes; the verdict is the ratchet's.
    pub(super) async fn adopt(&self, terms: &Terms, text: &str) -> Result<Option<RefreshToken>, Fault> {
        let Some(foreign) = ForeignToken::new(text).filter(|_| terms.adopts) else { return Ok(None) };
        let Some((session, _)) = self.store.named(foreign.session()).await? else { return Ok(None) };
        if session.profile != terms.profile {
            return Ok(None);
        }
        let token = ForeignToken::as_first(text, terms.profile, session.key);
        let adoption = adoption(&session, &foreign, token.secret_hash());
        if adoption.applies_to(&session) {
            // Where somebody else was faster it was with the same text, and so with the same secret.
            self.store.adopt_session(adoption).await?;
        }
        Ok(Some(token))
    }
}

const MOVED: &str = "its account has changed its password or was disabled since it was imported";

fn refused(why: &'static str) -> Imported {
    Imported::Refused(why.into())
}

fn adoption(session: &Session, token: &ForeignToken, to: [u8; 32]) -> Adoption {
    Adoption { key: session.key, from: token.placeholder(), to }
}

fn kind_of(name: &Name) -> &'static str {
    if name.value.contains('@') { "e-mail address" } else { "user name" }
}

/// The account, its first name the key of its former home.
fn new_account(user: &ImportedUser<'_>, id: AccountId, now: Timestamp) -> Result<NewAccount, Imported> {
    let no = |refusal: Refusal| match refusal {
        Refusal::NameInvalid(why) => refused(why),
        other => Imported::Refused(other.to_string().into()),
    };
    // Systems that log in with e-mail addresses often keep them as the user name as well.
    let (username, email) = match (user.username, user.email) {
        (Some(username), None) if username.contains('@') => (None, Some(username)),
        (Some(username), Some(email)) if username.trim().eq_ignore_ascii_case(email.trim()) => {
            (None, Some(email))
        }
        names => names,
    };
    let mut names = vec![Name::external(user.external_id).map_err(no)?];
    names.extend(username.map(Name::username).transpose().map_err(no)?);
    names.extend(email.map(Name::email).transpose().map_err(no)?);
    if names.len() == 1 {
        return Err(refused("it has neither a user name nor an e-mail address"));
    }
    let password_hash = if user.password_hash.is_empty() { NO_PASSWORD } else { user.password_hash };
    check_hash(password_hash).map_err(|why| Imported::Refused(why.to_string().into()))?;
    let account = Account {
        id,
        username: username.map(|name| name.trim().to_owned()),
        email: email.map(|email| email.trim().to_owned()),
        is_admin: user.is_admin,
        disabled_at: user.is_disabled.then_some(now),
        epoch: Epoch(0),
        created_at: user.created_at.unwrap_or(now).min(now),
        particulars: particulars(user)?,
    };
    let event = about(id, EventKind::AccountImported, now, &Client::nobody(), None);
    Ok(NewAccount { account, names, password_hash: password_hash.to_owned(), event })
}

fn particulars(user: &ImportedUser<'_>) -> Result<Particulars, Imported> {
    let particular = |text| {
        super::account::particular(text)
            .map_err(|_| refused("a name or role has more than 255 bytes or a control character"))
    };
    Ok(Particulars {
        external_id: Some(user.external_id.to_owned()),
        role: particular(user.role)?,
        name: particular(user.name)?,
        given_name: particular(user.given_name)?,
        family_name: particular(user.family_name)?,
    })
}

fn opening(terms: &Terms, session: &ImportedSession<'_>, account: &Account, now: Timestamp) -> Opening {
    let client = Client {
        ip: session.ip.map(str::to_owned),
        user_agent: session.user_agent.map(str::to_owned),
        instance: [0; 16],
    };
    let created_at = session.created_at.unwrap_or(now).min(now);
    let expires_at = now.plus(terms.policy.absolute_lifetime);
    let key = SessionKey { account: account.id, session: session.token.session() };
    let row = Session {
        key,
        profile: terms.profile,
        generation: Generation(0),
        secret_hash: session.token.placeholder(),
        epoch: account.epoch,
        created_at,
        rotated_at: created_at,
        idle_expires_at: session.expires_at.min(expires_at),
        expires_at,
        retry_hash: None,
        instance_hash: client.instance,
        retries: 0,
        is_sealed: false,
        streak: 0,
        streak_generation: None,
        ended: None,
    };
    Opening {
        session: row,
        detail: detail(&client, session.device),
        replaces: None,
        // However many it had, nobody is logged out by moving.
        most: u32::MAX,
        event: client.event(key, EventKind::SessionImported, now, None),
    }
}
