//! The store in memory: for tests, and as the plainest reading of the promises.
//!
//! One lock around a few maps; each method is one critical section, so each is trivially one transaction.
//! Nothing survives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::budgets::KeptBudgets;
use super::numbers::{self, MAX_NUMBER};
use super::queries::the_one_meant;
use super::reference::Rows;
use super::{
    Along, AlongSlot, Commit, Commits, Committed, CountKey, Credential, CredentialId, Ending, Kept, Marks,
    NameHash, Numbering, Numbers, Queries, Rings, Rotated, Sessions, Slice, Store, Sweep, Swept,
};
use crate::account::{Account, Name, NameKind};
use crate::audit::{Checkpoint, Cut, Entry, Erasure, Event, Head, Salt};
use crate::clock::{Clock, SteadyClock, SystemClock, Timestamp};
use crate::error::Fault;
use crate::keys::Fingerprint;
use crate::outages::{Mark, Marked, Marking, NodeId, Outage};
use crate::outbox::{Message, Queued};
use crate::random::{self, Random, SystemRandom};
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::security;
use crate::session::{AccountId, EndCause, Epoch, ProfileId, Session, SessionDetail, SessionId, SessionKey};

mod budgets;
mod cuts;
mod daily_counts;
mod erasures;
mod held_names;
mod journal;
mod listings;
mod one_time_tokens;
mod outbox;

/// A store that lives and dies with the process.
#[derive(Debug)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    along: AlongSlot,
}

#[derive(Debug, Default)]
struct Tables {
    rows: BTreeMap<AccountId, Rows>,
    names: HashMap<Name, AccountId>,
    chains: BTreeMap<AccountId, Vec<Entry>>,
    checkpoints: Vec<Checkpoint>,
    cuts: Vec<Cut>,
    erasures: Vec<Erasure>,
    rings: BTreeSet<Fingerprint>,
    marks: BTreeMap<NodeId, Mark>,
    outages: BTreeMap<(NodeId, Timestamp), Timestamp>,
    numberings: BTreeMap<ProfileId, Numbering>,
    held_names: BTreeSet<NameHash>,
    budgets: KeptBudgets,
    daily_counts: BTreeMap<CountKey, (u64, Option<Vec<u8>>)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_clock(Arc::new(SteadyClock::over(Arc::new(SystemClock))))
    }
}

impl MemoryStore {
    /// An empty store that goes by the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that goes by a clock that somebody winds.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            tables: Mutex::default(),
            clock,
            random: Arc::new(SystemRandom::default()),
            along: AlongSlot::default(),
        }
    }

    /// This store with the salts of its journal from another source of randomness.
    #[must_use]
    pub fn with_random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    fn salt(&self) -> Salt {
        random::bytes(self.random.as_ref())
    }

    /// Sets an account's epoch and state and leaves its sessions as they are, which no [`Step`](super::Step) does alone:
    /// what the contract needs to see that a row is never written to against its account's state.
    pub fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
        if let Some(account) = self.tables().rows.get_mut(&id).and_then(|rows| rows.account.as_mut()) {
            account.epoch = epoch;
            account.disabled_at = disabled_at;
        }
    }

    /// A panic elsewhere leaves the maps whole: nothing here panics between two changes that belong together.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ready(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn writes_along(&self, along: Arc<dyn Along>) {
        self.along.set(along);
    }
}

#[async_trait]
impl Commits for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        commit.expect_one_account()?;
        let mut tables = self.tables();
        let nothing = Rows::default();
        let before = tables.rows.get(&commit.account).unwrap_or(&nothing);
        let (given_up, is_known) = (before.names.clone(), tables.rows.contains_key(&commit.account));
        let is_taken =
            |name: &Name, but: Option<&Name>| tables.alike(name).iter().any(|(like, _)| Some(like) != but);
        let is_elsewhere = |id| {
            let mut others = tables.rows.iter().filter(|(account, _)| **account != commit.account);
            others.any(|(_, rows)| rows.sessions.contains_key(&id))
        };
        let (rows, events) = match commit.apply(before, is_taken, is_elsewhere) {
            Ok(applied) => applied,
            Err(committed) => return Ok(committed),
        };
        let ended = events.len() - commit.events.len();
        for name in &given_up {
            tables.names.remove(name);
        }
        if let Some(along) = self.along.current() {
            let gone = given_up.iter().filter(|name| !rows.names.contains(name));
            tables.held_names.extend(gone.map(|name| along.held(name)));
        }
        tables.names.extend(rows.names.iter().map(|name| (name.clone(), commit.account)));
        // What is left of a deleted account: its sessions, until they are swept away. What is there before one: tokens and letters.
        if is_known || rows != nothing {
            tables.rows.insert(commit.account, rows);
        }
        security::journalled(&events);
        tables.put_messages(self.along.messages(&events));
        events.into_iter().for_each(|event| tables.append(event, self.salt()));
        Ok(Committed::Done { ended: ended as u64 })
    }
}

