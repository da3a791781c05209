//! Secrets that were given as settings, and how a weak one is recognised.

use std::fmt;

use zeroize::Zeroizing;

/// The fewest bytes an HS256 secret may have: as many as its hash puts out (RFC 7518 section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// The fewest different bytes in a secret. 32 random hexadecimal digits have fewer once in 27 million times.
const MIN_DIFFERENT_BYTES: usize = 8;

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

/// What documentation, tutorials and templates write where a secret should be, in small letters and digits
/// only. One that contains such words is refused however long it is.
const PLACEHOLDERS: &[&str] = &[
    "yoursupersecret",
    "yoursupersecure",
    "yoursecret",
    "yourjwtsecret",
    "yoursecure",
    "yourownsecret",
    "yourverylong",
    "yourprivatekey",
    "yoursigningkey",
    "your256bit",
    "secretkeyhere",
    "secrethere",
    "changethis",
    "changeme",
    "changeit",
    "changebefore",
    "changeinprod",
    "pleasechange",
    "replaceme",
    "replacethis",
    "replacewith",
    "supersecret",
    "superstrong",
    "mysecret",
    "myjwtsecret",
    "jwtsecret",
    "thisisasecret",
    "thisisnotasecret",
    "thisismysecret",
    "notasecret",
    "topsecret",
    "secretsecret",
    "insecure",
    "placeholder",
    "examplekey",
    "examplesecret",
    "keyboardcat",
    "astringsecretatleast256bitslong",
    "correcthorsebatterystaple",
    "0123456789abcdef",
    "abcdefghijklmnop",
    "12345678901234567890",
    "password",
    // The key in FastAPI's tutorial.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
];

/// What is wrong with an HS256 secret; what it is is not said.
pub(super) fn weakness(secret: &str) -> Option<String> {
    let make = "make one with: openssl rand -base64 48";
    if secret.len() < MIN_SECRET_BYTES {
        return Some(format!(
            "this secret has {} bytes, and whoever sees one token can try short ones until it fits; \
             an HS256 secret has {MIN_SECRET_BYTES} or more; {make}",
            secret.len()
        ));
    }
    let plain: String = secret
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    if PLACEHOLDERS.iter().any(|placeholder| plain.contains(placeholder)) {
        return Some(format!("this secret is a placeholder, which anyone can look up; {make}"));
    }
    let mut seen = [false; 256];
    secret.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    if seen.iter().filter(|&&is_seen| is_seen).count() < MIN_DIFFERENT_BYTES {
        return Some(format!("this secret repeats too few different letters; {make}"));
    }
    None
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
            assert!(secret.len() >= MIN_SECRET_BYTES, "{secret}");
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
