//! The key ring: what signs tokens, what is accepted, and how one key follows another.
//!
//! The ring lives outside the database, in a file or the environment, so that a copy of the database mints
//! nothing. It is declarative in time: every key says from when it signs and when it retires, and what holds
//! at a moment follows from that alone. Nodes that read the same ring therefore agree without talking.
//!
//! A key is accepted as soon as it is in the ring and signs only later: distribute first, then sign. At a
//! moment, the signing key is the accepted one with the newest `signs_from` that has come; of two alike, the
//! later in the ring.
//!
//! ```
//! use std::time::Duration;
//!
//! use sprag::clock::{Clock as _, SystemClock};
//! use sprag::keys::{Algorithm, KeyRing, Purpose};
//! use sprag::random::SystemRandom;
//!
//! let (random, now) = (SystemRandom::default(), SystemClock.now());
//! let mut ring = KeyRing::generate(Algorithm::Es256, &random, now)?;
//! // Verifiers have an hour to fetch the new key; then it signs.
//! let in_an_hour = now.plus(Duration::from_secs(3600));
//! let next = ring.add_access(Algorithm::EdDsa, &random, now, in_an_hour);
//! assert_ne!(ring.signing_id(Purpose::Access, now), next);
//! assert_eq!(ring.signing_id(Purpose::Access, in_an_hour), next);
//!
//! let secret = ring.to_json(); // for a file that only the server may read
//! assert_eq!(KeyRing::from_json(&secret)?.fingerprints(), ring.fingerprints());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::random::{self, Random};

mod access;
mod algorithm;
mod begun;
mod cursor;
mod file;
mod refresh;
mod sealed;

pub(crate) use access::AccessKey;
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub(crate) use begun::CommonClaims;
pub use file::{KeyRingError, Problem};
pub(crate) use refresh::RefreshKey;
pub use sprag_secret::WeakSecret;

/// How many refresh keys a ring holds: as many as a token's one-byte key id can name.
pub const MAX_REFRESH_KEYS: usize = 255;

/// How many access keys a ring holds.
pub const MAX_ACCESS_KEYS: usize = 64;

/// All keys, prepared once so that signing parses nothing.
///
/// For each purpose it always holds at least one key that has no retirement set.
pub struct KeyRing {
    refresh: Vec<RefreshKey>,
    access: Vec<AccessKey>,
}

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Refresh tokens and journal checkpoints: never leaves the servers.
    Refresh,
    /// Access tokens: its public half, if it has one, is published.
    Access,
}

/// What may be shown of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEntry {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name in the ring: a number for refresh keys, a `kid` for access keys.
    pub id: String,
    /// How it signs; refresh keys have no choice.
    pub algorithm: Option<Algorithm>,
    /// When it was made; the epoch for a secret that the operator gave.
    pub created_at: Timestamp,
    /// From when it signs.
    pub signs_from: Timestamp,
    /// From when it is no longer accepted, if that is set.
    pub retired_at: Option<Timestamp>,
}

/// What tells one refresh key from another and is of no use otherwise: a tag that the key makes of a fixed text, cut
/// short. It may stand in the database, which is not to know the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub [u8; 16]);

/// The times that decide what a key does at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    pub(crate) created_at: Timestamp,
    pub(crate) signs_from: Timestamp,
    pub(crate) retired_at: Option<Timestamp>,
    /// Whether the operator gave it at start. Such a key signs before any of the ring's own, since it was
    /// asked for by name, and is never written into the ring's file.
    pub(crate) is_given: bool,
}

impl Life {
    fn new(now: Timestamp, signs_from: Timestamp) -> Self {
        Self { created_at: now, signs_from, retired_at: None, is_given: false }
    }

    fn given() -> Self {
        Self { is_given: true, ..Self::new(Timestamp(0), Timestamp(0)) }
    }

    fn is_accepted(&self, now: Timestamp) -> bool {
        self.retired_at.is_none_or(|at| at > now)
    }

