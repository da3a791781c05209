//! What whoever spends a token must know: sealed in its row, and bound to that.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{OneTimeToken, TokenId};
use crate::clock::Timestamp;
use crate::keys::KeyRing;
use crate::random::Random;
use crate::session::AccountId;

/// Which table it is sealed for.
const TABLE: &[u8] = b"one_time_token";

/// Seals it for the row of that token.
pub(crate) fn seal<P: Serialize>(
    (keys, random): (&KeyRing, &dyn Random),
    now: Timestamp,
    (account, id): (AccountId, TokenId),
    payload: &P,
) -> Vec<u8> {
    let plain = serde_json::to_vec(payload).unwrap_or_default();
    keys.seal(now, random, &[TABLE, account.0.as_bytes(), id.0.as_bytes()], &plain)
}

/// What was sealed in a token, where it opens.
pub(crate) fn open<P: DeserializeOwned>(keys: &KeyRing, now: Timestamp, token: &OneTimeToken) -> Option<P> {
    let bound_to: [&[u8]; 3] = [TABLE, token.account.0.as_bytes(), token.id.0.as_bytes()];
    serde_json::from_slice(&keys.open(now, &bound_to, &token.sealed)?).ok()
}
