//! Since when everybody could be answered: this node's mark of life, and the moment a request is judged by.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Mutex;

use super::{ClientPolicy, Engine};
use crate::clock::{Timestamp, millis};
use crate::error::Fault;
use crate::observe::{Count, MarkObserved};
use crate::outages::{KEPT, Mark, Marking, NodeId, OWN_GAP, Outage, Outages};
use crate::random;
use crate::ratchet::Moment;

/// Before its first mark.
const NEVER: i64 = i64::MIN;

/// What this node knows of its own service and of the others'.
#[derive(Debug)]
pub(super) struct Service {
    /// Who it is, once it serves. A command beside a server never does, and moves no mark.
    own: ArcSwapOption<Own>,
    /// When it last moved its mark.
    marked_at: AtomicI64,
    /// When it first did.
    served_since: AtomicI64,
    outages: ArcSwap<Outages>,
    /// One at a time moves the mark; who waited for two that failed fails with them, or thousands would try in turn.
    marking: Mutex<()>,
    failures: AtomicU64,
    noted: Count,
}

#[derive(Debug)]
struct Own {
    node: NodeId,
    place: String,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            own: ArcSwapOption::empty(),
            marked_at: AtomicI64::new(NEVER),
            served_since: AtomicI64::new(NEVER),
            outages: ArcSwap::default(),
            marking: Mutex::default(),
            failures: AtomicU64::new(0),
            noted: Count::default(),
        }
    }
}

impl Service {
    /// Whether this node must note a gap before it judges anything: it was frozen, or could not write.
    fn is_behind(&self, now: Timestamp) -> bool {
        if self.own.load().is_none() {
            return false;
        }
        let marked_at = self.marked_at.load(Ordering::Acquire);
        marked_at == NEVER || now.millis_since(Timestamp(marked_at)).saturating_abs() > millis(OWN_GAP)
    }

    fn moment(&self, client: &ClientPolicy, at: Timestamp) -> Moment {
        let window = client.policy.reuse_interval;
        Moment { now: at, window_start: self.outages.load().window_start(at, window) }
    }

    /// What is told of the mark, once it has moved.
    pub(super) fn observed(&self, now: Timestamp) -> Option<MarkObserved> {
        let marked_at = self.marked_at.load(Ordering::Acquire);
        let age = u64::try_from(now.millis_since(Timestamp(marked_at))).unwrap_or(0);
        let (failures, outages) = (self.failures.load(Ordering::Acquire), self.noted.get());
        let observed = MarkObserved { age: Duration::from_millis(age), failures, outages };
        (marked_at != NEVER).then_some(observed)
    }

    fn node(&self) -> Option<NodeId> {
        self.own.load().as_ref().map(|own| own.node)
    }
}

impl Engine {
    /// The moment to judge a request of this client's by that came at `at`.
    ///
    /// # Errors
    /// A [`Fault`] if this node was away and cannot write down that it was: then it may judge nobody.
    pub(super) async fn moment(&self, client: &ClientPolicy, at: Timestamp) -> Result<Moment, Fault> {
        if self.service.is_behind(self.now()) {
            // In a box, as hardly any request comes here.
            Box::pin(self.catch_up()).await?;
        }
        Ok(self.service.moment(client, at))
    }

    /// A verdict on a request of this client's that came at `at`; one that accuses somebody of reuse is reached again by
    /// what is known of outages by then.
    ///
    /// # Errors
    /// As [`moment`](Self::moment); and if nothing can be read of the other nodes before somebody is accused.
    pub(super) async fn judge_by<T>(
        &self,
        client: &ClientPolicy,
        at: Timestamp,
        judge: impl Fn(Moment) -> T,
        accuses: impl Fn(&T) -> bool,
    ) -> Result<T, Fault> {
        let verdict = judge(self.moment(client, at).await?);
        if !accuses(&verdict) {
            return Ok(verdict);
        }
        Ok(judge(self.moment_to_accuse_by(client, at).await?))
    }

