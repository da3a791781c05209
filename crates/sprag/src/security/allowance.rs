//! How many lines each kind of refusal may leave in the log, by network.
//!
//! Only how often is remembered here, and only to say it: nothing that is decided depends on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::prefix::Prefix;

/// How many lines of one kind a network may leave at once; then one a second.
pub const ALLOWANCE: u32 = 10;

/// How long a network takes to be allowed one more line.
const PAUSE: Duration = Duration::from_secs(1);

/// How many networks are told apart for each kind. All beyond count as one, so that a flood from everywhere is no flood of
/// lines.
const NETWORKS: usize = 256;

/// What a line tells of: its name, and the code of a refusal.
type Kind = (&'static str, Option<&'static str>);

static ALLOWANCES: Mutex<BTreeMap<Kind, Networks>> = Mutex::new(BTreeMap::new());

/// What one kind of refusal has left in the log, by network; `None` stands for all those beyond.
#[derive(Default)]
struct Networks(BTreeMap<Option<Prefix>, Network>);

struct Network {
    /// When it may leave as many lines at once as at first: each line puts that off by a pause.
    full_at: Instant,
    left_out: u64,
}

/// How many of that kind from that network were left out since a line told of it; `None` where this one is left out too.
pub(super) fn take(kind: Kind, prefix: Prefix, now: Instant) -> Option<u64> {
    let mut kinds = ALLOWANCES.lock().unwrap_or_else(PoisonError::into_inner);
    kinds.entry(kind).or_default().take(prefix, now)
}

/// What was left out and may be told of by now, or all of it.
pub(super) fn left_over(now: Instant, all: bool) -> Vec<(Kind, Option<Prefix>, u64)> {
    let mut kinds = ALLOWANCES.lock().unwrap_or_else(PoisonError::into_inner);
    let each = kinds.iter_mut().flat_map(|(kind, networks)| {
        networks.left_over(now, all).into_iter().map(|(prefix, left_out)| (*kind, prefix, left_out))
    });
    each.collect()
}

impl Networks {
    fn take(&mut self, prefix: Prefix, now: Instant) -> Option<u64> {
        let key = Some(prefix);
        if !self.0.contains_key(&key) && self.0.len() >= NETWORKS {
            self.0.retain(|_, network| network.full_at > now || network.left_out > 0);
        }
        let is_beyond = !self.0.contains_key(&key) && self.0.len() >= NETWORKS;
        let key = key.filter(|_| !is_beyond);
        let network = self.0.entry(key).or_insert(Network { full_at: now, left_out: 0 });
        network.take(now)
    }

    fn left_over(&mut self, now: Instant, all: bool) -> Vec<(Option<Prefix>, u64)> {
        let left_over = self.0.iter_mut().filter(|(_, network)| network.left_out > 0);
        left_over.filter_map(|(prefix, network)| Some((*prefix, network.take_left_out(now, all)?))).collect()
    }
}

impl Network {
    fn take(&mut self, now: Instant) -> Option<u64> {
        let told = self.take_left_out(now, false);
        if told.is_none() {
            self.left_out += 1;
        }
        told
    }

    fn take_left_out(&mut self, now: Instant, at_all_costs: bool) -> Option<u64> {
        let full_at = self.full_at.max(now) + PAUSE;
        if full_at > now + PAUSE * ALLOWANCE && !at_all_costs {
            return None;
        }
        self.full_at = full_at;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u8) -> Prefix {
        Prefix::of(Some(&format!("192.0.{number}.1")))
    }

    #[test]
    fn a_flood_of_refusals_left_a_flood_of_lines() {
        let (mut networks, start) = (Networks::default(), Instant::now());
        let told =
            (0..5000).filter_map(|millis| networks.take(network(1), start + Duration::from_millis(millis)));
        let told: Vec<u64> = told.collect();
        assert_eq!(told.len(), 10 + 4, "the first few, and one a second");
        let left: u64 = networks
            .left_over(start + Duration::from_secs(9), false)
            .iter()
            .map(|(_, left_out)| left_out)
            .sum();
        assert_eq!(told.len() as u64 + told.iter().sum::<u64>() + left, 5000, "each is told or counted");
    }

    #[test]
    fn one_network_hid_another() {
        let (mut networks, now) = (Networks::default(), Instant::now());
        while networks.take(network(1), now).is_some() {}
        assert_eq!(networks.take(network(2), now), Some(0));
    }

    #[test]
    fn a_flood_from_everywhere_is_counted_as_one_network() {
        let (mut networks, now) = (Networks::default(), Instant::now());
        let from =
            |number: u32| Prefix::of(Some(&format!("2001:db8:{:x}:{:x}::1", number >> 16, number & 0xffff)));
        let told = (0..100_000).filter(|number| networks.take(from(*number), now).is_some()).count();
        assert_eq!(told, NETWORKS + ALLOWANCE as usize);
        assert!(networks.0.len() <= NETWORKS + 1);
        let later = now + Duration::from_secs(60);
        assert_eq!(networks.take(from(1_000_000), later), Some(0), "once they are quiet there is room again");
    }
}
