//! Access tokens under way: what is written of one, and how far it is hashed.
//!
//! All tokens of a client begin alike under one key: with the header, then the claims that name issuer, audience and client.
//! The key keeps that beginning, encoded and hashed, and each token costs no more than what is its own.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{digest, hmac};
use base64_simd::URL_SAFE_NO_PAD;

use crate::text;

/// How many beginnings a key keeps. Tokens of any further client are begun anew each time.
const MAX_BEGINNINGS: usize = 64;

/// Room for the claims of most tokens, and for most signatures.
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
pub(super) enum Hash {
    Hmac(Box<hmac::Context>),
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
    beginning: Arc<Beginning>,
    /// The claims from there on, as JSON.
    pub(crate) claims: Vec<u8>,
}

impl Begun {
    fn after(beginning: Arc<Beginning>) -> Self {
        let mut claims = Vec::with_capacity(ROOM);
        claims.extend_from_slice(&beginning.claims);
        Self { beginning, claims }
    }

    /// What is to be signed, all claims in it, with room for a signature; then how far it is hashed, and what is not.
    pub(super) fn end(&self) -> (String, &Hash, Range<usize>) {
        let Beginning { text: begun, hash, .. } = &*self.beginning;
        let mut text = String::with_capacity(begun.len() + self.claims.len() * 4 / 3 + ROOM);
        text.push_str(begun);
        URL_SAFE_NO_PAD.encode_append(&self.claims, &mut text);
        let rest = begun.len()..text.len();
        (text, hash, rest)
    }
}

/// The beginnings that a key keeps.
#[derive(Default)]
pub(super) struct Beginnings(Mutex<Vec<Arc<Beginning>>>);

/// How a client's tokens begin.
struct Beginning {
    issuer: String,
    audience: Option<String>,
    client_id: String,
    /// The header, a dot, and the claims that are encoded.
    text: String,
    hash: Hash,
    /// The claims that are not: base64 makes four characters of each three bytes, whatever follows them.
    claims: Vec<u8>,
}

impl Beginning {
    fn new(header: &str, mut hash: Hash, common: CommonClaims<'_>) -> Self {
        let CommonClaims { issuer, audience, client_id } = common;
        let mut encoded = Vec::new();
        common.write(&mut encoded);
        let claims = encoded.split_off(encoded.len() / 3 * 3);
        let text = [header, ".", &URL_SAFE_NO_PAD.encode_to_string(&encoded)].concat();
        hash.update(&text);
        let (issuer, audience) = (issuer.to_owned(), audience.map(str::to_owned));
        Self { issuer, audience, client_id: client_id.to_owned(), text, hash, claims }
    }

    fn common(&self) -> CommonClaims<'_> {
        let Self { issuer, audience, client_id, .. } = self;
        CommonClaims { issuer, audience: audience.as_deref(), client_id }
    }
}

impl Beginnings {
    /// A token that begins with these claims, under the header and with the hash of the key whose beginnings these are.
    pub(super) fn token(&self, header: &str, hash: impl FnOnce() -> Hash, common: CommonClaims<'_>) -> Begun {
        let kept = self.lock().iter().find(|beginning| beginning.common() == common).map(Arc::clone);
        Begun::after(kept.unwrap_or_else(|| self.keep(Beginning::new(header, hash(), common))))
    }

    fn keep(&self, beginning: Beginning) -> Arc<Beginning> {
        let beginning = Arc::new(beginning);
        let mut kept = self.lock();
        // Another thread may have made the same one meanwhile.
        if kept.len() < MAX_BEGINNINGS && kept.iter().all(|other| other.common() != beginning.common()) {
            kept.push(Arc::clone(&beginning));
        }
        beginning
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Beginning>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
