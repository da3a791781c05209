//! A store of your own, and the suite that says whether it keeps what a store must promise.
//!
//! `cargo run -p sprag --example own_store`
//!
//! Whatever you keep sessions in, these traits are to be implemented: [`Sessions`], [`Commits`], [`Queries`], [`Journal`],
//! [`Cuts`], [`Rings`], [`Marks`], [`Numbers`], [`Budgets`], [`DailyCounts`],
//! [`OneTimeTokens`], [`Outbox`] and [`HeldNames`]; their documentation says what each method
//! promises, `store/memory.rs` is the shortest store that keeps it all, and
//! [`contract::run`] tries yours. This one stands in front of another and counts how often a rotation found its row moved
//! on, which is what you would watch on a database of your own.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sprag::Fault;
use sprag::account::{Account, Name};
use sprag::audit::{Checkpoint, Cut, Entry, Erasure, Event, Head};
use sprag::clock::{Clock, Timestamp};
use sprag::day::Day;
use sprag::keys::Fingerprint;
use sprag::one_time::{OneTimeToken, TokenId};
use sprag::outages::{Marked, Marking};
use sprag::outbox::{MessageKey, MessageKind, Queued, Settled, Waiting};
use sprag::ratchet::{Retried, Rotation, SessionState};
use sprag::session::{AccountId, Epoch, ProfileId, Session, SessionDetail, SessionId, SessionKey};
use sprag::store::contract::{self, Subject};
use sprag::store::memory::MemoryStore;
use sprag::store::{
    Along, BudgetKey, BudgetState, Budgets, Commit, Commits, Committed, CountKey, Credential, CredentialId,
    Cuts, DailyCount, DailyCounts, Erasures, Forgetting, HeldNames, Journal, Kept, Marks, NameHash,
    Numbering, Numbers, OneTimeTokens, Outbox, Queries, Rings, Rotated, Sessions, Slice, Store, Sweep, Swept,
    Wanted,
};

#[tokio::main]
pub(crate) async fn main() {
    let misses = Arc::new(AtomicU64::new(0));
    contract::run(async || Counted { inner: MemoryStore::new(), misses: Arc::clone(&misses) }).await;
    println!("it keeps every promise; {} rotations found their row moved on", misses.load(Ordering::Relaxed));
}

/// A store that counts.
struct Counted {
    inner: MemoryStore,
    misses: Arc<AtomicU64>,
}

/// Passes calls on as they are.
macro_rules! passed_on {
    (impl $promise:ident { $(fn $call:ident($($input:ident: $kind:ty),*) -> $out:ty;)* } $($own:tt)*) => {
        #[async_trait]
        impl $promise for Counted {
            $(async fn $call(&self, $($input: $kind),*) -> Result<$out, Fault> {
                self.inner.$call($($input),*).await
            })*

            $($own)*
        }
    };
}

passed_on! {
    impl Commits {
        fn commit(commit: Commit) -> Committed;
    }
}

passed_on! {
    impl Sessions {
        fn find(key: SessionKey) -> Option<SessionState>;
        fn retry(retried: Retried, event: Option<Event>) -> Option<Rotated>;
        fn sweep(sweep: Sweep) -> Swept;
    }

    /// The one hot call: a single conditional write of one row, and its event in the same transaction.
    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        let rotated = self.inner.rotate(rotation, event).await?;
        if rotated.is_none() {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        Ok(rotated)
    }
}

passed_on! {
    impl Queries {
        fn account(id: AccountId) -> Option<Account>;
        fn credential(name: &Name) -> Option<Credential>;
        fn alike(name: &Name) -> Vec<(Name, AccountId)>;
        fn names_of_earlier_builds(slice: Slice<Name>) -> Vec<(Name, AccountId)>;
        fn credential_of(id: AccountId) -> Option<Credential>;
        fn secret_of(account: AccountId, id: CredentialId) -> Option<Vec<u8>>;
        fn factors_of(account: AccountId) -> Vec<(CredentialId, Vec<u8>)>;
        fn accounts(slice: Slice<AccountId>) -> Vec<Account>;
        fn names_beginning(beginning: &Name, slice: Slice<String>) -> Vec<(Name, AccountId)>;
        fn accounts_among(ids: Vec<AccountId>) -> Vec<Account>;
        fn erasures_due(now: Timestamp, limit: u32) -> Vec<AccountId>;
        fn kept(account: AccountId) -> Kept;
        fn without_password(first: AccountId, last: AccountId) -> Vec<AccountId>;
        fn of(account: AccountId, slice: Slice<SessionId>) -> Vec<(Session, SessionDetail)>;
        fn session(key: SessionKey) -> Option<(Session, SessionDetail)>;
        fn named(session: SessionId) -> Option<(Session, SessionDetail)>;
    }
}

