//! What a running server does by itself.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{Engine, Requester};
use crate::audit::{Event, EventKind, NOBODY};
use crate::authn::More;
use crate::checkpoints::{self, CheckpointFlaw, Checkpointing, Cutting};
use crate::clock::{ClockNews, Doubt, TakenFor};
use crate::counts::{self, Written};
use crate::error::Fault;
use crate::keys::{KeyEntry, KeyRing};
use crate::security;
use crate::session::SessionKey;
use crate::store::{Slice, Sweep, Swept};

/// How many rows a sweep looks at in one transaction: few enough that no refresh notices.
const SWEEP_ROWS: u32 = 500;

/// What a running server does by itself. From [`Engine::upkeep`].
#[derive(Clone, Copy, Debug)]
pub struct Upkeep<'a>(pub(super) &'a Engine);

impl Upkeep<'_> {
    /// Sweeps one slice: ends what has expired and removes what ended longer ago than `keep_ended`.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn sweep(&self, after: Option<SessionKey>, keep_ended: Duration) -> Result<Swept, Fault> {
        let (slice, now) = (Slice::after(after, SWEEP_ROWS), self.0.now());
        let swept = self.0.store.sweep(Sweep { slice, now, keep_ended }).await?;
        self.0.counts().swept_slice(&swept, now);
        Ok(swept)
    }

    /// Notes what a whole pass of [`sweep`](Self::sweep) came to, from the first session to the last.
    pub fn swept(&self, pass: &Swept) {
        self.0.counts().swept(pass, self.0.now());
    }

    /// Writes what this node has counted since the last time, for the report. Whoever serves does this once a minute, and with
    /// `is_last` where the process ends in order.
    ///
    /// # Errors
    /// A [`Fault`]; then it is written the next time.
    pub async fn write_counts(&self, is_last: bool) -> Result<Written, Fault> {
        self.0.counts().write(self.0.store.as_ref(), is_last).await
    }

    /// Folds the counts of days that nobody adds to any more, so that a day has few rows however many nodes ran; says how many
    /// days. Any node does it, and two at once do no harm.
    ///
    /// # Errors
    /// A [`Fault`]; then it is done the next time.
    pub async fn fold_counts(&self) -> Result<u64, Fault> {
        counts::fold(self.0.store.as_ref(), self.0.now()).await
    }

    /// Says that this engine serves, at that place: it judges nobody before it has moved its mark of life, which somebody
    /// must now have it do once a second ([`mark`](Self::mark)). Who starts at the same place, or on the same store when
    /// nobody else serves, takes the time in between for an outage ([`outages`](crate::outages)).
    pub fn serve_at(&self, place: &str) {
        self.0.serve_at(place);
    }

    /// Moves this node's mark of life. Where it was not moved for long, that time counts as an outage.
    ///
    /// # Errors
    /// A [`Fault`]; and as long as it lasts, nobody is judged.
    pub async fn mark(&self) -> Result<(), Fault> {
        self.0.move_mark().await
    }

    /// Removes this node's mark of life: it leaves in order.
    ///
    /// # Errors
    /// A [`Fault`]; then its leaving looks like an outage.
    pub async fn leave(&self) -> Result<(), Fault> {
        self.0.remove_mark().await
    }

    /// Tells what was only counted and has waited long enough: the journal of failed log-ins, and the security log of refusals
    /// that were left out; all of it, if `all`, as before the process ends. Whoever serves does this every few seconds.
    ///
    /// # Errors
    /// A [`Fault`]; then what the journal does not know yet is told the next time.
    pub async fn tell_counted(&self, all: bool) -> Result<(), Fault> {
        security::tell_left_out(all);
        let Self(engine) = self;
        let mut due = engine.failures.due(engine.now(), all).into_iter();
        while let Some(more) = due.next() {
            if let Err(fault) = self.tell_failures(&more).await {
                std::iter::once(more).chain(due).for_each(|more| engine.failures.put_back(more));
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Journals failures that were only counted. Of an account that is gone since, it is not told where they came from, and to
    /// nobody's chain they are added: its owner may have been erased.
    async fn tell_failures(&self, more: &More) -> Result<(), Fault> {
        let Self(engine) = self;
        let mut event = more.event(engine.now());
        if event.account != NOBODY && engine.store.account(event.account).await?.is_none() {
            event = more.clone().of_nobody().event(engine.now());
        }
        engine.store.record(event).await
    }

    /// Forgets the budgets that are whole, and keeps the others beyond a restart. Whoever serves does this each minute, and once
    /// more before the process ends.
    ///
    /// # Errors
    /// A [`Fault`]; the next time goes on.
    pub async fn sweep_budgets(&self) -> Result<u64, Fault> {
        let now = self.0.now();
        self.0.gate.give_back_left_behind(self.0.store.as_ref(), now).await;
        self.0.store.sweep_budgets(now).await
    }

    /// Why the clock is not believed, if it is not.
    #[must_use]
    pub fn clock_doubt(&self) -> Option<Doubt> {
        self.0.clock.doubt()
    }

    /// Believes the clock as it stands now. Only a person who has looked at another one can say so.
    pub fn confirm_clock(&self) {
        self.0.clock.confirm();
    }

    /// What has happened to the clock since this was asked last.
    #[must_use]
    pub fn clock_news(&self) -> Vec<ClockNews> {
        self.0.clock.news()
    }

    /// Journals what happened to the clock.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn journal_clock(&self, news: ClockNews) -> Result<(), Fault> {
        let (kind, note) = match news {
            ClockNews::Jumped(Doubt { off_by, .. }) => (
                EventKind::ClockJumped,
                format!(
                    "by {off_by} ms; the time before it is carried on until the clock is steady or confirmed"
                ),
            ),
            ClockNews::Returned => (EventKind::ClockReturned, "it counts again".to_owned()),
            ClockNews::Taken { by, why: TakenFor::Steady } => (
                EventKind::ClockBelieved,
                format!("it was steady for five minutes, {by} ms from where it was"),
            ),
            ClockNews::Taken { by, why: TakenFor::Confirmed } => {
                (EventKind::ClockBelieved, format!("an operator confirmed it, {by} ms from where it was"))
            }
            ClockNews::Taken { by, why: TakenFor::WantOfAnother } => (
                EventKind::ClockTaken,
                format!(
                    "it was not steady for an hour and nobody confirmed it; it is {by} ms from where it was"
                ),
            ),
        };
        let now = self.0.now();
        let event = Requester::nobody().event_of_account(NOBODY, kind, now, Some(note));
        self.0.store.record(event).await
    }

    /// Journals how many requests were refused for the place that they came from.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn journal_places(&self, note: String) -> Result<(), Fault> {
        let (kind, now) = (EventKind::PlaceRefused, self.0.now());
        self.0.store.record(Requester::nobody().event_of_account(NOBODY, kind, now, Some(note))).await
    }

    /// Puts a changed key ring in force, and journals what changed.
    ///
    /// # Errors
    /// A [`Fault`] if it could not be journalled; the ring is in force all the same.
    pub async fn change_keys(&self, keys: KeyRing) -> Result<(), Fault> {
        let note = difference(&self.0.keys().entries(), &keys.entries());
        self.replace_keys(keys);
        let event = Event {
            account: NOBODY,
            at: self.0.now(),
            kind: EventKind::KeysChanged,
            session: None,
            cause: None,
            ip: None,
            user_agent: None,
            note: Some(note),
        };
        self.0.store.record(event).await
    }

    /// Puts another key ring in force, for every request from now on, and journals nothing.
    pub fn replace_keys(&self, keys: KeyRing) {
        self.0.keys.store(Arc::new(keys));
    }

    /// Cuts off the journal what was made longer than `keep` ago, so that it can still be verified; `pause` is awaited between two
    /// slices and hears how many entries are gone so far. `Err` where the newest checkpoint shows tampering: then nothing is cut.
    ///
    /// # Errors
    /// A [`Fault`]; the next time goes on from there.
    pub async fn cut_journal<P: Future<Output = ()> + Send>(
        &self,
        keep: Duration,
        pause: impl FnMut(u64) -> P + Send,
    ) -> Result<Result<Cutting, CheckpointFlaw>, Fault> {
        let (store, keys) = (self.0.store.as_ref(), self.0.keys());
        checkpoints::cut_what_is_covered(store, keys.as_ref(), (self.0.now(), keep), pause).await
    }

    /// Binds all chains of the journal together by a checkpoint, if there is anything new to bind.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn add_checkpoint(&self) -> Result<Checkpointing, Fault> {
        checkpoints::add(self.0.store.as_ref(), self.0.keys().as_ref(), self.0.now()).await
    }
}

/// What is different between two states of the ring, for a reader of the journal.
fn difference(before: &[KeyEntry], after: &[KeyEntry]) -> String {
    let is_same_key = |a: &KeyEntry, b: &KeyEntry| a.purpose == b.purpose && a.id == b.id;
    let missing_in = |those: &[KeyEntry], key: &KeyEntry| !those.iter().any(|other| is_same_key(other, key));
    let added = after.iter().filter(|key| missing_in(before, key)).map(|key| said("added", key));
    let removed = before.iter().filter(|key| missing_in(after, key)).map(|key| said("removed", key));
    let retired = after
        .iter()
        .filter(|key| before.iter().any(|old| is_same_key(old, key) && old.retired_at != key.retired_at))
        .map(|key| said("retirement set for", key));
    let all: Vec<_> = added.chain(removed).chain(retired).collect();
    if all.is_empty() {
        "the file was written anew; the keys are the same".to_owned()
    } else {
        all.join("; ")
    }
}

fn said(what: &str, key: &KeyEntry) -> String {
    format!("{what} {} key {}", key.purpose, key.id)
}
