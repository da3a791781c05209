//! Accounts and live sessions of another system.
//!
//! Importing twice is importing once: an account is known by the page and its key in the system whose place the page took,
//! a session by its token. What has moved on here since (a password that was changed, a session that ended) is never
//! undone.

use std::borrow::Cow;

use super::account::about;
use super::login::detail;
use super::{Client, Engine, Terms};
use crate::account::{Account, External, Name, Particulars};
use crate::audit::EventKind;
use crate::chance;
use crate::clock::Timestamp;
use crate::error::{Fault, Refusal};
use crate::password::{NO_PASSWORD, Unusable, check_hash, is_todays};
use crate::session::{AccountId, EndCause, Epoch, Generation, ProfileId, Session, SessionKey};
use crate::store::{Adoption, Credential, NewAccount, Opened, Opening};
use crate::token::{First, ForeignToken, RefreshToken};

/// How much is kept of what a client or a user called itself, in bytes.
const MAX_LABEL_BYTES: usize = 256;

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
    /// An earlier import brought it. Of a user who has changed nothing here, what changed there was taken over: that it
    /// may not log in, and another password hash.
    AlreadyThere,
    /// It is over in its former home: expired, revoked or inactive. An import leaves such out, and that is no error.
    Over(&'static str),
    /// It is here now, but without a password, as its hash cannot be verified for this reason.
    WithoutPassword(String),
    /// It was not taken, for this reason.
    Refused(Cow<'static, str>),
}

/// What a look at a user came to.
enum Looked {
    /// It is to be made; and why it has no password, if its hash cannot be verified.
    New(Box<NewAccount>, Option<Unusable>),
    /// It is here.
    There(Box<Credential>),
    Outcome(Imported),
}

impl Engine {
    /// Makes an account as it was in the system whose place the page took.
    ///
    /// # Errors
    /// A [`Fault`]; then nothing was made, or the same call finds it [`AlreadyThere`](Imported::AlreadyThere).
    pub async fn import_user(&self, terms: &Terms, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        let (new, unusable) = match self.look_at_user(terms, &user).await? {
            Looked::New(new, unusable) => (new, unusable),
            Looked::There(found) => {
                self.take_over(&found, &user).await?;
                return Ok(Imported::AlreadyThere);
            }
            Looked::Outcome(outcome) => return Ok(outcome),
        };
        let name = new.names[0].clone();
        if self.store.create(*new).await? {
            return Ok(made(unusable));
        }
        // Somebody else has made it, or taken its name, since it was looked at.
        let is_there = self.store.credential(&name).await?.is_some();
        Ok(if is_there { Imported::AlreadyThere } else { refused("another account has one of its names") })
    }

    /// What [`import_user`](Self::import_user) would say; writes nothing.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_user(&self, terms: &Terms, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        Ok(match self.look_at_user(terms, &user).await? {
            Looked::New(_, unusable) => made(unusable),
            Looked::There(_) => Imported::AlreadyThere,
            Looked::Outcome(outcome) => outcome,
        })
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
            self.end_unadopted(terms, &session.token).await?;
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

    async fn look_at_user(&self, terms: &Terms, user: &ImportedUser<'_>) -> Result<Looked, Fault> {
        let now = self.now();
        let id = AccountId(chance::id(self.chance.as_ref(), user.created_at.unwrap_or(now).min(now)));
        let (new, unusable) = match new_account(terms.profile, user, id, now) {
            Ok(new) => new,
            Err(outcome) => return Ok(Looked::Outcome(outcome)),
        };
        let (external, names) = (&new.names[0], &new.names[1..]);
        if let Some(found) = self.store.credential(external).await? {
            let is_same = names_of(&found.account).any(|name| names.contains(&name));
            return Ok(if is_same {
                Looked::There(Box::new(found))
            } else {
                Looked::Outcome(refused("its key is that of another account, which has other names"))
            });
        }
        for name in names {
            if self.store.credential(name).await?.is_some() {
                let what = format!("another account has this {}", kind_of(name));
                return Ok(Looked::Outcome(Imported::Refused(what.into())));
            }
        }
        Ok(Looked::New(Box::new(new), unusable))
    }

    /// Takes over what changed in the former home, where nothing has changed here: no password, and no log-in that made
    /// the hash anew.
    async fn take_over(&self, found: &Credential, user: &ImportedUser<'_>) -> Result<(), Fault> {
        let (account, stored) = (&found.account, found.password_hash.as_str());
        if account.epoch != Epoch(0) {
            return Ok(());
        }
        let is_as_imported = stored == NO_PASSWORD || !is_todays(stored);
        if is_as_imported && stored != user.password_hash && check_hash(user.password_hash).is_ok() {
            self.store.rehash(account.id, stored, user.password_hash).await?;
        }
        if user.is_disabled {
            let event = about(account.id, EventKind::AccountDisabled, self.now(), &Client::nobody(), None);
            self.store.disable(account.id, event).await?;
        }
        Ok(())
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
        let Ok(external) = Name::external(terms.profile, session.user) else {
            return Ok(Err(refused("it names no user")));
        };
        let Some(account) = self.store.credential(&external).await?.map(|found| found.account) else {
            return Ok(Err(refused("its user is not here; import the users first")));
        };
        let key = SessionKey { account: account.id, session: session.token.session(terms.profile) };
        if self.store.named(key.session).await?.is_some() {
            return Ok(Err(Imported::AlreadyThere));
        }
        if account.disabled_at.is_some() {
            return Ok(Err(Imported::Over("its account is disabled")));
        }
        if account.epoch != Epoch(0) {
            return Ok(Err(refused(MOVED)));
        }
        // It may have been here, ended and been swept away; what has ended stays so.
        if self.store.mentions(key).await? {
            // Or somebody else has imported it since the row was looked for.
            let is_there = self.store.named(key.session).await?.is_some();
            let gone = refused("it was imported before and has ended since");
            return Ok(Err(if is_there { Imported::AlreadyThere } else { gone }));
        }
        let placeholder = session.token.placeholder(terms.profile, account.id, &self.keys.load(), now);
        Ok(Ok(opening(terms, session, key, placeholder, now)))
    }

    /// Ends a session that was revoked in its former home after it was imported, unless its client has come by.
    async fn end_unadopted(&self, terms: &Terms, token: &ForeignToken) -> Result<(), Fault> {
        let Some((session, _)) = self.store.named(token.session(terms.profile)).await? else { return Ok(()) };
        let now = self.now();
        if session.ended.is_none() && token.is_unadopted(&session, &self.keys.load(), now) {
            self.store.end(session.key, Client::nobody().ending(EndCause::Revoked, now)).await?;
        }
        Ok(())
    }

    /// The token of generation 0 that another system's token stands for, if a session was imported for it.
    ///
    /// The first time, the session gets the secret that this very text makes; the verdict is the ratchet's.
    pub(super) async fn adopt(&self, terms: &Terms, text: &str) -> Result<Option<RefreshToken>, Fault> {
        let Some((first, session)) = self.find_foreign(terms, text).await? else { return Ok(None) };
        if first.is_unadopted {
            let (from, to) = (session.secret_hash, first.token.secret_hash());
            // Where somebody else was faster it was with the same text, and so with the same secret.
            self.store.adopt_session(Adoption { key: session.key, from, to }).await?;
        }
        Ok(Some(first.token))
    }

    /// The session that a text is a token of, ours or another system's, and the generation it stands for. Nothing
    /// changes: another system's token counts only as long as its session lives.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn whose(&self, terms: &Terms, text: &str) -> Result<Option<(SessionKey, Generation)>, Fault> {
        let now = self.now();
        if let Some(token) = self.parse(terms, text, now) {
            return Ok(Some((token.key, token.generation)));
        }
        let found = self.find_foreign(terms, text).await?;
        let live = found.filter(|(_, session)| {
            session.ended.is_none() && now < session.expires_at && now < session.idle_expires_at
        });
        Ok(live.map(|(first, _)| (first.token.key, first.token.generation)))
    }

    async fn find_foreign(&self, terms: &Terms, text: &str) -> Result<Option<(First, Session)>, Fault> {
        let Some(foreign) = ForeignToken::new(text).filter(|_| terms.adopts) else { return Ok(None) };
        let found = self.store.named(foreign.session(terms.profile)).await?;
        let Some((session, _)) = found.filter(|(session, _)| session.profile == terms.profile) else {
            return Ok(None);
        };
        let first = foreign.recognise(text, &session, &self.keys.load(), self.now());
        Ok(first.map(|first| (first, session)))
    }
}

