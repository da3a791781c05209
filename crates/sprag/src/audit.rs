//! The journal: the events worth remembering, and the hash chain that shows tampering.
//!
//! Each account's events form a chain of their own, so that no global chain serialises writes. An entry's
//! hash covers the entry before it; signed [`Checkpoint`]s bind all chains together from time to time.

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::{AccountId, EndCause, SessionId};

/// The chain for what concerns no account, such as a log-in under a name that nobody has.
pub const NOBODY: AccountId = AccountId(Uuid::nil());

/// The hash before an account's first entry.
pub const CHAIN_START: Hash = [0; 32];

/// A link of the chain.
pub type Hash = [u8; 32];

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Whose chain it belongs to.
    pub account: AccountId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// To which session, if to one.
    pub session: Option<SessionId>,
    /// Why, where a session ended.
    pub cause: Option<EndCause>,
    /// From which address.
    pub ip: Option<String>,
    /// From which client, as it called itself.
    pub user_agent: Option<String>,
    /// What else a reader needs; never a secret.
    pub note: Option<String>,
}

/// An event in its place in the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its number in the account's chain, from 1 without a gap.
    pub number: u64,
    /// What happened.
    pub event: Event,
    /// The hash of the entry before.
    pub previous: Hash,
    /// The hash of this one.
    pub hash: Hash,
}

/// The end of a chain, to which the next entry is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Whose chain.
    pub account: AccountId,
    /// The number of its last entry; 0 before the first.
    pub number: u64,
    /// When its last entry was made.
    pub at: Timestamp,
    /// The hash of its last entry.
    pub hash: Hash,
}

/// What all chains came to at one moment, under a tag made with a key that the database does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Its number, from 1.
    pub number: u64,
    /// It covers the entries made before this moment.
    pub before: Timestamp,
    /// How many chains it covers.
    pub chains: u64,
    /// How many entries it covers.
    pub entries: u64,
    /// SHA-256 over all covered heads in the order of their accounts.
    pub root: Hash,
    /// The tag of the checkpoint before it; zeroes for the first.
    pub previous: Hash,
    /// The tag over all of the above.
    pub tag: Hash,
    /// The key that made the tag.
    pub key_id: u8,
}

/// That all chains lost their oldest entries, as somebody wanted it, under a tag made with a key that the database does not
/// hold.
///
/// Of each chain everything dated before a moment goes, but for the last entry that the newest checkpoint covered: by those the
/// checkpoint can still be verified. What is left of a chain begins with an entry that names the hash of the last one that is
/// gone, and all of those together are bound by the root. So a cut is as tamper-evident half way and done as before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Its number, from 1.
    pub number: u64,
    /// When it was decided on.
    pub at: Timestamp,
    /// Entries made before this moment go.
    pub before: Timestamp,
    /// Up to which moment the newest checkpoint covered the journal then.
    pub covered_before: Timestamp,
    /// How many chains have lost entries by now, by this cut or one before it.
    pub chains: u64,
    /// How many entries they have lost.
    pub entries: u64,
    /// SHA-256 over the last entry that each of them has lost, in the order of their accounts.
    pub root: Hash,
    /// The tag of the cut before it; zeroes for the first.
    pub previous: Hash,
    /// The tag over all of the above.
    pub tag: Hash,
    /// The key that made the tag.
    pub key_id: u8,
}

/// How much an event should worry its reader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Part of a normal day.
    Notice,
    /// Worth a look.
    Warning,
    /// Somebody should act.
    Critical,
}

