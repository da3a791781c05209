//! A store between the engine and the real one, through which a story can look, interrupt and break things.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use sprag::Fault;
use sprag::account::{Account, Name};
use sprag::audit::{Checkpoint, Cut, Entry, Erasure, Event, Head};
use sprag::clock::{Clock, Timestamp};
use sprag::day::Day;
use sprag::keys::Fingerprint;
use sprag::observe::StoreObserved;
use sprag::one_time::{OneTimeToken, TokenId};
use sprag::outages::{Marked, Marking};
use sprag::outbox::{MessageKey, MessageKind, Queued, Settled, Waiting};
use sprag::ratchet::{Retried, Rotation, SessionState};
use sprag::session::{AccountId, ProfileId, Session, SessionDetail, SessionId, SessionKey};
use sprag::store::{
    Along, BudgetKey, BudgetState, Budgets, Commit, Commits, Committed, CountKey, Credential, CredentialId,
    Cuts, DailyCount, DailyCounts, Erasures, Forgetting, HeldNames, Journal, Kept, Marks, NameHash,
    Numbering, Numbers, OneTimeTokens, Outbox, Queries, Rings, Rotated, Sessions, Slice, Step, Store, Sweep,
    Swept, Wanted,
};

/// What the store does from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It works.
    Well,
    /// Calls fail before they have done anything, but for the first so many.
    FailsAfter(u32),
    /// Calls are never answered, but for the first so many.
    HangsAfter(u32),
    /// The call of that name commits, and its answer is lost.
    LosesAnswerOf(&'static str),
    /// The call of that name panics.
    PanicsAt(&'static str),
    /// Turning a row matches none, so many times.
    MissesRotations(u32),
}

type Interlude = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The store the engine sees.
pub struct Seam {
    store: RwLock<Arc<dyn Store>>,
    state: Mutex<State>,
}

struct State {
    mood: Mood,
    calls: Vec<&'static str>,
    interlude: Option<(&'static str, Interlude)>,
}

impl Seam {
    pub fn over(store: Arc<dyn Store>) -> Self {
        let state = State { mood: Mood::Well, calls: Vec::new(), interlude: None };
        Self { store: RwLock::new(store), state: Mutex::new(state) }
    }

    /// The store behind it, which knows no moods.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another store in its place, as a restored backup or a failover does.
    pub fn replace(&self, store: Arc<dyn Store>) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = store;
    }

    pub fn becomes(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Lets `interlude` happen just before the next call of that name: what a race would do, without one.
    pub fn before(&self, call: &'static str, interlude: impl Future<Output = ()> + Send + 'static) {
        self.state().interlude = Some((call, Box::pin(interlude)));
    }

    /// The names of the calls since this was asked last.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().calls)
    }

    async fn begin(&self, call: &'static str) -> Result<Arc<dyn Store>, Fault> {
        let interlude = self.state().interlude.take_if(|(name, _)| *name == call);
        if let Some((_, interlude)) = interlude {
            interlude.await;
        }
        match self.mood_at(call) {
            Mood::FailsAfter(0) => Err(Fault::unavailable("reach the store", "the story says so")),
            Mood::HangsAfter(0) => std::future::pending().await,
            Mood::PanicsAt(name) if name == call => panic!("the story says that the store panics at {call}"),
            _ => Ok(self.store()),
        }
    }

    /// Notes the call, and says in which mood it is met.
    fn mood_at(&self, call: &'static str) -> Mood {
        let mut state = self.state();
        state.calls.push(call);
        let mood = state.mood;
        if let Mood::FailsAfter(left @ 1..) | Mood::HangsAfter(left @ 1..) = &mut state.mood {
            *left -= 1;
        }
        mood
    }

    fn finish<T>(&self, call: &'static str, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if self.state().mood == Mood::LosesAnswerOf(call) {
            return Err(Fault::unavailable("hear from the store", "the answer came after the deadline"));
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

macro_rules! pass_through {
    ($(fn $call:ident($($input:ident: $kind:ty),*) -> $out:ty;)* impl $promise:ident { $($own:tt)* }) => {
        #[async_trait]
        impl $promise for Seam {
            $($own)*

            $(async fn $call(&self, $($input: $kind),*) -> Result<$out, Fault> {
                let store = self.begin(stringify!($call)).await?;
                self.finish(stringify!($call), store.$call($($input),*).await)
            })*
        }
    };
}

pass_through! {
    fn ready() -> ();

    impl Store {
        fn clock(&self) -> Arc<dyn Clock> {
            self.store().clock()
        }

        fn writes_along(&self, along: Arc<dyn Along>) {
            self.store().writes_along(along);
        }

        fn observed(&self) -> StoreObserved {
            self.store().observed()
        }
    }
}

pass_through! {
    fn admit(ring: Vec<Fingerprint>, at: Timestamp) -> bool;
    fn replace(ring: Vec<Fingerprint>, at: Timestamp) -> ();
    impl Rings {}
}

pass_through! {
    fn marked() -> Marked;
    fn mark(marking: Marking) -> ();
    impl Marks {}
}

pass_through! {
    fn reserve(wanted: Vec<Wanted>, now: Timestamp) -> Vec<BudgetState>;
    fn give_back(back: Vec<(BudgetKey, Duration)>, now: Timestamp) -> ();
    fn sweep_budgets(now: Timestamp) -> u64;
    impl Budgets {}
}

pass_through! {
    fn numbering(profile: ProfileId) -> Option<Numbering>;
    fn raise_floor(profile: ProfileId, floor: u64) -> Numbering;
    fn next_number(profile: ProfileId, floor: u64) -> u64;
    fn highest_number(profile: ProfileId) -> Option<u64>;
    impl Numbers {}
}

pass_through! {
    fn write_counts(counts: Vec<DailyCount>) -> ();
    fn daily_counts(days: RangeInclusive<Day>, slice: Slice<CountKey>) -> Vec<DailyCount>;
    fn unfolded(until: Day, limit: u32) -> Vec<Day>;
    fn replace_counts(was: Vec<DailyCount>, to: Vec<DailyCount>) -> bool;
    impl DailyCounts {}
}

#[async_trait]
impl Commits for Seam {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let call = intent(&commit);
        let store = self.begin(call).await?;
        self.finish(call, store.commit(commit).await)
    }
}

/// What a story calls a commit: by what it is for.
fn intent(commit: &Commit) -> &'static str {
    let has = |wanted: fn(&Step) -> bool| commit.steps.iter().any(wanted);
    let moves_epoch = has(|step| matches!(step, Step::MoveEpoch));
    // What its owner is told of comes last, and is beside the point.
    let is_meant = |step: &&Step| !matches!(step, Step::PutMessageOnce { .. });
    match commit.steps.iter().rfind(is_meant) {
        None => "record",
        _ if has(|step| matches!(step, Step::OpenSession { .. })) => {
            if moves_epoch {
                "change_password"
            } else if matches!(commit.steps.first(), Some(Step::EndSession { .. })) {
                "step_up"
            } else {
                "open"
            }
        }
        _ if has(|step| matches!(step, Step::CreateAccount(_))) => "create",
        _ if has(|step| matches!(step, Step::Disable { .. })) => "disable",
        _ if has(|step| matches!(step, Step::SpendToken { .. })) => "spend_token",
        Some(Step::TryCode { .. }) => "try_code",
        Some(Step::PutToken(_) | Step::PutMessage(_)) => "write_letter",
        Some(Step::Enable) => "enable",
        Some(Step::EndSession { .. }) => "end",
        Some(Step::EndSessions { .. } | Step::KeepDevices { .. }) => "end_all",
        Some(Step::PutCredential { .. }) => "rehash",
        Some(Step::BindImportedToken { .. }) => "bind_imported_token",
        Some(Step::DeleteAccount) => "delete",
        Some(Step::EraseAccount) => "erase",
        Some(
            Step::SetAdministrator(_)
            | Step::TellParticular { .. }
            | Step::Rename { .. }
            | Step::DropName(_)
            | Step::TellName { .. }
            | Step::ConfirmEmail { .. }
            | Step::UnconfirmEmail,
        ) => "change_account",
        Some(step) => panic!("no story has a name for a commit that is for {step:?}"),
    }
}

pass_through! {
    fn find(key: SessionKey) -> Option<SessionState>;
    fn retry(retried: Retried, event: Option<Event>) -> Option<Rotated>;
    fn sweep(sweep: Sweep) -> Swept;

    impl Sessions {
        async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
            let store = self.begin("rotate").await?;
            if let Mood::MissesRotations(left @ 1..) = &mut self.state().mood {
                *left -= 1;
                return Ok(None);
            }
            self.finish("rotate", store.rotate(rotation, event).await)
        }
    }
}

