//! The storage promises. Whoever brings a store of their own implements these traits and runs [`contract`].
//!
//! A refresh has statements made by hand ([`Sessions`]); everything else that is written is a [`Commit`] of [`Step`]s
//! ([`Commits`]), what is read stands in [`Queries`] and [`Journal`], and how often something may be
//! done in [`Budgets`]; one-time tokens and the outbox have [`OneTimeTokens`] and [`Outbox`]. Each method is one transaction: it acknowledges
//! only what is committed, and where it takes an [`Event`] the journal's entry is part of that transaction. A method that
//! fails has changed nothing, or the store will show what it changed to whoever looks next; it never acknowledges what may
//! still be lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::audit::{Checkpoint, Cut, Entry, Erasure, Event, Hash, Head};
use crate::clock::{Clock, Timestamp};
use crate::error::Fault;
use crate::high_water::Progress;
use crate::keys::Fingerprint;
use crate::observe::StoreObserved;
use crate::outages::{Marked, Marking};
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{AccountId, Methods, Session, SessionKey};

mod along;
mod budgets;
pub mod contract;
mod credentials;
mod daily_counts;
mod ending;
mod held_names;
mod kept;
mod live_sessions;
pub mod memory;
mod numbers;
mod one_time_tokens;
mod outbox;
#[cfg(feature = "postgres")]
pub mod postgres;
mod queries;
mod reference;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod steps;

pub use crate::budget::{BudgetState, Rate};
pub use along::{Along, AlongSlot, NameHash};
pub use budgets::{BudgetKey, Budgets, Wanted};
pub use credentials::{CredentialId, CredentialKind, Was};
pub use daily_counts::{CountKey, DailyCount, DailyCounts, RunId};
pub use ending::{Ending, Room};
pub use held_names::HeldNames;
pub use kept::{Kept, KeptMessage, KeptToken};
pub use live_sessions::{LiveSessions, SESSIONS_PER_ACCOUNT, SessionHistogram};
pub use numbers::{MAX_NUMBER, Numbering, Numbers, number};
pub use one_time_tokens::OneTimeTokens;
pub use outbox::Outbox;
pub(crate) use queries::meant_by;
pub use queries::{Credential, Queries, Slice};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use schema::Migrated;
pub use steps::{Commit, Commits, Committed, Expect, MAX_ENDED_KEPT, Step};

