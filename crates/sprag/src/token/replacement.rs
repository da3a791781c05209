//! The first token of a session that takes another's place: its id and its secret follow from the request that asked for it.
//!
//! So an answer that was lost can be made again, and nothing is kept for that: whoever repeats the request brings the old
//! secret and the retry id, and the row of the session that ended says when.

use aws_lc_rs::hmac;

use super::{RefreshToken, SECRET_BYTES};
use crate::clock::Timestamp;
use crate::keys::{KeyRing, RefreshKey};
use crate::random::id_of;
use crate::session::{Generation, SessionId, SessionKey, ShortHash};
use crate::wipe::Wiped;

/// The request that has a session replaced, as far as its repetition can be known by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Replacing {
    /// Its retry id (`Idempotency-Key`), hashed.
    pub retry_hash: ShortHash,
    /// The client instance that it came from.
    pub instance_hash: ShortHash,
    /// When the one session ended and the other began.
    pub at: Timestamp,
}

impl RefreshToken {
    /// The first token of the session `key` that takes the place of this token's session.
    ///
    /// The new session secret is `HMAC(K, "replace" ‖ old secret ‖ new session id)`, where K is a key of the ring made
    /// for this alone. Only who has the old secret and the ring can make it, so an answer that was lost can be made again
    /// from the request that it answered.
    #[must_use]
    pub fn replacement(&self, key: SessionKey, keys: &KeyRing, now: Timestamp) -> Self {
        self.replacement_under(keys.signing_refresh(now), key)
    }

    /// The first token of the session that takes this one's place for a request that may be repeated: its id, too, follows
    /// from the request.
    #[must_use]
    pub fn replacement_by(&self, request: &Replacing, keys: &KeyRing, now: Timestamp) -> Self {
        self.replacement_by_under(keys.signing_refresh(now), request)
    }

    /// What [`replacement_by`](Self::replacement_by) may have made when the request came first: one for each key that is
    /// accepted at `now`, for another one may have signed then.
    pub fn replacements_by(
        &self,
        request: &Replacing,
        keys: &KeyRing,
        now: Timestamp,
    ) -> impl Iterator<Item = Self> {
        keys.all_accepted_refresh(now).map(|key| self.replacement_by_under(key, request))
    }

    fn replacement_by_under(&self, key: &RefreshKey, request: &Replacing) -> Self {
        let Replacing { retry_hash, instance_hash, at } = request;
        let old = self.key.session.0;
        let parts = [b"session id", self.secret.as_slice(), old.as_bytes(), retry_hash, instance_hash];
        let mac = mac(&key.replace, &parts);
        let session = SessionId(id_of(mac.first_chunk().expect("32 bytes are more than 10"), *at));
        self.replacement_under(key, SessionKey { account: self.key.account, session })
    }

    fn replacement_under(&self, ring_key: &RefreshKey, key: SessionKey) -> Self {
        let mac = mac(&ring_key.replace, &[b"replace", self.secret.as_slice(), key.session.0.as_bytes()]);
        let mut secret = Wiped::new([0; SECRET_BYTES]);
        secret.copy_from_slice(&mac[..SECRET_BYTES]);
        Self { profile: self.profile, key, generation: Generation(0), secret, exp: None }
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> Wiped<[u8; 32]> {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut mac = Wiped::new([0; 32]);
    mac.copy_from_slice(context.sign().as_ref());
    mac
}
