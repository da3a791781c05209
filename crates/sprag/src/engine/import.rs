//! Accounts and live sessions of another system.
//!
//! Importing twice is importing once: an account is known by the profile and its key in the system whose place the profile took,
//! a session by its token. What has moved on here since (a password that was changed, a session that ended) is never
//! undone.

use std::borrow::Cow;

use super::commits::{self, NewAccount};
use super::{ClientPolicy, Engine, Requester};
use crate::account::{Account, External, Name, NameKind, Particulars, language};
use crate::audit::EventKind;
use crate::clock::Timestamp;
use crate::error::{Fault, Refusal};
use crate::factor::FactorKind;
use crate::password::Unusable;
use crate::random;
use crate::session::{AccountId, Epoch, ProfileId};
use crate::store::{Credential, number};
use crate::token::ForeignToken;

mod changes;
mod factors;
mod names;
mod sessions;

use changes::Changes;
use factors::BY_IMPORT;
pub(super) use factors::BroughtFactors;
pub use names::{NameKept, SameNames};
pub use sessions::Run;

/// An account that lived elsewhere before.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedUser<'a> {
    /// Its key in the source system.
    pub external_id: &'a str,
    /// Its user name, if it has one.
    pub username: Option<&'a str>,
    /// Its e-mail address, if it has one.
    pub email: Option<&'a str>,
    /// Its password hash, in any format of [`check_hash`](crate::password::check_hash); empty if it never had a password.
    pub password_hash: &'a str,
    /// Its seed of time-based codes, in base32 or as an `otpauth://` URI, if it has one that is in use.
    pub totp_secret: Option<&'a str>,
    /// The hashes of its recovery codes, each SHA-256 or one that a password may have.
    pub recovery_codes: &'a [String],
    /// What people call its owner.
    pub name: Option<&'a str>,
    /// The owner's given name.
    pub given_name: Option<&'a str>,
    /// The owner's family name.
    pub family_name: Option<&'a str>,
    /// In which language they are written to: a tag such as `de` or `pt-BR`.
    pub language: Option<&'a str>,
    /// What it may do there.
    pub role: Option<&'a str>,
    /// Whether it may administer others here; `None` where the source system does not say, which is a no for one who is new.
    pub is_admin: Option<bool>,
    /// Whether it may not log in.
    pub is_disabled: bool,
    /// When it was made there.
    pub created_at: Option<Timestamp>,
    /// Whether a user name that looks like an e-mail address is only told, until [`Imports::claim_user_name`] asks for it
    /// after all addresses have been taken in.
    pub claims_later: bool,
    /// Names of it that another user of the source keeps, whoever of them comes first.
    pub left_to_others: &'a [NameKept],
}

/// A session of another system, whose client has its refresh token.
#[derive(Clone, Copy, Debug)]
pub struct ImportedSession<'a> {
    /// The key of its user there.
    pub user: &'a str,
    /// What is known of its token.
    pub token: ForeignToken,
    /// When it was opened, or last rotated.
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
    /// An earlier import brought it, and it is as it was.
    AlreadyThere,
    /// An earlier import brought it, and it has no password here still, as its hash cannot be verified for this reason.
    StillWithoutPassword(String),
    /// An earlier import brought it; what has changed there since is so here now, too: of a user, what it is called, its role
    /// and whether it administers others, unless that was changed here; of one who has changed nothing here, that it may
    /// not log in, and another password hash; of a session whose client has not presented its token, that it is over.
    Changed(Cow<'static, str>),
    /// It is over in the source system (expired, revoked or inactive), or its user was deleted here. An import leaves such
    /// out, and that is no error.
    Over(&'static str),
    /// It is here now, but without a password, as its hash cannot be verified for this reason.
    WithoutPassword(String),
    /// The other outcome is its own, and it has to do without names that other accounts keep.
    WithoutName(Box<Imported>, Vec<NameKept>),
    /// It was not taken, for this reason.
    Refused(Cow<'static, str>),
}

/// Who is known by a key of the source system.
enum Known {
    /// This account.
    Account(Box<Credential>),
    /// One that was deleted here; its key stays taken, so that no import brings it back.
    Deleted,
    Nobody,
}

/// Why a user is left out who was deleted here.
const DELETED: &str = "it was deleted here, and stays so";

/// How often a user is looked at whose names are taken while it is made.
const LOOKS: usize = 3;

/// What a look at a user came to.
enum Looked {
    /// It is to be made; and why it has no password, if its hash cannot be verified.
    New(Box<NewAccount>, Option<Unusable>, Vec<NameKept>),
    /// It is here; how it would be made if it were not; and why the hash it has there is of no use, if it is not.
    There(Box<Credential>, Box<Account>, Option<Unusable>, Vec<NameKept>),
    Outcome(Imported),
}

/// Brings in accounts and live sessions of another system. From [`Engine::imports`].
#[derive(Clone, Copy, Debug)]
pub struct Imports<'a>(pub(super) &'a Engine, pub(super) SlowHashes, pub(super) SameNames);

/// What becomes of a password hash whose comparison takes more than half a second of this machine's time: each log-in with it,
/// and each try, keeps a hashing thread that long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SlowHashes {
    /// It is left out, and its user taken without a password.
    #[default]
    LeftOut,
    /// It is taken like any other.
    Taken,
}

