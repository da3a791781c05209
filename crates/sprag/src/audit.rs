//! The journal: the events worth remembering, and the hash chain that shows tampering.
//!
//! Each account's events form a chain of their own, so that no global chain serialises writes. An entry's
//! hash covers the entry before it; signed [`Checkpoint`]s bind all chains together from time to time.
//!
//! What tells of a person is covered by way of an HMAC under a salt of the entry's own ([`Cover`]), so that both can be erased
//! and the chain still holds. A signed [`Erasure`] accounts for each time that this was done.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::{AccountId, EndCause, SessionId};

mod cover;

pub use cover::{Cover, Salt};

/// The chain for what concerns no account, such as a log-in under a name that nobody has.
pub const NOBODY: AccountId = AccountId(Uuid::nil());

/// The hash before an account's first entry.
pub const CHAIN_START: Hash = [0; 32];

/// What an entry's note begins with where an administrator did it to somebody's account.
pub(crate) const BY_ADMINISTRATOR: &str = "by administrator ";

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
    /// How the hash covers what tells of a person.
    pub cover: Cover,
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

/// That what told of a person was erased from an account's chain, as somebody wanted it, under a tag made with a key that the
/// database does not hold.
///
/// Where entries of an earlier build were among them, whose hash covers addresses as they stand, the chain was made anew from the
/// first of those on, and the checkpoint of that number covers what the one before it covered, with this chain as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erasure {
    /// Its number, from 1.
    pub number: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Whose chain.
    pub account: AccountId,
    /// Up to which entry: the chain's last one then.
    pub last: u64,
    /// How many entries were chained anew; 0 where none had to be.
    pub chained_anew: u64,
    /// The hash of the last entry before.
    pub old_head: Hash,
    /// The hash of the last entry since; the same where none was chained anew.
    pub new_head: Hash,
    /// The checkpoint that was made along with it; 0 where none was chained anew. The one before it has the old root.
    pub checkpoint: u64,
    /// The tag of the erasure before it; zeroes for the first.
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
    /// An administrator invited somebody to make an account; this is the id that it will have.
    AccountInvited = "account_invited",
    /// An account came from another system.
    AccountImported = "account_imported",
    /// An account logs in under another name.
    AccountRenamed = "account_renamed",
    /// What is told of an account, or what it may do, was changed; where it administers others no more, its sessions ended.
    AccountChanged = "account_changed",
    /// An account was deleted; its sessions ended, and its names are free.
    AccountDeleted = "account_deleted",
    /// Its owner wants an account erased; its sessions ended, and a log-in before the day calls it off.
    DeletionAsked = "deletion_asked",
    /// An account is kept that was to be erased: its owner logged in, or used the link.
    DeletionCalledOff = "deletion_called_off",
    /// All that told of an account's owner was erased; its sessions ended, and what the journal keeps tells of nobody.
    AccountErased = "account_erased",
    /// An account was disabled; its sessions ended.
    AccountDisabled = "account_disabled",
    /// An account may log in again; its old sessions stay ended.
    AccountEnabled = "account_enabled",
    /// A password was changed; every session ended, and another took the place of the one that asked.
    PasswordChanged = "password_changed",
    /// A second factor was added.
    FactorAdded = "factor_added",
    /// A second factor was removed, by its owner or an administrator.
    FactorRemoved = "factor_removed",
    /// Recovery codes were made; those from before are good no longer.
    RecoveryCodesMade = "recovery_codes_made",
    /// A recovery code stood in for a second factor.
    RecoveryCodeUsed = "recovery_code_used",
    /// A passkey counted back when it was used: there may be a copy of it.
    PasskeyWentBack = "passkey_went_back",
    /// A letter could not be delivered, and nobody tries any more.
    LetterRefused = "letter_refused",
    /// Another system could not be told of an event, and nobody tries any more.
    WebhookRefused = "webhook_refused",
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
    /// Whether an administrator did it to somebody's account.
    #[must_use]
    pub fn is_by_administrator(&self) -> bool {
        self.note.as_deref().is_some_and(|note| note.starts_with(BY_ADMINISTRATOR))
    }

    /// How much this should worry its reader.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match (self.kind, self.cause) {
            (
                EventKind::SecretMismatch
                | EventKind::PasskeyWentBack
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
                | EventKind::LetterRefused
                | EventKind::RecoveryCodeUsed
                | EventKind::WebhookRefused
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

    /// Puts `event` at the end of this chain; the salt is random, and no other entry has it.
    ///
    /// A clock that went back does not show in the journal: an entry is never older than the one before it,
    /// or a checkpoint could not say which entries it covers.
    #[must_use]
    pub fn add(&self, mut event: Event, salt: Salt) -> Entry {
        event.at = event.at.max(self.at);
        Entry::chained(self.number + 1, event, self.hash, Some(salt))
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
        self.cover.holds(&self.event)
            && self.hash == self.cover.entry_hash(self.number, &self.event, &self.previous)
    }

    /// Whether what told of a person was erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        matches!(self.cover, Cover::Salted { salt: None, .. })
    }

    /// Whether nothing in it tells of a person that could be erased.
    #[must_use]
    pub fn tells_of_nobody(&self) -> bool {
        let Event { ip, user_agent, note, .. } = &self.event;
        ip.is_none() && user_agent.is_none() && note.is_none()
    }

    /// An entry under a salt, or one that an earlier build would have written where there is none.
    #[must_use]
    pub fn chained(number: u64, event: Event, previous: Hash, salt: Option<Salt>) -> Self {
        let cover = salt.map_or(Cover::Plain, |salt| Cover::salted(&event, salt));
        let hash = cover.entry_hash(number, &event, &previous);
        Self { number, event, previous, hash, cover }
    }

    /// This entry with nothing left that tells of a person; its hash still holds, but where an earlier build wrote what it told.
    #[must_use]
    pub fn erased(&self) -> Self {
        let cover = match self.cover {
            Cover::Salted { mac, .. } => Cover::Salted { mac, salt: None },
            Cover::Plain => Cover::Plain,
        };
        let event = Event { ip: None, user_agent: None, note: None, ..self.event.clone() };
        Self { event, cover, ..*self }
    }

    /// This entry erased and behind another one. What an earlier build wrote is covered under `salt`, which nobody keeps.
    #[must_use]
    pub fn erased_behind(&self, previous: Hash, salt: &Salt) -> Self {
        let mac = match self.cover {
            Cover::Salted { mac, .. } => mac,
            Cover::Plain => Cover::mac(&self.event, salt),
        };
        let erased = Self { cover: Cover::Salted { mac, salt: None }, previous, ..self.erased() };
        Self { hash: erased.cover.entry_hash(erased.number, &erased.event, &previous), ..erased }
    }
}
