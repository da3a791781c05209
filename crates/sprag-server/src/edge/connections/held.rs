//! How much is held for clients.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in memory, and those of them that still count: what was written off is on its way out.
#[derive(Debug, Default)]
pub(super) struct Held {
    counted: AtomicUsize,
    really: AtomicUsize,
}

impl Held {
    pub(super) fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }

    /// Ordered with what is given back: whoever waits for that looks here first, and is woken by what comes after.
    pub(super) fn really(&self) -> usize {
        self.really.load(Ordering::SeqCst)
    }

    pub(super) fn add(&self, bytes: usize, is_counted: bool) {
        self.really.fetch_add(bytes, Ordering::Relaxed);
        if is_counted {
            self.counted.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&self, bytes: usize, is_counted: bool) {
        self.really.fetch_sub(bytes, Ordering::SeqCst);
        if is_counted {
            self.write_off(bytes);
        }
    }

    pub(super) fn write_off(&self, bytes: usize) {
        self.counted.fetch_sub(bytes, Ordering::Relaxed);
    }
}
