//! How many requests were refused for their place: the journal is told of all of a minute at once.
//!
//! Such a request costs its sender nothing, so it must not cost a row. What is counted here is lost where the process is
//! killed: what a minute brought.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sprag::clock::Timestamp;

use super::Whence;

/// How long what was counted waits for more.
const GATHERED: Duration = Duration::from_secs(60);

/// How many countries are told of by name, those with the most requests first.
const MOST_TOLD: usize = 10;

/// What was refused, by what it was for and where it came from.
#[derive(Debug, Default)]
pub(crate) struct Turned(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    since: Option<Timestamp>,
    by_place: BTreeMap<(&'static str, String), u64>,
}

impl Turned {
    /// Counts one, and says whence it came, in words.
    pub(crate) fn count(&self, what: &'static str, whence: Whence, now: Timestamp) -> String {
        let from = match whence {
            Whence::In(country) => country.to_string(),
            Whence::Unknown | Whence::Local => "an unknown country".to_owned(),
        };
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.since.get_or_insert(now);
        *counted.by_place.entry((what, from.clone())).or_default() += 1;
        from
    }

    /// What the journal is to be told, once a minute has passed since the first; at once, if `all`.
    pub(crate) fn due(&self, now: Timestamp, all: bool) -> Option<String> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = counted.since?;
        // A clock that went back does not keep it for ever.
        let is_waiting = now >= since && now < since.plus(GATHERED);
        if is_waiting && !all {
            return None;
        }
        let mut those: Vec<_> = std::mem::take(&mut *counted).by_place.into_iter().collect();
        drop(counted);
        those.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let sum: u64 = those.iter().map(|(_, count)| count).sum();
        let mut told = format!("{sum} refused in a minute:");
        for (at, ((what, from), count)) in those.iter().take(MOST_TOLD).enumerate() {
            let _ = write!(told, "{} {count} {what} from {from}", if at == 0 { "" } else { "," });
        }
        if let rest @ 1.. = those.len().saturating_sub(MOST_TOLD) {
            let _ = write!(told, ", and from {rest} more");
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_places_that_are_not_let_in_is_one_entry_a_minute() {
        let (turned, begun) = (Turned::default(), Timestamp(1_782_907_200_000));
        let there = |code: &str| Whence::In(code.parse().unwrap());
        assert_eq!(turned.due(begun, true), None);
        for _ in 0..1000 {
            turned.count("log-in", there("KP"), begun);
        }
        turned.count("refresh", there("RU"), begun);
        turned.count("log-in", Whence::Unknown, begun);
        assert_eq!(turned.due(begun.plus(Duration::from_secs(59)), false), None);
        let told = turned.due(begun.plus(Duration::from_secs(60)), false).unwrap();
        assert_eq!(
            told,
            "1002 refused in a minute: 1000 log-in from KP, 1 log-in from an unknown country, 1 refresh from RU"
        );
        assert_eq!(turned.due(begun, true), None, "each is told once");
        turned.count("log-in", there("KP"), begun);
        assert!(turned.due(begun, true).is_some(), "and nothing is kept back at the end");
    }
}