    /// Retirement can be brought forward, never taken back: what was refused once stays refused.
    fn retire(&mut self, at: Timestamp) {
        self.retired_at = Some(self.retired_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Something with a place in the ring.
trait Key {
    fn life(&self) -> &Life;
}

impl KeyRing {
    /// A ring with one fresh refresh key and one fresh access key that sign at once.
    ///
    /// # Errors
    /// A [`Fault`] if the crypto library cannot make a key pair.
    pub fn generate(algorithm: Algorithm, random: &dyn Random, now: Timestamp) -> Result<Self, Fault> {
        let life = Life::new(now, now);
        let refresh = RefreshKey::new(1, life, &fresh(random));
        let access = AccessKey::generate(algorithm, random, life)?;
        Ok(Self { refresh: vec![refresh], access: vec![access] })
    }

    /// Reads a ring that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// A [`KeyRingError`] that says which entry is wrong and what to do; it never repeats what it read.
    pub fn from_json(text: &str) -> Result<Self, KeyRingError> {
        file::read(text)
    }

    /// Writes the ring, secrets and all, for a file that only the server may read.
    ///
    /// Secrets given by [`with_hs256_secret`](Self::with_hs256_secret) stay where the operator keeps them.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        file::write(self)
    }

    /// Adds a refresh key that is accepted at once and signs from `signs_from`; returns its id.
    ///
    /// Give every node time to read the ring before `signs_from`. In a full ring the key that retired
    /// longest ago makes room.
    pub fn add_refresh(&mut self, random: &dyn Random, now: Timestamp, signs_from: Timestamp) -> u8 {
        make_room(&mut self.refresh, MAX_REFRESH_KEYS);
        let newest = self.refresh.last().map_or(0, |key| key.id);
        let id = (1..=u8::MAX)
            .map(|step| newest.wrapping_add(step))
            .find(|id| *id != 0 && self.refresh.iter().all(|key| key.id != *id))
            .expect("a ring that made room has an id to spare");
        self.refresh.push(RefreshKey::new(id, Life::new(now, signs_from), &fresh(random)));
        id
    }

    /// Adds an access key that is accepted and published at once and signs from `signs_from`; returns its `kid`.
    ///
    /// Verifiers cache the published keys: let `signs_from` be later than they cache. In a full ring the key
    /// that retired longest ago makes room.
    ///
    /// # Panics
    /// If the crypto library has no memory or random bytes for a key pair.
    pub fn add_access(
        &mut self,
        algorithm: Algorithm,
        random: &dyn Random,
        now: Timestamp,
        signs_from: Timestamp,
    ) -> String {
        make_room(&mut self.access, MAX_ACCESS_KEYS);
        let key = AccessKey::generate(algorithm, random, Life::new(now, signs_from))
            .expect("key pairs are made as long as there is memory and randomness");
        let kid = key.kid.clone();
        self.access.push(key);
        kid
    }

    /// Adds a shared HS256 secret of the operator's, which then signs in preference to all other access keys.
    ///
    /// Its tokens carry no `kid`, as the systems that share it know none. Whoever can verify with it can also
    /// mint. Called again, the later secret signs and the earlier ones are still accepted.
    ///
    /// # Errors
    /// [`KeyRingError::Secret`] if it is shorter than 32 bytes, on a public list of secrets or otherwise guessable.
    pub fn with_hs256_secret(&mut self, secret: &[u8]) -> Result<(), KeyRingError> {
        sprag_secret::check(secret).map_err(KeyRingError::Secret)?;
        let number = self.access.iter().filter(|key| key.life.is_given).count() + 1;
        self.access.push(AccessKey::shared(format!("given-{number}"), secret, Life::given()));
        Ok(())
    }

    /// Lets a key be refused from `at` on; `false` if there is none of that id, or no other could sign then.
    ///
    /// Add a successor first: the last key of a purpose cannot be retired. A retirement can be brought
    /// forward but not taken back.
    pub fn retire(&mut self, id: &str, at: Timestamp) -> bool {
        if let Some(index) = self.refresh.iter().position(|key| key.name() == id) {
            return retire(&mut self.refresh, index, at);
        }
        match self.access.iter().position(|key| key.kid == id && !key.life.is_given) {
            Some(index) => retire(&mut self.access, index, at),
            None => false,
        }
    }

    /// What may be shown of each key, in the order of the ring.
    #[must_use]
    pub fn entries(&self) -> Vec<KeyEntry> {
        let refresh =
            self.refresh.iter().map(|key| KeyEntry::new(Purpose::Refresh, key.name(), None, key.life));
        let access = self
            .access
            .iter()
            .map(|key| KeyEntry::new(Purpose::Access, key.kid.clone(), Some(key.algorithm()), key.life));
        refresh.chain(access).collect()
    }

    /// The fingerprints of all refresh keys, retired ones too: two rings that share none are of different descent.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.refresh.iter().map(|key| key.fingerprint).collect()
    }

    /// How access tokens are signed at `now`.
    #[must_use]
    pub fn algorithm(&self, now: Timestamp) -> Algorithm {
        self.signing_access(now).algorithm()
    }

    /// The id of the key that signs at `now`.
    #[must_use]
    pub fn signing_id(&self, purpose: Purpose, now: Timestamp) -> String {
        match purpose {
            Purpose::Refresh => self.signing_refresh(now).name(),
            Purpose::Access => self.signing_access(now).kid.clone(),
        }
    }

    /// Tags `bytes` for the journal, with the key named or else the signing one; returns which it was.
    ///
    /// A key that is not in the ring any more cannot tag: then, too, the signing one does.
    #[must_use]
    pub fn audit_tag(&self, key_id: Option<u8>, now: Timestamp, bytes: &[u8]) -> (u8, [u8; 32]) {
        let named = key_id.and_then(|id| self.refresh.iter().find(|key| key.id == id));
        let key = named.unwrap_or_else(|| self.signing_refresh(now));
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&key.audit, bytes).as_ref());
        (key.id, tag)
    }

    /// Whether `tag` is what [`audit_tag`](Self::audit_tag) makes of `bytes` with that key, retired or not.
    #[must_use]
    pub fn audit_verify(&self, key_id: u8, bytes: &[u8], tag: &[u8]) -> bool {
        let key = self.refresh.iter().find(|key| key.id == key_id);
        key.is_some_and(|key| hmac::verify(&key.audit, bytes, tag).is_ok())
    }

    /// Tags what was last seen of a store with the signing refresh key; returns that key's fingerprint too.
    #[must_use]
    pub fn high_water_tag(&self, now: Timestamp, bytes: &[u8]) -> (Fingerprint, [u8; 32]) {
        let key = self.signing_refresh(now);
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&key.high_water, bytes).as_ref());
        (key.fingerprint, tag)
    }

    /// Whether `tag` is what [`high_water_tag`](Self::high_water_tag) makes of `bytes` with that key, retired or not; `None`
    /// where the ring does not have it.
    #[must_use]
    pub fn high_water_verify(&self, key: Fingerprint, bytes: &[u8], tag: &[u8]) -> Option<bool> {
        let key = self.refresh.iter().find(|known| known.fingerprint == key)?;
        Some(hmac::verify(&key.high_water, bytes, tag).is_ok())
    }

    /// What a name is remembered as that leads to nobody any more.
    #[must_use]
    pub fn held_name_hash(&self, now: Timestamp, name: &[u8]) -> [u8; 32] {
        hash_under(&self.signing_refresh(now).held, name)
    }

    /// What it may be remembered as: under every key that the ring has, retired ones too.
    #[must_use]
    pub fn held_name_hashes(&self, name: &[u8]) -> Vec<[u8; 32]> {
        self.refresh.iter().map(|key| hash_under(&key.held, name)).collect()
    }

    pub(crate) fn signing_refresh(&self, now: Timestamp) -> &RefreshKey {
        signing(&self.refresh, now)
    }

    pub(crate) fn signing_access(&self, now: Timestamp) -> &AccessKey {
        signing(&self.access, now)
    }

    pub(crate) fn accepted_refresh(&self, id: u8, now: Timestamp) -> Option<&RefreshKey> {
        self.refresh.iter().find(|key| key.id == id && key.life.is_accepted(now))
    }

    pub(crate) fn all_accepted_refresh(&self, now: Timestamp) -> impl Iterator<Item = &RefreshKey> {
        self.refresh.iter().filter(move |key| key.life.is_accepted(now))
    }

    pub(crate) fn accepted_access(&self, now: Timestamp) -> impl Iterator<Item = &AccessKey> {
        self.access.iter().filter(move |key| key.life.is_accepted(now))
    }
}

