//! Answers that may be large are made a few at a time, and each is counted for its client before the next is begun. All who ask
//! at once would otherwise have theirs made before the first of them counts.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::Asking;

/// How many are made at once: enough to keep the store's readers busy.
const AT_ONCE: usize = 32;

/// Who may make such an answer.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// A turn, over when the last of it is dropped; it goes along with the answer until that is counted.
#[derive(Clone, Debug)]
pub(crate) struct Turn(
    #[expect(dead_code, reason = "it is held, not read")] Option<Arc<OwnedSemaphorePermit>>,
);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    /// Waits for a turn. Whose network has no room left waits for that without one, and so keeps nobody else waiting.
    pub(crate) async fn next(&self, asking: Option<&Asking>) -> Turn {
        loop {
            // Nobody closes it.
            let turn = Arc::clone(&self.0).acquire_owned().await.ok();
            match asking {
                Some(asking) if !asking.has_room() => {
                    drop(turn);
                    asking.room().await;
                }
                _ => return Turn(turn.map(Arc::new)),
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

    fn is_ready(next: Pin<&mut impl Future<Output = Turn>>) -> bool {
        next.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn only_so_many_large_answers_are_made_at_once() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.next(None).await);
        }
        let mut next = Box::pin(turns.next(None));
        assert!(!is_ready(next.as_mut()));
        let with_the_answer = held.pop();
        assert!(!is_ready(next.as_mut()), "its answer is not counted yet");
        drop(with_the_answer);
        assert!(is_ready(next.as_mut()));
    }
}
