//! The storage promises. Whoever brings a store of their own implements these traits and runs [`contract`].
//!
//! Each method is one transaction: it acknowledges only what is committed, and where it takes an [`Event`] the
//! journal's entry is part of that transaction. A method that fails has changed nothing, or the store will
//! show what it changed to whoever looks next; it never acknowledges what may still be lost.

use std::time::Duration;

use async_trait::async_trait;

use crate::account::{Account, Name};
use crate::audit::{Checkpoint, Entry, Event, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::Fingerprint;
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{
    AccountId, EndCause, Epoch, Methods, SecretHash, Session, SessionDetail, SessionId, SessionKey,
};

pub mod contract;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use schema::Migrated;

/// How many ended sessions of one account are kept, however recently they ended.
///
/// Whoever opens a session, by a log-in or a password change, removes those beyond it that ended longest ago, with
/// what people read of them; the journal stays. So an account has at most this many rows besides its live ones and
/// those the sweep has yet to end, and looking through them all, as an opening does, takes a bounded time
/// however fast somebody logs in.
pub const MAX_ENDED_KEPT: u32 = 1000;

/// Everything the engine needs of a store.
#[async_trait]
pub trait Store: Sessions + Accounts + Journal + Rings {
    /// Whether the store can be reached and its schema is the one this build expects.
    ///
    /// # Errors
    /// A [`Fault`] that says what is wrong.
    async fn ready(&self) -> Result<(), Fault>;
}

/// Sessions, one row each.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Stores a new session, if its account still stands as it did when its credentials were verified.
    ///
    /// Its own event comes first in the journal, then one for each session that ends for it. Of the ended ones
    /// then [`MAX_ENDED_KEPT`] stay, unless [`Opening::most`] is no bound.
    async fn open(&self, opening: Opening) -> Result<Opened, Fault>;

    /// Finds a session together with the state of its account.
    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault>;

    /// Turns a row where [`Rotation::applies_to`] holds; `None` where it does not. Never inserts but the event.
    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault>;

    /// Notes that a spent token came back where [`Retried::applies_to`] holds; `None` where it does not.
    async fn retry(&self, retried: Retried, event: Option<Event>) -> Result<Option<Rotated>, Fault>;

    /// Gives an imported session its secret, where [`TokenBinding::applies_to`] holds; `false` where it does not. Nothing
    /// else of the row changes, so an ended one stays ended.
    async fn bind_imported_token(&self, binding: TokenBinding) -> Result<bool, Fault>;

    /// Ends a session; `false` if there is none or it had ended, and then nothing is journalled.
    async fn end(&self, key: SessionKey, ending: Ending) -> Result<bool, Fault>;

    /// Ends all of an account's live sessions, but `except`; returns how many.
    async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        ending: Ending,
    ) -> Result<u64, Fault>;

    /// An account's sessions, ended ones too, oldest first, at most `limit`, after `after`.
    async fn of(
        &self,
        account: AccountId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault>;

    /// The session of that id, whoever's it is.
    async fn named(&self, session: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault>;

    /// Goes through one slice of all sessions in the order of their keys: ends what has expired, each with its
    /// event, and removes what ended [`Slice::keep_ended`] ago. A slice has at least one row.
    async fn sweep(&self, slice: Slice) -> Result<Swept, Fault>;
}

/// Accounts and the names that lead to them.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account; `false` if one of its names is taken.
    async fn create(&self, new: NewAccount) -> Result<bool, Fault>;

    /// Finds an account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault>;

    /// Finds the account a name leads to, with its password hash.
    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault>;

    /// Finds an account's password hash.
    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault>;

    /// Accounts in the order they were made, at most `limit`, after `after`.
    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Fault>;

    /// Disables an account and ends its sessions with [`EndCause::Disabled`]; moves its epoch.
    /// `false` if there is none or it was disabled.
    async fn disable(&self, account: AccountId, event: Event) -> Result<bool, Fault>;

    /// Lets an account log in again; its ended sessions stay ended. `false` if there is none or it was enabled.
    async fn enable(&self, account: AccountId, event: Event) -> Result<bool, Fault>;

    /// Replaces the password, moves the epoch, ends every session and opens one in place of that which asked, if
    /// everything still stands as [`PasswordChange`] says. Of the ended ones then [`MAX_ENDED_KEPT`] stay.
    async fn change_password(&self, change: PasswordChange) -> Result<PasswordChanged, Fault>;

    /// Replaces a password hash, if it is still `old`; epoch and sessions stay. Without an event where it is one of the
    /// same password with newer parameters.
    async fn rehash(
        &self,
        account: AccountId,
        old: &str,
        new: &str,
        event: Option<Event>,
    ) -> Result<bool, Fault>;

    /// Those of the accounts from `first` to `last`, in the order of their ids, that have no password.
    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault>;
}

