//! A batcher: what waits leaves together, one round trip after another.
//!
//! Whatever has queued while the last round trip was under way makes the next one, up to a bound (`queue`);
//! nobody is answered before the database has.
//!
//! When the connection breaks or the database is silent for too long, those under way are told so and the batcher
//! connects anew; those that wait go on waiting, each until its own deadline. While the database is away for longer,
//! nobody waits.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connection::{Connection, Connector};
use super::error::{QueryError, Remedy, shared_fault};
use super::health::Health;
use super::queue::Queue;
use super::{Batching, Settings};
use crate::error::Fault;
use crate::observe::{QueueCounts, QueueObserved};
use crate::session::SessionKey;
use crate::timers::KeptTimers;

/// How often one batch is sent again because it lost to another transaction.
const MAX_REPEATS: u32 = 8;

/// How old the server's plans for a batcher's statements get.
const PLAN_AGE: Duration = Duration::from_secs(10);

/// The pause between two attempts to connect.
const REDIAL: Duration = Duration::from_millis(100);

/// What one order came to: `None` where it matched no row.
pub(super) type Outcome<T> = Result<Option<T>, Arc<QueryError>>;

/// What travels in a batcher.
#[async_trait]
pub(super) trait Order: Clone + Debug + Send + Sync + Sized + 'static {
    /// What comes back for one that matched.
    type Answer: Debug + Send + Sync + 'static;

    /// Names it in faults.
    const DOING: &'static str;

    /// Names the queue of it, in what is counted.
    const QUEUE: &'static str;

    /// The row it is about.
    fn key(&self) -> SessionKey;

    /// The answer to an order that came for the same row as `first`, whose outcome tells; `None` where it must be sent
    /// after all.
    fn follow(&self, first: &Self, outcome: &Option<Self::Answer>) -> Option<Option<Self::Answer>>;

    /// What comes first on a new connection.
    async fn begin(_: &Connection, _: &Health) -> Result<(), QueryError> {
        Ok(())
    }

    /// Sends all in one round trip, one outcome for each. They are sorted by key and no key is there twice.
    async fn send(
        connection: &Connection,
        batching: Batching,
        orders: &[&Self],
    ) -> Vec<Outcome<Self::Answer>>;

    /// Looks after those that were answered `now`, and when each was asked for, before anybody is told.
    async fn settle(_: &Connection, _done: &[(&Self, Instant)], _now: Instant) -> Result<(), QueryError> {
        Ok(())
    }

    /// Notes those whose outcome will never be told, and when each was asked for.
    fn lose(_: &Health, _: &[(&Self, Instant)]) {}
}

/// An order that waits, and who waits for it.
#[derive(Debug)]
struct Waiting<O: Order> {
    order: O,
    queued: Instant,
    reply: oneshot::Sender<Result<Option<O::Answer>, Fault>>,
}

/// Where the outcome of an order comes.
type Waited<O> = oneshot::Receiver<Result<Option<<O as Order>::Answer>, Fault>>;

/// The entrance to batchers of one kind. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Batchers<O: Order> {
    queue: Arc<Queue<Waiting<O>>>,
    health: Arc<Health>,
    deadline: Duration,
    counts: Arc<QueueCounts>,
    bound: usize,
    timers: KeptTimers,
    _running: JoinSet<()>,
}

impl<O: Order> Batchers<O> {
    pub(super) fn start(
        count: usize,
        connector: &Connector,
        settings: &Settings,
        batching: Batching,
        health: &Arc<Health>,
    ) -> Self {
        let queue = Arc::new(Queue::new(settings.queue, settings.batch));
        let (counts, mut running) = (Arc::<QueueCounts>::default(), JoinSet::new());
        for _ in 0..count.max(1) {
            let mut batcher = Batcher {
                queue: Arc::clone(&queue),
                connector: connector.clone(),
                health: Arc::clone(health),
                batching,
                deadline: settings.deadline,
                held: Vec::new(),
                counts: Arc::clone(&counts),
            };
            running.spawn(async move {
                // Whoever waited in a batch that panicked is told so by the end of its channel.
                while AssertUnwindSafe(batcher.run()).catch_unwind().await.is_err() {
                    tracing::error!(
                        "could not {}: a panic, told above; going on with a new connection",
                        O::DOING
                    );
                }
            });
        }
        let (health, deadline) = (Arc::clone(health), settings.deadline);
        let (bound, timers) = (settings.queue, KeptTimers::default());
        Self { queue, health, deadline, counts, bound, timers, _running: running }
    }

    /// What was counted until now.
    pub(super) fn observed(&self) -> QueueObserved {
        self.counts.observed(O::QUEUE, O::DOING, (self.queue.waiting(), self.bound))
    }

