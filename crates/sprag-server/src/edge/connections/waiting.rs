//! Connections that wait until there is room for what they send.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many look again whenever something has been given back. More than one, as one of them may have gone.
const AT_ONCE: usize = 4;

/// Who waits, the longest first, each once.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<VecDeque<(Arc<AtomicBool>, Waker)>>);

impl Waiting {
    /// Waits unless there is room after all; `is_waiting` is the connection's own mark.
    pub(super) fn unless(
        &self,
        has_room: impl Fn() -> bool,
        is_waiting: &Arc<AtomicBool>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut queue = self.queue();
        // What was given back since wakes nobody who is not in the queue.
        if has_room() {
            return Poll::Ready(());
        }
        if !is_waiting.swap(true, Ordering::Relaxed) {
            queue.push_back((Arc::clone(is_waiting), context.waker().clone()));
        }
        Poll::Pending
    }

    /// Has those who have waited for longest look again.
    pub(super) fn wake(&self) {
        let mut queue = self.queue();
        let count = queue.len().min(AT_ONCE);
        let woken: Vec<_> = queue.drain(..count).collect();
        drop(queue);
        for (is_waiting, waker) in woken {
            is_waiting.store(false, Ordering::Relaxed);
            waker.wake();
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(Arc<AtomicBool>, Waker)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