impl Imports<'_> {
    /// Answers otherwise to password hashes that are slow on this machine. By default they are left out.
    #[must_use]
    pub fn slow_hashes(self, slow: SlowHashes) -> Self {
        Self(self.0, slow, self.2)
    }

    /// Answers otherwise to users who have a name of another account. By default they are refused.
    #[must_use]
    pub fn same_names(self, same: SameNames) -> Self {
        Self(self.0, self.1, same)
    }

    /// Makes an account as it was in the system whose place the profile took.
    ///
    /// # Errors
    /// A [`Fault`]; then nothing was made, or the same call finds it [`AlreadyThere`](Imported::AlreadyThere).
    pub async fn user(&self, client: &ClientPolicy, user: ImportedUser<'_>) -> Result<Imported, Fault> {
        for _ in 0..LOOKS {
            match self.look_at_user(client, &user).await? {
                Looked::New(new, unusable, kept) => {
                    let (account, mut commit) = (new.account.id, new.commit());
                    if let Ok(Some(brought)) = BroughtFactors::of(&user) {
                        commit.steps.extend(self.bringing(account, &brought));
                        let note = Some(format!("{}, {}", FactorKind::Totp.name(), BY_IMPORT));
                        let (kind, now) = (EventKind::FactorAdded, self.0.now());
                        commit.events.push(Requester::nobody().event_of_account(account, kind, now, note));
                    }
                    if NewAccount::is_made(self.0.store.commit(commit).await?)? {
                        return Ok(names::without(made(unusable), kept));
                    }
                    // Somebody else has made it, or taken its name, since it was looked at.
                }
                Looked::There(found, account, unusable, kept) => {
                    let changes = self.take_over(&found, &account, &user, unusable.is_none()).await?;
                    return Ok(names::without(there(&found, &changes, unusable), kept));
                }
                Looked::Outcome(outcome) => return Ok(outcome),
            }
        }
        Ok(refused("another account has one of its names"))
    }

    /// What [`user`](Self::user) would say; writes nothing.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_user(
        &self,
        client: &ClientPolicy,
        user: ImportedUser<'_>,
    ) -> Result<Imported, Fault> {
        Ok(match self.look_at_user(client, &user).await? {
            Looked::New(_, unusable, kept) => names::without(made(unusable), kept),
            Looked::There(found, account, unusable, kept) => {
                let changes = self.changes(&found, &account, &user, unusable.is_none()).await?;
                names::without(there(&found, &changes, unusable), kept)
            }
            Looked::Outcome(outcome) => outcome,
        })
    }

    async fn look_at_user(&self, client: &ClientPolicy, user: &ImportedUser<'_>) -> Result<Looked, Fault> {
        if let Err(outcome) = BroughtFactors::of(user) {
            return Ok(Looked::Outcome(outcome));
        }
        let now = self.0.now();
        let id = AccountId(random::id(self.0.random.as_ref(), user.created_at.unwrap_or(now).min(now)));
        let hash = self.usable(user.password_hash).await?;
        let (mut new, unusable) = match new_account(client.profile, user, hash, id, now) {
            Ok(new) => new,
            Err(outcome) => return Ok(Looked::Outcome(outcome)),
        };
        let names = new.names.split_off(1);
        let left = self.left_to_others(client, user).await?;
        left.iter().for_each(|left| names::leave_out(&mut new, left.told_as));
        match self.known_by(&new.names[0]).await? {
            Known::Account(found) => {
                return self.look_again(client, user, &names, (*found, new.account, unusable)).await;
            }
            Known::Deleted => return Ok(Looked::Outcome(Imported::Over(DELETED))),
            Known::Nobody => {}
        }
        let mut kept = left.clone();
        for name in names {
            let told_as = names::told_as(user, &name);
            let is_left = left.iter().any(|left| left.told_as == told_as);
            let other = if is_left { None } else { self.0.store.credential(&name).await? };
            match other {
                // Another import has brought this very user since its key was looked for.
                Some(other) if other.account.external_id(client.profile) == Some(user.external_id) => {
                    return Ok(Looked::There(Box::new(other), Box::new(new.account), unusable, kept));
                }
                Some(_) if self.2 == SameNames::Refused => {
                    let what = format!("another account has this {}", kind_of(&name));
                    return Ok(Looked::Outcome(Imported::Refused(what.into())));
                }
                Some(other) => {
                    names::leave_out(&mut new, told_as);
                    kept.push(kept_by(client, user, &name, &other.account));
                }
                None if is_left => {}
                None => new.names.push(name),
            }
        }
        match self.numbered_here(client, user.external_id).await? {
            Some(why) => Ok(Looked::Outcome(Imported::Refused(why.into()))),
            None => Ok(Looked::New(Box::new(new), unusable, kept)),
        }
    }

    /// The names that a user leaves to others of the source. One who was deleted here, or whose key cannot be taken, never
    /// gets them, and so they are left to nobody.
    async fn left_to_others(
        &self,
        client: &ClientPolicy,
        user: &ImportedUser<'_>,
    ) -> Result<Vec<NameKept>, Fault> {
        let mut left = Vec::new();
        for name in user.left_to_others {
            let is_gone = match name.by.as_deref().map(|by| Name::external(client.profile, by)) {
                Some(Ok(by)) => matches!(self.known_by(&by).await?, Known::Deleted),
                Some(Err(_)) => true,
                None => false,
            };
            left.extend((!is_gone).then(|| name.clone()));
        }
        Ok(left)
    }

    /// A look at a user who is here already.
    async fn look_again(
        &self,
        client: &ClientPolicy,
        user: &ImportedUser<'_>,
        names: &[Name],
        (found, there, unusable): (Credential, Account, Option<Unusable>),
    ) -> Result<Looked, Fault> {
        let own: Vec<_> = names_of(&found.account).collect();
        // One that had to do without all its names is known by its key alone.
        let is_nameless = own.is_empty() && self.2 == SameNames::LeftOut;
        let is_known = is_nameless || own.iter().any(|name| names.contains(name));
        if !is_known && !self.is_renamed_by_hand(&found.account).await? {
            let what = "its key is that of another account, which has other names";
            return Ok(Looked::Outcome(refused(what)));
        }
        let lacking: Vec<_> = names.iter().filter(|name| !own.contains(name)).collect();
        let mut kept = Vec::new();
        for name in lacking {
            let other = self.0.store.credential(name).await?;
            let other = other.filter(|other| other.account.id != found.account.id);
            kept.extend(other.map(|other| kept_by(client, user, name, &other.account)));
        }
        Ok(Looked::There(Box::new(found), Box::new(there), unusable, kept))
    }

    /// Why a new user's key cannot be taken, if it is a number among those that new accounts get here.
    async fn numbered_here(&self, client: &ClientPolicy, key: &str) -> Result<Option<String>, Fault> {
        let Some(number) = number(key) else { return Ok(None) };
        let numbering =
            self.0.store.numbering(client.profile).await?.filter(|numbering| numbering.has(number));
        Ok(numbering.map(|numbering| {
            format!(
                "its key is not below {}, where those of new accounts of this profile begin; set next-id-floor above all keys \
                 that the source system hands out, start the server once, and import again",
                numbering.floor
            )
        }))
    }

    /// Who is known by a key of the source system.
    async fn known_by(&self, external: &Name) -> Result<Known, Fault> {
        let store = &self.0.store;
        if let Some(found) = store.credential(external).await? {
            return Ok(Known::Account(Box::new(found)));
        }
        if store.alike(external).await?.is_empty() {
            return Ok(Known::Nobody);
        }
        // Or another import has brought it since it was looked for.
        let found = store.credential(external).await?;
        Ok(found.map_or(Known::Deleted, |found| Known::Account(Box::new(found))))
    }

    /// Whether passwords can be compared with that hash here, and in a time that was allowed.
    async fn usable(&self, hash: &str) -> Result<Result<(), Unusable>, Fault> {
        match self.1 {
            SlowHashes::LeftOut => self.0.hasher.check_cost(hash).await,
            SlowHashes::Taken => Ok(self.0.hasher.check(hash)),
        }
    }

    /// Has the user name of an account lead to it where that looks like an e-mail address, other than its own; `false` if it
    /// leads to somebody else. Whoever has an address as their e-mail address comes before who has it as a user name, so
    /// this is asked when all of them have been taken in.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn claim_user_name(
        &self,
        client: &ClientPolicy,
        user: ImportedUser<'_>,
    ) -> Result<bool, Fault> {
        let Some((id, name)) = self.user_name_of(client, &user).await? else { return Ok(true) };
        let step = commits::add_name(id, name.clone());
        if self.0.store.commit(step).await?.is_done() {
            return Ok(true);
        }
        let alike = self.0.store.alike(&name).await?;
        Ok(alike.iter().any(|(_, owner)| *owner == id))
    }

    /// What [`claim_user_name`](Self::claim_user_name) would say; writes nothing.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn preview_user_name(
        &self,
        client: &ClientPolicy,
        user: ImportedUser<'_>,
    ) -> Result<bool, Fault> {
        let Some(Ok(name)) = user.username.map(Name::either) else { return Ok(true) };
        let found = self.0.store.credential(&name).await?;
        Ok(found.is_none_or(|found| found.account.external_id(client.profile) == Some(user.external_id)))
    }

    /// The account that an import brought, and its user name, if it is one that looks like an e-mail address.
    async fn user_name_of(
        &self,
        client: &ClientPolicy,
        user: &ImportedUser<'_>,
    ) -> Result<Option<(AccountId, Name)>, Fault> {
        let name = user.username.and_then(|name| Name::either(name).ok());
        let external = Name::external(client.profile, user.external_id);
        let (Some(name), Ok(external)) = (name.filter(|name| name.kind == NameKind::Email), external) else {
            return Ok(None);
        };
        let found = self.0.store.credential(&external).await?;
        Ok(found.map(|found| (found.account.id, name)))
    }
}