    /// Sends an order, at once, and waits for its outcome, until the deadline.
    pub(super) fn ask(&self, order: O) -> impl Future<Output = Result<Option<O::Answer>, Fault>> {
        let queued = self.queue(order);
        async move { self.answered(queued).await.inspect_err(|_| self.counts.faults.one()) }
    }

    fn queue(&self, order: O) -> Result<Waited<O>, Fault> {
        if self.health.is_away() {
            return Err(Fault::unavailable(
                O::DOING,
                "the database is away; this ends by itself once it is back",
            ));
        }
        let (reply, answer) = oneshot::channel();
        let queued = Instant::now();
        if self.queue.push(Waiting { order, queued, reply }, queued).is_err() {
            self.counts.refused.one();
            return Err(Fault::unavailable(O::DOING, "the store's queue is full; try again in a moment"));
        }
        Ok(answer)
    }

    async fn answered(&self, queued: Result<Waited<O>, Fault>) -> Result<Option<O::Answer>, Fault> {
        let answer = queued?;
        let deadline = self.health.patience(self.deadline);
        match self.timers.within(deadline, pin!(answer)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Fault::unavailable(O::DOING, "the store is shutting down")),
            Err(_) => Err(Fault::unavailable(O::DOING, QueryError::Silent(deadline))),
        }
    }
}

/// One connection and its task.
struct Batcher<O: Order> {
    queue: Arc<Queue<Waiting<O>>>,
    connector: Connector,
    health: Arc<Health>,
    batching: Batching,
    deadline: Duration,
    /// Orders for a row that another order of the last batch was for.
    held: Vec<Waiting<O>>,
    counts: Arc<QueueCounts>,
}

impl<O: Order> Batcher<O> {
    async fn run(&mut self) {
        let queue = Arc::clone(&self.queue);
        let mut connection = self.connect().await;
        let (mut planned_at, mut used_at) = (Instant::now(), Instant::now());
        loop {
            let (taken, under_way) = if self.held.is_empty() {
                tokio::select! {
                    biased;
                    next = queue.next() => next,
                    // Connects before anybody waits for it: where the server is far away, that takes long.
                    () = self.health.reconnected() => {
                        if connection.is_closed() || self.health.was_away_within(used_at.elapsed()) {
                            // It may have been told of orders already, and connecting can take long.
                            queue.hand_over();
                            connection = self.connect().await;
                            used_at = Instant::now();
                        }
                        continue;
                    }
                }
            } else {
                queue.take()
            };
            let batch = self.sort(taken);
            self.counts.batches.add(batch.len() as u64);
            // A server that was restarted or replaced while nobody asked; nothing has been sent to it.
            if connection.is_closed() || self.health.was_away_within(used_at.elapsed()) {
                connection = self.connect().await;
            }
            used_at = Instant::now();
            let is_sound = if planned_at.elapsed() >= PLAN_AGE {
                planned_at = Instant::now();
                // Leaves just before the batch, and nobody waits for it. Where it fails, so does what follows.
                let (_, is_sound) = join(connection.forget_plans(), self.carry(&connection, batch)).await;
                is_sound
            } else {
                self.carry(&connection, batch).await
            };
            drop(under_way);
            if !is_sound {
                queue.hand_over();
                std::mem::replace(&mut connection, self.connect().await).abandon();
            }
        }
    }

    async fn connect(&self) -> Connection {
        let _connecting = self.counts.connecting.up();
        loop {
            let connected = match self.connector.connect_to_primary().await {
                Ok(connection) => {
                    match tokio::time::timeout(self.deadline, O::begin(&connection, &self.health)).await {
                        Ok(Err(error)) if error.remedy() == Remedy::Reconnect => Err(error),
                        Err(_) => Err(QueryError::Silent(self.deadline)),
                        Ok(_) => Ok(connection),
                    }
                }
                Err(error) => Err(error),
            };
            match connected {
                Ok(connection) => {
                    self.counts.connected.one();
                    return connection;
                }
                // The heartbeat tells of a database that is away, once.
                Err(error) => {
                    self.counts.failed.one();
                    tracing::debug!(%error, "a batcher cannot connect");
                }
            }
            tokio::time::sleep(REDIAL).await;
        }
    }

    /// A batch of what was held back and what was taken: sorted by key, so that two batchers never wait for each other's
    /// rows; no key twice, for one statement changes a row once. The later of two is held back.
    fn sort(&mut self, taken: Vec<Waiting<O>>) -> Vec<Waiting<O>> {
        let mut batch = taken;
        batch.append(&mut self.held);
        batch.sort_unstable_by_key(|waiting| (waiting.order.key(), waiting.queued));
        let mut before = None;
        self.held = batch
            .extract_if(.., |waiting| before.replace(waiting.order.key()) == Some(waiting.order.key()))
            .collect();
        batch
    }

