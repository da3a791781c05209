//! Tokens of the systems that Sprag replaces. A stand-in for the build of the import alone.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// A token that another system handed out, as its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ForeignToken([u8; 32]);

impl ForeignToken {
    /// One that is kept in clear.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// One that is kept as its SHA-256.
    #[must_use]
    pub fn hashed(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The stand-in's way to a session id.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for ForeignToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignToken")
    }
}