/// What becomes of a user who is here.
fn there(found: &Credential, changes: &Changes, unusable: Option<Unusable>) -> Imported {
    match (changes.why_not_all(), changes.sentence(), unusable) {
        (Some(why), ..) => refused(why),
        (None, Some(what), _) => Imported::Changed(what.into()),
        (None, None, Some(why)) if found.password_hash.is_none() => {
            Imported::StillWithoutPassword(why.to_string())
        }
        _ => Imported::AlreadyThere,
    }
}

fn made(unusable: Option<Unusable>) -> Imported {
    unusable.map_or(Imported::New, |why| Imported::WithoutPassword(why.to_string()))
}

fn refused(why: &'static str) -> Imported {
    Imported::Refused(why.into())
}

fn kind_of(name: &Name) -> &'static str {
    if name.value.contains('@') { "e-mail address" } else { "user name" }
}

fn kept_by(client: &ClientPolicy, user: &ImportedUser<'_>, name: &Name, by: &Account) -> NameKept {
    let by = by.external_id(client.profile).map(str::to_owned);
    NameKept { told_as: names::told_as(user, name), by }
}

/// The names that an account logs in with.
fn names_of(account: &Account) -> impl Iterator<Item = Name> {
    let names = [account.username.as_deref(), account.email.as_deref()];
    names.into_iter().flatten().filter_map(|name| Name::either(name).ok())
}

