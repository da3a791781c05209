//! The keys that signatures are verified with.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::Value;
use sprag_secret::WeakSecret;

use crate::algorithm::Algorithm;
use crate::limits::MAX_KEY_SET_BYTES;
use crate::setup::SetupError;
use crate::strict;

mod jwk;

/// The keys of an issuer: a published set of public keys, or one shared secret.
#[derive(Clone)]
pub struct KeySet(Vec<Key>);

#[derive(Clone)]
struct Key {
    /// The name that tokens call it by; `None` of a secret whose tokens name none.
    kid: Option<String>,
    material: Material,
}

/// A key in ready form. Each is bound to one algorithm, so that no token can choose another for it.
#[derive(Clone)]
enum Material {
    Public(Algorithm, ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 section 5): what the issuer answers at `/.well-known/jwks.json`.
    ///
    /// Keys of other kinds or for other uses are passed over, as section 5 asks, and so are keys without a `kid`.
    ///
    /// # Errors
    /// [`SetupError::KeySet`] if it is not an unambiguous JWK set, [`SetupError::PrivateKey`] if it holds what must not
    /// be published, [`SetupError::KidTwice`] if it gives one name to two keys.
    pub fn from_jwks(json: &[u8]) -> Result<Self, SetupError> {
        if json.len() > MAX_KEY_SET_BYTES {
            return Err(SetupError::KeySet("it is longer than 64 KiB"));
        }
        let set = strict::object(json).ok_or(SetupError::KeySet("it is not one unambiguous JSON object"))?;
        let Some(Value::Array(list)) = set.get("keys") else {
            return Err(SetupError::KeySet("it has no list `keys`"));
        };
        let mut keys: Vec<Key> = Vec::new();
        for value in list {
            let Value::Object(members) = value else {
                return Err(SetupError::KeySet("an entry of `keys` is not an object"));
            };
            let Some((kid, algorithm, public)) = jwk::read(members)? else { continue };
            if keys.iter().any(|key| key.kid.as_deref() == Some(kid)) {
                return Err(SetupError::KidTwice(kid.to_owned()));
            }
            keys.push(Key { kid: Some(kid.to_owned()), material: Material::Public(algorithm, public) });
        }
        Ok(Self(keys))
    }

    /// A secret that the server shares with the API, for HS256: its tokens name no key.
    ///
    /// Whoever holds it can also mint tokens. Prefer a key pair where there is a choice.
    ///
    /// # Errors
    /// [`SetupError::ShortSecret`] below [`MIN_SECRET_BYTES`](crate::MIN_SECRET_BYTES), [`SetupError::WeakSecret`] for one
    /// that can be guessed.
    pub fn shared_secret(secret: &[u8]) -> Result<Self, SetupError> {
        Self::secret(None, secret)
    }

    /// An HS256 secret of the server's own key ring, whose tokens name it.
    ///
    /// # Errors
    /// [`SetupError::ShortSecret`] below [`MIN_SECRET_BYTES`](crate::MIN_SECRET_BYTES), [`SetupError::WeakSecret`] for one
    /// that can be guessed.
    pub fn named_secret(kid: &str, secret: &[u8]) -> Result<Self, SetupError> {
        Self::secret(Some(kid.to_owned()), secret)
    }

    fn secret(kid: Option<String>, secret: &[u8]) -> Result<Self, SetupError> {
        sprag_secret::check(secret).map_err(|weak| match weak {
            WeakSecret::Short => SetupError::ShortSecret,
            weak => SetupError::WeakSecret(weak),
        })?;
        let material = Material::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        Ok(Self(vec![Key { kid, material }]))
    }

    /// The algorithms that there are keys for.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let has = |algorithm: &Algorithm| self.0.iter().any(|key| key.material.algorithm() == *algorithm);
        Algorithm::ALL.into_iter().filter(has).collect()
    }

    /// Makes sure that there is a key for `wanted`.
    pub(crate) fn require(&self, wanted: Algorithm) -> Result<(), SetupError> {
        let found = self.algorithms();
        if found.contains(&wanted) { Ok(()) } else { Err(SetupError::NoKey { wanted, found }) }
    }

    /// The key that a token calls so, or the one without a name of a token that names none.
    fn find(&self, kid: Option<&str>) -> Option<&Key> {
        self.0.iter().find(|key| key.kid.as_deref() == kid)
    }

    /// The algorithm of the key that a token calls so; `None` if there is no such key.
    pub(crate) fn algorithm_of(&self, kid: Option<&str>) -> Option<Algorithm> {
        self.find(kid).map(|key| key.material.algorithm())
    }

    /// Whether `signature` is that key's, under that key's own algorithm.
    pub(crate) fn verifies(&self, kid: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        self.find(kid).is_some_and(|key| match &key.material {
            Material::Public(_, public) => public.verify_sig(message, signature).is_ok(),
            Material::Secret(secret) => hmac::verify(secret, message, signature).is_ok(),
        })
    }
}

impl Material {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Public(algorithm, _) => *algorithm,
            Self::Secret(_) => Algorithm::Hs256,
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.iter().map(|key| (key.material.algorithm(), key.kid.as_deref()));
        f.debug_list().entries(entries).finish()
    }
}
