//! The text of a one-time token: `spo_` and base64url of 83 bytes.
//!
//! ```text
//! version 1 ‖ key id 1 ‖ purpose 1 ‖ account 16 ‖ id 16 ‖ secret 16 ‖ tag 32
//! ```
//!
//! The tag is HMAC-SHA-256 over all the bytes before it: a text that does not verify costs no SQL.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Digest, Purpose, TokenId, hashed};
use crate::clock::Timestamp;
use crate::keys::KeyRing;
use crate::session::AccountId;

/// What every text begins with, so that scanners for secrets find those that leaked.
pub const PREFIX: &str = "spo_";

const VERSION: u8 = 1;
const FACTS_BYTES: usize = 1 + 1 + 1 + 16 + 16 + 16;
const BYTES: usize = FACTS_BYTES + 32;
/// 83 bytes as base64url without padding.
const BODY_CHARS: usize = 111;

/// A token's text, for its owner alone.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeText(Zeroizing<String>);

/// What a genuine text says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// What it is good for.
    pub purpose: Purpose,
    /// Whose it is.
    pub account: AccountId,
    /// Which of the account's.
    pub id: TokenId,
    /// SHA-256 of its secret.
    pub secret_hash: Digest,
}

impl OneTimeText {
    /// Writes one under the key that signs at `now`.
    #[must_use]
    pub fn write(
        keys: &KeyRing,
        now: Timestamp,
        (purpose, account, id): (Purpose, AccountId, TokenId),
        secret: &[u8; 16],
    ) -> Self {
        let key = keys.signing_refresh(now);
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
        bytes.extend_from_slice(&[VERSION, key.id, purpose.number()]);
        bytes.extend_from_slice(account.0.as_bytes());
        bytes.extend_from_slice(id.0.as_bytes());
        bytes.extend_from_slice(secret);
        let tag = hmac::sign(&key.one_time, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        let mut text = String::with_capacity(PREFIX.len() + BODY_CHARS);
        text.push_str(PREFIX);
        BASE64URL_NOPAD.encode_append(&bytes, &mut text);
        Self(Zeroizing::new(text))
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeText(…)")
    }
}

impl Parsed {
    /// Reads a text of that purpose; `None` where it is anything else, or its key is no longer accepted.
    #[must_use]
    pub fn read(keys: &KeyRing, now: Timestamp, purpose: Purpose, text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX).filter(|body| body.len() == BODY_CHARS)?;
        let mut bytes = Zeroizing::new([0; BYTES]);
        // base64url here refuses padding, other alphabets and trailing bits, so no two texts have the same bytes.
        BASE64URL_NOPAD.decode_mut(body.as_bytes(), bytes.as_mut_slice()).ok()?;
        let (facts, tag) = bytes.split_first_chunk::<FACTS_BYTES>()?;
        let ([version, key_id, number], rest) = facts.split_first_chunk()?;
        let key = keys.accepted_refresh(*key_id, now).filter(|_| *version == VERSION)?;
        hmac::verify(&key.one_time, facts, tag).ok()?;
        let (account, rest) = rest.split_first_chunk()?;
        let (id, secret) = rest.split_first_chunk()?;
        let is_wanted = Purpose::numbered(*number) == Some(purpose);
        is_wanted.then(|| Self {
            purpose,
            account: AccountId(Uuid::from_bytes(*account)),
            id: TokenId(Uuid::from_bytes(*id)),
            secret_hash: hashed(secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use crate::random::SystemRandom;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    fn ring() -> KeyRing {
        KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), NOW).unwrap()
    }

    fn written(keys: &KeyRing) -> OneTimeText {
        let (account, id) = (AccountId(Uuid::from_u128(7)), TokenId(Uuid::from_u128(8)));
        OneTimeText::write(keys, NOW, (Purpose::VerifyEmail, account, id), &[9; 16])
    }

    #[test]
    fn a_text_says_whose_it_is_and_only_for_what_it_was_made() {
        let keys = ring();
        let text = written(&keys);
        let parsed = Parsed::read(&keys, NOW, Purpose::VerifyEmail, text.as_str()).unwrap();
        assert_eq!((parsed.account.0.as_u128(), parsed.id.0.as_u128()), (7, 8));
        assert_eq!(parsed.secret_hash, hashed(&[9; 16]));
        assert_eq!(text.as_str().len(), PREFIX.len() + BODY_CHARS);
        assert_eq!(Parsed::read(&keys, NOW, Purpose::ResetPassword, text.as_str()), None);
        assert_eq!(Parsed::read(&ring(), NOW, Purpose::VerifyEmail, text.as_str()), None, "another ring's");
        assert_eq!(format!("{text:?}"), "OneTimeText(…)");
    }

    #[test]
    fn a_text_that_was_changed_anywhere_is_none() {
        let keys = ring();
        let text = written(&keys);
        let read = |text: &str| Parsed::read(&keys, NOW, Purpose::VerifyEmail, text);
        for at in 0..text.as_str().len() {
            let mut bytes = text.as_str().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(read(&String::from_utf8(bytes).unwrap()), None, "{at}");
        }
        let longer = format!("{}A", text.as_str());
        for text in ["", "spo_", &text.as_str()[4..], &longer, "spr_AAAA", "\u{e9}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
