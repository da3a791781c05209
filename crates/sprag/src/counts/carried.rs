//! Carrying a write through to its end though whoever waited for it has gone away.
//!
//! A client hangs up, or its time is up, while the store commits what it asked for: that is done all the same, and whoever counts
//! must hear of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

/// Carries `write` through once it has begun. Where nobody waits for it any more, `unheard` hears what it came to.
///
/// It costs the one who waits an allocation; only one who goes away costs a task.
pub(super) fn carried<F, U>(write: F, unheard: U) -> Carried<F, U>
where
    F: Future + Send + 'static,
    U: FnOnce(F::Output) + Send + Unpin + 'static,
{
    Carried { under_way: Some((Box::pin(write), unheard)), has_begun: false }
}

pub(super) struct Carried<F, U>
where
    F: Future + Send + 'static,
    U: FnOnce(F::Output) + Send + Unpin + 'static,
{
    /// Until it is done.
    under_way: Option<(Pin<Box<F>>, U)>,
    has_begun: bool,
}

impl<F, U> Future for Carried<F, U>
where
    F: Future + Send + 'static,
    U: FnOnce(F::Output) + Send + Unpin + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.has_begun = true;
        let Some((write, _)) = &mut self.under_way else { return Poll::Pending };
        let came_to = ready!(write.as_mut().poll(context));
        self.under_way = None;
        Poll::Ready(came_to)
    }
}

impl<F, U> Drop for Carried<F, U>
where
    F: Future + Send + 'static,
    U: FnOnce(F::Output) + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        let under_way = self.under_way.take().filter(|_| self.has_begun);
        let Some(((write, unheard), runtime)) = under_way.zip(Handle::try_current().ok()) else { return };
        drop(runtime.spawn(async move { unheard(write.await) }));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::oneshot;

    use super::*;

    /// A write that waits for its answer, and who hears it where nobody does.
    type Parts<W> = (oneshot::Sender<u32>, W, oneshot::Receiver<u32>);

    fn write() -> Parts<impl Future<Output = u32>> {
        let (answers, answer) = oneshot::channel();
        let (told, heard) = oneshot::channel();
        let unheard = |came_to| told.send(came_to).unwrap();
        (answers, carried(async { answer.await.unwrap() }, unheard), heard)
    }

    #[tokio::test]
    async fn what_had_begun_when_its_caller_went_away_was_told_to_nobody() {
        let (answers, write, heard) = write();
        let mut write = Box::pin(write);
        let begun = poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await;
        assert!(begun.is_pending());
        drop(write);
        answers.send(7).unwrap();
        assert_eq!(heard.await, Ok(7));
    }

    #[tokio::test]
    async fn what_was_heard_is_told_to_nobody_else() {
        let (answers, write, heard) = write();
        answers.send(7).unwrap();
        assert_eq!(write.await, 7);
        assert!(heard.await.is_err());
    }

    #[tokio::test]
    async fn what_has_not_begun_never_does() {
        let (answers, write, heard) = write();
        drop(write);
        assert!(heard.await.is_err());
        assert!(answers.send(7).is_err());
    }
}
