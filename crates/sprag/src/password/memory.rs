//! The memory that a hashing thread works in, kept from one password to the next.

use argon2::{Argon2, Block};
use zeroize::optimization_barrier;

use crate::error::Fault;

/// How much is kept: what today's Argon2id takes.
pub(super) const KEPT_KIB: u32 = 19 * 1024;

/// The memory of today's Argon2id, for one thread: it is wiped after each password, and given back when none is to be hashed.
///
/// Taken anew for each password it would stay with the process all the same, wherever the allocator keeps what was freed,
/// and several times over. Where it was given back before, the allocator may keep it: then it is taken from there again.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// Computes an Argon2 hash as long as `output`. What needs more memory than today's takes it for this once.
    pub(super) fn argon2(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Fault> {
        // Of 1 KiB each.
        let blocks = argon2.params().block_count();
        let hashed = if blocks > KEPT_KIB as usize {
            argon2.hash_password_into(password, salt, output)
        } else {
            if self.0.len() < blocks {
                self.0.resize(blocks, Block::default());
            }
            let used = &mut self.0[..blocks];
            let hashed = argon2.hash_password_into_with_memory(password, salt, output, &mut *used);
            used.fill(Block::default());
            optimization_barrier(used);
            hashed
        };
        hashed.map_err(|error| Fault::internal("hash a password", error))
    }

    /// Has nothing until the next password.
    pub(super) fn give_back(&mut self) {
        self.0 = Vec::new();
    }

    #[cfg(test)]
    fn place(&self) -> (*const Block, usize) {
        (self.0.as_ptr(), self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Params, Version};

    use super::*;

    fn argon2(kib: u32) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(kib, 1, 1, None).unwrap())
    }

    #[test]
    fn a_thread_takes_its_memory_once_and_leaves_nothing_in_it() {
        let todays = argon2(19 * 1024);
        let (mut memory, mut first, mut again) = (Memory::default(), [0; 32], [0; 32]);
        memory.argon2(&todays, b"password", b"saltsalt", &mut first).unwrap();
        let place = memory.place();
        assert_eq!(place.1, 19 * 1024);
        assert!(memory.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)), "it is wiped");
        for kib in [64, 20 * 1024, 19 * 1024] {
            memory.argon2(&argon2(kib), b"other", b"saltsalt", &mut again).unwrap();
        }
        memory.argon2(&todays, b"password", b"saltsalt", &mut again).unwrap();
        assert_eq!(memory.place(), place, "neither less nor more memory moves it");
        assert_eq!(first, again);
    }
}
