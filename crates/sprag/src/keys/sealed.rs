//! Sealing what is kept or sent later, so that the database alone opens no token, seed or letter.
//!
//! AES-256-GCM under a key derived from a refresh key, with what it is of (table, account, purpose) as associated data: moved to
//! another row, it does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::KeyRing;
use super::cursor::joined;
use crate::clock::Timestamp;
use crate::random::{self, Random};

/// Seals what is kept.
pub(super) struct SealingKey(LessSafeKey);

impl SealingKey {
    pub(super) fn derived(from: &hkdf::Prk) -> Self {
        let key = from.expand(&[b"sprag sealed v1"], &AES_256_GCM);
        Self(LessSafeKey::new(UnboundKey::from(
            key.expect("32 bytes are far below the longest output of HKDF-SHA-256"),
        )))
    }
}

impl KeyRing {
    /// Seals something for the row that `bound_to` names: its table, its account, its purpose.
    ///
    /// # Panics
    /// If the crypto library cannot encrypt so few bytes.
    #[must_use]
    pub fn seal(&self, now: Timestamp, random: &dyn Random, bound_to: &[&[u8]], plain: &[u8]) -> Vec<u8> {
        let key = self.signing_refresh(now);
        let nonce: [u8; NONCE_LEN] = random::bytes(random);
        let mut sealed = plain.to_vec();
        let aad = Aad::from(joined(bound_to));
        key.sealing
            .0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("a letter is far shorter than the longest that AES-GCM encrypts");
        [&[key.id], nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`seal`](Self::seal) made for the same row with a key that is accepted at `now`; `None` for anything else.
    #[must_use]
    pub fn open(&self, now: Timestamp, bound_to: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.accepted_refresh(*sealed.first()?, now)?;
        opened_with(&key.sealing, bound_to, sealed)
    }

    /// Opens what [`seal`](Self::seal) made for the same row, also with a key that was retired since. It is for what is kept for
    /// years, a second factor, and is sealed anew whenever it is used.
    #[must_use]
    pub fn open_of_any_age(&self, bound_to: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let id = *sealed.first()?;
        let key = self.refresh.iter().find(|key| key.id == id)?;
        opened_with(&key.sealing, bound_to, sealed)
    }
}

fn opened_with(key: &SealingKey, bound_to: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.get(1..)?.split_first_chunk::<NONCE_LEN>()?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(joined(bound_to));
    let length = key.0.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::keys::{Algorithm, KeyRing};
    use crate::random::SystemRandom;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    #[test]
    fn what_is_sealed_opens_in_its_own_row_and_nowhere_else() {
        let random = SystemRandom::default();
        let ring = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        let sealed = ring.seal(NOW, &random, &[b"outbox", b"ann"], b"a letter");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"letter"));
        assert_eq!(ring.open(NOW, &[b"outbox", b"ann"], &sealed).unwrap().as_slice(), b"a letter");
        for other in [[b"outbox".as_slice(), b"bob"], [b"credential", b"ann"]] {
            assert!(ring.open(NOW, &other, &sealed).is_none());
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open(NOW, &[b"outbox", b"ann"], &changed).is_none(), "{at}");
        }
        assert!(ring.open(NOW, &[b"outbox", b"ann"], &[]).is_none());
    }
}
