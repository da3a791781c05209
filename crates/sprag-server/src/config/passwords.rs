//! How many passwords are hashed at once, and how many wait.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "hash-threads",
        env: "SPRAG_HASH_THREADS",
        placeholder: "COUNT",
        help: "How many passwords are hashed at once (1 to 256).",
        default: Fallback::Derived("one less than there are cores, at least 1 and at most 4"),
        is_secret: false,
        right: "3",
        wrong: "257",
    },
    Setting {
        name: "hash-queue",
        env: "SPRAG_HASH_QUEUE",
        placeholder: "COUNT",
        help: "How many passwords may wait to be hashed, served one network after the other; where it is full, the newest of the \
               network that has most waiting is answered 503 at once (1 to 10000).",
        default: Fallback::Value("32"),
        is_secret: false,
        right: "8",
        wrong: "-1",
    },
];

/// How many passwords are hashed at once, and how many wait.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// How many are hashed at once.
    pub hash_threads: NonZeroUsize,
    /// How many may wait.
    pub hash_queue: NonZeroUsize,
}

impl Passwords {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let one = NonZeroUsize::MIN;
        // One core is left to whoever only refreshes.
        let spare = available_parallelism().map_or(1, |cores| cores.get() - 1).clamp(1, 4);
        let count = |text: &str| value::count(text, one, one.saturating_add(255));
        Ok(Self {
            hash_threads: chosen
                .given("hash-threads", count)?
                .unwrap_or(NonZeroUsize::new(spare).unwrap_or(one)),
            hash_queue: chosen.count("hash-queue", 10_000)?,
        })
    }
}
