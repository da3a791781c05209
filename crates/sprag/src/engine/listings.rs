//! Listings, slice by slice: accounts, an account's live sessions, and what the journal says.

use super::{Accounts, Listed, Sessions};
use crate::account::{Account, Name, NameKind};
use crate::audit::{Entry, Event, EventKind, Severity};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::session::{AccountId, EndCause, SessionId};
use crate::store::Slice;

/// How many rows are read at a time.
const READ: u32 = 200;

/// How many of the journal's entries one slice looks through at most; where they are not wanted, the slice is short, and the next
/// one goes on from there.
const LOOKED_AT: usize = 5_000;

/// How many names one slice of a search looks at most; of accounts that were listed before, by their other name, there may be any
/// number in a row.
const NAMES_LOOKED_AT: usize = 2_000;

/// How many slices of an account's sessions are read at most.
const SLICES: usize = 100;

/// A slice of a listing, and after what the next one begins; `None` at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<T, K> {
    /// What was found.
    pub items: Vec<T>,
    /// After what the next slice begins, if there is one.
    pub next: Option<K>,
}

impl<T, K> Found<T, K> {
    /// A slice of as many as were asked for, of one more that was read to see whether there are more.
    fn cut(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Self {
        let has_more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| has_more).map(key);
        Self { items, next }
    }
}

/// An entry's place in a listing of all.
pub type EntryPlace = (Timestamp, AccountId, u64);

/// Which of the journal's entries somebody asks for.
#[derive(Clone, Debug)]
pub struct EntriesWanted {
    /// Whose; everybody's where nobody is named.
    pub account: Option<AccountId>,
    /// Of which kinds; of any where none is named.
    pub kinds: Vec<EventKind>,
    /// As severe as this, or more.
    pub severity: Option<Severity>,
    /// Made at this moment or later.
    pub since: Timestamp,
    /// Who asks. Of their own account nothing is told that moves with a rotation: whoever holds a copy of their tokens could
    /// read when the other one refreshes.
    pub asker: Option<AccountId>,
}

impl EntriesWanted {
    fn wants(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.severity.is_none_or(|least| event.severity() >= least)
            && event.at >= self.since
            && !(self.asker == Some(event.account) && event.moves_with_a_rotation())
    }
}

impl Event {
    /// Whether it tells when a session rotated: it happened at a rotation or at a retry, or so long after one.
    #[must_use]
    pub fn moves_with_a_rotation(&self) -> bool {
        match self.kind {
            EventKind::SessionRotated
            | EventKind::ForeignRetry
            | EventKind::Contested
            | EventKind::LateTwin
            | EventKind::Lockstep
            | EventKind::AheadAdopted
            | EventKind::SecretMismatch => true,
            EventKind::SessionEnded => self.cause == Some(EndCause::Idle),
            _ => false,
        }
    }

    /// Leaves out its note, if that tells of a session's generations: how many times a session has rotated is told on the
    /// server, and to nobody over the network.
    pub fn leave_out_generations(&mut self) {
        let tells = match self.kind {
            EventKind::SessionRotated
            | EventKind::AheadAdopted
            | EventKind::ForeignRetry
            | EventKind::Lockstep => true,
            EventKind::SessionEnded => matches!(self.cause, Some(EndCause::Ahead | EndCause::Lockstep)),
            _ => false,
        };
        if tells {
            self.note = None;
        }
    }
}

