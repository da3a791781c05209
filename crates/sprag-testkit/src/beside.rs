//! When what runs beside a test shall stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Says that it is over when it is dropped: also where an assertion fails, or what waits for that would wait for ever.
#[must_use = "dropped, it says that it is over"]
pub struct Over<'o>(pub &'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