pass_through! {
    fn account(id: AccountId) -> Option<Account>;
    fn credential(name: &Name) -> Option<Credential>;
    fn credential_of(id: AccountId) -> Option<Credential>;
    fn secret_of(account: AccountId, id: CredentialId) -> Option<Vec<u8>>;
    fn accounts(slice: Slice<AccountId>) -> Vec<Account>;
    fn alike(name: &Name) -> Vec<(Name, AccountId)>;
    fn names_of_earlier_builds(slice: Slice<Name>) -> Vec<(Name, AccountId)>;
    fn names_beginning(beginning: &Name, slice: Slice<String>) -> Vec<(Name, AccountId)>;
    fn accounts_among(ids: Vec<AccountId>) -> Vec<Account>;
    fn erasures_due(now: Timestamp, limit: u32) -> Vec<AccountId>;
    fn kept(account: AccountId) -> Kept;
    fn without_password(first: AccountId, last: AccountId) -> Vec<AccountId>;
    fn of(account: AccountId, slice: Slice<SessionId>) -> Vec<(Session, SessionDetail)>;
    fn session(key: SessionKey) -> Option<(Session, SessionDetail)>;
    fn named(session: SessionId) -> Option<(Session, SessionDetail)>;
    impl Queries {}
}

pass_through! {
    fn entries_of(account: AccountId, slice: Slice<u64>) -> Vec<Entry>;
    fn mentions(session: SessionKey, until: u64) -> bool;
    fn entries(slice: Slice<(AccountId, u64)>) -> Vec<Entry>;
    fn recent(since: Timestamp, slice: Slice<(Timestamp, AccountId, u64)>) -> Vec<Entry>;
    fn by_time(before: Timestamp, slice: Slice<(Timestamp, AccountId, u64)>) -> Vec<Entry>;
    fn heads(before: Timestamp, slice: Slice<AccountId>) -> Vec<Head>;
    fn last_checkpoint() -> Option<Checkpoint>;
    fn checkpoints(slice: Slice<u64>) -> Vec<Checkpoint>;
    fn add_checkpoint(checkpoint: Checkpoint) -> bool;
    impl Journal {}
}

