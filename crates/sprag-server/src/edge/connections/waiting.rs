//! Connections that wait until there is room for what they send.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many look again whenever something has been given back. More than one, as one of them may have gone.
const AT_ONCE: usize = 4;

/// Who waits, the longest first, each once.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: Mutex<VecDeque<(Arc<AtomicBool>, Waker)>>,
    /// How many they are: where nobody waits, as nearly always, nobody takes the lock.
    count: AtomicUsize,
}

impl Waiting {
    /// Waits unless there is room after all; `is_waiting` is the connection's own mark.
    pub(super) fn unless(
        &self,
        has_room: impl Fn() -> bool,
        is_waiting: &Arc<AtomicBool>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut queue = self.queue();
        if !is_waiting.swap(true, Ordering::Relaxed) {
            queue.push_back((Arc::clone(is_waiting), context.waker().clone()));
        }
        // Said before it is looked: whoever gives something back later sees that somebody waits.
        self.count.store(queue.len(), Ordering::SeqCst);
        if !has_room() {
            return Poll::Pending;
        }
        if let Some(at) = queue.iter().position(|(waits, _)| Arc::ptr_eq(waits, is_waiting)) {
            queue.remove(at);
        }
        is_waiting.store(false, Ordering::Relaxed);
        self.count.store(queue.len(), Ordering::SeqCst);
        Poll::Ready(())
    }

    /// Has those who have waited for longest look again.
    pub(super) fn wake(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut queue = self.queue();
        let count = queue.len().min(AT_ONCE);
        let woken: Vec<_> = queue.drain(..count).collect();
        self.count.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        for (is_waiting, waker) in woken {
            is_waiting.store(false, Ordering::Relaxed);
            waker.wake();
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<(Arc<AtomicBool>, Waker)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
