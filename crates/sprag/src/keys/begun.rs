//! Access tokens under way: what is written of one, and how far it is hashed.
//!
//! All tokens of a client begin alike under one key: with the header, then the claims that name issuer, audience and client.
//! The key keeps that beginning, encoded and hashed, and each token costs no more than what is its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64URL_NOPAD;

use crate::text;

/// How many beginnings a key keeps. Tokens of any further client are begun anew each time.
const MAX_BEGINNINGS: usize = 64;

/// Room for what a token says besides its beginning, and for most signatures.
const ROOM: usize = 384;

/// The claims that all access tokens of a client begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommonClaims<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: Option<&'a str>,
    pub(crate) client_id: &'a str,
}

impl CommonClaims<'_> {
    /// Opens the object of claims with them.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"iss":"#);
        text::write_json(self.issuer, out);
        if let Some(audience) = self.audience {
            out.extend_from_slice(br#","aud":"#);
            text::write_json(audience, out);
        }
        out.extend_from_slice(br#","client_id":"#);
        text::write_json(self.client_id, out);
    }
}

/// What a signature takes of the text that it signs, as far as that is written.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "each is used up where it was made, and a box would cost more than the copy"
)]
pub(super) enum Hash {
    Hmac(hmac::Context),
    Sha256(digest::Context),
    /// It takes the text itself, whole.
    Nothing,
}

impl Hash {
    fn update(&mut self, text: &str) {
        match self {
            Self::Hmac(context) => context.update(text.as_bytes()),
            Self::Sha256(context) => context.update(text.as_bytes()),
            Self::Nothing => {}
        }
    }
}

/// An access token under way.
pub(crate) struct Begun {
    /// The header, a dot, and the claims that are encoded.
    pub(super) text: String,
    pub(super) hash: Hash,
    /// The claims from there on, as JSON.
    pub(crate) claims: Vec<u8>,
}

impl Begun {
    fn new(header: &str, mut hash: Hash, common: CommonClaims<'_>) -> Self {
        let text = [header, "."].concat();
        hash.update(&text);
        let mut begun = Self { text, hash, claims: Vec::new() };
        common.write(&mut begun.claims);
        // Base64 makes four characters of each three bytes, whatever follows them.
        begun.encode(begun.claims.len() / 3 * 3);
        begun
    }

    /// Another token that begins so.
    fn another(&self) -> Self {
        let mut text = String::with_capacity(self.text.len() + ROOM);
        text.push_str(&self.text);
        let mut claims = Vec::with_capacity(ROOM);
        claims.extend_from_slice(&self.claims);
        Self { text, hash: self.hash.clone(), claims }
    }

    fn encode(&mut self, length: usize) {
        let written = self.text.len();
        BASE64URL_NOPAD.encode_append(&self.claims[..length], &mut self.text);
        self.hash.update(&self.text[written..]);
        self.claims.drain(..length);
    }

    /// Takes in all claims: what is to be signed, and its hash, are whole.
    pub(super) fn end(&mut self) {
        self.encode(self.claims.len());
    }
}

/// The beginnings that a key keeps, each with the claims that it is for.
#[derive(Default)]
pub(super) struct Beginnings(Mutex<Vec<Arc<Beginning>>>);

struct Beginning {
    issuer: String,
    audience: Option<String>,
    client_id: String,
    token: Begun,
}

impl Beginning {
    fn common(&self) -> CommonClaims<'_> {
        let Self { issuer, audience, client_id, token: _ } = self;
        CommonClaims { issuer, audience: audience.as_deref(), client_id }
    }
}

impl Beginnings {
    /// A token that begins with these claims, under the header and with the hash of the key whose beginnings these are.
    pub(super) fn token(&self, header: &str, hash: impl FnOnce() -> Hash, common: CommonClaims<'_>) -> Begun {
        let kept = self.lock().iter().find(|beginning| beginning.common() == common).map(Arc::clone);
        if let Some(beginning) = kept {
            return beginning.token.another();
        }
        let token = Begun::new(header, hash(), common);
        let another = token.another();
        let CommonClaims { issuer, audience, client_id } = common;
        let beginning = Arc::new(Beginning {
            issuer: issuer.to_owned(),
            audience: audience.map(str::to_owned),
            client_id: client_id.to_owned(),
            token,
        });
        let mut kept = self.lock();
        // Another thread may have made the same one meanwhile.
        if kept.len() < MAX_BEGINNINGS && kept.iter().all(|beginning| beginning.common() != common) {
            kept.push(beginning);
        }
        another
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Beginning>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
