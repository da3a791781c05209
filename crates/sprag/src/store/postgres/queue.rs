//! The queue before batchers: whichever of them is free takes all that waits.
//!
//! Nobody is woken for each order: one batcher for the first, and one once there are enough of them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout_at;

/// How many orders are worth a round trip while another batcher is under way. At 64 connections half of them wait then.
const WORTH: usize = 24;

/// How long orders wait for others, from when a batcher is free to take them.
const PATIENCE: Duration = Duration::from_millis(1);

/// Orders that wait, up to a bound.
#[derive(Debug)]
pub(super) struct Queue<T> {
    line: Mutex<Line<T>>,
    /// Tells one batcher to look at the line.
    news: Notify,
    bound: usize,
    batch: usize,
}

#[derive(Debug)]
struct Line<T> {
    waiting: Vec<T>,
    since: Instant,
    under_way: usize,
}

/// A batch that is under way.
#[derive(Debug)]
pub(super) struct UnderWay<'q, T>(&'q Queue<T>);

/// What a look at the line came to.
enum Next<'q, T> {
    Nothing,
    /// Too few to leave now, but not later than then.
    Few(Instant),
    Batch(Vec<T>, UnderWay<'q, T>),
}

impl<T> Queue<T> {
    /// A queue that holds at most `bound`, and gives away at most `batch` at once.
    pub(super) fn new(bound: usize, batch: usize) -> Self {
        let line = Mutex::new(Line { waiting: Vec::new(), since: Instant::now(), under_way: 0 });
        Self { line, news: Notify::new(), bound: bound.max(1), batch: batch.max(1) }
    }

    /// Has one more wait; gives it back where the queue is full.
    pub(super) fn push(&self, one: T, now: Instant) -> Result<(), T> {
        let mut line = self.lock();
        if line.waiting.len() >= self.bound {
            return Err(one);
        }
        if line.waiting.is_empty() {
            line.since = now;
        }
        line.waiting.push(one);
        let waiting = line.waiting.len();
        drop(line);
        if waiting == 1 || waiting == self.worth() {
            self.news.notify_one();
        }
        Ok(())
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Waits for the next batch. Given up in between, it takes none.
    ///
    /// While another batcher is under way, waits for a batch that is worth a round trip of its own: two small ones cost the
    /// server more than one, and the clients of the first are about to ask again. Not for long: the other may hang.
    pub(super) async fn next(&self) -> (Vec<T>, UnderWay<'_, T>) {
        let free_since = Instant::now();
        loop {
            let news = self.news.notified();
            match self.look(free_since) {
                Next::Batch(batch, under_way) => return (batch, under_way),
                Next::Nothing => news.await,
                // Late or told, it looks again.
                Next::Few(until) => drop(timeout_at(until.into(), news).await),
            }
        }
    }

    /// What there is to take now, for a batcher that is about to leave in any case.
    pub(super) fn take(&self) -> (Vec<T>, UnderWay<'_, T>) {
        self.taken(self.lock())
    }

    /// Has another batcher look, for this one will not.
    pub(super) fn hand_over(&self) {
        self.news.notify_one();
    }

    fn look(&self, free_since: Instant) -> Next<'_, T> {
        let line = self.lock();
        if line.waiting.is_empty() {
            return Next::Nothing;
        }
        let until = line.since.max(free_since) + PATIENCE;
        let is_worth = line.under_way == 0 || line.waiting.len() >= self.worth();
        if !is_worth && Instant::now() < until {
            return Next::Few(until);
        }
        let (batch, under_way) = self.taken(line);
        Next::Batch(batch, under_way)
    }