/// Everything the engine needs of a store.
#[async_trait]
pub trait Store:
    Sessions
    + Commits
    + Queries
    + Journal
    + Cuts
    + Erasures
    + Rings
    + Marks
    + Numbers
    + Budgets
    + DailyCounts
    + OneTimeTokens
    + Outbox
    + HeldNames
{
    /// Whether the store can be reached and its schema is the one this build expects.
    ///
    /// # Errors
    /// A [`Fault`] that says what is wrong.
    async fn ready(&self) -> Result<(), Fault>;

    /// From now on has `along` say what is written along with events, and with names that come to lead to nobody. A store that
    /// leaves this out tells no webhook of anything, and takes a name that was held for one that never was.
    fn writes_along(&self, _along: Arc<dyn Along>) {}

    /// How much longer a client's request takes because what is kept is kept far away, as last measured; whoever has a
    /// deadline for it adds this. Zero where the way is short.
    fn detour(&self) -> Duration {
        Duration::ZERO
    }

    /// The clock that everyone who works on the store goes by: one that all of them share, or verdicts would depend on
    /// whose clock is fast.
    fn clock(&self) -> Arc<dyn Clock>;

    /// Follows how far the store has come, as it is published after each commit or, at the latest, when
    /// [`count_commits`](Self::count_commits) is called; never ahead of what is durable. `None` in a store that does not
    /// outlive its process.
    fn progress(&self) -> Option<watch::Receiver<Progress>> {
        None
    }

    /// What is counted of its work, for whoever shows numbers. Nothing, in a store that counts nothing.
    fn observed(&self) -> StoreObserved {
        StoreObserved::default()
    }

    /// Counts what was committed here since this was last called, where that is not done with each commit.
    ///
    /// # Errors
    /// A [`Fault`]; then what was committed is counted the next time.
    async fn count_commits(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Notes as whom the node at a place signs access tokens, and says as whom others on the store have signed since then: they
    /// refuse each other's. Nobody else in a store that one process has to itself.
    ///
    /// # Errors
    /// A [`Fault`].
    async fn sign_as(&self, _place: &str, _issuer: &str, _since: Timestamp) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// Forgets what [`sign_as`](Self::sign_as) noted of a place: nobody signs there any more.
    ///
    /// # Errors
    /// A [`Fault`].
    async fn sign_no_more(&self, _place: &str) -> Result<(), Fault> {
        Ok(())
    }

    /// How far the store has come at this moment, read from it anew.
    ///
    /// # Errors
    /// A [`Fault`].
    async fn read_progress(&self) -> Result<Option<Progress>, Fault> {
        Ok(None)
    }

    /// Lets the store count on beyond `seen`, and remember since when somebody should be told that it went back: a store that
    /// went back, or one that somebody accepts as it is.
    ///
    /// # Errors
    /// A [`Fault`].
    async fn count_on(&self, _seen: u64, _went_back_at: Option<Timestamp>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Sessions as a refresh and the sweep see them: one row each, found by its key.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Finds a session together with the state of its account.
    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault>;

    /// Turns a row where [`Rotation::applies_to`] holds; `None` where it does not. Never inserts but the event.
    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault>;

    /// Notes that a spent token came back where [`Retried::applies_to`] holds; `None` where it does not.
    async fn retry(&self, retried: Retried, event: Option<Event>) -> Result<Option<Rotated>, Fault>;

    /// Goes through one slice of all sessions in the order of their keys: ends what has expired, each with its
    /// event, and removes what ended [`Sweep::keep_ended`] ago. A slice has at least one row.
    async fn sweep(&self, sweep: Sweep) -> Result<Swept, Fault>;
}

/// The append-only journal, which [`Commits`] and [`Sessions`] add to.
#[async_trait]
pub trait Journal: Send + Sync {
    /// An account's entries, newest first.
    async fn entries_of(&self, account: AccountId, slice: Slice<u64>) -> Result<Vec<Entry>, Fault>;

    /// Whether one of the first `until` entries of an account's journal tells of a session. It looks through all of
    /// them.
    async fn mentions(&self, session: SessionKey, until: u64) -> Result<bool, Fault>;

    /// All entries in the order of account and number.
    async fn entries(&self, slice: Slice<(AccountId, u64)>) -> Result<Vec<Entry>, Fault>;

    /// Entries of all accounts made at `since` or later, newest first: by moment, account and number. However long the
    /// journal is, a slice costs no more than its entries.
    async fn recent(
        &self,
        since: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault>;

    /// Entries of all accounts made before `before`, oldest first: by moment, account and number. However long the journal is, a
    /// slice costs no more than its entries.
    async fn by_time(
        &self,
        before: Timestamp,
        slice: Slice<(Timestamp, AccountId, u64)>,
    ) -> Result<Vec<Entry>, Fault>;

    /// Each account's last entry made before `before`, in the order of accounts.
    async fn heads(&self, before: Timestamp, slice: Slice<AccountId>) -> Result<Vec<Head>, Fault>;

    /// The last checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Fault>;

    /// Checkpoints by number.
    async fn checkpoints(&self, slice: Slice<u64>) -> Result<Vec<Checkpoint>, Fault>;

    /// Stores a checkpoint; `false` if its number is taken. From then on no entry is dated before the moment it
    /// covers, whatever a clock says, or the checkpoint would seem broken.
    async fn add_checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, Fault>;
}

/// What was cut off the beginnings of the journal's chains, and cutting it off: all that ever removes an entry.
#[async_trait]
pub trait Cuts: Send + Sync {
    /// Whether whoever asks may remove entries: the role that serves need not be allowed to.
    async fn may_cut(&self) -> Result<bool, Fault>;

    /// The first entry that each account still has, in the order of accounts.
    async fn beginnings(&self, slice: Slice<AccountId>) -> Result<Vec<Entry>, Fault>;

    /// The last cut.
    async fn last_cut(&self) -> Result<Option<Cut>, Fault>;

    /// Cuts by number.
    async fn cuts(&self, slice: Slice<u64>) -> Result<Vec<Cut>, Fault>;

    /// Stores a cut, before anything is removed by it; `false` if its number is taken, or if the newest erasure is another than the
    /// one of the number `erased`, 0 for none: the cut binds hashes that an erasure since may have changed.
    async fn add_cut(&self, cut: Cut, erased: u64) -> Result<bool, Fault>;

    /// Removes the entries of these accounts up to and with those numbers, all of them or none; says how many.
    async fn cut_off(&self, ends: Vec<(AccountId, u64)>) -> Result<u64, Fault>;
}

/// What the journal was made to forget of people, and having it forget: all that ever changes an entry.
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Whether whoever asks may change entries: the role that serves need not be allowed to.
    async fn may_erase(&self) -> Result<bool, Fault>;

    /// The last erasure.
    async fn last_erasure(&self) -> Result<Option<Erasure>, Fault>;

    /// Erasures by number.
    async fn erasures(&self, slice: Slice<u64>) -> Result<Vec<Erasure>, Fault>;

    /// Has an account's journal forget its owner, all of it or nothing; `false` where the chain no longer ends as it did, the
    /// number of the erasure or of its checkpoint is taken, or the newest cut is another than it was.
    async fn erase(&self, forgetting: Forgetting) -> Result<bool, Fault>;
}

/// How an account's journal is made to tell of nobody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forgetting {
    /// How the chain ends; every entry up to there loses its address, its client, its note and its salt.
    pub head: Head,
    /// What is added to it, so that nobody else goes on from what is chained anew; it tells of nobody.
    pub last: Entry,
    /// What accounts for it.
    pub erasure: Erasure,
    /// The entries that are chained anew, in their order, up to the last one.
    pub links: Vec<ChainedAnew>,
    /// What takes the place of the newest checkpoint, where entries are chained anew.
    pub checkpoint: Option<Checkpoint>,
    /// The number of the newest cut when the chain was looked at, 0 where there was none: a cut since binds hashes that this one
    /// may change.
    pub cut: u64,
}

/// An entry's place in a chain that was made anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainedAnew {
    /// Its number.
    pub number: u64,
    /// The HMAC of what it told of a person.
    pub mac: Hash,
    /// The hash of the entry before it.
    pub previous: Hash,
    /// Its hash.
    pub hash: Hash,
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

/// When nodes served, and when they could not: what [`outages`](crate::outages) judges by.
#[async_trait]
pub trait Marks: Send + Sync {
    /// All marks, and all outages that are remembered.
    async fn marked(&self) -> Result<Marked, Fault>;

    /// Writes what a node has to say, the same way and as durably as a rotation: where no rotation could be committed, no
    /// mark may move.
    async fn mark(&self, marking: Marking) -> Result<(), Fault>;
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

/// A slice of all sessions to sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// Which rows to look at.
    pub slice: Slice<SessionKey>,
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
    /// Of those, the ones that had not been used for too long; the others had reached their lifetime.
    pub idle: u64,
    /// Sessions that neither have ended nor end by this sweep.
    pub live: u64,
    /// Whose they are. A sweep's slices, each with the ones [after](LiveSessions::then) it, say how many each account has.
    pub of_accounts: LiveSessions,
    /// Ended sessions removed.
    pub removed: u64,
    /// Where the next slice begins; `None` at the end.
    pub next: Option<SessionKey>,
}

impl Sweep {
    /// Ended sessions that ended at this moment or before are removed.
    #[must_use]
    pub fn removes_until(&self) -> Timestamp {
        self.now.minus(self.keep_ended)
    }
}

impl Swept {
    /// What this slice and the one after it came to together.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            seen: self.seen + next.seen,
            ended: self.ended + next.ended,
            idle: self.idle + next.idle,
            live: self.live + next.live,
            of_accounts: self.of_accounts.then(next.of_accounts),
            removed: self.removed + next.removed,
            next: next.next,
        }
    }

    /// How many accounts have how many live sessions, where all slices are in it.
    #[must_use]
    pub fn histogram(&self) -> SessionHistogram {
        self.of_accounts.histogram(self.live)
    }
}
