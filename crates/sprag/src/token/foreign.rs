//! Refresh tokens of other systems, which their clients still hold.
//!
//! Such a token is the token of generation 0 of the session that was imported for it. The import may know no more than
//! its SHA-256, so the row has a placeholder where the hash of a secret belongs. The secret is made of the token
//! itself: neither the database nor what was imported can make it, only the client that comes with the token.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::{PREFIX, RefreshToken, SECRET_BYTES, jwt};
use crate::session::{Generation, ProfileId, SecretHash, SessionId, SessionKey};

/// The shortest text that may be such a token: 16 bytes in hex are guessed by nobody.
const MIN_BYTES: usize = 20;

/// The longest one. A JWT with more claims than that would not fit a cookie.
const MAX_BYTES: usize = 4096;

/// What is known of another system's refresh token: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ForeignToken {
    hash: [u8; 32],
}

impl ForeignToken {
    /// A token that was kept in clear, or that a client presents; `None` if the text can be none: too short to be
    /// unguessable, too long, not visible ASCII, or in a form of our own.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_ours = text.starts_with(PREFIX) || jwt::is_ours(text);
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_one = (MIN_BYTES..=MAX_BYTES).contains(&text.len()) && is_plain && !is_ours;
        is_one.then(|| Self { hash: hash(&[text.as_bytes()]) })
    }

    /// A token of which only the SHA-256 was kept.
    #[must_use]
    pub fn hashed(sha256: [u8; 32]) -> Self {
        Self { hash: sha256 }
    }

    /// The id of the session that is imported for it: always the same one, so that importing twice makes one session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        let hash = hash(&[b"sprag foreign session v1\0", &self.hash]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        SessionId(uuid::Builder::from_custom_bytes(id).into_uuid())
    }

    /// What the imported row has in place of its secret's hash. No secret has this hash.
    #[must_use]
    pub fn placeholder(&self) -> SecretHash {
        hash(&[b"sprag foreign secret v1\0", &self.hash])
    }

    /// The token of generation 0 that the presented `text` stands for.
    #[must_use]
    pub fn as_first(text: &str, profile: ProfileId, key: SessionKey) -> RefreshToken {
        let hash = Zeroizing::new(hash(&[b"sprag adopted secret v1\0", text.as_bytes()]));
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        secret.copy_from_slice(&hash[..SECRET_BYTES]);
        RefreshToken { profile, key, generation: Generation(0), secret }
    }
}

/// Prints what a log may show: who has the hash can look for the token.
impl fmt::Debug for ForeignToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignToken")
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use uuid::Uuid;

    use super::*;

    const OLD: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

    #[test]
    fn clear_and_hashed_lead_to_one_session() {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, OLD.as_bytes()).as_ref());
        let (clear, hashed) = (ForeignToken::new(OLD).unwrap(), ForeignToken::hashed(sha256));
        assert_eq!(clear.session(), hashed.session());
        assert_eq!(clear.placeholder(), hashed.placeholder());
        assert_eq!(clear.session().0.get_version_num(), 8);
    }

    #[test]
    fn r10_what_is_stored_makes_no_token() {
        let foreign = ForeignToken::new(OLD).unwrap();
        let key = SessionKey { account: crate::session::AccountId(Uuid::nil()), session: foreign.session() };
        let first = ForeignToken::as_first(OLD, ProfileId(1), key);
        assert_ne!(first.secret_hash(), foreign.placeholder());
        assert_ne!(first.secret.as_slice(), &foreign.placeholder()[..16]);
        assert_ne!(first.secret.as_slice(), foreign.session().0.as_bytes());
        let other = ForeignToken::as_first(&OLD.to_uppercase(), ProfileId(1), key);
        assert_ne!(first.secret_hash(), other.secret_hash());
    }

    #[test]
    fn what_can_be_no_token_is_none() {
        for text in
            ["", "short", "0123456789012345678", "a b c d e f g h i j k l", "spr_0123456789012345678901234"]
        {
            assert!(ForeignToken::new(text).is_none(), "{text:?}");
        }
        assert!(ForeignToken::new(&"x".repeat(4097)).is_none());
        assert!(ForeignToken::new("päßwörterhaftes-Zeichen-Gewirr").is_none());
    }
}
