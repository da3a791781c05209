//! A lane: what waits leaves together, one round trip after another.
//!
//! There is no timer. Whatever has queued while the last round trip was under way makes the next one, up to a bound;
//! nobody is answered before the database has. Several lanes may share a queue: whichever is free takes all of it.
//!
//! When the connection breaks or the database is silent for too long, those under way are told so and the lane
//! connects anew; those that wait go on waiting, each until its own deadline. While the database is away for longer,
//! nobody waits.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use super::health::Health;
use super::link::{Dialer, Link};
use super::trouble::{Remedy, Trouble, shared_fault};
use super::{Batching, Settings};
use crate::error::Fault;
use crate::session::SessionKey;

/// How often one batch is sent again because it lost to another transaction.
const MAX_REPEATS: u32 = 8;

/// The pause between two attempts to connect.
const REDIAL: Duration = Duration::from_millis(100);

/// What one order came to: `None` where it matched no row.
pub(super) type Outcome<T> = Result<Option<T>, Arc<Trouble>>;

/// What travels in a lane.
#[async_trait]
pub(super) trait Order: Clone + Debug + Send + Sync + Sized + 'static {
    /// What comes back for one that matched.
    type Answer: Send + Sync + 'static;

    /// Names it in faults.
    const DOING: &'static str;

    /// The row it is about.
    fn key(&self) -> SessionKey;

    /// What comes first on a new connection.
    async fn begin(_: &Link, _: &Health) -> Result<(), Trouble> {
        Ok(())
    }

    /// Sends all in one round trip, one outcome for each. They are sorted by key and no key is there twice.
    async fn send(link: &Link, batching: Batching, orders: &[&Self]) -> Vec<Outcome<Self::Answer>>;

    /// Looks after those that were answered, `late` by when each was asked for, before anybody is told.
    async fn settle(_: &Link, _done: &[(&Self, Instant)]) -> Result<(), Trouble> {
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

/// The entrance to lanes of one kind. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Lanes<O: Order> {
    queue: mpsc::Sender<Waiting<O>>,
    health: Arc<Health>,
    deadline: Duration,
    _running: JoinSet<()>,
}

impl<O: Order> Lanes<O> {
    pub(super) fn start(
        count: usize,
        dialer: &Dialer,
        settings: &Settings,
        batching: Batching,
        health: &Arc<Health>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(settings.queue.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let mut running = JoinSet::new();
        for _ in 0..count.max(1) {
            let lane = Lane {
                waiting: Arc::clone(&waiting),
                dialer: dialer.clone(),
                health: Arc::clone(health),
                batching,
                batch: settings.batch.max(1),
                deadline: settings.deadline,
                held: Vec::new(),
            };
            running.spawn(lane.run());
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
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Fault::unavailable(O::DOING, "the store is shutting down")),
            Err(_) => Err(Fault::unavailable(O::DOING, Trouble::Silent(self.deadline))),
        }
    }
}

/// One connection and its task.
struct Lane<O: Order> {
    waiting: Arc<Mutex<mpsc::Receiver<Waiting<O>>>>,
    dialer: Dialer,
    health: Arc<Health>,
    batching: Batching,
    batch: usize,
    deadline: Duration,
    /// Orders for a row that another order of the last batch was for.
    held: Vec<Waiting<O>>,
}

impl<O: Order> Lane<O> {
    async fn run(mut self) {
        let mut link = self.connect().await;
        while let Some(batch) = self.take().await {
            // A server that was restarted while nobody asked; nothing has been sent to it.
            if link.is_closed() {
                link = self.connect().await;
            }
            if !self.carry(&link, batch).await {
                link = self.connect().await;
            }
        }
    }

    async fn connect(&self) -> Link {
        loop {
            let connected = match self.dialer.dial().await {
                Ok(link) => tokio::time::timeout(self.deadline, O::begin(&link, &self.health))
                    .await
                    .unwrap_or(Err(Trouble::Silent(self.deadline)))
                    .map(|()| link),
                Err(trouble) => Err(trouble),
            };
            match connected {
                Ok(link) => return link,
                // The heartbeat tells of a database that is away, once.
                Err(trouble) => tracing::debug!(%trouble, "a lane cannot connect"),
            }
            tokio::time::sleep(REDIAL).await;
        }
    }