impl Severity {
    /// Every severity, from the least.
    pub const ALL: &'static [Self] = &[Self::Notice, Self::Warning, Self::Critical];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What happened; the names are stable.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The stable name, as it stands in the store.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

event_kinds! {
    /// An account was made.
    AccountCreated = "account_created",
    /// An account came from another system.
    AccountImported = "account_imported",
    /// An account logs in under another name.
    AccountRenamed = "account_renamed",
    /// What is told of an account, or what it may do, was changed; where it administers others no more, its sessions ended.
    AccountChanged = "account_changed",
    /// An account was deleted; its sessions ended, and its names are free.
    AccountDeleted = "account_deleted",
    /// An account was disabled; its sessions ended.
    AccountDisabled = "account_disabled",
    /// An account may log in again; its old sessions stay ended.
    AccountEnabled = "account_enabled",
    /// A password was changed; every session ended, and another took the place of the one that asked.
    PasswordChanged = "password_changed",
    /// A log-in failed.
    LoginFailed = "login_failed",
    /// A log-in opened a session though it was unlike those before it.
    RiskyLogin = "risky_login",
    /// A log-in was too unlike those before it, so that none was opened though the password was right.
    LoginRefused = "login_refused",
    /// Requests came from places that are not let in.
    PlaceRefused = "place_refused",
    /// A log-in opened a session.
    SessionOpened = "session_opened",
    /// Somebody who was logged in showed once more who they are; a new session took the place of the one that asked.
    SteppedUp = "stepped_up",
    /// A session came from another system; its client still has that system's token.
    SessionImported = "session_imported",
    /// A session ended.
    SessionEnded = "session_ended",
    /// A session rotated; journalled only where the profile asks for it.
    SessionRotated = "session_rotated",
    /// Another client instance presented a token just spent.
    ForeignRetry = "foreign_retry",
    /// A token was presented by another client instance after an unknown one had spent it: its session's newest
    /// generation is contested.
    Contested = "contested",
    /// A request came twice, and another had turned its session in between; nothing ended.
    LateTwin = "late_twin",
    /// Another client instance did so for generations running.
    Lockstep = "lockstep",
    /// A token was ahead of the database, and the session went on from it.
    AheadAdopted = "ahead_adopted",
    /// A token's tag was right and its secret was not: the refresh key has leaked.
    SecretMismatch = "secret_mismatch",
    /// The key ring changed while the server ran.
    KeysChanged = "keys_changed",
    /// The clock jumped, and is not believed.
    ClockJumped = "clock_jumped",
    /// The clock is back where it was expected.
    ClockReturned = "clock_returned",
    /// A clock that had jumped is believed: it was steady, or an operator said that it is right.
    ClockBelieved = "clock_believed",
    /// A clock that had jumped was taken for want of another.
    ClockTaken = "clock_taken",
    /// The store is behind what was last seen of it: it went back.
    StoreWentBack = "store_went_back",
    /// A backup was put in place of the store.
    StoreRestored = "store_restored",
    /// An operator accepted that the store went back.
    StoreAccepted = "store_accepted",
}

impl EventKind {
    /// The kind that [`name`](Self::name) stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl Event {
    /// How much this should worry its reader.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match (self.kind, self.cause) {
            (
                EventKind::SecretMismatch
                | EventKind::AheadAdopted
                | EventKind::Lockstep
                | EventKind::Contested
                | EventKind::ClockTaken
                | EventKind::StoreWentBack
                | EventKind::StoreRestored,
                _,
            )
            | (EventKind::SessionEnded, Some(EndCause::Reuse | EndCause::Lockstep | EndCause::Ahead)) => {
                Severity::Critical
            }
            (
                EventKind::ForeignRetry
                | EventKind::LateTwin
                | EventKind::LoginFailed
                | EventKind::RiskyLogin
                | EventKind::LoginRefused
                | EventKind::PlaceRefused
                | EventKind::ClockJumped
                | EventKind::ClockBelieved
                | EventKind::StoreAccepted,
                _,
            ) => Severity::Warning,
            _ => Severity::Notice,
        }
    }
}

impl Head {
    /// The head of a chain that has no entry yet.
    #[must_use]
    pub fn new(account: AccountId) -> Self {
        Self { account, number: 0, at: Timestamp(i64::MIN), hash: CHAIN_START }
    }

    /// Puts `event` at the end of this chain.
    ///
    /// A clock that went back does not show in the journal: an entry is never older than the one before it,
    /// or a checkpoint could not say which entries it covers.
    #[must_use]
    pub fn add(&self, mut event: Event) -> Entry {
        event.at = event.at.max(self.at);
        let number = self.number + 1;
        let hash = entry_hash(number, &event, &self.hash);
        Entry { number, event, previous: self.hash, hash }
    }
}

impl Entry {
    /// The head of a chain that ends with this entry.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { account: self.event.account, number: self.number, at: self.event.at, hash: self.hash }
    }

    /// Whether this entry's hash is what its content and the entry before demand.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.hash == entry_hash(self.number, &self.event, &self.previous)
    }
}

/// SHA-256 over everything an entry says, each field under its length, so that no two entries read alike.
fn entry_hash(number: u64, event: &Event, previous: &Hash) -> Hash {
    let mut context = Context::new(&SHA256);
    let mut field = |bytes: Option<&[u8]>| match bytes {
        None => context.update(&u32::MAX.to_be_bytes()),
        Some(bytes) => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
            context.update(&length.to_be_bytes());
            context.update(bytes);
        }
    };
    field(Some(b"sprag event v1"));
    field(Some(previous));
    field(Some(event.account.0.as_bytes()));
    field(Some(&number.to_be_bytes()));
    field(Some(&event.at.0.to_be_bytes()));
    field(Some(event.kind.name().as_bytes()));
    field(event.session.as_ref().map(|id| id.0.as_bytes().as_slice()));
    field(event.cause.map(|cause| cause.name().as_bytes()));
    field(event.ip.as_deref().map(str::as_bytes));
    field(event.user_agent.as_deref().map(str::as_bytes));
    field(event.note.as_deref().map(str::as_bytes));
    let mut hash = CHAIN_START;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
