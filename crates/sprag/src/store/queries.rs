//! What is read of accounts and sessions besides a refresh's own row.

use async_trait::async_trait;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use super::CredentialKind;
use super::{CredentialId, Kept};
use crate::account::{Account, Name};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, Session, SessionDetail, SessionId, SessionKey};

/// Looks at accounts and sessions.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Finds an account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault>;

    /// Finds the account a name leads to, with its password hash: the one that has it as its name, or else the only one
    /// that has a name of an earlier build in this [form](Name::form_today).
    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault>;

    /// The names that have this name's form today, and whose they are: that name itself, and those that an earlier build
    /// made.
    async fn alike(&self, name: &Name) -> Result<Vec<(Name, AccountId)>, Fault>;

    /// Names that an earlier build made and that have another form today, or none, with whose they are.
    async fn names_of_earlier_builds(&self, slice: Slice<Name>) -> Result<Vec<(Name, AccountId)>, Fault>;

    /// Names of one kind whose value begins as this one's does, in the order of their bytes, with whose they are.
    async fn names_beginning(
        &self,
        beginning: &Name,
        slice: Slice<String>,
    ) -> Result<Vec<(Name, AccountId)>, Fault>;

    /// Those of these accounts that there are, in whatever order.
    async fn accounts_among(&self, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault>;

    /// Finds an account with its password hash.
    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault>;

    /// What one of an account's credentials is verified with, if it has that one.
    async fn secret_of(&self, account: AccountId, id: CredentialId) -> Result<Option<Vec<u8>>, Fault>;

    /// An account's second factors and what goes with them ([`OF_FACTORS`](super::CredentialKind::OF_FACTORS)), with what each is verified with, in
    /// the order of their kinds' names and ids.
    async fn factors_of(&self, account: AccountId) -> Result<Vec<(CredentialId, Vec<u8>)>, Fault>;

    /// Accounts in the order they were made.
    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>, Fault>;

    /// Those of the accounts from `first` to `last`, in the order of their ids, that have no password.
    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault>;

    /// Accounts that were to be erased by then, those that are due longest first.
    async fn erasures_due(&self, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Fault>;

    /// What is kept of an account besides its own row, its sessions and its journal.
    async fn kept(&self, account: AccountId) -> Result<Kept, Fault>;

    /// An account's sessions, ended ones too, in the order of their ids.
    async fn of(
        &self,
        account: AccountId,
        slice: Slice<SessionId>,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault>;

    /// The session of that key.
    async fn session(&self, key: SessionKey) -> Result<Option<(Session, SessionDetail)>, Fault>;

    /// The session of that id, whoever's it is. On spread tables every server is asked, unless it was
    /// [imported](SessionId::is_imported); who knows the account asks for its [`session`](Self::session).
    async fn named(&self, session: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault>;
}

/// A part of a listing: everything that is listed is read so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice<K> {
    /// The last one of the slice before; `None` at the beginning.
    pub after: Option<K>,
    /// How many at most.
    pub limit: u32,
}

impl<K> Slice<K> {
    /// The first slice of a listing.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The slice after that one; the first where there is none.
    #[must_use]
    pub fn after(after: Option<K>, limit: u32) -> Self {
        Self { after, limit }
    }
}

/// An account and what its password must match.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The account.
    pub account: Account,
    /// Its password hash (PHC string, or that of the system it was imported from), if it has a password.
    pub password_hash: Option<String>,
}

/// The kind of that name, if it is a second factor or goes with one.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) fn kind_of_factor(name: &str) -> Option<CredentialKind> {
    CredentialKind::OF_FACTORS.into_iter().find(|kind| kind.name() == name)
}

/// A text behind everything that begins with `beginning`, in the order of bytes: no name has that character.
pub(super) fn behind(beginning: &str) -> String {
    format!("{beginning}\u{10FFFF}")
}

/// The account that somebody means by what they typed.
pub(crate) async fn meant_by(
    store: &(impl Queries + ?Sized),
    typed: &str,
) -> Result<Option<Credential>, Fault> {
    for name in Name::meant_by(typed) {
        if let Some(found) = store.credential(&name).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Of those who have a name alike, the one that it leads to: whose name it is, or else the only one. Where two names of
/// earlier builds have become one, each is found by its own spelling, and by no other.
pub(super) fn the_one_meant(name: &Name, alike: &[(Name, AccountId)]) -> Option<AccountId> {
    let same = alike.iter().find(|(like, _)| like == name);
    match (same, alike) {
        (Some((_, id)), _) | (None, [(_, id)]) => Some(*id),
        _ => None,
    }
}
