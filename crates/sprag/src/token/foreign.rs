//! Refresh tokens of other systems, which their clients still hold.
//!
//! Such a token is the token of generation 0 of the session that was imported for it. The import may know no more than
//! its SHA-256, so the row has a placeholder where the hash of a secret belongs. The secret is made of the token's text
//! itself, under the refresh key: neither the database nor the keys nor what was imported can make it, only the client
//! that comes with the token. Placeholder and secret hold for one account and profile, so that a row that somebody moves to
//! another account is nobody's.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;

use super::{PREFIX, RefreshToken, SECRET_BYTES, jwt};
use crate::clock::Timestamp;
use crate::keys::{KeyRing, RefreshKey};
use crate::session::{AccountId, Generation, ProfileId, SecretHash, Session, SessionId};
use crate::wipe::Wiped;

/// The shortest text that may be such a token: 16 bytes in hex are guessed by nobody.
const MIN_BYTES: usize = 20;

/// The longest one. A JWT with more claims than that would not fit a cookie.
const MAX_BYTES: usize = 4096;

/// What is known of another system's refresh token: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ForeignToken {
    hash: [u8; 32],
}

/// What a text is to a session: its token of generation 0.
pub(crate) struct First {
    pub(crate) token: RefreshToken,
    /// Whether the session is still as it was imported.
    pub(crate) is_unadopted: bool,
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

    /// The id of the session that is imported for it at a profile: always the same one, so that importing twice makes one
    /// session.
    #[must_use]
    pub fn session(&self, profile: ProfileId) -> SessionId {
        let hash = hash(&[b"sprag foreign session v1\0", &profile.0.to_be_bytes(), &self.hash]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        SessionId(uuid::Builder::from_custom_bytes(id).into_uuid())
    }

    /// What the imported row has in place of its secret's hash. No secret has this hash.
    #[must_use]
    pub fn placeholder(
        &self,
        profile: ProfileId,
        account: AccountId,
        keys: &KeyRing,
        now: Timestamp,
    ) -> SecretHash {
        self.placeholder_under(keys.signing_refresh(now), profile, account)
    }

    /// Whether the session was imported for this token and no client has come with it yet.
    #[must_use]
    pub fn is_unadopted(&self, session: &Session, keys: &KeyRing, now: Timestamp) -> bool {
        let (profile, account) = (session.profile, session.key.account);
        keys.all_accepted_refresh(now)
            .any(|key| is_same(&self.placeholder_under(key, profile, account), &session.secret_hash))
    }

    /// What the presented `text` is to the session whose id it leads to; `None` if it is nothing to it.
    pub(crate) fn recognise(
        &self,
        text: &str,
        session: &Session,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Option<First> {
        let (profile, account) = (session.profile, session.key.account);
        keys.all_accepted_refresh(now).find_map(|key| {
            let label = b"secret\0";
            let parts = [&label[..], &profile.0.to_be_bytes(), account.0.as_bytes(), text.as_bytes()];
            let mac = Wiped::new(mac(&key.foreign, &parts));
            let mut secret = Wiped::new([0; SECRET_BYTES]);
            secret.copy_from_slice(&mac[..SECRET_BYTES]);
            let token =
                RefreshToken { profile, key: session.key, generation: Generation(0), secret, exp: None };
            let placeholder = self.placeholder_under(key, profile, account);
            let is_unadopted = is_same(&placeholder, &session.secret_hash);
            let is_its = is_unadopted || is_same(&token.secret_hash(), &session.secret_hash);
            is_its.then_some(First { token, is_unadopted })
        })
    }

    fn placeholder_under(&self, key: &RefreshKey, profile: ProfileId, account: AccountId) -> SecretHash {
        let label = b"placeholder\0";
        mac(&key.foreign, &[label, &profile.0.to_be_bytes(), account.0.as_bytes(), &self.hash])
    }
}

/// Prints what a log may show: who has the hash can look for the token.
impl fmt::Debug for ForeignToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignToken")
    }
}

fn is_same(one: &SecretHash, other: &SecretHash) -> bool {
    one.ct_eq(other).into()
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

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; 32];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;

    use super::*;

    const OLD: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    const PROFILE: ProfileId = ProfileId(2);

    #[test]
    fn clear_and_hashed_lead_to_one_session_of_a_profile() {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, OLD.as_bytes()).as_ref());
        let (clear, hashed) = (ForeignToken::new(OLD).unwrap(), ForeignToken::hashed(sha256));
        assert_eq!(clear.session(PROFILE), hashed.session(PROFILE));
        assert_ne!(clear.session(PROFILE), clear.session(ProfileId(3)));
        assert_eq!(clear.session(PROFILE).0.get_version_num(), 8);
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
