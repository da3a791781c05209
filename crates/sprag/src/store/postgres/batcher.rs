//! A batcher: what waits leaves together, one round trip after another.
//!
//! Whatever has queued while the last round trip was under way makes the next one, up to a bound;
//! nobody is answered before the database has. Several batchers may share a queue: whichever is free takes all of it.
//!
//! When the connection breaks or the database is silent for too long, those under way are told so and the batcher
//! connects anew; those that wait go on waiting, each until its own deadline. While the database is away for longer,
//! nobody waits.

use std::collections::HashSet;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join;
use tokio::sync::{Mutex, MutexGuard, Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use super::connection::{Connection, Connector};
use super::error::{QueryError, Remedy, shared_fault};
use super::health::Health;
use super::{Batching, Settings};
use crate::error::Fault;
use crate::session::SessionKey;

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
    type Answer: Send + Sync + 'static;

    /// Names it in faults.
    const DOING: &'static str;

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

    /// Looks after those that were answered, `late` by when each was asked for, before anybody is told.
    async fn settle(_: &Connection, _done: &[(&Self, Instant)]) -> Result<(), QueryError> {
        Ok(())
    }

    /// Notes those whose outcome will never be told, and when each was asked for.
    fn lose(_: &Health, _: &[(&Self, Instant)]) {}
}

/// An order that waits, and who waits for it.
struct Waiting<O: Order> {
    order: O,
    queued: Instant,
    reply: oneshot::Sender<Result<Option<O::Answer>, Fault>>,
}

/// The entrance to batchers of one kind. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Batchers<O: Order> {
    queue: mpsc::Sender<Waiting<O>>,
    health: Arc<Health>,
    deadline: Duration,
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
        let (queue, waiting) = mpsc::channel(settings.queue.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let traffic = Arc::new(Traffic::default());
        let mut running = JoinSet::new();
        for _ in 0..count.max(1) {
            let mut batcher = Batcher {
                traffic: Arc::clone(&traffic),
                waiting: Arc::clone(&waiting),
                connector: connector.clone(),
                health: Arc::clone(health),
                batching,
                batch: settings.batch.max(1),
                deadline: settings.deadline,
                held: Vec::new(),
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
        Self { queue, health: Arc::clone(health), deadline: settings.deadline, _running: running }
    }

    /// Sends an order and waits for its outcome, until the deadline.
    pub(super) async fn ask(&self, order: O) -> Result<Option<O::Answer>, Fault> {
        if self.health.is_away() {
            return Err(Fault::unavailable(
                O::DOING,
                "the database is away; this ends by itself once it is back",
            ));
        }
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { order, queued: Instant::now(), reply };
        if self.queue.try_send(waiting).is_err() {
            return Err(Fault::unavailable(O::DOING, "the store's queue is full; try again in a moment"));
        }
        let deadline = self.health.patience(self.deadline);
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Fault::unavailable(O::DOING, "the store is shutting down")),
            Err(_) => Err(Fault::unavailable(O::DOING, QueryError::Silent(deadline))),
        }
    }
}

/// How many orders are worth a round trip while another batcher is under way. At 64 connections half of them wait then.
const WORTH: usize = 24;

/// How long a batcher waits for a batch to be worth its while.
const PATIENCE: Duration = Duration::from_millis(1);

/// What the batchers of one queue know of each other.
#[derive(Debug, Default)]
struct Traffic {
    under_way: AtomicUsize,
    back: Notify,
}

/// A batch that is under way.
struct UnderWay<'a>(&'a Traffic);

impl Traffic {
    fn leave(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(self)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.back.notify_waiters();
    }
}

/// One connection and its task.
struct Batcher<O: Order> {
    traffic: Arc<Traffic>,
    waiting: Arc<Mutex<mpsc::Receiver<Waiting<O>>>>,
    connector: Connector,
    health: Arc<Health>,
    batching: Batching,
    batch: usize,
    deadline: Duration,
    /// Orders for a row that another order of the last batch was for.
    held: Vec<Waiting<O>>,
}