passed_on! {
    impl Journal {
        fn entries_of(account: AccountId, slice: Slice<u64>) -> Vec<Entry>;
        fn mentions(session: SessionKey, until: u64) -> bool;
        fn entries(slice: Slice<(AccountId, u64)>) -> Vec<Entry>;
        fn recent(since: Timestamp, slice: Slice<(Timestamp, AccountId, u64)>) -> Vec<Entry>;
        fn by_time(before: Timestamp, slice: Slice<(Timestamp, AccountId, u64)>) -> Vec<Entry>;
        fn heads(before: Timestamp, slice: Slice<AccountId>) -> Vec<Head>;
        fn last_checkpoint() -> Option<Checkpoint>;
        fn checkpoints(slice: Slice<u64>) -> Vec<Checkpoint>;
        fn add_checkpoint(checkpoint: Checkpoint) -> bool;
    }
}

passed_on! {
    impl Cuts {
        fn may_cut() -> bool;
        fn beginnings(slice: Slice<AccountId>) -> Vec<Entry>;
        fn last_cut() -> Option<Cut>;
        fn cuts(slice: Slice<u64>) -> Vec<Cut>;
        fn add_cut(cut: Cut, erased: u64) -> bool;
        fn cut_off(ends: Vec<(AccountId, u64)>) -> u64;
    }
}

passed_on! {
    impl Erasures {
        fn may_erase() -> bool;
        fn last_erasure() -> Option<Erasure>;
        fn erasures(slice: Slice<u64>) -> Vec<Erasure>;
        fn erase(forgetting: Forgetting) -> bool;
    }
}

passed_on! {
    impl Rings {
        fn admit(ring: Vec<Fingerprint>, at: Timestamp) -> bool;
        fn replace(ring: Vec<Fingerprint>, at: Timestamp) -> ();
    }
}

passed_on! {
    impl Marks {
        fn marked() -> Marked;
        fn mark(marking: Marking) -> ();
    }
}

passed_on! {
    impl Budgets {
        fn reserve(wanted: Vec<Wanted>, now: Timestamp) -> Vec<BudgetState>;
        fn give_back(back: Vec<(BudgetKey, Duration)>, now: Timestamp) -> ();
        fn sweep_budgets(now: Timestamp) -> u64;
    }
}

passed_on! {
    impl Numbers {
        fn numbering(profile: ProfileId) -> Option<Numbering>;
        fn raise_floor(profile: ProfileId, floor: u64) -> Numbering;
        fn next_number(profile: ProfileId, floor: u64) -> u64;
        fn highest_number(profile: ProfileId) -> Option<u64>;
    }
}

passed_on! {
    impl DailyCounts {
        fn write_counts(counts: Vec<DailyCount>) -> ();
        fn daily_counts(days: RangeInclusive<Day>, slice: Slice<CountKey>) -> Vec<DailyCount>;
        fn unfolded(until: Day, limit: u32) -> Vec<Day>;
        fn replace_counts(was: Vec<DailyCount>, to: Vec<DailyCount>) -> bool;
    }
}

passed_on! {
    impl OneTimeTokens {
        fn one_time_token(account: AccountId, id: TokenId) -> Option<OneTimeToken>;
        fn sweep_one_time_tokens(now: Timestamp) -> u64;
    }
}

passed_on! {
    impl Outbox {
        fn due_messages(kind: MessageKind, now: Timestamp, limit: u32) -> Vec<Queued>;
        fn waiting_messages() -> Vec<Waiting>;
        fn lease_message(key: MessageKey, attempts: u32, until: Timestamp) -> bool;
        fn settle_message(key: MessageKey, attempts: u32, settled: Settled) -> bool;
        fn revive_message(key: MessageKey, due_at: Timestamp, gives_up_at: Timestamp) -> bool;
        fn messages(slice: Slice<MessageKey>) -> Vec<Queued>;
        fn sweep_messages(before: Timestamp) -> u64;
    }
}

passed_on! {
    impl HeldNames {
        fn was_held(hashes: Vec<NameHash>) -> bool;
    }
}

passed_on! {
    impl Store {
        fn ready() -> ();
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }

    fn writes_along(&self, along: Arc<dyn Along>) {
        self.inner.writes_along(along);
    }
}

/// What the suite needs besides: to set an account's state behind the store's back, as a restored backup does.
#[async_trait]
impl Subject for Counted {
    fn store(&self) -> &dyn Store {
        self
    }

    async fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
        self.inner.place_account(id, epoch, disabled_at);
    }
}
