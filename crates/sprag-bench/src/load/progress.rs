//! How far long work has come, on a terminal; silence elsewhere.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// How often the line is written at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// The width of the bar.
const CELLS: u64 = 30;

/// One line on standard error that is written over as the work goes on.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    is_shown: bool,
    shown_at: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, is_shown: stderr().is_terminal(), shown_at: None }
    }

    /// Says that `done` of the total is done.
    pub(super) fn at(&mut self, done: u64) {
        let is_due = self.shown_at.is_none_or(|shown| shown.elapsed() >= INTERVAL);
        if self.is_shown && is_due {
            self.shown_at = Some(Instant::now());
            // A terminal that cannot be written to shows no progress, and the work goes on.
            let _ = write!(stderr(), "\r\x1b[K{}", line(self.what, done, self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown_at.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: u64) -> String {
    if total == 0 {
        return format!("  {what}  {done}");
    }
    let done = done.min(total);
    let full = usize::try_from(done * CELLS / total).unwrap_or(0);
    let empty = usize::try_from(CELLS).unwrap_or(0).saturating_sub(full);
    format!("  {what}  {}{}  {done} of {total}", "█".repeat(full), "░".repeat(empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_as_the_work_is_done() {
        assert_eq!(line("filling", 0, 60), format!("  filling  {}  0 of 60", "░".repeat(30)));
        assert_eq!(
            line("filling", 30, 60),
            format!("  filling  {}{}  30 of 60", "█".repeat(15), "░".repeat(15))
        );
        assert_eq!(line("filling", 99, 60), format!("  filling  {}  60 of 60", "█".repeat(30)));
        assert_eq!(line("counting", 7, 0), "  counting  7");
    }
}