const MOVED: &str = "its account has changed its password or was disabled since it was imported";

fn made(unusable: Option<Unusable>) -> Imported {
    unusable.map_or(Imported::New, |why| Imported::WithoutPassword(why.to_string()))
}

fn refused(why: &'static str) -> Imported {
    Imported::Refused(why.into())
}

fn kind_of(name: &Name) -> &'static str {
    if name.value.contains('@') { "e-mail address" } else { "user name" }
}

/// The names that an account logs in with.
fn names_of(account: &Account) -> impl Iterator<Item = Name> {
    let names = [account.username.as_deref(), account.email.as_deref()];
    names.into_iter().flatten().filter_map(|name| Name::either(name).ok())
}

/// The account, its first name the key of its former home; and why it has no password, if its hash is of no use.
fn new_account(
    page: ProfileId,
    user: &ImportedUser<'_>,
    id: AccountId,
    now: Timestamp,
) -> Result<(NewAccount, Option<Unusable>), Imported> {
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
    let mut names = vec![Name::external(page, user.external_id).map_err(no)?];
    names.extend(email.map(Name::email).transpose().map_err(no)?);
    match username.map(Name::either) {
        // Whoever has an e-mail address logs in with that; the user name is shown as it was.
        None | Some(Err(_)) if email.is_some() => {}
        None => return Err(refused("it has neither a user name nor an e-mail address")),
        Some(name) => names.push(name.map_err(no)?),
    }
    names.dedup();
    let (password_hash, unusable) = match check_hash(user.password_hash) {
        Ok(()) => (user.password_hash, None),
        Err(Unusable::NoPassword) => (NO_PASSWORD, None),
        Err(_) if user.password_hash.is_empty() => (NO_PASSWORD, None),
        Err(why) => (NO_PASSWORD, Some(why)),
    };
    let account = Account {
        id,
        username: username.map(|name| name.trim().to_owned()),
        email: email.map(|email| email.trim().to_owned()),
        is_admin: user.is_admin,
        disabled_at: user.is_disabled.then_some(now),
        // Enabling it one day must not let in a session from before, so it is as if it had been disabled here.
        epoch: Epoch(i64::from(user.is_disabled)),
        created_at: user.created_at.unwrap_or(now).min(now),
        particulars: particulars(page, user)?,
    };
    let event = about(id, EventKind::AccountImported, now, &Client::nobody(), None);
    Ok((NewAccount { account, names, password_hash: password_hash.to_owned(), event }, unusable))
}

