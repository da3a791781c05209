//! The opaque encoding: `spr_` and base64url of 92 bytes.
//!
//! ```text
//! version 1 ‖ key id 1 ‖ profile 2 ‖ account 16 ‖ session 16 ‖ generation 8 ‖ session secret 16 ‖ tag 32
//! ```
//!
//! Integers are big-endian. The tag is HMAC-SHA-256 over all the bytes before it.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use super::{Malformed, PREFIX, RefreshToken, TokenText};
use crate::clock::Timestamp;
use crate::keys::{KeyRing, RefreshKey};
use crate::policy::MAX_GENERATION;
use crate::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use crate::wipe::Wiped;

const VERSION: u8 = 1;
const FACTS_BYTES: usize = 1 + 1 + 2 + 16 + 16 + 8 + 16;
const BYTES: usize = FACTS_BYTES + 32;
/// 92 bytes as base64url without padding.
const BODY_CHARS: usize = 123;

pub(super) fn write(token: &RefreshToken, key: &RefreshKey) -> TokenText {
    let mut bytes = Wiped::new([0; BYTES]);
    let mut rest = bytes.as_mut_slice();
    put(&mut rest, &[VERSION, key.id]);
    put(&mut rest, &token.profile.0.to_be_bytes());
    put(&mut rest, token.key.account.0.as_bytes());
    put(&mut rest, token.key.session.0.as_bytes());
    put(&mut rest, &token.generation.0.to_be_bytes());
    put(&mut rest, token.secret.as_slice());
    let (facts, tag) = bytes.split_at_mut(FACTS_BYTES);
    tag.copy_from_slice(hmac::sign(&key.opaque, facts).as_ref());

    let mut text = String::with_capacity(PREFIX.len() + BODY_CHARS);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_append(bytes.as_slice(), &mut text);
    TokenText(Wiped::new(text))
}

/// Reads what follows the prefix. base64url here refuses padding, other alphabets and trailing bits, so that
/// no two texts have the same bytes.
pub(super) fn read(body: &str, keys: &KeyRing, now: Timestamp) -> Result<RefreshToken, Malformed> {
    if body.len() != BODY_CHARS {
        return Err(Malformed::Length);
    }
    let mut bytes = Wiped::new([0; BYTES]);
    BASE64URL_NOPAD.decode_mut(body.as_bytes(), bytes.as_mut_slice()).map_err(|_| Malformed::Encoding)?;
    let (facts, tag) = bytes.split_at(FACTS_BYTES);
    let mut rest = facts;
    let [version, key_id] = take(&mut rest);
    if version != VERSION {
        return Err(Malformed::Version);
    }
    let key = keys.accepted_refresh(key_id, now).ok_or(Malformed::UnknownKey)?;
    hmac::verify(&key.opaque, facts, tag).map_err(|_| Malformed::Tag)?;

    let token = RefreshToken {
        profile: ProfileId(u16::from_be_bytes(take(&mut rest))),
        key: SessionKey {
            account: AccountId(Uuid::from_bytes(take(&mut rest))),
            session: SessionId(Uuid::from_bytes(take(&mut rest))),
        },
        generation: Generation(u64::from_be_bytes(take(&mut rest))),
        secret: Wiped::new(take(&mut rest)),
        exp: None,
    };
    if token.generation.0 > MAX_GENERATION {
        return Err(Malformed::Generation);
    }
    Ok(token)
}

fn put(rest: &mut &mut [u8], field: &[u8]) {
    let (place, after) = std::mem::take(rest).split_at_mut(field.len());
    place.copy_from_slice(field);
    *rest = after;
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (field, after) = rest.split_first_chunk().expect("the fields add up to the length that was checked");
    *rest = after;
    *field
}
