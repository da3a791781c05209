//! The store in memory: for tests, and as the plainest reading of the promises.
//!
//! One lock around a few maps; each method is one critical section, so each is trivially one transaction.
//! Nothing survives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Accounts, Credential, Ending, Journal, MAX_ENDED_KEPT, NewAccount, Opened, Opening, PasswordChange,
    PasswordChanged, Rings, Rotated, Sessions, Slice, Store, Swept, TokenBinding,
};
use crate::account::{Account, Name};
use crate::audit::{Checkpoint, Entry, Event, Head};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::Fingerprint;
use crate::password::NO_PASSWORD;
use crate::ratchet::{Retried, Rotation, SessionState};
use crate::session::{AccountId, EndCause, Ended, Epoch, Session, SessionDetail, SessionId, SessionKey};

/// A store that lives and dies with the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    accounts: BTreeMap<AccountId, Credential>,
    names: HashMap<Name, AccountId>,
    sessions: BTreeMap<SessionKey, (Session, SessionDetail)>,
    chains: BTreeMap<AccountId, Vec<Entry>>,
    checkpoints: Vec<Checkpoint>,
    rings: BTreeSet<Fingerprint>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an account's epoch and state and leaves its sessions as they are, which no method of [`Store`] does:
    /// what the contract needs to see that a row is never written to against its account's state.
    pub fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
        if let Some(kept) = self.tables().accounts.get_mut(&id) {
            kept.account.epoch = epoch;
            kept.account.disabled_at = disabled_at;
        }
    }

    /// A panic elsewhere leaves the maps whole: nothing here panics between two changes that belong together.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ready(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait]
impl Sessions for MemoryStore {
    async fn open(&self, opening: Opening) -> Result<Opened, Fault> {
        let mut tables = self.tables();
        let account = opening.session.key.account;
        if !tables.stands(account, opening.session.epoch) {
            return Ok(Opened::AccountMoved);
        }
        tables.expect_vacant(opening.session.key)?;
        tables.append(opening.event.clone());
        let ending = Ending::along_with(&opening.event, EndCause::Replaced);
        let mut has_replaced_a_live_one = false;
        if let Some(session) = opening.replaces {
            let key = SessionKey { account, session };
            has_replaced_a_live_one =
                tables.sessions.get(&key).is_some_and(|(row, _)| row.is_live(ending.at));
            tables.end(key, &ending);
        }
        let is_bounded = opening.most < u32::MAX;
        if is_bounded {
            let surplus = tables.surplus(account, opening.most, ending.at);
            for key in surplus.into_iter().take(opening.may_give_way(has_replaced_a_live_one)) {
                tables.end(key, &ending);
            }
        }
        tables.sessions.insert(opening.session.key, (opening.session, opening.detail));
        if is_bounded {
            tables.thin_out(account);
        }
        Ok(Opened::Open)
    }

    async fn find(&self, key: SessionKey) -> Result<Option<SessionState>, Fault> {
        Ok(self.tables().state(key))
    }

    async fn rotate(&self, rotation: Rotation, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        let mut tables = self.tables();
        let applies = tables.state(rotation.key).is_some_and(|state| rotation.applies_to(&state));
        Ok(tables.write(applies, rotation.key, event, |session| rotation.apply(session)))
    }

    async fn retry(&self, retried: Retried, event: Option<Event>) -> Result<Option<Rotated>, Fault> {
        let mut tables = self.tables();
        let applies = tables.state(retried.key).is_some_and(|state| retried.applies_to(&state));
        Ok(tables.write(applies, retried.key, event, |session| retried.apply(session)))
    }