    /// The next batch: sorted by key, so that two lanes never wait for each other's rows; no key twice, for one
    /// statement changes a row once. `None` once nobody can order any more.
    async fn take(&mut self) -> Option<Vec<Waiting<O>>> {
        let mut taken = std::mem::take(&mut self.held);
        if taken.is_empty() {
            let mut waiting = self.waiting.lock().await;
            taken.push(waiting.recv().await?);
            take_queued(&mut taken, &mut waiting, self.batch);
        } else if let Ok(mut waiting) = self.waiting.try_lock() {
            // Where another lane waits at the queue, nothing is in it.
            take_queued(&mut taken, &mut waiting, self.batch);
        }
        let mut keys = HashSet::with_capacity(taken.len());
        let (mut batch, held): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|waiting| keys.insert(waiting.order.key()));
        self.held = held;
        batch.sort_unstable_by_key(|waiting| waiting.order.key());
        Some(batch)
    }

    /// One round trip, and again for those that lost to another transaction: each by itself then, so that a row that is
    /// locked holds up nobody else. Says whether the connection is sound.
    async fn carry(&self, link: &Link, batch: Vec<Waiting<O>>) -> bool {
        let mut left = batch;
        for repeat in 0..=MAX_REPEATS {
            // Whoever has given up was told that nothing is known of it; let nothing happen, then.
            left.retain(|waiting| !waiting.reply.is_closed());
            if left.is_empty() {
                return true;
            }
            let batching = if repeat == 0 { self.batching } else { Batching::Rows };
            let orders: Vec<&O> = left.iter().map(|waiting| &waiting.order).collect();
            let sent = tokio::time::timeout(self.deadline, O::send(link, batching, &orders)).await;
            let outcomes = sent.unwrap_or_else(|_| {
                let silent = Arc::new(Trouble::Silent(self.deadline));
                orders.iter().map(|_| Err(Arc::clone(&silent))).collect()
            });
            self.settle(link, &left, &outcomes).await;
            let is_broken = |outcome: &Outcome<_>| {
                outcome.as_ref().is_err_and(|trouble| trouble.remedy() == Remedy::Reconnect)
            };
            let is_sound = !outcomes.iter().any(is_broken);
            left = answer(left, outcomes, is_sound && repeat < MAX_REPEATS);
            if !is_sound {
                return false;
            }
        }
        true
    }

    /// Looks after those that were answered, before anybody is told, and notes those that never will be.
    async fn settle(&self, link: &Link, batch: &[Waiting<O>], outcomes: &[Outcome<O::Answer>]) {
        let of = |is_wanted: fn(&Outcome<O::Answer>) -> bool| -> Vec<(&O, Instant)> {
            let wanted = batch.iter().zip(outcomes).filter(|(_, outcome)| is_wanted(outcome));
            wanted.map(|(waiting, _)| (&waiting.order, waiting.queued)).collect()
        };
        let lost = of(|outcome| outcome.as_ref().is_err_and(|trouble| trouble.remedy() == Remedy::Reconnect));
        O::lose(&self.health, &lost);
        let done = of(|outcome| matches!(outcome, Ok(Some(_))));
        let settled = tokio::time::timeout(self.deadline, O::settle(link, &done)).await;
        if !matches!(settled, Ok(Ok(()))) {
            O::lose(&self.health, &done);
        }
    }
}

/// Takes what has queued, up to `most` in all.
fn take_queued<T>(taken: &mut Vec<T>, waiting: &mut mpsc::Receiver<T>, most: usize) {
    while taken.len() < most
        && let Ok(next) = waiting.try_recv()
    {
        taken.push(next);
    }
}

/// Answers all but those that go again.
fn answer<O: Order>(
    batch: Vec<Waiting<O>>,
    outcomes: Vec<Outcome<O::Answer>>,
    may_repeat: bool,
) -> Vec<Waiting<O>> {
    let mut again = Vec::new();
    for (waiting, outcome) in batch.into_iter().zip(outcomes) {
        let outcome = match outcome {
            Err(trouble) if may_repeat && trouble.remedy() == Remedy::Repeat => {
                again.push(waiting);
                continue;
            }
            Err(trouble) => Err(shared_fault(&trouble, O::DOING)),
            Ok(found) => Ok(found),
        };
        // Whoever asked may have given up meanwhile.
        let _ = waiting.reply.send(outcome);
    }
    again
}