/// The append-only journal.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds an event to its account's chain.
    async fn record(&self, event: Event) -> Result<(), Fault>;

    /// An account's newest entries, newest first, at most `limit`.
    async fn entries_of(&self, account: AccountId, limit: u32) -> Result<Vec<Entry>, Fault>;

    /// Whether one of the first `until` entries of an account's journal tells of a session. It looks through all of
    /// them.
    async fn mentions(&self, session: SessionKey, until: u64) -> Result<bool, Fault>;

    /// All entries in the order of account and number, at most `limit`, after `after`.
    async fn entries(&self, after: Option<(AccountId, u64)>, limit: u32) -> Result<Vec<Entry>, Fault>;

    /// Each account's last entry made before `before`, in the order of accounts, at most `limit`, after `after`.
    async fn heads(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Head>, Fault>;

    /// The last checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Fault>;

    /// Checkpoints by number, at most `limit`, after `after`.
    async fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<Checkpoint>, Fault>;

    /// Stores a checkpoint; `false` if its number is taken. From then on no entry is dated before the moment it
    /// covers, whatever a clock says, or the checkpoint would seem broken.
    async fn add_checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, Fault>;
}

/// Which key rings the store's tokens were made with. A node whose ring shares no key with them would refuse everybody.
#[async_trait]
pub trait Rings: Send + Sync {
    /// Notes the keys of a ring, if none are known yet or one of its own is; `false` otherwise, and then nothing is
    /// noted. A ring without keys tells so whether any are known.
    async fn admit(&self, ring: Vec<Fingerprint>, at: Timestamp) -> Result<bool, Fault>;

    /// Notes the keys of a ring, and forgets all others: for a ring that is lost.
    async fn replace(&self, ring: Vec<Fingerprint>, at: Timestamp) -> Result<(), Fault>;
}

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its row; `epoch` is the one under which the credentials were verified.
    pub session: Session,
    /// What people read of it.
    pub detail: SessionDetail,
    /// The session of the same account on the same device whose place it takes, if there is one: ends with
    /// [`EndCause::Replaced`].
    pub replaces: Option<SessionId>,
    /// How many live sessions the account may have, this one included; the longest unused give way. [`u32::MAX`] is no
    /// bound: nothing is looked for that would give way or be removed.
    pub most: u32,
    /// Whether just one session gives way where there are too many: the one that it replaces, or else the longest
    /// unused. The account may have brought more than `most` from the source system, and nobody is logged out by moving.
    pub spares_the_rest: bool,
    /// What is journalled of it.
    pub event: Event,
}

impl Opening {
    /// How many sessions may give way to it, besides the one that it replaces; whether that one lived until then is for
    /// the store to see in the same transaction, or log-ins at one moment would all take the place of one.
    fn may_give_way(&self, has_replaced_a_live_one: bool) -> usize {
        match (self.spares_the_rest, has_replaced_a_live_one) {
            (false, _) => usize::MAX,
            (true, true) => 0,
            (true, false) => 1,
        }
    }
}

/// What opening came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// It is open.
    Open,
    /// The account has moved on since its credentials were verified; nothing was stored.
    AccountMoved,
}

/// What a write to a row leaves for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// When the session ends unless it turns before.
    pub idle_expires_at: Timestamp,
    /// When the session ends at the latest.
    pub expires_at: Timestamp,
    /// When its user last showed who they are.
    pub authenticated_at: Timestamp,
    /// How they did.
    pub methods: Methods,
}