impl<O: Order> Batcher<O> {
    async fn run(&mut self) {
        let mut connection = self.connect().await;
        let (mut planned_at, mut used_at) = (Instant::now(), Instant::now());
        loop {
            let waiting = Arc::clone(&self.waiting);
            let first = tokio::select! {
                biased;
                first = first(&waiting), if self.held.is_empty() => match first {
                    Some(first) => Some(first),
                    None => return,
                },
                // Connects before anybody waits for it: where the server is far away, that takes long.
                () = self.health.reconnected(), if self.held.is_empty() => {
                    if connection.is_closed() || self.health.was_away_within(used_at.elapsed()) {
                        connection = self.connect().await;
                        used_at = Instant::now();
                    }
                    continue;
                }
                else => None,
            };
            let batch = self.take(first).await;
            // A server that was restarted or replaced while nobody asked; nothing has been sent to it.
            if connection.is_closed() || self.health.was_away_within(used_at.elapsed()) {
                connection = self.connect().await;
            }
            used_at = Instant::now();
            let traffic = Arc::clone(&self.traffic);
            let under_way = traffic.leave();
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
                std::mem::replace(&mut connection, self.connect().await).abandon();
            }
        }
    }

    async fn connect(&self) -> Connection {
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
                Ok(connection) => return connection,
                // The heartbeat tells of a database that is away, once.
                Err(error) => tracing::debug!(%error, "a batcher cannot connect"),
            }
            tokio::time::sleep(REDIAL).await;
        }
    }

    /// The next batch, with the `first` of it where none is held: sorted by key, so that two batchers never wait for each
    /// other's rows; no key twice, for one statement changes a row once.
    async fn take(&mut self, first: Option<First<'_, O>>) -> Vec<Waiting<O>> {
        let mut taken = std::mem::take(&mut self.held);
        let most = taken.len() + self.batch;
        if let Some((first, mut waiting)) = first {
            taken.push(first);
            take_queued(&mut taken, &mut waiting, most);
            self.gather(&mut taken, &mut waiting).await;
        } else if let Ok(mut waiting) = self.waiting.try_lock() {
            // Where another batcher waits at the queue, nothing is in it.
            take_queued(&mut taken, &mut waiting, most);
        }
        let mut keys = HashSet::with_capacity(taken.len());
        let (mut batch, held): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|waiting| keys.insert(waiting.order.key()));
        self.held = held;
        batch.sort_unstable_by_key(|waiting| waiting.order.key());
        batch
    }

    /// While another batcher is under way, waits for a batch that is worth a round trip of its own: two small ones cost the
    /// server more than one, and the clients of the first are about to ask again. Not for long: the other may hang.
    async fn gather(&self, taken: &mut Vec<Waiting<O>>, waiting: &mut mpsc::Receiver<Waiting<O>>) {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        while taken.len() < WORTH.min(self.batch) && self.traffic.under_way.load(Ordering::Acquire) > 0 {
            tokio::select! {
                Some(next) = waiting.recv() => taken.push(next),
                () = self.traffic.back.notified() => {}
                () = &mut patience => return,
            }
        }
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
        let of = |is_wanted: fn(&Outcome<O::Answer>) -> bool| -> Vec<(&O, Instant)> {
            let wanted = batch.iter().zip(outcomes).filter(|(_, outcome)| is_wanted(outcome));
            wanted.map(|(waiting, _)| (&waiting.order, waiting.queued)).collect()
        };
        let lost = of(|outcome| {
            outcome.as_ref().is_err_and(|error| matches!(error.remedy(), Remedy::Reconnect | Remedy::Part))
        });
        O::lose(&self.health, &lost);
        let done = of(|outcome| matches!(outcome, Ok(Some(_))));
        let settled = tokio::time::timeout(self.deadline, O::settle(connection, &done)).await;
        if !matches!(settled, Ok(Ok(()))) {
            O::lose(&self.health, &done);
        }
    }
}

/// An order that came first, and the queue in which others may be.
type First<'q, O> = (Waiting<O>, MutexGuard<'q, mpsc::Receiver<Waiting<O>>>);

/// Waits at the queue for the first order. Given up in between, it takes none. `None` once nobody can order any more.
async fn first<O: Order>(queue: &Mutex<mpsc::Receiver<Waiting<O>>>) -> Option<First<'_, O>> {
    let mut queue = queue.lock().await;
    let first = queue.recv().await?;
    Some((first, queue))
}

/// Takes what has queued, up to `most` in all.
fn take_queued<T>(taken: &mut Vec<T>, waiting: &mut mpsc::Receiver<T>, most: usize) {
    while taken.len() < most
        && let Ok(next) = waiting.try_recv()
    {
        taken.push(next);
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