impl Accounts<'_> {
    /// Accounts in the order in which they were made.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn listed(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Found<Account, AccountId>, Fault> {
        let found = self.0.store.accounts(Slice::after(after, limit.saturating_add(1))).await?;
        Ok(Found::cut(found, limit, |account| account.id))
    }

    /// Accounts whose user name or e-mail address begins so, in whatever spelling: those by their user name first, then
    /// those by their address, each once. A text with an `@` is the beginning of an address. A slice that looked at many names
    /// whose accounts are listed elsewhere is short, or empty, and yet has a next one.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn named_like(
        &self,
        begins: &str,
        after: Option<Name>,
        limit: u32,
    ) -> Result<Found<Account, Name>, Fault> {
        let beginnings = Name::beginnings(begins);
        let wanted = limit as usize + 1;
        let mut found: Vec<(Name, Account)> = Vec::new();
        let (mut after, mut looked_at, mut ended_at) = (after, 0, None);
        'search: for beginning in &beginnings {
            // Those of a kind before the cursor's have been listed.
            if after.as_ref().is_some_and(|after| after.kind > beginning.kind) {
                continue;
            }
            loop {
                let from = after.take().filter(|after| after.kind == beginning.kind).map(|after| after.value);
                let slice = self.0.store.names_beginning(beginning, Slice::after(from, READ)).await?;
                let is_last = slice.len() < READ as usize;
                looked_at += slice.len();
                after = slice.last().map(|(name, _)| name.clone());
                self.add_named(&mut found, slice, &beginnings, wanted).await?;
                if found.len() >= wanted {
                    break 'search;
                }
                if is_last {
                    after = None;
                    break;
                }
                if looked_at >= NAMES_LOOKED_AT {
                    ended_at = after;
                    break 'search;
                }
            }
        }
        let Found { items, next } = Found::cut(found, limit, |(name, _)| name.clone());
        let items = items.into_iter().map(|(_, account)| account).collect();
        Ok(Found { items, next: next.or(ended_at) })
    }

    /// Adds the accounts that these names lead to, as many as are wanted.
    async fn add_named(
        &self,
        found: &mut Vec<(Name, Account)>,
        names: Vec<(Name, AccountId)>,
        beginnings: &[Name],
        wanted: usize,
    ) -> Result<(), Fault> {
        let ids = names.iter().map(|(_, id)| *id).collect();
        let accounts = self.0.store.accounts_among(ids).await?;
        for (name, id) in names {
            let Some(account) = accounts.iter().find(|account| account.id == id) else { continue };
            let is_listed_by_username = || {
                let username = account.username.as_deref().and_then(|text| Name::username(text).ok());
                username.is_some_and(|own| beginnings.iter().any(|begins| own.begins_with(begins)))
            };
            if found.len() < wanted && (name.kind == NameKind::Username || !is_listed_by_username()) {
                found.push((name, account.clone()));
            }
        }
        Ok(())
    }

    /// What the journal says, newest first. A slice that looked through many entries that are not wanted is short, or empty,
    /// and yet has a next one.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn entries(
        &self,
        wanted: &EntriesWanted,
        after: Option<EntryPlace>,
        limit: u32,
    ) -> Result<Found<Entry, EntryPlace>, Fault> {
        let (mut after, mut looked_at) = (after, 0);
        let mut found = Vec::new();
        while looked_at < LOOKED_AT {
            let slice = self.read_entries(wanted, after).await?;
            let Some(last) = slice.last() else { return Ok(Found::cut(found, limit, place)) };
            after = Some(place(last));
            looked_at += slice.len();
            found.extend(slice.into_iter().filter(|entry| wanted.wants(&entry.event)));
            if found.len() > limit as usize {
                return Ok(Found::cut(found, limit, place));
            }
        }
        Ok(Found { items: found, next: after })
    }

    /// Whether the journal says anything of an account, which need not be there any more.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn has_journal(&self, account: AccountId) -> Result<bool, Fault> {
        Ok(!self.0.store.entries_of(account, Slice::first(1)).await?.is_empty())
    }

    /// The next entries: of one account by its chain, of all by time.
    async fn read_entries(
        &self,
        wanted: &EntriesWanted,
        after: Option<EntryPlace>,
    ) -> Result<Vec<Entry>, Fault> {
        let store = &self.0.store;
        let Some(account) = wanted.account else {
            return store.recent(wanted.since, Slice::after(after, READ)).await;
        };
        let after = after.map(|(_, _, number)| number);
        let mut slice = store.entries_of(account, Slice::after(after, READ)).await?;
        // Within a chain none is older than the one before it.
        slice.retain(|entry| entry.event.at >= wanted.since);
        Ok(slice)
    }
}

fn place(entry: &Entry) -> EntryPlace {
    (entry.event.at, entry.event.account, entry.number)
}

impl Sessions<'_> {
    /// An account's live sessions, slice by slice in the order of their ids.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn listed(
        &self,
        account: AccountId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Found<Listed, SessionId>, Fault> {
        let now = self.0.now();
        let (mut live, mut after) = (Vec::new(), after);
        for _ in 0..SLICES {
            let slice = self.0.store.of(account, Slice::after(after, READ)).await?;
            let is_last = slice.len() < READ as usize;
            after = slice.last().map(|(session, _)| session.key.session);
            let listed = slice.into_iter().map(|(session, detail)| Listed { session, detail });
            live.extend(listed.filter(|listed| listed.session.is_live(now)));
            if is_last || live.len() > limit as usize {
                break;
            }
        }
        Ok(Found::cut(live, limit, |listed| listed.session.key.session))
    }
}
