//! What is wrong with a verifier before it has seen a token.

use std::error;
use std::fmt;

use sprag_secret::WeakSecret;

use crate::algorithm::Algorithm;
use crate::limits::{MAX_LEEWAY, MIN_SECRET_BYTES};

/// Why a verifier cannot be made: for whoever starts the API, not for its clients.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// The issuer is empty, or has blanks, a query or a fragment.
    Issuer(String),
    /// The leeway is longer than [`MAX_LEEWAY`].
    Leeway,
    /// The shared secret is shorter than [`MIN_SECRET_BYTES`].
    ShortSecret,
    /// The shared secret is on a public list or can be guessed otherwise.
    WeakSecret(WeakSecret),
    /// The key set is not a JWK set (RFC 7517 section 5); this is what is wrong with it.
    KeySet(&'static str),
    /// The key set contains a private key or a secret: whoever can read the set can mint tokens.
    PrivateKey,
    /// Two keys of the set have this `kid`.
    KidTwice(String),
    /// None of the keys is for the algorithm.
    NoKey {
        /// The algorithm of the verifier.
        wanted: Algorithm,
        /// The algorithms that there are keys for.
        found: Vec<Algorithm>,
    },
    /// The address of the key set is not an absolute `https` URL, nor an `http` one of this machine.
    Url(String),
    /// No certificate was found to judge the issuer's by.
    Certificates,
    /// A setting must be longer than nothing; this is its name.
    Zero(&'static str),
}

impl SetupError {
    /// The stable name of the fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuer",
            Self::Leeway => "leeway",
            Self::ShortSecret => "short_secret",
            Self::WeakSecret(_) => "weak_secret",
            Self::KeySet(_) => "key_set",
            Self::PrivateKey => "private_key",
            Self::KidTwice(_) => "kid_twice",
            Self::NoKey { .. } => "no_key",
            Self::Url(_) => "url",
            Self::Certificates => "certificates",
            Self::Zero(_) => "zero",
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(issuer) => write!(
                f,
                "`{issuer}` is no issuer; give the public URL of the Sprag server, as its tokens have it in `iss`"
            ),
            Self::Leeway => write!(
                f,
                "the leeway is over {} s; choose less, and set the machine's clock by NTP",
                MAX_LEEWAY.as_secs()
            ),
            Self::ShortSecret => write!(
                f,
                "the shared secret is too short; use at least {MIN_SECRET_BYTES} random bytes, here and at the server"
            ),
            Self::WeakSecret(weak) => write!(
                f,
                "the shared secret {weak}; use at least {MIN_SECRET_BYTES} random bytes, here and at the server"
            ),
            Self::KeySet(what) => {
                write!(f, "this is no set of keys: {what}; give what /.well-known/jwks.json answers")
            }
            Self::PrivateKey => f.write_str(
                "the key set holds a private key or a secret, and whoever reads it can mint tokens; \
                 publish the public halves only, and rotate the keys",
            ),
            Self::KidTwice(kid) => {
                write!(f, "two keys of the set have the id `{kid}`; give each key an id of its own")
            }
            Self::NoKey { wanted: Algorithm::Hs256, .. } => {
                f.write_str("a key set never holds a shared secret; hand the secret in with shared_secret()")
            }
            Self::NoKey { wanted, found } if found.is_empty() => {
                write!(f, "the key set has no key for {wanted}, nor another that can be used; ask its issuer")
            }
            Self::NoKey { wanted, found } => {
                let found: Vec<_> = found.iter().map(|algorithm| algorithm.name()).collect();
                write!(
                    f,
                    "the key set has no key for {wanted}; say algorithm() with what it has: {}",
                    found.join(", ")
                )
            }
            Self::Url(url) => write!(
                f,
                "`{url}` cannot be the address of the keys; give an absolute https URL without user or fragment \
                 (http only for this machine itself)"
            ),
            Self::Certificates => f.write_str(
                "no certificate authority is known here; install the system's (ca-certificates), \
                 or hand in PEM with trusted_certificates()",
            ),
            Self::Zero(setting) => {
                write!(f, "{setting} must be longer than nothing; choose a second or more")
            }
        }
    }
}

impl error::Error for SetupError {}
