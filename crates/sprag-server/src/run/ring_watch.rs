//! The key ring's file while a server runs: it is read again when it has changed.

use std::path::PathBuf;
use std::sync::Arc;

use sprag::keys::KeyRing;
use sprag::{Engine, Fault};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::run::node::Node;
use crate::run::ring_file::{self, RingSource, Stamp};

/// Whoever has one looks at the same file, one at a time.
#[derive(Clone, Debug)]
pub struct RingWatch(Arc<Mutex<Watched>>);

#[derive(Debug)]
struct Watched {
    engine: Arc<Engine>,
    config: Config,
    source: RingSource,
    path: PathBuf,
    known: Option<Stamp>,
}

/// What a look at the file came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// It is the one in force.
    Same,
    /// It is gone; the one before stays.
    Gone,
    /// It had changed and is in force now.
    Changed,
    /// It has changed and cannot be put in force, as the log says; the one before stays.
    Refused,
}

impl RingWatch {
    /// `None` where the ring is in no file.
    #[must_use]
    pub fn of(node: &Node) -> Option<Self> {
        let path = node.ring.file()?;
        let (engine, config, source) = (Arc::clone(&node.engine), node.config.clone(), node.ring.clone());
        let known = ring_file::stamp(path);
        Some(Self(Arc::new(Mutex::new(Watched { engine, config, source, path: path.to_owned(), known }))))
    }

    /// Reads the file if it has changed, and puts what it says in force.
    pub async fn look(&self) -> Looked {
        self.0.lock().await.look().await
    }
}

impl Watched {
    async fn look(&mut self) -> Looked {
        let found = ring_file::stamp(&self.path);
        if found.is_none() {
            return Looked::Gone;
        }
        if found == self.known {
            return Looked::Same;
        }
        match self.source.read(&self.config) {
            Ok(keys) => match change_ring(&self.engine, keys).await {
                Ok(looked) => {
                    self.known = found;
                    looked
                }
                Err(_) => Looked::Refused,
            },
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the key ring has changed and cannot be read; the one before stays in force"
                );
                Looked::Refused
            }
        }
    }
}

/// Puts a changed ring in force, unless it is of other descent and the store knows none of its keys. Fails where only
/// the store can tell and does not answer.
async fn change_ring(engine: &Engine, keys: KeyRing) -> Result<Looked, Fault> {
    let (before, after) = (engine.keys().fingerprints(), keys.fingerprints());
    let is_kin = after.iter().any(|fingerprint| before.contains(fingerprint));
    match engine.store().admit(after, engine.now()).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::error!(
                "the key ring has changed and shares no key with the one that this database's tokens were made with, so \
                 everybody would be refused; the one before stays in force: put it back, or, if it is lost for good, run: \
                 sprag key replace"
            );
            return Ok(Looked::Refused);
        }
        // A leaked key must be retired even while the store is away.
        Err(fault) if is_kin => tracing::warn!(%fault, "the store does not know of the new key ring yet"),
        Err(fault) => {
            tracing::error!(%fault, "the key ring has changed, and nothing tells yet that it is this database's");
            return Err(fault);
        }
    }
    tracing::info!("the key ring has changed and was read again");
    if let Err(fault) = engine.upkeep().change_keys(keys).await {
        tracing::error!(%fault, "the new key ring is in force, but the journal does not say so");
    }
    Ok(Looked::Changed)
}

#[cfg(test)]
mod tests {
    use sprag::access::Algorithm;
    use sprag::clock::{HandClock, Timestamp};
    use sprag::password::Hasher;
    use sprag::random::SeededRandom;
    use sprag::store::memory::MemoryStore;

    use super::*;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    fn ring(seed: u64) -> KeyRing {
        KeyRing::generate(Algorithm::Es256, &SeededRandom::new(seed), NOW).unwrap()
    }

    async fn engine_with(keys: KeyRing) -> Engine {
        let engine = Engine::builder(Arc::new(MemoryStore::default())).keys(keys).issuer("http://localhost");
        let engine = engine.clock(Arc::new(HandClock::at(NOW))).hasher(Hasher::start(1, 1).unwrap());
        let engine = engine.build().unwrap();
        assert!(engine.store().admit(engine.keys().fingerprints(), NOW).await.unwrap());
        engine
    }

    #[tokio::test]
    async fn a_ring_that_was_added_to_comes_into_force_and_is_known_from_then_on() {
        let engine = engine_with(ring(1)).await;
        let mut keys = ring(1);
        keys.add_refresh(&SeededRandom::new(2), NOW, NOW);
        assert_eq!(change_ring(&engine, keys).await.unwrap(), Looked::Changed);
        let known = engine.keys().fingerprints();
        assert_eq!(known.len(), 2);
        assert!(engine.store().admit(vec![known[1]], NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_ring_of_other_descent_stays_out_until_it_replaces_the_others() {
        let engine = engine_with(ring(1)).await;
        assert_eq!(change_ring(&engine, ring(2)).await.unwrap(), Looked::Refused);
        assert_eq!(engine.keys().fingerprints(), ring(1).fingerprints());
        engine.store().replace(ring(2).fingerprints(), NOW).await.unwrap();
        assert_eq!(change_ring(&engine, ring(2)).await.unwrap(), Looked::Changed);
        assert_eq!(engine.keys().fingerprints(), ring(2).fingerprints());
    }
}
