//! Refresh tokens: bytes in, parsed token out.
//!
//! A token names its account, session and generation under an authentication tag, and carries the session
//! secret, of which the database keeps only a hash. Neither the database nor the keys nor both together can
//! make one. There are two encodings of the same facts, opaque and JWT; each has exactly one text per token and
//! key, and any other text is refused.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256, digest};
use subtle::ConstantTimeEq as _;

use crate::clock::Timestamp;
use crate::keys::KeyRing;
use crate::random::{self, Random};
use crate::session::{Generation, ProfileId, SecretHash, SessionKey, ShortHash};
use crate::wipe::Wiped;

mod foreign;
mod jwt;
mod opaque;
mod replacement;

pub(crate) use foreign::First;
pub use foreign::ForeignToken;
pub use replacement::Replacing;

/// What every opaque refresh token begins with; secret scanners look for it.
pub const PREFIX: &str = "spr_";

/// The longest text that is looked at.
pub const MAX_BYTES: usize = 8 * 1024;

/// The length of a session secret.
const SECRET_BYTES: usize = 16;

/// How a refresh token is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Encoding {
    /// `spr_` and base64url.
    Opaque,
    /// A JWT of type `rt+jwt`, for front ends that expect one.
    Jwt,
}

/// A refresh token whose tag has verified, or that is about to be written.
pub struct RefreshToken {
    /// The profile it is for.
    pub profile: ProfileId,
    /// The session it belongs to.
    pub key: SessionKey,
    /// n: the generation it stands for.
    pub generation: Generation,
    secret: Wiped<[u8; SECRET_BYTES]>,
    /// What a JWT tells its holder of the session's end, in seconds; nothing is judged by it.
    exp: Option<i64>,
}

impl RefreshToken {
    /// The token of a new session: generation 0, and a fresh secret.
    #[must_use]
    pub fn first(profile: ProfileId, key: SessionKey, random: &dyn Random) -> Self {
        let secret = Wiped::new(random::bytes(random));
        Self { profile, key, generation: Generation(0), secret, exp: None }
    }

    /// This session's token at another generation: so a successor is made.
    #[must_use]
    pub fn at(&self, generation: Generation) -> Self {
        Self { profile: self.profile, key: self.key, generation, secret: self.secret.clone(), exp: None }
    }

    /// This token, telling when its session ends as far as its row says: to the hour, rounded up. Front ends that expect a
    /// JWT read it to decide whether to try at all; the opaque encoding does not tell it.
    #[must_use]
    pub fn ending(&self, at: Timestamp) -> Self {
        let hour = at.hour();
        let rounded = if hour == at { hour } else { hour.plus(Duration::from_secs(3600)) };
        Self { exp: Some(rounded.seconds()), ..self.at(self.generation) }
    }

    /// What the database keeps of the session secret: its SHA-256.
    #[must_use]
    pub fn secret_hash(&self) -> SecretHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.secret.as_slice()).as_ref());
        hash
    }

    /// The token's text, under the ring's refresh key of the moment.
    ///
    /// The same token under the same key is the same text: a retry gets byte for byte what was lost.
    #[must_use]
    pub fn encode(&self, encoding: Encoding, keys: &KeyRing, now: Timestamp) -> TokenText {
        let key = keys.signing_refresh(now);
        match encoding {
            Encoding::Opaque => opaque::write(self, key),
            Encoding::Jwt => jwt::write(self, key),
        }
    }

    /// Reads a token in either encoding; only the one exact text that [`encode`](Self::encode) makes passes.
    ///
    /// # Errors
    /// [`Malformed`] says why it is not a token of ours, or not any more.
    pub fn parse(text: &str, keys: &KeyRing, now: Timestamp) -> Result<Self, Malformed> {
        if text.len() > MAX_BYTES {
            return Err(Malformed::TooLong);
        }
        match text.strip_prefix(PREFIX) {
            Some(body) => opaque::read(body, keys, now),
            None => jwt::read(text, keys, now),
        }
    }
}

/// Prints what a log may show: never the secret.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("profile", &self.profile)
            .field("key", &self.key)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A token as text. It does not print, is wiped on drop and compares in constant time.
#[derive(Clone)]
pub struct TokenText(Wiped<String>);

impl TokenText {
    /// The text itself, for the answer to the client and nothing else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the text, compared in constant time.
    fn is(&self, text: &str) -> bool {
        self.as_str().as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl PartialEq for TokenText {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.as_str())
    }
}

impl Eq for TokenText {}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText")
    }
}

/// Why a text is not a refresh token of ours. It never repeats the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Malformed {
    /// It is longer than [`MAX_BYTES`].
    #[error("the refresh token is too long")]
    TooLong,
    /// It is in neither encoding.
    #[error("the text is no refresh token")]
    Form,
    /// It has not exactly the length of its encoding.
    #[error("the refresh token has the wrong length")]
    Length,
    /// It is not canonical base64url.
    #[error("the refresh token is not canonical base64url")]
    Encoding,
    /// A later build made it, or nobody.
    #[error("the refresh token has an unknown version")]
    Version,
    /// Its header is not that of a refresh token.
    #[error("the header is not that of a refresh token")]
    Header,
    /// Its claims are not those of a refresh token.
    #[error("the claims are not those of a refresh token")]
    Claims,
    /// Its key is not in the ring, or has retired.
    #[error("the refresh token names no key that is accepted")]
    UnknownKey,
    /// Its tag is not its key's.
    #[error("the tag of the refresh token is wrong")]
    Tag,
    /// Its generation is beyond the last one.
    #[error("the generation of the refresh token is out of range")]
    Generation,
}

impl Malformed {
    /// The stable name, for counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Form => "form",
            Self::Length => "length",
            Self::Encoding => "encoding",
            Self::Version => "version",
            Self::Header => "header",
            Self::Claims => "claims",
            Self::UnknownKey => "unknown_key",
            Self::Tag => "tag",
            Self::Generation => "generation",
        }
    }
}

/// What the row keeps of a retry id (`Idempotency-Key`).
#[must_use]
pub fn hash_retry_id(retry_id: &str) -> ShortHash {
    short_hash(b"sprag retry id v1\0", retry_id.as_bytes())
}

/// What the row keeps of a client instance.
#[must_use]
pub fn hash_instance(instance: impl AsRef<[u8]>) -> ShortHash {
    short_hash(b"sprag instance v1\0", instance.as_ref())
}

fn short_hash(label: &[u8], text: &[u8]) -> ShortHash {
    let mut context = Context::new(&SHA256);
    context.update(label);
    context.update(text);
    let mut hash = [0; 16];
    hash.copy_from_slice(&context.finish().as_ref()[..16]);
    hash
}
