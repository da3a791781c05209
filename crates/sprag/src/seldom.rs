//! Faults that can come back with every request are told once a second, with how many were left out.
//!
//! A disk that is full or a database that is away refuses thousands of requests a second, and a line for each would fill
//! what room is left.
//!
//! Only how often is remembered here, and only to say it: nothing that is decided depends on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long after a line the next one of its kind is told.
const PAUSE: Duration = Duration::from_secs(1);

static TOLD: Mutex<Seldom> = Mutex::new(Seldom(BTreeMap::new()));

/// By kind, when it was last told and how many were left out since. There are as many kinds as there are names for what
/// is attempted, all of them constants.
struct Seldom(BTreeMap<&'static str, (Instant, u64)>);

/// How many of that kind were left out since it was last told; `None` where it is too soon to tell of one more.
#[must_use]
pub fn left_out(kind: &'static str) -> Option<u64> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).left_out(kind, Instant::now())
}

impl Seldom {
    fn left_out(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let Some((told_at, left_out)) = self.0.get_mut(kind) else {
            self.0.insert(kind, (now, 0));
            return Some(0);
        };
        if now.saturating_duration_since(*told_at) < PAUSE {
            *left_out += 1;
            return None;
        }
        *told_at = now;
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_every_request_is_one_line_a_second_with_a_count() {
        let mut seldom = Seldom(BTreeMap::new());
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(seldom.left_out("rotate a session", at(0)), Some(0), "the first is told at once");
        for millis in 1..1000 {
            assert_eq!(seldom.left_out("rotate a session", at(millis)), None);
        }
        assert_eq!(seldom.left_out("open a session", at(500)), Some(0), "another kind is not hidden by it");
        assert_eq!(seldom.left_out("rotate a session", at(1000)), Some(999));
        assert_eq!(seldom.left_out("rotate a session", at(2000)), Some(0), "each is counted once");
    }
}
