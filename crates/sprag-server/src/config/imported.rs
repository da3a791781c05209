//! Secrets of the systems that users were imported from: their hashes cannot be compared without.

use data_encoding::BASE64;
use sprag::password::SourceSecrets;
use zeroize::Zeroizing;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::secret::Secret;
use super::setting::{Fallback, Setting};
use super::value::Parsed;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "imported-pepper",
        env: "SPRAG_IMPORTED_PEPPER",
        placeholder: "SECRET",
        help: "The pepper of the system that users were imported from with --peppered: Devise's `pepper`, node-argon2's `secret`.",
        default: Fallback::Derived("none"),
        is_secret: true,
        right: "b4f2a9",
        wrong: " b4f2a9",
    },
    Setting {
        name: "firebase-signer-key",
        env: "SPRAG_FIREBASE_SIGNER_KEY",
        placeholder: "BASE64",
        help: "The `base64_signer_key` of the Firebase project that users were imported from.",
        default: Fallback::Derived("none"),
        is_secret: true,
        right: "c2lnbmVyIGtleSBvZiBhIHByb2plY3Q=",
        wrong: "jxspr8Ki0RYycVU8zykbd?",
    },
];

/// Secrets of the systems that users were imported from.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What was mixed into passwords there.
    pub pepper: Option<Secret>,
    /// What Firebase encrypts, in Base64.
    pub firebase_signer_key: Option<Secret>,
}

impl Imported {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        Ok(Self {
            pepper: chosen.given("imported-pepper", pepper)?,
            firebase_signer_key: chosen.given("firebase-signer-key", signer_key)?,
        })
    }

    /// As hashes are compared with them.
    #[must_use]
    pub fn secrets(&self) -> SourceSecrets {
        let bytes = |secret: &Secret| Zeroizing::new(secret.expose().as_bytes().to_vec());
        let decoded = |key: &Secret| BASE64.decode(key.expose().as_bytes()).ok().map(Zeroizing::new);
        SourceSecrets {
            pepper: self.pepper.as_ref().map(bytes),
            firebase_signer_key: self.firebase_signer_key.as_ref().and_then(decoded),
        }
    }
}

/// With a blank more it would be another pepper, and nobody could log in.
fn pepper(text: &str) -> Parsed<Secret> {
    if text.trim() != text {
        return Err(
            "a blank stands before or behind it, and would be part of the pepper; take it away".to_owned()
        );
    }
    Ok(Secret::new(text.to_owned()))
}

fn signer_key(text: &str) -> Parsed<Secret> {
    if BASE64.decode(text.as_bytes()).is_err() {
        return Err(
            "this is not Base64; copy base64_signer_key from the password hash parameters that the Firebase \
                    console shows under Authentication, Users"
                .to_owned(),
        );
    }
    Ok(Secret::new(text.to_owned()))
}