    async fn bind_imported_token(&self, binding: TokenBinding) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let row = tables.sessions.get_mut(&binding.key).filter(|(session, _)| binding.applies_to(session));
        Ok(row.map(|(session, _)| session.secret_hash = binding.to).is_some())
    }

    async fn end(&self, key: SessionKey, ending: Ending) -> Result<bool, Fault> {
        Ok(self.tables().end(key, &ending))
    }

    async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        ending: Ending,
    ) -> Result<u64, Fault> {
        Ok(self.tables().end_all(account, except, &ending))
    }

    async fn of(
        &self,
        account: AccountId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<(Session, SessionDetail)>, Fault> {
        let tables = self.tables();
        let later = tables.of(account).filter(|(key, _)| after.is_none_or(|after| key.session > after));
        Ok(later.map(|(_, row)| row.clone()).take(limit as usize).collect())
    }

    async fn named(&self, session: SessionId) -> Result<Option<(Session, SessionDetail)>, Fault> {
        let tables = self.tables();
        Ok(tables.sessions.iter().find(|(key, _)| key.session == session).map(|(_, row)| row.clone()))
    }

    async fn sweep(&self, slice: Slice) -> Result<Swept, Fault> {
        let mut tables = self.tables();
        let rows = slice.rows.max(1) as usize;
        let seen: Vec<Session> = tables
            .sessions
            .range((slice.after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
            .take(rows)
            .map(|(_, (session, _))| session.clone())
            .collect();
        let mut swept = Swept { seen: seen.len() as u64, ..Swept::default() };
        for session in &seen {
            match (session.ended, expiry(session, slice.now)) {
                (Some(ended), _) if ended.at <= slice.removes_until() => {
                    tables.sessions.remove(&session.key);
                    swept.removed += 1;
                }
                (None, Some(cause)) => {
                    tables.end(session.key, &Ending::by_itself(cause, slice.now));
                    swept.ended += 1;
                }
                _ => {}
            }
        }
        swept.next = seen.last().filter(|_| seen.len() == rows).map(|session| session.key);
        Ok(swept)
    }
}

#[async_trait]
impl Accounts for MemoryStore {
    async fn create(&self, new: NewAccount) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let id = new.account.id;
        let is_repeated = new.names.iter().enumerate().any(|(i, name)| new.names[..i].contains(name));
        if is_repeated || new.names.iter().any(|name| tables.names.contains_key(name)) {
            return Ok(false);
        }
        if tables.accounts.contains_key(&id) {
            return Err(Fault::internal("create an account", "there is an account of this id already"));
        }
        tables.names.extend(new.names.into_iter().map(|name| (name, id)));
        tables.accounts.insert(id, Credential { account: new.account, password_hash: new.password_hash });
        tables.append(new.event);
        Ok(true)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, Fault> {
        Ok(self.tables().accounts.get(&id).map(|kept| kept.account.clone()))
    }

    async fn credential(&self, name: &Name) -> Result<Option<Credential>, Fault> {
        let tables = self.tables();
        Ok(tables.names.get(name).and_then(|id| tables.accounts.get(id)).cloned())
    }

    async fn credential_of(&self, id: AccountId) -> Result<Option<Credential>, Fault> {
        Ok(self.tables().accounts.get(&id).cloned())
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Fault> {
        let tables = self.tables();
        let later =
            tables.accounts.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Ok(later.map(|(_, kept)| kept.account.clone()).take(limit as usize).collect())
    }

    async fn disable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let Some(kept) = tables.accounts.get_mut(&account).filter(|kept| kept.account.disabled_at.is_none())
        else {
            return Ok(false);
        };
        kept.account.disabled_at = Some(event.at);
        kept.account.epoch = kept.account.epoch.next();
        let ending = Ending::along_with(&event, EndCause::Disabled);
        tables.append(event);
        tables.end_all(account, None, &ending);
        Ok(true)
    }

    async fn enable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let Some(kept) = tables.accounts.get_mut(&account).filter(|kept| kept.account.disabled_at.is_some())
        else {
            return Ok(false);
        };
        kept.account.disabled_at = None;
        tables.append(event);
        Ok(true)
    }

    async fn change_password(&self, change: PasswordChange) -> Result<PasswordChanged, Fault> {
        let mut tables = self.tables();
        let account = change.account;
        if !tables.stands(account, change.verified_under) {
            return Ok(PasswordChanged::Moved);
        }
        let replaced = tables.sessions.get(&SessionKey { account, session: change.replaced });
        if replaced.is_none_or(|(replaced, _)| replaced.ended.is_some()) {
            return Ok(PasswordChanged::Moved);
        }
        let epoch = change.verified_under.next();
        let successor = Session { epoch, ..*change.successor };
        tables.expect_vacant(successor.key)?;
        tables.append(change.event);
        tables.end_all(account, None, &change.ending);
        tables.sessions.insert(successor.key, (successor, change.detail));
        tables.thin_out(account);
        let kept = tables.accounts.get_mut(&account).expect("the account stands, as looked up above");
        kept.account.epoch = epoch;
        kept.password_hash = change.password_hash;
        Ok(PasswordChanged::Done)
    }

    async fn rehash(
        &self,
        account: AccountId,
        old: &str,
        new: &str,
        event: Option<Event>,
    ) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let Some(kept) = tables.accounts.get_mut(&account).filter(|kept| kept.password_hash == old) else {
            return Ok(false);
        };
        new.clone_into(&mut kept.password_hash);
        event.into_iter().for_each(|event| tables.append(event));
        Ok(true)
    }

    async fn without_password(&self, first: AccountId, last: AccountId) -> Result<Vec<AccountId>, Fault> {
        let tables = self.tables();
        let among = tables.accounts.range(first..=last);
        let found = among.filter(|(_, kept)| kept.password_hash == NO_PASSWORD);
        Ok(found.map(|(id, _)| *id).collect())
    }
}