impl Rotated {
    /// What a row leaves for the answer as it stands.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let Session { idle_expires_at, expires_at, authenticated_at, methods, .. } = *session;
        Self { idle_expires_at, expires_at, authenticated_at, methods }
    }

    /// When the session ends unless it turns before, and in any case.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.idle_expires_at.min(self.expires_at)
    }
}

/// The first time that a client presents the token of the source system: only that token makes the new secret, so the
/// row could not have it before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenBinding {
    /// The session.
    pub key: SessionKey,
    /// What its row has had in place of a secret's hash since it was imported.
    pub from: SecretHash,
    /// SHA-256 of its secret from now on.
    pub to: SecretHash,
}

impl TokenBinding {
    /// Whether the row is still as it was imported.
    #[must_use]
    pub fn applies_to(&self, session: &Session) -> bool {
        session.key == self.key && session.secret_hash == self.from
    }
}

/// How sessions are ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Why.
    pub cause: EndCause,
    /// When.
    pub at: Timestamp,
    /// By whom, as seen from here.
    pub ip: Option<String>,
    /// By which program, as it called itself.
    pub user_agent: Option<String>,
    /// What else the journal should say.
    pub note: Option<String>,
}

impl Ending {
    /// The journal's event for one session that ends so.
    #[must_use]
    pub fn event(&self, key: SessionKey) -> Event {
        Event {
            account: key.account,
            at: self.at,
            kind: crate::audit::EventKind::SessionEnded,
            session: Some(key.session),
            cause: Some(self.cause),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            note: self.note.clone(),
        }
    }

    /// An ending that nobody asked for in person.
    #[must_use]
    pub fn by_itself(cause: EndCause, at: Timestamp) -> Self {
        Self { cause, at, ip: None, user_agent: None, note: None }
    }

    /// An ending that follows from what `event` tells: the same moment, address and client.
    #[must_use]
    pub fn along_with(event: &Event, cause: EndCause) -> Self {
        Self { cause, at: event.at, ip: event.ip.clone(), user_agent: event.user_agent.clone(), note: None }
    }
}

/// A slice of all sessions to sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Where the slice before ended.
    pub after: Option<SessionKey>,
    /// How many rows to look at.
    pub rows: u32,
    /// What counts as expired.
    pub now: Timestamp,
    /// How long an ended session is kept, so that its client can be told the cause.
    pub keep_ended: Duration,
}

/// What sweeping a slice came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Rows looked at.
    pub seen: u64,
    /// Sessions ended because they had expired.
    pub ended: u64,
    /// Ended sessions removed.
    pub removed: u64,
    /// Where the next slice begins; `None` at the end.
    pub next: Option<SessionKey>,
}

impl Slice {
    /// Ended sessions that ended at this moment or before are removed.
    #[must_use]
    pub fn removes_until(&self) -> Timestamp {
        self.now.minus(self.keep_ended)
    }
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The account.
    pub account: Account,
    /// The names that lead to it.
    pub names: Vec<Name>,
    /// Its password hash (PHC string).
    pub password_hash: String,
    /// What is journalled of it.
    pub event: Event,
}

/// An account and what its password must match.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The account.
    pub account: Account,
    /// Its password hash (PHC string).
    pub password_hash: String,
}

/// A new password and what it does to the account's sessions.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// Whose.
    pub account: AccountId,
    /// The epoch under which the present password was verified; the account must still be in it.
    pub verified_under: Epoch,
    /// The new password's hash (PHC string).
    pub password_hash: String,
    /// The session that asked for it, which must not have ended.
    pub replaced: SessionId,
    /// The one that takes its place, in the epoch that the change begins.
    pub successor: Box<Session>,
    /// What people read of the new one.
    pub detail: SessionDetail,
    /// How all the sessions from before end.
    pub ending: Ending,
    /// What is journalled of it.
    pub event: Event,
}

/// What a password change came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordChanged {
    /// It is done.
    Done,
    /// The account or the session has moved on meanwhile; nothing was changed.
    Moved,
}