    fn taken<'q>(&'q self, mut line: MutexGuard<'q, Line<T>>) -> (Vec<T>, UnderWay<'q, T>) {
        let left = line.waiting.len().saturating_sub(self.batch);
        let mut batch = Vec::with_capacity(line.waiting.capacity().min(self.batch));
        if left == 0 {
            std::mem::swap(&mut batch, &mut line.waiting);
        } else {
            batch.extend(line.waiting.drain(..self.batch));
        }
        line.under_way += 1;
        drop(line);
        if left > 0 {
            self.news.notify_one();
        }
        (batch, UnderWay(self))
    }

    fn worth(&self) -> usize {
        WORTH.min(self.batch)
    }

    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for UnderWay<'_, T> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn queue_of(count: usize) -> Queue<usize> {
        let queue = Queue::new(100, 50);
        let now = Instant::now();
        (0..count).for_each(|one| queue.push(one, now).expect("room"));
        queue
    }

    #[tokio::test]
    async fn all_that_waits_leaves_at_once_while_nothing_is_under_way() {
        let queue = queue_of(3);
        let (batch, _under_way) = queue.next().now_or_never().expect("a batch");
        assert_eq!(batch, [0, 1, 2]);
        assert!(queue.next().now_or_never().is_none(), "nothing was left");
    }

    #[tokio::test]
    async fn a_few_wait_for_the_batch_under_way_but_not_for_long() {
        let queue = queue_of(1);
        let (_, under_way) = queue.next().await;
        queue.push(1, Instant::now() + Duration::from_secs(3600)).expect("room");
        assert!(queue.next().now_or_never().is_none(), "one order left by itself");
        drop(under_way);
        let (batch, _under_way) = queue.next().now_or_never().expect("a batch, once the other is back");
        assert_eq!(batch, [1]);
        queue.push(2, Instant::now()).expect("room");
        let (batch, _) = queue.next().await;
        assert_eq!(batch, [2], "the other may hang");
    }

    #[tokio::test]
    async fn enough_to_be_worth_it_leave_beside_the_batch_under_way() {
        let queue = queue_of(1);
        let (_, _under_way) = queue.next().await;
        let mut next = Box::pin(queue.next());
        let later = Instant::now() + Duration::from_secs(3600);
        for one in 0..WORTH {
            assert!(next.as_mut().now_or_never().is_none(), "{one} left already");
            queue.push(one, later).expect("room");
        }
        let (batch, _) = next.as_mut().now_or_never().expect("a batch");
        assert_eq!(batch.len(), WORTH);
    }

    #[tokio::test]
    async fn what_a_batch_has_no_room_for_another_batcher_takes() {
        let queue = queue_of(80);
        let (batch, _first) = queue.next().await;
        let (rest, _second) = queue.next().now_or_never().expect("a second batch");
        assert_eq!((batch.len(), rest.len()), (50, 30));
        assert_eq!(rest.first(), Some(&50), "in the order they came");
    }

    #[test]
    fn a_full_queue_gives_back_what_it_cannot_hold() {
        let queue = queue_of(100);
        assert_eq!(queue.push(100, Instant::now()), Err(100));
        let (batch, _) = queue.take();
        assert_eq!(batch.len(), 50);
        assert_eq!(queue.push(100, Instant::now()), Ok(()));
    }

    /// Every order is taken, whatever the batchers are doing when it comes.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_order_is_left_behind() {
        let queue = std::sync::Arc::new(Queue::new(usize::MAX, 7));
        let (told, mut taken) = tokio::sync::mpsc::unbounded_channel();
        let mut batchers = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (queue, told) = (std::sync::Arc::clone(&queue), told.clone());
            batchers.spawn(async move {
                loop {
                    let (batch, _under_way) = queue.next().await;
                    tokio::task::yield_now().await;
                    batch.into_iter().for_each(|one| told.send(one).expect("a listener"));
                }
            });
        }
        for one in 0..10_000_usize {
            queue.push(one, Instant::now()).expect("room");
            if one % 11 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut all: Vec<_> = Vec::new();
        while all.len() < 10_000 {
            all.push(taken.recv().await.expect("every order is taken"));
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10_000));
    }
}
