//! What other systems mixed into their hashes and kept beside their database: nobody can compare without it.

use std::fmt;

use zeroize::Zeroizing;

/// The secrets of the systems that users came from. They stand in no hash, and never in the store.
#[derive(Clone, Default)]
pub struct SourceSecrets {
    /// The pepper: behind the password where the hash is bcrypt, the key of Argon2 where it is Argon2.
    pub pepper: Option<Zeroizing<Vec<u8>>>,
    /// The key that Firebase encrypts with what comes of a password.
    pub firebase_signer_key: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for SourceSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceSecrets")
    }
}
