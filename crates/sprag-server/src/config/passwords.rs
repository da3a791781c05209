//! How many passwords are hashed at once, and how many wait; who is asked for stolen ones.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

use url::Url;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};
use crate::outgoing;

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
    Setting {
        name: "breach-check",
        env: "SPRAG_BREACH_CHECK",
        placeholder: "FILE|URL|off",
        help: "Where new passwords are looked for among stolen ones: a file of their SHA-1 hashes, one a line and sorted, as Pwned \
               Passwords is downloaded by hash; the URL of a service that is told the first five digits of a hash, as \
               https://api.pwnedpasswords.com/range; or off.",
        default: Fallback::Value("off"),
        is_secret: false,
        right: "https://api.pwnedpasswords.com/range",
        wrong: "https://ann:hunter2@example.org/range",
    },
];

/// Where stolen passwords are looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BreachCheck {
    /// Nowhere.
    Off,
    /// In a file, by their hashes.
    File(PathBuf),
    /// At a service, by the first digits of their hashes.
    Range(Url),
}

/// How many passwords are hashed at once, and how many wait.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// How many are hashed at once.
    pub hash_threads: NonZeroUsize,
    /// How many may wait.
    pub hash_queue: NonZeroUsize,
    /// Where stolen ones are looked for.
    pub breaches: BreachCheck,
}

impl Passwords {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let one = NonZeroUsize::MIN;
        // One core is left to whoever only refreshes.
        let spare = available_parallelism().map_or(1, |cores| cores.get() - 1).clamp(1, 4);
        let count = |text: &str| value::count(text, one, one.saturating_add(255));
        let breaches = chosen.typed("breach-check", breaches)?;
        let is_plain = matches!(&breaches, BreachCheck::Range(url) if url.scheme() == "http");
        if is_plain && chosen.of("hook-networks").1.is_none() {
            return Err(ConfigError::Together(format!(
                "{} would be asked without TLS; write https, or name its network in hook-networks",
                chosen.origin("breach-check").subject("breach-check")
            )));
        }
        Ok(Self {
            hash_threads: chosen
                .given("hash-threads", count)?
                .unwrap_or(NonZeroUsize::new(spare).unwrap_or(one)),
            hash_queue: chosen.count("hash-queue", 10_000)?,
            breaches,
        })
    }
}

fn breaches(text: &str) -> Parsed<BreachCheck> {
    match text {
        "off" => Ok(BreachCheck::Off),
        "" => Err("it is empty; name a file or a URL, or write off".to_owned()),
        url if url.contains("://") => outgoing::target(url).map(BreachCheck::Range),
        path => Ok(BreachCheck::File(path.into())),
    }
}
