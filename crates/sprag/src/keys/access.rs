//! One access key: how it signs, how its signatures are verified, and what of it is published.

use aws_lc_rs::digest::{self, SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64_simd::URL_SAFE_NO_PAD;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::begun::{Beginnings, Begun, CommonClaims, Hash};
use super::{Algorithm, Key, Life};
use crate::error::Fault;
use crate::random::{self, Random};

/// An access key, bound to one algorithm for life.
pub(crate) struct AccessKey {
    pub(crate) kid: String,
    pub(crate) life: Life,
    /// Whether other systems hold it too, which know no `kid`: then its tokens carry none.
    pub(crate) is_shared: bool,
    /// The first segment of every token it signs.
    header: String,
    beginnings: Beginnings,
    /// PKCS#8 of a key pair, or the HS256 secret itself.
    pub(super) secret: Zeroizing<Vec<u8>>,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair, Public),
    EdDsa(Ed25519KeyPair, Public),
    Rs256(RsaKeyPair, Public),
    Hs256(Box<hmac::Key>),
}

struct Public {
    key: ParsedPublicKey,
    /// The members that describe it in a JWK, in the order of its thumbprint (RFC 7638 section 3.2).
    members: Value,
}

impl AccessKey {
    /// Makes a key. Key pairs come from the crypto library's own generator, which the system seeds.
    pub(super) fn generate(algorithm: Algorithm, random: &dyn Random, life: Life) -> Result<Self, Fault> {
        let secret = fresh_secret(algorithm, random).map_err(|e| Fault::internal("make an access key", e))?;
        let pair = Pair::parse(algorithm, &secret)
            .ok_or_else(|| Fault::internal("make an access key", "the fresh key was rejected"))?;
        Ok(Self::assemble(pair.kid(), secret, pair, life, false))
    }

    /// A key from the ring's file; `None` if `secret` is not a key of `algorithm`.
    pub(super) fn restore(
        kid: String,
        algorithm: Algorithm,
        secret: Zeroizing<Vec<u8>>,
        life: Life,
        is_shared: bool,
    ) -> Option<Self> {
        let pair = Pair::parse(algorithm, &secret)?;
        Some(Self::assemble(kid, secret, pair, life, is_shared))
    }

    /// A secret that the operator shares with other systems.
    pub(super) fn shared(kid: String, secret: &[u8], life: Life) -> Self {
        let pair = Pair::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        Self::assemble(kid, Zeroizing::new(secret.to_vec()), pair, life, true)
    }

    fn assemble(kid: String, secret: Zeroizing<Vec<u8>>, pair: Pair, life: Life, is_shared: bool) -> Self {
        let alg = pair.algorithm().name();
        let header = if is_shared {
            json!({ "alg": alg, "typ": "at+jwt" })
        } else {
            json!({ "alg": alg, "kid": kid, "typ": "at+jwt" })
        };
        let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        Self { kid, life, is_shared, header, beginnings: Beginnings::default(), secret, pair }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.pair.algorithm()
    }

    /// Begins an access token with the claims that all tokens of its client have.
    pub(crate) fn begin(&self, common: CommonClaims<'_>) -> Begun {
        self.beginnings.token(&self.header, || self.pair.hash(), common)
    }

    /// Signs a token that [`begin`](Self::begin) began and whose claims are written: the whole token.
    pub(crate) fn sign(&self, token: &Begun) -> Result<String, Unspecified> {
        let (mut text, hash, rest) = token.end();
        match (&self.pair, hash) {
            (Pair::Hs256(_), Hash::Hmac(begun)) => {
                let mut context = hmac::Context::clone(begun);
                context.update(&text.as_bytes()[rest]);
                append(&mut text, context.sign().as_ref());
            }
            (Pair::Es256(pair, _), Hash::Sha256(begun)) => {
                let mut context = begun.clone();
                context.update(&text.as_bytes()[rest]);
                append(&mut text, pair.sign_digest(&context.finish())?.as_ref());
            }
            (pair, _) => {
                let signature = pair.sign(text.as_bytes())?;
                append(&mut text, &signature);
            }
        }
        Ok(text)
    }