fn particulars(page: ProfileId, user: &ImportedUser<'_>) -> Result<Particulars, Imported> {
    let particular = |text| {
        super::account::particular(text)
            .map_err(|_| refused("a name or role has more than 255 bytes or a control character"))
    };
    Ok(Particulars {
        external: Some(External { page, id: user.external_id.to_owned() }),
        role: particular(user.role)?,
        name: particular(user.name)?,
        given_name: particular(user.given_name)?,
        family_name: particular(user.family_name)?,
    })
}

fn opening(
    terms: &Terms,
    session: &ImportedSession<'_>,
    key: SessionKey,
    placeholder: [u8; 32],
    now: Timestamp,
) -> Opening {
    let client =
        Client { ip: session.ip.map(label), user_agent: session.user_agent.map(label), instance: [0; 16] };
    let device = session.device.map(label);
    let created_at = session.created_at.unwrap_or(now).min(now);
    let begun = Session::begun(key, terms.profile, placeholder, Epoch(0), &terms.policy, now);
    let row = Session {
        created_at,
        rotated_at: created_at,
        idle_expires_at: session.expires_at.min(begun.expires_at),
        ..begun
    };
    Opening {
        session: row,
        detail: detail(&client, device.as_deref()),
        replaces: None,
        // However many it had, nobody is logged out by moving.
        most: u32::MAX,
        event: client.event(key, EventKind::SessionImported, now, None),
    }
}

/// A text from elsewhere as it may stand in a journal or on a terminal.
fn label(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).collect();
    while kept.len() > MAX_LABEL_BYTES {
        kept.pop();
    }
    kept
}
