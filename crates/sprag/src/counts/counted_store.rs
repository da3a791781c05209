//! The store as an engine uses it: what is committed is counted.

use std::ops::Deref;
use std::sync::Arc;

use super::Counts;
use super::carried::carried;
use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::error::refusals::RISK_REFUSED;
use crate::session::{AccountId, EndCause};
use crate::store::{Commit, Committed, Rotated, Step, Store};
use crate::verdict::{Retried, Rotation};

/// A store, and what is counted of what goes into it. Its own calls come before those of the store that are called alike.
///
/// Whoever asked may go away, as a client that hangs up does: what has been asked of the store is carried through, and counted.
pub(crate) struct CountedStore {
    store: Arc<dyn Store>,
    pub(crate) counts: Arc<Counts>,
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
        Self { store, counts: Arc::new(counts) }
    }

    /// The store alone: what is written to it there is not counted.
    pub(crate) fn uncounted(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        self.commit_telling(commit, |_| ()).await
    }

    /// Commits, and where that is done counts what only its caller knows of it.
    pub(crate) async fn commit_telling(
        &self,
        commit: Commit,
        count: impl FnOnce(&Counts) + Send + 'static,
    ) -> Result<Committed, Fault> {
        let tells = Tells::of(&commit);
        let (store, counts) = (Arc::clone(&self.store), Arc::clone(&self.counts));
        let write = async move {
            let committed = store.commit(commit).await?;
            if let Committed::Done { ended } = committed {
                tells.count(ended, &counts);
                count(&counts);
            }
            Ok(committed)
        };
        carried(write, drop).await
    }

    /// Turns a row. What a refresh came to is for its caller to count, where there still is one.
    ///
    /// It is no `async fn`: one would keep the rotation and its event twice more for as long as it waits.
    pub(crate) fn rotate(
        &self,
        rotation: Rotation,
        event: Option<Event>,
    ) -> impl Future<Output = Result<Option<Rotated>, Fault>> + use<> {
        let (store, counts) = (Arc::clone(&self.store), Arc::clone(&self.counts));
        let (account, at) = (rotation.key.account, rotation.at);
        let kind = event.as_ref().map(|event| event.kind);
        let write = async move { store.rotate(rotation, event).await };
        let unheard = move |turned| {
            if let Ok(Some(_)) = turned {
                counts.refreshed(account, true, at);
                counts.journalled_with_a_row(kind, at);
            }
        };
        carried(write, unheard)
    }

    /// Notes that a spent token came back; counted as [`rotate`](Self::rotate) is.
    pub(crate) async fn retry(
        &self,
        retried: Retried,
        event: Option<Event>,
    ) -> Result<Option<Rotated>, Fault> {
        let (store, counts) = (Arc::clone(&self.store), Arc::clone(&self.counts));
        let told = event.as_ref().map(|event| (event.kind, event.at));
        let write = async move { store.retry(retried, event).await };
        let unheard = move |noted| {
            if let (Ok(Some(_)), Some((kind, at))) = (noted, told) {
                counts.journalled_with_a_row(Some(kind), at);
            }
        };
        carried(write, unheard).await
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
