//! Secrets that were given as settings, and how a weak one is recognised.

use std::fmt;

use sprag_secret::{MIN_BYTES, WeakSecret};
use zeroize::Zeroizing;

/// A secret from the environment: prints as its name and is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. Whoever calls this must not print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is wrong with an HS256 secret; what it is is not said.
pub(super) fn weakness(secret: &str) -> Option<String> {
    let weak = sprag_secret::check(secret.as_bytes()).err()?;
    let make = "make one with: openssl rand -base64 48";
    Some(match weak {
        WeakSecret::Short => format!(
            "this secret has {} bytes, and whoever sees one token can try short ones until it fits; \
             an HS256 secret has {MIN_BYTES} or more; {make}",
            secret.len()
        ),
        weak => format!("this secret {weak}; {make}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known_however_they_are_spelled() {
        for secret in [
            "your-super-secret-key-change-this",
            "your-super-secure-secret-key-here",
            "YOUR_SUPER_SECURE_SECRET_KEY_HERE",
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            "a-string-secret-at-least-256-bits-long",
            "django-insecure-8f3k2j4h5g6f7d8s9a0q1w2e3r4t5y6u",
            "please-change-me-in-production-ok",
            "my-jwt-secret-my-jwt-secret-12345",
            "00000000000000000000000000000000",
            "abcabcabcabcabcabcabcabcabcabcabcabc",
        ] {
            assert!(secret.len() >= MIN_BYTES, "{secret}");
            assert!(weakness(secret).is_some(), "{secret}");
        }
    }

    #[test]
    fn a_secret_of_31_bytes_is_short_and_random_ones_of_32_are_not_weak() {
        assert!(weakness("q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aU").is_some());
        for secret in [
            "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe",
            "3f9a1c0e7b24d8566a1f90c3e57d2b48",
            "hY+0T3b1kq/QWm4s9Zx2vN8jD6cR5uPfEgLaVoXiKtA=",
        ] {
            assert_eq!(weakness(secret), None, "{secret}");
        }
    }

    #[test]
    fn a_secret_prints_as_its_name() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret");
    }
}