#[async_trait]
impl Sessions for MemoryStore {
    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault> {
        Ok(self.tables().state(key))
    }

    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        let mut tables = self.tables();
        let applies = tables.state(rotation.key).is_some_and(|state| rotation.applies_to(&state));
        let messages = self.along.messages(&event);
        let event = event.map(|event| (event, self.salt()));
        let rotated = tables.write(applies, rotation.key, event, |session| rotation.apply(session));
        if rotated.is_some() {
            tables.put_messages(messages);
        }
        Ok(rotated)
    }

    async fn retry(&self, retried: Retried, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        let mut tables = self.tables();
        let applies = tables.state(retried.key).is_some_and(|state| retried.applies_to(&state));
        let messages = self.along.messages(&event);
        let event = event.map(|event| (event, self.salt()));
        let noted = tables.write(applies, retried.key, event, |session| retried.apply(session));
        if noted.is_some() {
            tables.put_messages(messages);
        }
        Ok(noted)
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, Fault> {
        let mut tables = self.tables();
        let rows = sweep.slice.limit.max(1) as usize;
        let seen: Vec<Session> = tables.sessions_after(sweep.slice.after).take(rows).cloned().collect();
        let mut swept = Swept { seen: seen.len() as u64, ..Swept::default() };
        for session in &seen {
            match (session.ended, expiry(session, sweep.now)) {
                (Some(ended), _) if ended.at <= sweep.removes_until() => {
                    tables.of(session.key.account).sessions.remove(&session.key.session);
                    swept.removed += 1;
                }
                (None, Some(cause)) => {
                    let ending = Ending::by_itself(cause, sweep.now);
                    tables.of(session.key.account).end(session.key.session, &ending);
                    let event = ending.event(session.key);
                    tables.put_messages(self.along.messages([&event]));
                    tables.append(event, self.salt());
                    swept.ended += 1;
                    swept.idle += u64::from(cause == EndCause::Idle);
                }
                (None, None) => {
                    swept.live += 1;
                    swept.of_accounts.add(session.key.account);
                }
                _ => {}
            }
        }
        swept.next = seen.last().filter(|_| seen.len() == rows).map(|session| session.key);
        Ok(swept)
    }
}

