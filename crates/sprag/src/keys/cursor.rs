//! Cursors: where the next slice of a listing begins, as its client keeps it.
//!
//! A cursor is sealed, so that nobody reads a position in it or makes one of their own: the number of a journal's entry would
//! tell how often a session has rotated in between. It is bound to what it was handed out for, and opens for nothing else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use data_encoding::BASE64URL_NOPAD;

use super::KeyRing;
use crate::clock::Timestamp;
use crate::random::{self, Random};

/// The longest text of a cursor that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// Seals cursors.
pub(super) struct CursorKey(LessSafeKey);

impl CursorKey {
    pub(super) fn derived(from: &hkdf::Prk) -> Self {
        let key = from.expand(&[b"sprag cursor v1"], &AES_256_GCM);
        Self(LessSafeKey::new(UnboundKey::from(
            key.expect("32 bytes are far below the longest output of HKDF-SHA-256"),
        )))
    }
}

impl KeyRing {
    /// Seals where the next slice of a listing begins. `bound_to` says whose listing of what it is: for another it does not
    /// open.
    ///
    /// # Panics
    /// If the crypto library cannot encrypt so few bytes.
    #[must_use]
    pub fn seal_cursor(
        &self,
        now: Timestamp,
        random: &dyn Random,
        bound_to: &[&[u8]],
        position: &[u8],
    ) -> String {
        let key = self.signing_refresh(now);
        let nonce: [u8; NONCE_LEN] = random::bytes(random);
        let mut sealed = position.to_vec();
        key.cursor
            .0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(joined(bound_to)),
                &mut sealed,
            )
            .expect("a position is far shorter than the longest that AES-GCM encrypts");
        BASE64URL_NOPAD.encode(&[&[key.id], nonce.as_slice(), &sealed].concat())
    }

    /// Opens a cursor that [`seal_cursor`](Self::seal_cursor) made for the same listing with a key that is accepted at `now`;
    /// `None` for any other text.
    #[must_use]
    pub fn open_cursor(&self, now: Timestamp, bound_to: &[&[u8]], text: &str) -> Option<Vec<u8>> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|_| text.len() <= MAX_TEXT_BYTES)?;
        let (id, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.accepted_refresh(*id, now)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.cursor.0.open_in_place(nonce, Aad::from(joined(bound_to)), &mut sealed).ok()?;
        Some(opened.to_vec())
    }
}

/// The parts so that no other parts are the same bytes.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let lengths = parts.iter().map(|part| (part.len() as u64).to_be_bytes());
    lengths.zip(parts).flat_map(|(length, part)| length.into_iter().chain(part.iter().copied())).collect()
}

#[cfg(test)]
mod tests {
    use crate::clock::Timestamp;
    use crate::keys::{Algorithm, KeyRing};
    use crate::random::SystemRandom;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    fn ring() -> KeyRing {
        KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), NOW).unwrap()
    }

    #[test]
    fn a_cursor_opens_for_the_listing_that_it_was_made_for_and_no_other() {
        let (ring, random) = (ring(), SystemRandom::default());
        let of: [&[u8]; 3] = [b"events", b"ann", b"kind"];
        let text = ring.seal_cursor(NOW, &random, &of, b"position 7");
        assert_eq!(ring.open_cursor(NOW, &of, &text).as_deref(), Some(b"position 7".as_slice()));
        let others: [&[&[u8]]; 5] = [
            &[b"events", b"bob", b"kind"],
            &[b"users", b"ann", b"kind"],
            &[b"events", b"ann", b""],
            &[b"events", b"annkind", b""],
            &[b"events", b"ann"],
        ];
        for other in others {
            assert_eq!(ring.open_cursor(NOW, other, &text), None, "{other:?}");
        }
        assert!(!text.contains("position") && text != ring.seal_cursor(NOW, &random, &of, b"position 7"));
        let elsewhere = super::tests::ring();
        assert_eq!(elsewhere.open_cursor(NOW, &of, &text), None, "another ring's");
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_is_none() {
        let (ring, random) = (ring(), SystemRandom::default());
        let text = ring.seal_cursor(NOW, &random, &[b"users"], b"x");
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(ring.open_cursor(NOW, &[b"users"], &changed), None, "{at}");
        }
        for text in ["", "A", "AAAA", &text[1..], &format!("{text}A"), &"A".repeat(4096), "\u{e9}"] {
            assert_eq!(ring.open_cursor(NOW, &[b"users"], text), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_lives_as_long_as_its_key() {
        let (mut ring, random) = (ring(), SystemRandom::default());
        let text = ring.seal_cursor(NOW, &random, &[], b"x");
        ring.add_refresh(&random, NOW, NOW);
        assert!(ring.open_cursor(NOW, &[], &text).is_some());
        assert!(ring.retire("1", NOW));
        assert_eq!(ring.open_cursor(NOW, &[], &text), None);
    }
}
