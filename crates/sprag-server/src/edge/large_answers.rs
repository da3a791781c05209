//! Answers that may be large are made a few at a time, and each is counted for its client before the next is begun. All who ask
//! at once would otherwise have theirs made before the first of them counts.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::Asking;

/// How many are made at once: enough to keep the store's readers busy.
const AT_ONCE: usize = 32;

/// Who may make an answer that may be large.
#[derive(Clone, Debug)]
pub(crate) struct LargeAnswers(Arc<Semaphore>);

/// That one may be made, until the last of it is dropped. It goes along with the answer until that is counted.
#[derive(Clone, Debug)]
pub(crate) struct Permit(
    #[expect(dead_code, reason = "it is held, not read")] Option<Arc<OwnedSemaphorePermit>>,
);

impl Default for LargeAnswers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl LargeAnswers {
    /// Waits until one may be made. Whose network has no room left waits for that without one, and so keeps nobody else waiting.
    pub(crate) async fn next(&self, asking: Option<&Asking>) -> Permit {
        loop {
            // Nobody closes it.
            let permit = Arc::clone(&self.0).acquire_owned().await.ok();
            match asking {
                Some(asking) if !asking.has_room() => {
                    drop(permit);
                    asking.room().await;
                }
                _ => return Permit(permit.map(Arc::new)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_ready(next: Pin<&mut impl Future<Output = Permit>>) -> bool {
        next.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn only_so_many_large_answers_are_made_at_once() {
        let answers = LargeAnswers::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(answers.next(None).await);
        }
        let mut next = Box::pin(answers.next(None));
        assert!(!is_ready(next.as_mut()));
        let with_the_answer = held.pop();
        assert!(!is_ready(next.as_mut()), "its answer is not counted yet");
        drop(with_the_answer);
        assert!(is_ready(next.as_mut()));
    }
}