    /// Whether `signature` is this key's, under this key's own algorithm.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.pair {
            Pair::Es256(_, public) | Pair::EdDsa(_, public) | Pair::Rs256(_, public) => {
                public.key.verify_sig(message, signature).is_ok()
            }
            Pair::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// The public half as a JWK (RFC 7517); a shared secret has none.
    pub(crate) fn jwk(&self) -> Option<Value> {
        let mut jwk = self.pair.public()?.members.clone();
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm().name());
        jwk["use"] = json!("sig");
        Some(jwk)
    }
}

impl Key for AccessKey {
    fn life(&self) -> &Life {
        &self.life
    }
}

impl AsMut<Life> for AccessKey {
    fn as_mut(&mut self) -> &mut Life {
        &mut self.life
    }
}

impl Pair {
    fn parse(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret).ok()?;
                let public = Public::es256(pair.public_key().as_ref())?;
                Self::Es256(pair, public)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(secret).ok()?;
                let public = Public::ed_dsa(pair.public_key().as_ref())?;
                Self::EdDsa(pair, public)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(secret).ok()?;
                let public = Public::rs256(pair.public_key().as_ref())?;
                Self::Rs256(pair, public)
            }
            Algorithm::Hs256 => Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        })
    }

    /// How its signatures take in the text, before any of it.
    fn hash(&self) -> Hash {
        match self {
            Self::Es256(..) => Hash::Sha256(digest::Context::new(&SHA256)),
            Self::Hs256(key) => Hash::Hmac(Box::new(hmac::Context::with_key(key))),
            Self::EdDsa(..) | Self::Rs256(..) => Hash::Nothing,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Es256(pair, _) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::EdDsa(pair, _) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            Self::Rs256(pair, _) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::Hs256(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(..) => Algorithm::Es256,
            Self::EdDsa(..) => Algorithm::EdDsa,
            Self::Rs256(..) => Algorithm::Rs256,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    fn public(&self) -> Option<&Public> {
        match self {
            Self::Es256(_, public) | Self::EdDsa(_, public) | Self::Rs256(_, public) => Some(public),
            Self::Hs256(_) => None,
        }
    }

    /// A name that follows from the key, so that it cannot name two: the head of its JWK thumbprint.
    /// A generated HS256 secret has 256 random bits, of which a tag under it tells nothing.
    fn kid(&self) -> String {
        let hash = match self {
            Self::Hs256(key) => hmac::sign(key, b"sprag kid v1").as_ref().to_vec(),
            Self::Es256(_, public) | Self::EdDsa(_, public) | Self::Rs256(_, public) => {
                digest(&SHA256, public.members.to_string().as_bytes()).as_ref().to_vec()
            }
        };
        HEXLOWER.encode(&hash[..8])
    }
}

impl Public {
    fn es256(point: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
        let (4, coordinates) = point.split_first().filter(|_| point.len() == 65)? else { return None };
        let (x, y) = coordinates.split_at(32);
        let members = json!({ "crv": "P-256", "kty": "EC", "x": base64(x), "y": base64(y) });
        Some(Self { key, members })
    }

    fn ed_dsa(point: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(&ED25519, point).ok()?;
        let members = json!({ "crv": "Ed25519", "kty": "OKP", "x": base64(point) });
        Some(Self { key, members })
    }

    fn rs256(der: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok()?;
        let (sequence, []) = der_value(0x30, der)? else { return None };
        let (modulus, rest) = der_value(0x02, sequence)?;
        let (exponent, []) = der_value(0x02, rest)? else { return None };
        let unsigned = |integer: &[u8]| base64(integer.strip_prefix(&[0]).unwrap_or(integer));
        let members = json!({ "e": unsigned(exponent), "kty": "RSA", "n": unsigned(modulus) });
        Some(Self { key, members })
    }
}

fn fresh_secret(algorithm: Algorithm, random: &dyn Random) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    Ok(Zeroizing::new(match algorithm {
        Algorithm::Es256 => {
            let random = SystemRandom::new();
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?.as_ref().to_vec()
        }
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())?.as_ref().to_vec(),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            der.as_ref().to_vec()
        }
        Algorithm::Hs256 => random::bytes::<32>(random).to_vec(),
    }))
}

/// The content of the DER value with this tag at the start of `bytes` (X.690 section 8.1), and what follows it.
fn der_value(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (two, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*two)), rest)
        }
        short => (usize::from(*short), rest),
    };
    (*first == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// Writes the last segment of a token.
fn append(text: &mut String, signature: &[u8]) {
    text.push('.');
    URL_SAFE_NO_PAD.encode_append(signature, text);
}

fn base64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