    /// The moment to accuse somebody of reuse by: the marks are read anew, for another node's outage may be a moment old.
    ///
    /// # Errors
    /// As [`moment`](Self::moment); and if nothing can be read of the others.
    async fn moment_to_accuse_by(&self, client: &ClientPolicy, at: Timestamp) -> Result<Moment, Fault> {
        if self.service.is_behind(self.now()) {
            self.catch_up().await?;
        } else {
            let marked = self.store.marked().await?;
            self.service.outages.store(Arc::new(marked.outages(self.service.node(), self.now())));
        }
        Ok(self.service.moment(client, at))
    }

    /// From now on this node serves at `place`, and judges nobody before it has moved its mark.
    pub(super) fn serve_at(&self, place: &str) {
        let node = NodeId(random::id(self.random.as_ref(), self.now()));
        // Who serves already goes on as who it is.
        if self.service.own.load().is_none() {
            self.service.own.store(Some(Arc::new(Own { node, place: place.to_owned() })));
        }
    }

    /// Moves this node's mark, with the gap since it last did.
    pub(super) async fn move_mark(&self) -> Result<(), Fault> {
        let _alone = self.service.marking.lock().await;
        self.move_mark_alone().await
    }

    /// Removes this node's mark, and leaves behind when it served last.
    pub(super) async fn remove_mark(&self) -> Result<(), Fault> {
        let Some(own) = self.service.own.load_full() else { return Ok(()) };
        let _alone = self.service.marking.lock().await;
        let now = self.now();
        let last = Outage { node: own.node, from: now, until: now };
        let outages = self.own_gap(&own, now).into_iter().chain([last]).collect();
        let forgets_before = now.minus(KEPT);
        self.store.mark(Marking { mark: None, outages, forgets: vec![own.node], forgets_before }).await
    }

    async fn catch_up(&self) -> Result<(), Fault> {
        let failures = self.service.failures.load(Ordering::Acquire);
        let _alone = self.service.marking.lock().await;
        if !self.service.is_behind(self.now()) {
            return Ok(());
        }
        // One attempt may have begun before the node was frozen and be given up for that; the next one tells.
        if self.service.failures.load(Ordering::Acquire) >= failures + 2 {
            let why = "this node was away a moment ago and cannot write that down yet; nobody is judged until it can";
            return Err(Fault::unavailable("move the mark of life", why));
        }
        self.move_mark_alone().await
    }

    async fn move_mark_alone(&self) -> Result<(), Fault> {
        let moved = self.try_to_move_mark().await;
        if moved.is_err() {
            self.service.failures.fetch_add(1, Ordering::AcqRel);
        }
        moved
    }

    async fn try_to_move_mark(&self) -> Result<(), Fault> {
        let Some(own) = self.service.own.load_full() else { return Ok(()) };
        let now = self.now();
        let mut marked = self.store.marked().await?;
        let mark = Mark {
            node: own.node,
            place: own.place.clone(),
            moved_at: now,
            clock_off_by: self.clock.doubt().map(|doubt| doubt.off_by),
        };
        let since = self.service.served_since.load(Ordering::Acquire);
        let is_first = since == NEVER;
        let since = if is_first { now } else { Timestamp(since) };
        let (mut outages, forgets) = marked.taken_over(&mark, since, is_first);
        outages.extend(self.own_gap(&own, now));
        marked.marks.retain(|other| !forgets.contains(&other.node));
        marked.outages.extend_from_slice(&outages);
        for Outage { from, until, .. } in &outages {
            let seconds = until.millis_since(*from) / 1000;
            tracing::info!(seconds, "somebody could not be answered; that time counts for no reuse interval");
        }
        let noted = outages.len() as u64;
        self.store
            .mark(Marking { mark: Some(mark), outages, forgets, forgets_before: now.minus(KEPT) })
            .await?;
        self.service.noted.add(noted);
        self.service.outages.store(Arc::new(marked.outages(Some(own.node), now)));
        // Last, so that whoever finds the mark fresh finds the outages too.
        self.service.marked_at.store(now.0, Ordering::Release);
        self.service.served_since.store(since.0, Ordering::Release);
        Ok(())
    }

    /// The time since this node last moved its mark, where that is too long.
    fn own_gap(&self, own: &Own, now: Timestamp) -> Option<Outage> {
        let from = Timestamp(self.service.marked_at.load(Ordering::Acquire));
        let is_gap = from.0 != NEVER && now.millis_since(from) > millis(OWN_GAP);
        is_gap.then_some(Outage { node: own.node, from, until: now })
    }
}