impl KeyEntry {
    fn new(purpose: Purpose, id: String, algorithm: Option<Algorithm>, life: Life) -> Self {
        let Life { created_at, signs_from, retired_at, is_given: _ } = life;
        Self { purpose, id, algorithm, created_at, signs_from, retired_at }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("entries", &self.entries()).finish_non_exhaustive()
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refresh => "refresh",
            Self::Access => "access",
        })
    }
}

/// The key that signs at `now`. Where none has begun yet, the first to begin does: all are accepted already.
fn signing<K: Key>(keys: &[K], now: Timestamp) -> &K {
    let accepted = || keys.iter().filter(|key| key.life().is_accepted(now));
    accepted()
        .filter(|key| key.life().signs_from <= now)
        .max_by_key(|key| (key.life().is_given, key.life().signs_from))
        .or_else(|| accepted().min_by_key(|key| key.life().signs_from))
        .expect("a ring holds a key of each purpose that has no retirement set")
}

fn hash_under(key: &hmac::Key, bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac::sign(key, bytes).as_ref());
    hash
}

fn fresh(random: &dyn Random) -> Zeroizing<[u8; refresh::SECRET_BYTES]> {
    Zeroizing::new(random::bytes(random))
}

fn retire<K: Key + AsMut<Life>>(keys: &mut [K], index: usize, at: Timestamp) -> bool {
    let stays =
        |(other, key): (usize, &K)| other != index && key.life().retired_at.is_none() && !key.life().is_given;
    if !keys.iter().enumerate().any(stays) {
        return false;
    }
    keys[index].as_mut().retire(at);
    true
}

fn make_room<K: Key>(keys: &mut Vec<K>, limit: usize) {
    let own = keys.iter().enumerate().filter(|(_, key)| !key.life().is_given);
    if own.clone().count() < limit {
        return;
    }
    let longest_ago = own.min_by_key(|(_, key)| {
        let life = key.life();
        (life.retired_at.unwrap_or(Timestamp(i64::MAX)), life.signs_from)
    });
    if let Some((index, _)) = longest_ago {
        keys.remove(index);
    }
}