#[async_trait]
impl Journal for MemoryStore {
    async fn record(&self, event: Event) -> Result<(), Fault> {
        self.tables().append(event);
        Ok(())
    }

    async fn entries_of(&self, account: AccountId, limit: u32) -> Result<Vec<Entry>, Fault> {
        let tables = self.tables();
        let chain = tables.chains.get(&account).map(Vec::as_slice).unwrap_or_default();
        Ok(chain.iter().rev().take(limit as usize).cloned().collect())
    }

    async fn mentions(&self, session: SessionKey, until: u64) -> Result<bool, Fault> {
        let tables = self.tables();
        let chain = tables.chains.get(&session.account).map(Vec::as_slice).unwrap_or_default();
        let mut first = chain.iter().take_while(|entry| entry.number <= until);
        Ok(first.any(|entry| entry.event.session == Some(session.session)))
    }

    async fn entries(&self, after: Option<(AccountId, u64)>, limit: u32) -> Result<Vec<Entry>, Fault> {
        let tables = self.tables();
        let from = after.map_or(Bound::Unbounded, |(account, _)| Bound::Included(account));
        let later = tables.chains.range((from, Bound::Unbounded)).flat_map(|(_, chain)| chain);
        let later =
            later.filter(|entry| after.is_none_or(|after| (entry.event.account, entry.number) > after));
        Ok(later.take(limit as usize).cloned().collect())
    }

    async fn heads(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Head>, Fault> {
        let tables = self.tables();
        let later = tables.chains.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let heads = later.filter_map(|(_, chain)| {
            chain.iter().rev().find(|entry| entry.event.at < before).map(Entry::head)
        });
        Ok(heads.take(limit as usize).collect())
    }

    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        Ok(self.tables().checkpoints.last().cloned())
    }

    async fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<Checkpoint>, Fault> {
        let tables = self.tables();
        let later = tables.checkpoints.iter().filter(|checkpoint| checkpoint.number > after);
        Ok(later.take(limit as usize).cloned().collect())
    }

