//! How many accounts there were, each counted once, in bounded memory.
//!
//! Up to [`EXACT`] accounts are kept one by one, as hashes of 64 bits. Beyond that it is a HyperLogLog of 2^14 registers, whose
//! standard error is 0.8 %; the estimator is Ertl's (arXiv:1702.01284), which has no range in which it leans to one side.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::session::AccountId;

/// So many accounts are counted exactly.
pub(crate) const EXACT: usize = 1000;

const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The greatest value that a register can have.
const RANKS: usize = 64 - INDEX_BITS as usize + 1;
/// Twice as many as are kept, so that whoever is looked for is found near where the search begins.
const SLOTS: usize = 2048;

const EXACT_FORM: u8 = 0;
const SKETCH_FORM: u8 = 1;

/// Accounts as they are counted, by many at once: whoever was counted before costs a look and no write.
pub(super) struct Seen {
    slots: Box<[AtomicU64]>,
    filled: AtomicUsize,
    registers: Box<[AtomicU8]>,
    has_changed: AtomicBool,
}

/// Accounts that were counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Distinct {
    Exact(BTreeSet<u64>),
    Sketch(Vec<u8>),
}

/// A hash that is the same everywhere and for ever, for what is counted on one day is compared with another.
pub(super) fn hash(account: AccountId) -> u64 {
    let (high, low) = account.0.as_u64_pair();
    // Zero is an empty slot.
    mix(low ^ mix(high)).max(1)
}

/// The finisher of splitmix64: each bit of the input moves each bit of the output.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The register that a hash belongs to, and the value that it asks for.
fn place(hash: u64) -> (usize, u8) {
    let index = usize::try_from(hash >> (64 - INDEX_BITS)).unwrap_or_default();
    let rest = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
    (index, u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX))
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            filled: AtomicUsize::new(0),
            registers: (0..REGISTERS).map(|_| AtomicU8::new(0)).collect(),
            has_changed: AtomicBool::new(false),
        }
    }
}

impl Seen {
    pub(super) fn add(&self, hash: u64) {
        let (index, rank) = place(hash);
        let register = &self.registers[index];
        if register.load(Relaxed) < rank {
            register.fetch_max(rank, Relaxed);
            self.has_changed.store(true, Relaxed);
        }
        if self.filled.load(Relaxed) <= EXACT {
            self.keep(hash);
        }
    }

    /// Keeps a hash one by one. Beyond [`EXACT`] none is missed any more, so it does not matter which are.
    fn keep(&self, hash: u64) {
        let from = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        for slot in self.slots[from..].iter().chain(&self.slots[..from]) {
            let found = match slot.load(Relaxed) {
                0 => slot.compare_exchange(0, hash, Relaxed, Relaxed),
                found => Err(found),
            };
            match found {
                Ok(_) => {
                    self.filled.fetch_add(1, Relaxed);
                    self.has_changed.store(true, Relaxed);
                    return;
                }
                Err(found) if found == hash => return,
                Err(_) => {}
            }
        }
    }

    /// Who was counted, if somebody was since this was asked last.
    pub(super) fn take_changed(&self) -> Option<Distinct> {
        self.has_changed.swap(false, Relaxed).then(|| {
            if self.filled.load(Relaxed) <= EXACT {
                let kept = self.slots.iter().map(|slot| slot.load(Relaxed)).filter(|hash| *hash != 0);
                return Distinct::Exact(kept.collect()).bounded();
            }
            Distinct::Sketch(self.registers.iter().map(|register| register.load(Relaxed)).collect())
        })
    }

    pub(super) fn clear(&self) {
        self.slots.iter().for_each(|slot| slot.store(0, Relaxed));
        self.registers.iter().for_each(|register| register.store(0, Relaxed));
        self.filled.store(0, Relaxed);
        self.has_changed.store(false, Relaxed);
    }
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(BTreeSet::new())
    }
}

