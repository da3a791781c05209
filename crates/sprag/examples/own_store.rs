//! A store of your own, and the suite that says whether it keeps what a store must promise.
//!
//! `cargo run -p sprag --example own_store`
//!
//! Whatever you keep sessions in, four traits are to be implemented: [`Sessions`], [`Accounts`], [`Journal`] and [`Rings`];
//! their documentation says what each method promises, `store/memory.rs` is the shortest store that keeps it all, and
//! [`contract::run`] tries yours. This one stands in front of another and counts how often a rotation found its row moved
//! on, which is what you would watch on a database of your own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use sprag::Fault;
use sprag::account::{Account, Name};
use sprag::audit::{Checkpoint, Entry, Event, Head};
use sprag::clock::Timestamp;
use sprag::keys::Fingerprint;
use sprag::ratchet::{Retried, Rotation, SessionState};
use sprag::session::{AccountId, Epoch, Session, SessionDetail, SessionId, SessionKey};
use sprag::store::contract::{self, Subject};
use sprag::store::memory::MemoryStore;
use sprag::store::{
    Accounts, Credential, Ending, Journal, NewAccount, Opened, Opening, PasswordChange, PasswordChanged,
    Rings, Rotated, Sessions, Slice, Store, Swept, TokenBinding,
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
    impl Sessions {
        fn open(opening: Opening) -> Opened;
        fn find(key: SessionKey) -> Option<SessionState>;
        fn retry(retried: Retried, event: Option<Event>) -> Option<Rotated>;
        fn bind_imported_token(binding: TokenBinding) -> bool;
        fn end(key: SessionKey, ending: Ending) -> bool;
        fn end_all(account: AccountId, except: Option<SessionId>, ending: Ending) -> u64;
        fn of(account: AccountId, after: Option<SessionId>, limit: u32) -> Vec<(Session, SessionDetail)>;
        fn named(session: SessionId) -> Option<(Session, SessionDetail)>;
        fn sweep(slice: Slice) -> Swept;
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
    impl Accounts {
        fn create(new: NewAccount) -> bool;
        fn account(id: AccountId) -> Option<Account>;
        fn credential(name: &Name) -> Option<Credential>;
        fn credential_of(id: AccountId) -> Option<Credential>;
        fn accounts(after: Option<AccountId>, limit: u32) -> Vec<Account>;
        fn disable(account: AccountId, event: Event) -> bool;
        fn enable(account: AccountId, event: Event) -> bool;
        fn change_password(change: PasswordChange) -> PasswordChanged;
        fn rehash(account: AccountId, old: &str, new: &str, event: Option<Event>) -> bool;
        fn without_password(first: AccountId, last: AccountId) -> Vec<AccountId>;
    }
}

passed_on! {
    impl Journal {
        fn record(event: Event) -> ();
        fn entries_of(account: AccountId, limit: u32) -> Vec<Entry>;
        fn mentions(session: SessionKey, until: u64) -> bool;
        fn entries(after: Option<(AccountId, u64)>, limit: u32) -> Vec<Entry>;
        fn heads(before: Timestamp, after: Option<AccountId>, limit: u32) -> Vec<Head>;
        fn last_checkpoint() -> Option<Checkpoint>;
        fn checkpoints(after: u64, limit: u32) -> Vec<Checkpoint>;
        fn add_checkpoint(checkpoint: Checkpoint) -> bool;
    }
}

passed_on! {
    impl Rings {
        fn admit(ring: Vec<Fingerprint>, at: Timestamp) -> bool;
        fn replace(ring: Vec<Fingerprint>, at: Timestamp) -> ();
    }
}

passed_on! {
    impl Store {
        fn ready() -> ();
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