#[async_trait]
impl Queries for MemoryStore {
    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        Ok(self.tables().rows.get(&id).and_then(|rows| rows.account.clone()))
    }

    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault> {
        let tables = self.tables();
        let found = the_one_meant(name, &tables.alike(name));
        Ok(found.and_then(|id| tables.credential(id)))
    }

    async fn alike(&self, name: &Name) -> Result<Vec<(Name, AccountId)>, Fault> {
        Ok(self.tables().alike(name))
    }

    async fn names_of_earlier_builds(&self, slice: Slice<Name>) -> Result<Vec<(Name, AccountId)>, Fault> {
        let tables = self.tables();
        let key = |name: &Name| (name.kind.name(), name.value.clone());
        let earlier = tables.names.iter().filter(|(name, _)| name.form_today().is_some());
        let mut later: Vec<_> = earlier
            .filter(|(name, _)| slice.after.as_ref().is_none_or(|after| key(name) > key(after)))
            .map(|(name, id)| (name.clone(), *id))
            .collect();
        later.sort_by_key(|(name, _)| key(name));
        later.truncate(slice.limit as usize);
        Ok(later)
    }

    async fn names_beginning(
        &self,
        beginning: &Name,
        slice: Slice<String>,
    ) -> Result<Vec<(Name, AccountId)>, Fault> {
        Ok(self.tables().names_beginning(beginning, &slice))
    }

    async fn accounts_among(&self, ids: Vec<AccountId>) -> Result<Vec<Account>, Fault> {
        Ok(self.tables().accounts_among(&ids))
    }

    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault> {
        Ok(self.tables().credential(id))
    }

    async fn secret_of(&self, account: AccountId, id: CredentialId) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.tables().rows.get(&account).and_then(|rows| rows.credentials.get(&id)).cloned())
    }

    async fn factors_of(&self, account: AccountId) -> Result<Vec<(CredentialId, Vec<u8>)>, Fault> {
        Ok(self.tables().rows.get(&account).map(Rows::of_factors).unwrap_or_default())
    }

    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>, Fault> {
        let tables = self.tables();
        let later =
            tables.rows.range((slice.after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Ok(later.filter_map(|(_, rows)| rows.account.clone()).take(slice.limit as usize).collect())
    }

    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault> {
        let tables = self.tables();
        let among = tables.rows.range(first..=last);
        let found = among.filter(|(_, rows)| {
            rows.account.is_some() && !rows.credentials.contains_key(&CredentialId::PASSWORD)
        });
        Ok(found.map(|(id, _)| *id).collect())
    }

    async fn erasures_due(&self, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Fault> {
        Ok(self.tables().erasures_due(now, limit))
    }

    async fn kept(&self, account: AccountId) -> Result<Kept, Fault> {
        Ok(self.tables().kept(account))
    }

    async fn of(
        &self,
        account: AccountId,
        slice: Slice<SessionId>,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault> {
        let tables = self.tables();
        let Some(rows) = tables.rows.get(&account) else { return Ok(Vec::new()) };
        let from = slice.after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = rows.sessions.range((from, Bound::Unbounded));
        Ok(later.map(|(_, row)| row.clone()).take(slice.limit as usize).collect())
    }

    async fn session(&self, key: SessionKey) -> Result<Option<(Session, SessionDetail)>, Fault> {
        let tables = self.tables();
        Ok(tables.rows.get(&key.account).and_then(|rows| rows.sessions.get(&key.session)).cloned())
    }

    async fn named(&self, session: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault> {
        Ok(self.tables().rows.values().find_map(|rows| rows.sessions.get(&session).cloned()))
    }
}

#[async_trait]
impl Rings for MemoryStore {
    async fn admit(&self, ring: Vec<Fingerprint>, _: Timestamp) -> Result<bool, Fault> {
        let rings = &mut self.tables().rings;
        let is_admitted = rings.is_empty() || ring.iter().any(|fingerprint| rings.contains(fingerprint));
        if is_admitted {
            rings.extend(ring);
        }
        Ok(is_admitted)
    }

    async fn replace(&self, ring: Vec<Fingerprint>, _: Timestamp) -> Result<(), Fault> {
        self.tables().rings = ring.into_iter().collect();
        Ok(())
    }
}

#[async_trait]
impl Marks for MemoryStore {
    async fn marked(&self) -> Result<Marked, Fault> {
        let tables = self.tables();
        let outages = tables.outages.iter();
        let outages = outages.map(|((node, from), until)| Outage { node: *node, from: *from, until: *until });
        Ok(Marked { marks: tables.marks.values().cloned().collect(), outages: outages.collect() })
    }

    async fn mark(&self, marking: Marking) -> Result<(), Fault> {
        let mut tables = self.tables();
        for node in &marking.forgets {
            tables.marks.remove(node);
        }
        tables.outages.retain(|_, until| *until >= marking.forgets_before);
        for Outage { node, from, until } in marking.outages {
            let known = tables.outages.entry((node, from)).or_insert(until);
            *known = until.max(*known);
        }
        if let Some(mark) = marking.mark {
            tables.marks.insert(mark.node, mark);
        }
        Ok(())
    }
}

#[async_trait]
impl Numbers for MemoryStore {
    async fn numbering(&self, profile: ProfileId) -> Result<Option<Numbering>, Fault> {
        Ok(self.tables().numberings.get(&profile).copied())
    }

    async fn raise_floor(&self, profile: ProfileId, floor: u64) -> Result<Numbering, Fault> {
        numbers::stored(floor)?;
        let mut tables = self.tables();
        let numbering = tables.numberings.entry(profile).or_insert(Numbering::above(floor));
        *numbering = numbering.raised(floor);
        Ok(*numbering)
    }

    async fn next_number(&self, profile: ProfileId, floor: u64) -> Result<u64, Fault> {
        numbers::stored(floor)?;
        let mut tables = self.tables();
        let numbering = tables.numberings.entry(profile).or_insert(Numbering::above(floor));
        let raised = numbering.raised(floor);
        if raised.last >= MAX_NUMBER {
            return Err(numbers::used_up());
        }
        *numbering = Numbering { last: raised.last + 1, ..raised };
        Ok(numbering.last)
    }

    async fn highest_number(&self, profile: ProfileId) -> Result<Option<u64>, Fault> {
        let tables = self.tables();
        let prefix = format!("{}/", profile.0);
        let keys = tables.names.keys().filter(|name| name.kind == NameKind::External);
        let keys = keys.filter_map(|name| name.value.strip_prefix(&prefix));
        Ok(keys.filter_map(numbers::number).max())
    }
}

impl Tables {
    /// Who has this name, or one of an earlier build in this form.
    fn alike(&self, name: &Name) -> Vec<(Name, AccountId)> {
        let same = self.names.get_key_value(name).map(|(name, id)| (name.clone(), *id));
        if !name.may_be_of_an_earlier_build() || name.form_today().is_some() {
            return same.into_iter().collect();
        }
        let earlier = self
            .names
            .iter()
            .filter(|(like, _)| like.kind == name.kind && like.form_today().as_ref() == Some(&name.value));
        same.into_iter().chain(earlier.map(|(name, id)| (name.clone(), *id))).collect()
    }

    fn state(&self, key: SessionKey) -> Option<SessionState> {
        let rows = self.rows.get(&key.account)?;
        let (session, _) = rows.sessions.get(&key.session)?;
        let account = rows.account.as_ref();
        Some(SessionState {
            session: session.clone(),
            is_disabled: account.is_none_or(|account| account.disabled_at.is_some()),
            epoch: account.map(|account| account.epoch).unwrap_or_default(),
        })
    }

    fn of(&mut self, account: AccountId) -> &mut Rows {
        self.rows.entry(account).or_default()
    }

    fn credential(&self, id: AccountId) -> Option<Credential> {
        let rows = self.rows.get(&id)?;
        let hash = rows.credentials.get(&CredentialId::PASSWORD);
        let password_hash = hash.map(|hash| String::from_utf8_lossy(hash).into_owned());
        Some(Credential { account: rows.account.clone()?, password_hash })
    }

    /// All sessions after that one, in the order of their keys.
    fn sessions_after(&self, after: Option<SessionKey>) -> impl Iterator<Item = &Session> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Included(after.account));
        let sessions = self.rows.range((from, Bound::Unbounded)).flat_map(|(_, rows)| rows.sessions.values());
        sessions
            .map(|(session, _)| session)
            .filter(move |session| after.is_none_or(|after| session.key > after))
    }

    fn write(
        &mut self,
        applies: bool,
        key: SessionKey,
        event: Option<(Event, Salt)>,
        change: impl FnOnce(&mut Session),
    ) -> Option<Rotated> {
        let (session, _) =
            self.rows.get_mut(&key.account)?.sessions.get_mut(&key.session).filter(|_| applies)?;
        change(session);
        let rotated = Rotated::of(session);
        if let Some((event, salt)) = event {
            self.append(event, salt);
        }
        Some(rotated)
    }

    /// Puts messages into the outbox, along with what they tell of.
    fn put_messages(&mut self, messages: Vec<Message>) {
        for message in messages {
            let rows = self.rows.entry(message.key.account).or_default();
            rows.messages.entry(message.key.id).or_insert_with(|| Queued::new(message));
        }
    }

    fn append(&mut self, mut event: Event, salt: Salt) {
        if let Some(covered) = self.checkpoints.last() {
            event.at = event.at.max(covered.before);
        }
        let chain = self.chains.entry(event.account).or_default();
        let head = chain.last().map_or_else(|| Head::new(event.account), Entry::head);
        chain.push(head.add(event, salt));
    }
}

/// Why a live session has expired by `now`, if it has; the absolute end counts before the idle one.
fn expiry(session: &Session, now: Timestamp) -> Option<EndCause> {
    if now >= session.expires_at {
        Some(EndCause::Expired)
    } else if now >= session.idle_expires_at {
        Some(EndCause::Idle)
    } else {
        None
    }
}