pass_through! {
    fn may_cut() -> bool;
    fn beginnings(slice: Slice<AccountId>) -> Vec<Entry>;
    fn last_cut() -> Option<Cut>;
    fn cuts(slice: Slice<u64>) -> Vec<Cut>;
    fn add_cut(cut: Cut, erased: u64) -> bool;
    fn cut_off(ends: Vec<(AccountId, u64)>) -> u64;
    impl Cuts {}
}

pass_through! {
    fn may_erase() -> bool;
    fn last_erasure() -> Option<Erasure>;
    fn erasures(slice: Slice<u64>) -> Vec<Erasure>;
    fn erase(forgetting: Forgetting) -> bool;
    impl Erasures {}
}

pass_through! {
    fn one_time_token(account: AccountId, id: TokenId) -> Option<OneTimeToken>;
    fn sweep_one_time_tokens(now: Timestamp) -> u64;
    impl OneTimeTokens {}
}

pass_through! {
    fn due_messages(kind: MessageKind, now: Timestamp, limit: u32) -> Vec<Queued>;
    fn waiting_messages() -> Vec<Waiting>;
    fn lease_message(key: MessageKey, attempts: u32, until: Timestamp) -> bool;
    fn settle_message(key: MessageKey, attempts: u32, settled: Settled) -> bool;
    fn revive_message(key: MessageKey, due_at: Timestamp, gives_up_at: Timestamp) -> bool;
    fn messages(slice: Slice<MessageKey>) -> Vec<Queued>;
    fn sweep_messages(before: Timestamp) -> u64;
    impl Outbox {}
}

pass_through! {
    fn was_held(hashes: Vec<NameHash>) -> bool;
    impl HeldNames {}
}
