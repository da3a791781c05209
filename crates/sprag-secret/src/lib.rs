//! Tells whether a shared secret can be guessed.
//!
//! Whoever sees one HS256 token can try secrets on it for as long as they like, and they begin with the public lists. So
//! [`check`] refuses a secret that is too short, one made of few bytes or of a repeated piece, and one that is on those
//! lists or in a tutorial, as it stands there or encoded. The lists are carried as hashes: `known/hashes.txt`, made by
//! `scripts/known-secrets` and described in `known/README.md`.
//!
//! ```
//! use sprag_secret::{WeakSecret, check};
//!
//! assert_eq!(check(b"your-256-bit-secret"), Err(WeakSecret::Known));
//! assert_eq!(check(b"kV8mQz2nXr5tYw7pBd4fHj6sLc9aGe1u"), Ok(()));
//! ```

use std::error;
use std::fmt;

mod forms;
mod known;
mod words;

pub use known::{HASHES, Hash, hashes};

/// The shortest HS256 secret: as long as the hash (RFC 7518 section 3.2).
pub const MIN_BYTES: usize = 32;

/// How many different bytes a secret has at least. A random one, even in hexadecimal, all but surely has more.
const MIN_DISTINCT: usize = 8;

/// How many zero bytes a random secret may end in: more of them are an accident once in 10^12 times.
const ZEROS_BY_CHANCE: usize = 4;

/// Why an HS256 secret will not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WeakSecret {
    /// It is shorter than [`MIN_BYTES`].
    Short,
    /// It is on a public list of secrets, or from a document or template that everybody can read.
    Known,
    /// It has few different bytes.
    Monotonous,
    /// It repeats a piece that is shorter than [`MIN_BYTES`], or ends in zero bytes, which HMAC does not tell from none.
    Repeated,
}

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "is shorter than {MIN_BYTES} bytes"),
            Self::Known => {
                f.write_str("is a placeholder or on a public list of secrets, where attackers look first")
            }
            Self::Monotonous => write!(f, "has fewer than {MIN_DISTINCT} different characters"),
            Self::Repeated => write!(f, "repeats a piece that is shorter than {MIN_BYTES} bytes"),
        }
    }
}

impl error::Error for WeakSecret {}

/// Refuses what can be guessed. What is known is named first: whoever meets such a secret should hear that, not its length.
///
/// # Errors
/// The [`WeakSecret`] that says why.
pub fn check(secret: &[u8]) -> Result<(), WeakSecret> {
    if forms::of(secret).iter().any(|form| words::are_in(form) || known::contains(form)) {
        return Err(WeakSecret::Known);
    }
    if secret.len() < MIN_BYTES {
        return Err(WeakSecret::Short);
    }
    let mut seen = [false; 256];
    for byte in secret {
        seen[usize::from(*byte)] = true;
    }
    if seen.iter().filter(|seen| **seen).count() < MIN_DISTINCT {
        return Err(WeakSecret::Monotonous);
    }
    // HMAC fills a short key up with zeros: a secret with zeros at its end is the one without them.
    let significant = secret.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if significant + ZEROS_BY_CHANCE < MIN_BYTES || repeats(&secret[..significant]) {
        return Err(WeakSecret::Repeated);
    }
    Ok(())
}

/// Whether the whole is a shorter piece written again and again, the last time perhaps in part.
fn repeats(secret: &[u8]) -> bool {
    let most = MIN_BYTES.min(secret.len() / 2 + 1);
    (1..most).any(|period| secret.iter().zip(&secret[period..]).all(|(one, next)| one == next))
}
