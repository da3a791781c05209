//! Budgets that are not whole, as many as there is room for.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

/// How many locks there are, so that refreshes seldom wait for each other.
const SHARDS: usize = 64;

/// How many budgets are kept behind one lock.
const MOST_OF_SHARD: usize = 2048;

/// How many budgets are kept at most.
#[cfg(test)]
pub(super) const MOST: usize = SHARDS * MOST_OF_SHARD;

/// When each budget is whole again. Where there is no room for one more, the half goes that would be whole soonest, which is
/// next to nothing of what was spent; whoever comes from a million networks has them forget no more than that.
#[derive(Debug)]
pub(super) struct Spent<K> {
    shards: Vec<Mutex<HashMap<K, Nanos>>>,
    hasher: RandomState,
}

impl<K> Default for Spent<K> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl<K: Hash + Eq + Copy> Spent<K> {
    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Nanos>> {
        // Beside the bits by which a map finds a key.
        let number = (self.hasher.hash_one(key) >> 24) as usize % SHARDS;
        locked(&self.shards[number])
    }
}

impl<K: Hash + Eq + Copy> StateStore for Spent<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(key);
        if let Some(whole_at) = shard.get_mut(key) {
            let (outcome, later) = f(Some(*whole_at))?;
            *whole_at = later;
            return Ok(outcome);
        }
        let (outcome, whole_at) = f(None)?;
        if shard.len() >= MOST_OF_SHARD {
            forget_half(&mut shard);
        }
        shard.insert(*key, whole_at);
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Copy> ShrinkableKeyedStateStore<K> for Spent<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            let mut shard = locked(shard);
            shard.retain(|_, whole_at| *whole_at > drop_below);
            if shard.len() < shard.capacity() / 4 {
                shard.shrink_to_fit();
            }
        }
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn forget_half<K: Hash + Eq + Copy>(shard: &mut HashMap<K, Nanos>) {
    let mut moments: Vec<Nanos> = shard.values().copied().collect();
    let half = moments.len() / 2;
    let (_, middle, _) = moments.select_nth_unstable(half);
    let middle = *middle;
    shard.retain(|_, whole_at| *whole_at > middle);
}

fn locked<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
