//! How long something may take, and the timers that tell.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// It took longer than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLate;

/// A timer that is kept for whatever a connection is at next: to put one off costs far less than to make one.
#[derive(Debug, Default)]
pub(crate) struct KeptTimer(Mutex<Option<Pin<Box<Sleep>>>>);

impl KeptTimer {
    fn begin(&self, limit: Duration) -> Pin<Box<Sleep>> {
        let end = Instant::now() + limit;
        let kept = self.kept().take();
        kept.map_or_else(
            || Box::pin(sleep_until(end)),
            |mut timer| {
                timer.as_mut().reset(end);
                timer
            },
        )
    }

    fn keep(&self, timer: Pin<Box<Sleep>>) {
        *self.kept() = Some(timer);
    }

    fn kept(&self) -> MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of it within that time, which begins when it waits first: what is ready at once needs no timer.
///
/// # Errors
/// Nothing came of it in time.
pub(crate) async fn within<T>(
    limit: Duration,
    kept: Option<&KeptTimer>,
    mut what: Pin<&mut impl Future<Output = T>>,
) -> Result<T, TooLate> {
    let mut timer = None;
    let outcome = poll_fn(|context| {
        if let Poll::Ready(outcome) = what.as_mut().poll(context) {
            return Poll::Ready(Ok(outcome));
        }
        let begin =
            || kept.map_or_else(|| Box::pin(sleep_until(Instant::now() + limit)), |kept| kept.begin(limit));
        // It rings also for what uses up, each time, all that the runtime lets a task do in one turn.
        let timer = pin!(unconstrained(timer.get_or_insert_with(begin).as_mut()));
        timer.poll(context).map(|()| Err(TooLate))
    })
    .await;
    if let (Some(kept), Some(timer)) = (kept, timer) {
        kept.keep(timer);
    }
    outcome
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
        let kept = KeptTimer::default();
        assert_eq!(within(LONG, Some(&kept), pin!(yield_now())).await, Ok(()));
        assert!(kept.kept().is_some(), "what waited had a timer, and it is kept");
        assert_eq!(within(SHORT, Some(&kept), pin!(pending::<()>())).await, Err(TooLate));
        assert_eq!(
            within(LONG, Some(&kept), pin!(yield_now())).await,
            Ok(()),
            "it has rung, and not for this"
        );
        assert_eq!(within(SHORT, Some(&kept), pin!(pending::<()>())).await, Err(TooLate));
    }

    #[tokio::test]
    async fn what_was_ready_at_once_was_given_a_timer_all_the_same() {
        let kept = KeptTimer::default();
        assert_eq!(within(Duration::ZERO, Some(&kept), pin!(ready(7))).await, Ok(7));
        assert!(kept.kept().is_none());
        assert_eq!(within(SHORT, None, pin!(pending::<()>())).await, Err(TooLate), "who keeps none gets one");
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
        assert_eq!(within::<()>(SHORT, None, pin!(greedy)).await, Err(TooLate));
    }
}
