//! The text of a token, taken apart before anything in it is believed.

use std::time::SystemTime;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

#[cfg(feature = "http")]
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::error::Error;
use crate::keys::KeySet;
use crate::limits::MAX_TOKEN_BYTES;
use crate::rules::Rules;
use crate::strict;

/// A token in its parts, whose header has the form of ours. Nothing about it is proved yet.
pub(crate) struct Token<'a> {
    /// The name of an algorithm, which must be the verifier's.
    alg: String,
    kid: Option<String>,
    /// What the signature is over.
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Error::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Error::Segments)?;
        let (header, claims) = signed.split_once('.').ok_or(Error::Segments)?;
        if claims.contains('.') || [header, claims, signature].contains(&"") {
            return Err(Error::Segments);
        }
        let [header, claims, signature] = [decode(header)?, decode(claims)?, decode(signature)?];
        let header = strict::object(&header).ok_or(Error::Json)?;
        let (alg, kid) = read_header(header)?;
        Ok(Self { alg, kid, signed, claims, signature })
    }

    /// Whether a newer set of keys could make a difference: it is signed as wanted, and its key is not in this one.
    #[cfg(feature = "http")]
    pub(crate) fn wants_newer_keys(&self, keys: &KeySet, wanted: Algorithm) -> bool {
        self.alg == wanted.name() && self.kid.is_some() && keys.algorithm_of(self.kid.as_deref()).is_none()
    }

    /// The claims, once the signature is known to be the issuer's.
    ///
    /// `kid` is nothing but a name to look up; the key decides the algorithm, and both that and what the header says
    /// must be the one that is wanted.
    pub(crate) fn verify(&self, keys: &KeySet, rules: &Rules, now: SystemTime) -> Result<Claims, Error> {
        let kid = self.kid.as_deref();
        let algorithm = keys.algorithm_of(kid).ok_or(Error::UnknownKey)?;
        if algorithm != rules.algorithm || self.alg != rules.algorithm.name() {
            return Err(Error::Algorithm);
        }
        if !keys.verifies(kid, self.signed.as_bytes(), &self.signature) {
            return Err(Error::Signature);
        }
        Claims::read(strict::object(&self.claims).ok_or(Error::Json)?, rules, now)
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, Error> {
    BASE64URL_NOPAD.decode(segment.as_bytes()).map_err(|_| Error::Encoding)
}

/// Reads `alg` and `kid` of a header that has those, `typ`, and nothing else: whatever else it had would have to be
/// ignored or understood, and an access token of Sprag never has it.
fn read_header(mut members: Map<String, Value>) -> Result<(String, Option<String>), Error> {
    let mut text = |name| match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Header),
    };
    let (alg, kid, typ) = (text("alg")?, text("kid")?, text("typ")?);
    let alg = alg.filter(|_| members.is_empty()).ok_or(Error::Header)?;
    match typ.as_deref() {
        Some("at+jwt" | "application/at+jwt") => Ok((alg, kid)),
        Some(_) | None => Err(Error::Type),
    }
}