impl Distinct {
    /// Those of both.
    pub(crate) fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exact(mut these), Self::Exact(others)) => {
                these.extend(others);
                Self::Exact(these).bounded()
            }
            (these, others) => {
                let (mut these, others) = (these.registers(), others.registers());
                these.iter_mut().zip(others).for_each(|(register, other)| *register = other.max(*register));
                Self::Sketch(these)
            }
        }
    }

    /// How many, and whether that is exact.
    pub(crate) fn count(&self) -> (u64, bool) {
        match self {
            Self::Exact(hashes) => (hashes.len() as u64, true),
            // There were more than are kept one by one, or it would be none.
            Self::Sketch(registers) => (estimate(registers).max(EXACT as u64 + 1), false),
        }
    }

    /// As it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Exact(hashes) => {
                std::iter::once(EXACT_FORM).chain(hashes.iter().flat_map(|hash| hash.to_be_bytes())).collect()
            }
            Self::Sketch(registers) => [&[SKETCH_FORM], registers.as_slice()].concat(),
        }
    }

    /// What was stored; `None` if it is nothing that this build knows.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&EXACT_FORM, hashes) => {
                let (hashes, rest) = hashes.as_chunks::<8>();
                let hashes = hashes.iter().map(|hash| u64::from_be_bytes(*hash)).collect();
                rest.is_empty().then(|| Self::Exact(hashes).bounded())
            }
            (&SKETCH_FORM, registers) => {
                let is_whole = registers.len() == REGISTERS
                    && registers.iter().all(|register| usize::from(*register) <= RANKS);
                is_whole.then(|| Self::Sketch(registers.to_vec()))
            }
            _ => None,
        }
    }

    fn bounded(self) -> Self {
        match self {
            Self::Exact(hashes) if hashes.len() > EXACT => Self::Sketch(Self::Exact(hashes).registers()),
            these => these,
        }
    }

    fn registers(self) -> Vec<u8> {
        match self {
            Self::Sketch(registers) => registers,
            Self::Exact(hashes) => {
                let mut registers = vec![0; REGISTERS];
                for (index, rank) in hashes.into_iter().map(place) {
                    registers[index] = rank.max(registers[index]);
                }
                registers
            }
        }
    }
}

/// Ertl's improved estimator.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
fn estimate(registers: &[u8]) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7; // 1 / (2 ln 2)
    let mut of_rank = [0_u32; RANKS + 1];
    for register in registers {
        of_rank[usize::from(*register).min(RANKS)] += 1;
    }
    let all = REGISTERS as f64;
    let mut sum = all * tau(1.0 - f64::from(of_rank[RANKS]) / all);
    for count in of_rank[1..RANKS].iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += all * sigma(f64::from(of_rank[0]) / all);
    (ALPHA * all * all / sum).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    let (mut weight, mut sum) = (1.0, x);
    if x >= 1.0 {
        return f64::INFINITY;
    }
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn accounts(of: std::ops::Range<u128>) -> Seen {
        let seen = Seen::default();
        for account in of {
            // Ids of one moment, which differ in their last bits only.
            seen.add(hash(AccountId(Uuid::from_u128((0x0199_0000_0000_7000 << 64) | account))));
        }
        seen
    }

    fn counted(of: std::ops::Range<u128>) -> Distinct {
        accounts(of).take_changed().unwrap()
    }

    #[test]
    fn up_to_a_thousand_accounts_are_counted_exactly_however_often_they_come() {
        let seen = accounts(0..1000);
        assert_eq!(seen.take_changed().unwrap().count(), (1000, true));
        assert_eq!(seen.take_changed(), None, "nobody came since");
        let merged = counted(0..600).merge(counted(400..1000));
        assert_eq!(merged.count(), (1000, true), "on two nodes");
        assert_eq!(Distinct::default().count(), (0, true));
        assert!(!counted(0..600).merge(counted(500..1200)).count().1, "and not beyond");
    }

    #[test]
    fn beyond_that_the_error_is_a_few_percent_at_most_and_two_nodes_count_nobody_twice() {
        for many in [1001_u128, 3000, 20_000, 40_000, 70_000, 300_000] {
            let merged = counted(0..many * 2 / 3).merge(counted(many / 3..many));
            let (count, is_exact) = merged.count();
            let off = (count as f64 - many as f64).abs() / many as f64;
            assert!(!is_exact && off < 0.025, "{many}: {count}");
            assert_eq!(counted(0..many), merged, "{many}: it is as if one node had counted them");
        }
    }

    #[test]
    fn what_is_stored_is_read_back_and_what_was_not_stored_here_is_not() {
        for many in [0..0, 0..1, 0..1000, 0..5000] {
            let distinct = accounts(many).take_changed().unwrap_or_default();
            assert_eq!(Distinct::from_bytes(&distinct.to_bytes()), Some(distinct));
        }
        for strange in [&[][..], &[0, 1], &[1], &[2; 9], &[[1; 1].as_slice(), &[200; REGISTERS]].concat()] {
            assert_eq!(Distinct::from_bytes(strange), None);
        }
    }
}
