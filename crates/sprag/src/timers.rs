//! How long something may take, and timers that are kept: to put one off costs far less than to make one.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// How many are kept at most.
const MOST: usize = 256;

/// As far away as anybody waits.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// It took longer than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLate;

/// Timers that nobody waits for at the moment, for whatever waits next.
#[derive(Default)]
pub struct KeptTimers(Mutex<Vec<Timer>>);

struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// Where it runs: it is no use elsewhere.
    runtime: runtime::Id,
}

impl KeptTimers {
    /// What comes of it within that time, which begins when it waits first: what is ready at once needs no timer.
    ///
    /// # Errors
    /// Nothing came of it in time.
    pub async fn within<T>(
        &self,
        limit: Duration,
        mut what: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, TooLate> {
        let mut timer = None;
        let outcome = poll_fn(|context| {
            if let Poll::Ready(outcome) = what.as_mut().poll(context) {
                return Poll::Ready(Ok(outcome));
            }
            let timer = timer.get_or_insert_with(|| self.begin(limit));
            // It rings also for what uses up, each time, all that the runtime lets a task do in one turn.
            pin!(unconstrained(timer.sleep.as_mut())).poll(context).map(|()| Err(TooLate))
        })
        .await;
        self.keep(timer);
        outcome
    }

    fn begin(&self, limit: Duration) -> Timer {
        let now = Instant::now();
        let end = now.checked_add(limit).unwrap_or_else(|| now + FAR);
        let runtime = Handle::current().id();
        let kept = self.kept().pop().filter(|kept| kept.runtime == runtime);
        kept.map_or_else(
            || Timer { sleep: Box::pin(sleep_until(end)), runtime },
            |mut timer| {
                timer.sleep.as_mut().reset(end);
                timer
            },
        )
    }

    fn keep(&self, timer: Option<Timer>) {
        let Some(timer) = timer else { return };
        let mut kept = self.kept();
        if kept.len() < MOST {
            kept.push(timer);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Timer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeptTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptTimers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::yield_now;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_kept_timer_rang_for_what_it_had_been_begun_for_before() {
        let kept = KeptTimers::default();
        assert_eq!(kept.within(LONG, pin!(yield_now())).await, Ok(()));
        assert!(!kept.kept().is_empty(), "what waited had a timer, and it is kept");
        assert_eq!(kept.within(SHORT, pin!(pending::<()>())).await, Err(TooLate));
        assert_eq!(kept.within(LONG, pin!(yield_now())).await, Ok(()), "it has rung, and not for this");
        assert_eq!(kept.within(SHORT, pin!(pending::<()>())).await, Err(TooLate));
    }

    #[tokio::test]
    async fn what_was_ready_at_once_was_given_a_timer_all_the_same() {
        let kept = KeptTimers::default();
        assert_eq!(kept.within(Duration::ZERO, pin!(ready(7))).await, Ok(7));
        assert!(kept.kept().is_empty());
        assert_eq!(
            KeptTimers::default().within(SHORT, pin!(pending::<()>())).await,
            Err(TooLate),
            "who keeps none gets one"
        );
    }

    #[tokio::test]
    async fn what_used_up_its_turn_each_time_was_never_told_that_it_is_late() {
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let greedy = async {
            loop {
                told.send(()).unwrap();
                heard.recv().await;
            }
        };
        assert_eq!(KeptTimers::default().within::<()>(SHORT, pin!(greedy)).await, Err(TooLate));
    }

    #[test]
    fn a_timer_of_a_runtime_that_is_gone_was_waited_for_on_another() {
        let kept = KeptTimers::default();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                assert_eq!(kept.within(LONG, pin!(yield_now())).await, Ok(()));
                assert_eq!(kept.within(SHORT, pin!(pending::<()>())).await, Err(TooLate));
            });
        }
    }
}