/// The account, its first name the key of the source system; and why it has no password, if its hash is of no use.
fn new_account(
    profile: ProfileId,
    user: &ImportedUser<'_>,
    hash: Result<(), Unusable>,
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
    let mut names = vec![Name::external(profile, user.external_id).map_err(no)?];
    names.extend(email.map(Name::email).transpose().map_err(no)?);
    match username.map(Name::either) {
        // Whoever has an e-mail address logs in with that; the user name is shown as it was.
        None | Some(Err(_)) if email.is_some() => {}
        None => return Err(refused("it has neither a user name nor an e-mail address")),
        Some(Ok(name)) if user.claims_later && name.kind == NameKind::Email && email.is_some() => {}
        Some(name) => names.push(name.map_err(no)?),
    }
    names.dedup();
    let (password_hash, unusable) = match hash {
        Ok(()) => (Some(user.password_hash.to_owned()), None),
        Err(Unusable::NoPassword) => (None, None),
        Err(_) if user.password_hash.is_empty() => (None, None),
        Err(why) => (None, Some(why)),
    };
    let account = Account {
        username: username.map(|name| name.trim().to_owned()),
        email: email.map(|email| email.trim().to_owned()),
        is_admin: user.is_admin.unwrap_or(false),
        disabled_at: user.is_disabled.then_some(now),
        // Enabling it one day must not let in a session from before, so it is as if it had been disabled here.
        epoch: Epoch(i64::from(user.is_disabled)),
        particulars: particulars(profile, user)?,
        ..Account::new(id, user.created_at.unwrap_or(now).min(now))
    };
    let event = Requester::nobody().event_of_account(id, EventKind::AccountImported, now, None);
    Ok((NewAccount { account, names, password_hash, event }, unusable))
}

fn particulars(profile: ProfileId, user: &ImportedUser<'_>) -> Result<Particulars, Imported> {
    let particular = |text| {
        crate::account::particular(text)
            .map_err(|_| refused("a name or role has more than 255 bytes or a control character"))
    };
    Ok(Particulars {
        external: Some(External { profile, id: user.external_id.to_owned() }),
        role: particular(user.role)?,
        name: particular(user.name)?,
        given_name: particular(user.given_name)?,
        family_name: particular(user.family_name)?,
        language: language(user.language)
            .map_err(|_| refused("a language that is no tag, such as de or pt-BR"))?,
    })
}
