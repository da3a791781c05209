//! The store as an engine uses it: what is committed is counted.

use std::ops::Deref;
use std::sync::Arc;

use super::Counts;
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::error::refusals::RISK_REFUSED;
use crate::session::{AccountId, EndCause};
use crate::store::{Commit, Committed, Step, Store};

/// A store, and what is counted of what goes into it. Its own calls come before those of the store that are called alike.
pub(crate) struct CountedStore {
    store: Arc<dyn Store>,
    pub(crate) counts: Counts,
}

/// What a commit does that is counted, if it is done.
struct Tells {
    account: AccountId,
    events: Vec<(EventKind, Timestamp)>,
    /// How many sessions it opens.
    opens: u64,
    /// What ends one session each.
    ends_one: Vec<(EndCause, Timestamp)>,
    /// What ends however many there are: the commits of the engine have one such step at most.
    ends_all: Option<(EndCause, Timestamp)>,
}

impl CountedStore {
    pub(crate) fn new(store: Arc<dyn Store>, counts: Counts) -> Self {
        Self { store, counts }
    }

    /// The store alone: what is written to it there is not counted.
    pub(crate) fn uncounted(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let tells = Tells::of(&commit);
        let committed = self.store.commit(commit).await?;
        if let Committed::Done { ended } = committed {
            tells.count(ended, &self.counts);
        }
        Ok(committed)
    }

    pub(crate) async fn record(&self, event: Event) -> Result<(), Fault> {
        self.commit(Commit::telling(event)).await.map(drop)
    }
}

impl Deref for CountedStore {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref()
    }
}

impl AsRef<dyn Store> for CountedStore {
    fn as_ref(&self) -> &(dyn Store + 'static) {
        self.store.as_ref()
    }
}

impl Tells {
    fn of(commit: &Commit) -> Self {
        let mut tells = Self {
            account: commit.account,
            events: commit.events.iter().map(|event| (event.kind, event.at)).collect(),
            opens: 0,
            ends_one: Vec::new(),
            ends_all: None,
        };
        for step in &commit.steps {
            match step {
                Step::OpenSession { .. } => tells.opens += 1,
                Step::EndSession { ending, .. } => tells.ends_one.push((ending.cause, ending.at)),
                Step::EndSessions { ending, .. } => tells.ends_all = Some((ending.cause, ending.at)),
                Step::MakeRoom(room) => tells.ends_all = Some((room.ending.cause, room.ending.at)),
                _ => {}
            }
        }
        tells
    }

    fn count(&self, ended: u64, counts: &Counts) {
        for (cause, at) in &self.ends_one {
            counts.ended(*cause, 1, *at);
        }
        if let Some((cause, at)) = self.ends_all {
            counts.ended(cause, ended.saturating_sub(self.ends_one.len() as u64), at);
        }
        for (kind, at) in &self.events {
            match kind {
                EventKind::SessionOpened => counts.logged_in(self.account, *at),
                EventKind::LoginRefused => counts.login_refused(RISK_REFUSED.name),
                // Each of these is counted where it happens: of several the journal tells in one entry.
                EventKind::LoginFailed | EventKind::SessionEnded | EventKind::SessionRotated => {}
                _ => counts.journalled(*kind, *at),
            }
        }
        if let Some((kind, at)) = self.events.first().filter(|_| self.opens > 0) {
            counts.opened(kind.name(), self.opens, *at);
        }
    }
}
