//! The only source of randomness.
//!
//! [`SystemRandom`] asks the operating system; a test that must come out alike uses [`SeededRandom`].

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{self, SecureRandom};
use uuid::Uuid;

use crate::clock::Timestamp;

/// Hands out unpredictable bytes.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `bytes` with bytes that nobody can foresee.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` unpredictable bytes.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// A fresh id whose order is its age (`UUIDv7`, RFC 9562 section 5.7).
pub fn id(random: &dyn Random, now: Timestamp) -> Uuid {
    id_of(&bytes(random), now)
}

/// The id of that form which has these bytes in place of random ones: whoever has them makes it again.
pub(crate) fn id_of(bytes: &[u8; 10], at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.0).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, bytes).into_uuid()
}

/// When an [`id`] was made.
pub(crate) fn made_at(id: Uuid) -> Timestamp {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let millis = seconds.saturating_mul(1000).saturating_add(u64::from(nanos / 1_000_000));
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// How many are drawn ahead at once.
const AHEAD: usize = 64;

/// Unpredictable bytes, `N` for each of many uses, drawn for all of them at once: what asks for few so often would spend more
/// on asking than on anything else. They lie in memory until they are used, so no secret is made of them; a twin
/// of this process, restored from a picture of its memory, would use the same ones.
#[derive(Default)]
pub(crate) struct DrawnAhead<const N: usize>(Mutex<Vec<[u8; N]>>);

impl<const N: usize> DrawnAhead<N> {
    /// The next `N` bytes; nobody else gets them.
    pub(crate) fn next(&self, random: &dyn Random) -> [u8; N] {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.pop().unwrap_or_else(|| {
            let mut more = [[0; N]; AHEAD];
            random.fill(more.as_flattened_mut());
            drawn.extend_from_slice(&more[1..]);
            more[0]
        })
    }
}

/// The operating system's random source.
#[derive(Debug, Default)]
pub struct SystemRandom(rand::SystemRandom);

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system's random source answers once the system is up");
    }
}

/// Randomness that a seed repeats, for tests. Nothing it makes is secret.
#[derive(Debug)]
pub struct SeededRandom(Mutex<(u64, u64)>);

impl SeededRandom {
    /// A source whose bytes follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((seed, 0)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        for chunk in bytes.chunks_mut(32) {
            let mut input = [0; 16];
            input[..8].copy_from_slice(&state.0.to_be_bytes());
            input[8..].copy_from_slice(&state.1.to_be_bytes());
            state.1 += 1;
            chunk.copy_from_slice(&digest(&SHA256, &input).as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_ahead_is_handed_out_once() {
        let (random, ahead) = (SeededRandom::new(1), DrawnAhead::<18>::default());
        let mut drawn: Vec<_> = (0..3 * AHEAD).map(|_| ahead.next(&random)).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 3 * AHEAD, "two tokens would have one id");
        assert!(!drawn.contains(&[0; 18]));
    }
}
