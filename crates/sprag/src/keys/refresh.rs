//! One refresh key and the sub-keys derived from it.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::cursor::CursorKey;
use super::sealed::SealingKey;
use super::{Fingerprint, Key, Life};

/// The length of a refresh key's secret.
pub(super) const SECRET_BYTES: usize = 32;

/// A refresh key: one secret, and a sub-key for each use, so that nothing made for one use passes in another.
pub(crate) struct RefreshKey {
    pub(crate) id: u8,
    pub(crate) life: Life,
    pub(super) secret: Zeroizing<[u8; SECRET_BYTES]>,
    /// Tags opaque refresh tokens.
    pub(crate) opaque: hmac::Key,
    /// Tags refresh tokens in the JWT encoding.
    pub(crate) jwt: hmac::Key,
    /// Binds imported sessions to their accounts, and makes their secrets of the tokens that are presented.
    pub(crate) foreign: hmac::Key,
    /// Makes the secret of a session that takes another's place, of that one's secret.
    pub(crate) replace: hmac::Key,
    /// Tags journal checkpoints.
    pub(crate) audit: hmac::Key,
    /// Tags what was last seen of a store.
    pub(crate) high_water: hmac::Key,
    /// Seals cursors.
    pub(super) cursor: CursorKey,
    /// Seals what is kept.
    pub(super) sealing: SealingKey,
    /// Tags one-time tokens.
    pub(crate) one_time: hmac::Key,
    /// Names budgets, so that the store knows nobody by them.
    pub(crate) budget: hmac::Key,
    /// Tags what known devices show.
    pub(crate) device: hmac::Key,
    /// Signs challenges, and names the budgets that their solutions are spent of.
    pub(crate) challenge: hmac::Key,
    /// Hashes names that lead to nobody any more.
    pub(crate) held: hmac::Key,
    pub(super) fingerprint: Fingerprint,
}

impl RefreshKey {
    pub(super) fn new(id: u8, life: Life, secret: &[u8; SECRET_BYTES]) -> Self {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        Self {
            id,
            life,
            secret: Zeroizing::new(*secret),
            opaque: sub_key(&derived, b"sprag refresh v1"),
            jwt: sub_key(&derived, b"sprag refresh jwt v1"),
            foreign: sub_key(&derived, b"sprag foreign token v1"),
            replace: sub_key(&derived, b"sprag replace v1"),
            audit: sub_key(&derived, b"sprag audit v1"),
            high_water: sub_key(&derived, b"sprag high water v1"),
            cursor: CursorKey::derived(&derived),
            sealing: SealingKey::derived(&derived),
            one_time: sub_key(&derived, b"sprag one-time v1"),
            budget: sub_key(&derived, b"sprag budget v1"),
            device: sub_key(&derived, b"sprag device v1"),
            challenge: sub_key(&derived, b"sprag challenge v1"),
            held: sub_key(&derived, b"sprag held name v1"),
            fingerprint: fingerprint(&sub_key(&derived, b"sprag fingerprint v1")),
        }
    }

    pub(super) fn name(&self) -> String {
        self.id.to_string()
    }
}

impl Key for RefreshKey {
    fn life(&self) -> &Life {
        &self.life
    }
}

impl AsMut<Life> for RefreshKey {
    fn as_mut(&mut self) -> &mut Life {
        &mut self.life
    }
}

fn fingerprint(key: &hmac::Key) -> Fingerprint {
    let tag = hmac::sign(key, b"sprag refresh key");
    let mut start = [0; 16];
    start.copy_from_slice(&tag.as_ref()[..16]);
    Fingerprint(start)
}

fn sub_key(derived: &hkdf::Prk, label: &[u8]) -> hmac::Key {
    derived
        .expand(&[label], hmac::HMAC_SHA256)
        .expect("32 bytes are far below the longest output of HKDF-SHA-256")
        .into()
}