    /// One round trip, and again for those that lost to another transaction, or had a statement in common that failed: each
    /// by itself then, so that a row that is locked or cannot be reached holds up nobody else. Says whether the connection is sound.
    async fn carry(&mut self, connection: &Connection, batch: Vec<Waiting<O>>) -> bool {
        let mut left = batch;
        for repeat in 0..=MAX_REPEATS {
            // Whoever has given up was told that nothing is known of it; let nothing happen, then.
            left.retain(|waiting| !waiting.reply.is_closed());
            if left.is_empty() {
                return true;
            }
            let batching = if repeat == 0 { self.batching } else { Batching::Rows };
            // What one of them is at fault for, all of a statement hear: then each goes by itself.
            let are_told_together = batching != Batching::Rows && left.len() > 1;
            let orders: Vec<&O> = left.iter().map(|waiting| &waiting.order).collect();
            let sent = tokio::time::timeout(self.deadline, O::send(connection, batching, &orders)).await;
            let outcomes = sent.unwrap_or_else(|_| {
                let silent = Arc::new(QueryError::Silent(self.deadline));
                orders.iter().map(|_| Err(Arc::clone(&silent))).collect()
            });
            self.settle(connection, &left, &outcomes).await;
            self.answer_followers(&left, &outcomes);
            let is_broken = |outcome: &Outcome<_>| {
                outcome.as_ref().is_err_and(|error| error.remedy() == Remedy::Reconnect)
            };
            let is_sound = !outcomes.iter().any(is_broken);
            let unheard;
            (left, unheard) = answer(left, outcomes, is_sound && repeat < MAX_REPEATS, are_told_together);
            // What they asked for has happened, and they were told that nothing is known of it.
            let unheard: Vec<_> = unheard.iter().map(|(order, queued)| (order, *queued)).collect();
            O::lose(&self.health, &unheard);
            if !is_sound {
                return false;
            }
        }
        true
    }

    /// Answers those held back whose answer follows from that of the first for the same row.
    fn answer_followers(&mut self, batch: &[Waiting<O>], outcomes: &[Outcome<O::Answer>]) {
        for follower in std::mem::take(&mut self.held) {
            let key = follower.order.key();
            let first = batch.binary_search_by_key(&key, |waiting| waiting.order.key());
            let told = first.ok().and_then(|at| Some((batch.get(at)?, outcomes.get(at)?.as_ref().ok()?)));
            match told.and_then(|(first, outcome)| follower.order.follow(&first.order, outcome)) {
                // Whoever asked may have given up meanwhile.
                Some(answer) => drop(follower.reply.send(Ok(answer))),
                None => self.held.push(follower),
            }
        }
    }

    /// Looks after those that were answered, before anybody is told, and notes those that never will be.
    async fn settle(&self, connection: &Connection, batch: &[Waiting<O>], outcomes: &[Outcome<O::Answer>]) {
        let (mut done, mut lost) = (Vec::with_capacity(batch.len()), Vec::new());
        let now = Instant::now();
        for (waiting, outcome) in batch.iter().zip(outcomes) {
            self.counts.took.took(now.saturating_duration_since(waiting.queued));
            match outcome {
                Ok(Some(_)) => done.push((&waiting.order, waiting.queued)),
                Err(error) if matches!(error.remedy(), Remedy::Reconnect | Remedy::Part) => {
                    lost.push((&waiting.order, waiting.queued));
                }
                Ok(None) | Err(_) => {}
            }
        }
        O::lose(&self.health, &lost);
        let settled = tokio::time::timeout(self.deadline, O::settle(connection, &done, now)).await;
        if !matches!(settled, Ok(Ok(()))) {
            O::lose(&self.health, &done);
        }
    }
}

/// Orders that were carried out when whoever asked had given up, and when each was asked for.
type Unheard<O> = Vec<(O, Instant)>;

/// Answers all but those that go again: those that lost to another transaction, and those that heard the fault of a
/// statement that was for all of them.
fn answer<O: Order>(
    batch: Vec<Waiting<O>>,
    outcomes: Vec<Outcome<O::Answer>>,
    may_repeat: bool,
    are_told_together: bool,
) -> (Vec<Waiting<O>>, Unheard<O>) {
    let (mut again, mut unheard) = (Vec::new(), Vec::new());
    for (waiting, outcome) in batch.into_iter().zip(outcomes) {
        let outcome = match outcome {
            Err(error) if may_repeat && (are_told_together || error.remedy() == Remedy::Repeat) => {
                again.push(waiting);
                continue;
            }
            Err(error) => Err(shared_fault(&error, O::DOING)),
            Ok(found) => Ok(found),
        };
        if let Err(Ok(Some(_))) = waiting.reply.send(outcome) {
            unheard.push((waiting.order, waiting.queued));
        }
    }
    (again, unheard)
}
