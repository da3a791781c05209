//! How access tokens are signed, and for whom they are.

use sprag::access::Algorithm;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::origin::{Found, Origin};
use super::secret::{Secret, weakness};
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;
use serde::de::IgnoredAny;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "signing-algorithm",
        env: "SPRAG_SIGNING_ALGORITHM",
        placeholder: "NAME",
        help: "How access tokens are signed: ES256, EdDSA, RS256 or HS256.",
        default: Fallback::Value("ES256"),
        is_secret: false,
        right: "EdDSA",
        wrong: "none",
    },
    Setting {
        name: "hs256-secret",
        env: "SPRAG_HS256_SECRET",
        placeholder: "SECRET",
        help: "The secret that signs and verifies HS256 access tokens: 32 bytes or more; without it the key ring has its own.",
        default: Fallback::Derived("none"),
        is_secret: true,
        right: "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe",
        wrong: "your-super-secret-key-change-this",
    },
    Setting {
        name: "key-ring",
        env: "SPRAG_KEY_RING",
        placeholder: "JSON",
        help: "The key ring itself, as JSON, instead of the key ring file in the data directory.",
        default: Fallback::Derived("the key ring file in <data-dir>"),
        is_secret: true,
        right: r#"{"keys":[]}"#,
        wrong: "{keys:[]}",
    },
    Setting {
        name: "audience",
        env: "SPRAG_AUDIENCE",
        placeholder: "NAME",
        help: "Whom access tokens are for: their `aud` claim.",
        default: Fallback::Derived("the public URL"),
        is_secret: false,
        right: "shop-api",
        wrong: "shop api",
    },
];

/// How access tokens are signed, and for whom they are.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// How they are signed.
    pub signing_algorithm: Algorithm,
    /// The HS256 secret, if one was given: never weak, and only where the algorithm is HS256. Without one the key ring
    /// has its own.
    pub hs256_secret: Option<Secret>,
    /// The key ring's JSON, if it is not in the data directory.
    pub key_ring: Option<Secret>,
    /// Whom they are for.
    pub audience: String,
}

impl Tokens {
    pub(super) fn from(chosen: &Chosen, issuer: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            signing_algorithm: chosen.typed("signing-algorithm", algorithm)?,
            hs256_secret: chosen.given("hs256-secret", |text| Ok(Secret::new(text.to_owned())))?,
            key_ring: chosen.given("key-ring", key_ring)?,
            audience: chosen.given("audience", audience)?.unwrap_or_else(|| issuer.to_owned()),
        })
    }

    /// Refuses an HS256 secret without HS256, and one that cannot be relied on.
    pub(super) fn check(&self, origin: &Origin, algorithm_from: &Origin) -> Result<(), ConfigError> {
        match (self.signing_algorithm, &self.hs256_secret) {
            (Algorithm::Hs256, Some(secret)) => match weakness(secret.expose()) {
                Some(problem) => {
                    Err(ConfigError::Value { setting: "hs256-secret", origin: origin.clone(), problem })
                }
                None => Ok(()),
            },
            (algorithm, Some(_)) => Err(ConfigError::Together(format!(
                "{} is a secret for HS256, and tokens are signed with {}; remove it, or set {}",
                origin.subject("hs256-secret"),
                algorithm.name(),
                algorithm_from.to_be("SPRAG_SIGNING_ALGORITHM", Algorithm::Hs256.name())
            ))),
            // HS256 too: then the key ring has a secret of its own.
            (_, None) => Ok(()),
        }
    }
}

/// A profile that has its own name for the HS256 secret says that its tokens are signed so, as they were before us: HS256
/// then is the default. Where another algorithm was chosen, that secret is someone else's affair. Our own name for it
/// says nothing of the kind.
pub(super) fn settle_foreign_secret(chosen: &mut Chosen) {
    let origin = chosen.origin("hs256-secret");
    match &origin {
        Origin::Environment(name) | Origin::Dotenv { name, .. } if name != "SPRAG_HS256_SECRET" => {}
        _ => return,
    }
    let hs256 = Algorithm::Hs256.name();
    match chosen.of("signing-algorithm").1.map(|found| found.text.clone()) {
        None => chosen.put("signing-algorithm", Some(Found { text: hs256.to_owned(), origin })),
        Some(algorithm) if algorithm != hs256 => chosen.put("hs256-secret", None),
        Some(_) => {}
    }
}

/// How access tokens are signed.
fn algorithm(text: &str) -> Parsed<Algorithm> {
    let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
    known.ok_or_else(|| format!("{} is not one of ES256, EdDSA, RS256, HS256", quoted(text)))
}

/// An audience: one word, as it stands in a token.
fn audience(text: &str) -> Parsed<String> {
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) || text.len() > 255 {
        return Err(format!("{} is not one word of at most 255 bytes", quoted(text)));
    }
    Ok(text.to_owned())
}

/// The key ring's JSON; whether it is a key ring is judged where keys are.
fn key_ring(text: &str) -> Parsed<Secret> {
    if !text.trim_start().starts_with('{') || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err("this is not the JSON of a key ring; give the whole content of a key ring file, \
                    in single quotes where it stands in .env"
            .to_owned());
    }
    Ok(Secret::new(text.to_owned()))
}