    async fn add_checkpoint(&self, checkpoint: Checkpoint) -> Result<bool, Fault> {
        let mut tables = self.tables();
        let place = tables.checkpoints.binary_search_by_key(&checkpoint.number, |kept| kept.number);
        if let Err(place) = place {
            tables.checkpoints.insert(place, checkpoint);
        }
        Ok(place.is_err())
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

impl Tables {
    /// Whether an account may log in and is in that epoch.
    fn stands(&self, account: AccountId, epoch: Epoch) -> bool {
        let kept = self.accounts.get(&account);
        kept.is_some_and(|kept| kept.account.disabled_at.is_none() && kept.account.epoch == epoch)
    }

    fn state(&self, key: SessionKey) -> Option<SessionState> {
        let (session, _) = self.sessions.get(&key)?;
        let account = self.accounts.get(&key.account).map(|kept| &kept.account);
        Some(SessionState {
            session: session.clone(),
            is_disabled: account.is_none_or(|account| account.disabled_at.is_some()),
            epoch: account.map(|account| account.epoch).unwrap_or_default(),
        })
    }

    fn of(&self, account: AccountId) -> impl Iterator<Item = (&SessionKey, &(Session, SessionDetail))> {
        let first = SessionKey { account, session: SessionId(uuid::Uuid::nil()) };
        let last = SessionKey { account, session: SessionId(uuid::Uuid::max()) };
        self.sessions.range(first..=last)
    }

    fn expect_vacant(&self, key: SessionKey) -> Result<(), Fault> {
        if self.sessions.contains_key(&key) {
            return Err(Fault::internal("open a session", "there is a session of this id already"));
        }
        Ok(())
    }

    /// The live sessions that give way, longest unused first, so that with one more there are `most`.
    fn surplus(&self, account: AccountId, most: u32, now: Timestamp) -> Vec<SessionKey> {
        let live = self.of(account).map(|(_, (session, _))| session);
        let mut live: Vec<&Session> = live.filter(|session| session.is_live(now)).collect();
        live.sort_by_key(|session| (session.rotated_at, session.key));
        let stay = most.saturating_sub(1) as usize;
        live.iter().take(live.len().saturating_sub(stay)).map(|session| session.key).collect()
    }

    /// Removes the ended sessions beyond [`MAX_ENDED_KEPT`], those that ended longest ago.
    fn thin_out(&mut self, account: AccountId) {
        let ended = self.of(account).filter_map(|(key, (session, _))| Some((session.ended?.at, *key)));
        let mut ended: Vec<(Timestamp, SessionKey)> = ended.collect();
        ended.sort_unstable();
        let beyond = ended.len().saturating_sub(MAX_ENDED_KEPT as usize);
        for (_, key) in &ended[..beyond] {
            self.sessions.remove(key);
        }
    }

    fn write(
        &mut self,
        applies: bool,
        key: SessionKey,
        event: Option<Event>,
        change: impl FnOnce(&mut Session),
    ) -> Option<Rotated> {
        let (session, _) = self.sessions.get_mut(&key).filter(|_| applies)?;
        change(session);
        let rotated = Rotated::of(session);
        if let Some(event) = event {
            self.append(event);
        }
        Some(rotated)
    }

    fn end(&mut self, key: SessionKey, ending: &Ending) -> bool {
        let live = self.sessions.get_mut(&key).filter(|(session, _)| session.ended.is_none());
        let Some((session, detail)) = live else {
            return false;
        };
        session.ended = Some(Ended { at: ending.at, cause: ending.cause });
        detail.ended_ip.clone_from(&ending.ip);
        self.append(ending.event(key));
        true
    }

    fn end_all(&mut self, account: AccountId, except: Option<SessionId>, ending: &Ending) -> u64 {
        let keys: Vec<SessionKey> =
            self.of(account).map(|(key, _)| *key).filter(|key| Some(key.session) != except).collect();
        keys.into_iter().map(|key| u64::from(self.end(key, ending))).sum()
    }

    fn append(&mut self, mut event: Event) {
        if let Some(covered) = self.checkpoints.last() {
            event.at = event.at.max(covered.before);
        }
        let chain = self.chains.entry(event.account).or_default();
        let head = chain.last().map_or_else(|| Head::new(event.account), Entry::head);
        chain.push(head.add(event));
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
