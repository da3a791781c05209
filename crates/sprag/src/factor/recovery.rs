//! Recovery codes: ten, each of which stands in for a second factor once.
//!
//! A code has 80 bits, so that its hash alone, without a key or a salt, leads nobody to it. It is written in base32, whose digits
//! 0, 1, 8 and 9 do not occur: whoever reads an O as a zero is understood.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::random::{self, Random};

/// How many there are at first.
pub const CODES: usize = 10;

/// How many are left when their owner is told that few are.
pub const FEW: usize = 3;

const CODE_BYTES: usize = 10;
const CODE_CHARS: usize = 16;
const GROUP: usize = 4;

/// A code for its owner alone: four groups of four letters and digits.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(Zeroizing<String>);

/// Prints what a log may show.
impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode")
    }
}

impl RecoveryCode {
    /// A fresh one.
    #[must_use]
    pub fn fresh(random: &dyn Random) -> Self {
        let bytes = Zeroizing::new(random::bytes::<CODE_BYTES>(random));
        let plain = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()).to_ascii_lowercase());
        let mut text = Zeroizing::new(String::with_capacity(CODE_CHARS + CODE_CHARS / GROUP));
        for (place, c) in plain.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(c);
        }
        Self(text)
    }

    /// As its owner is shown it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    ///
    /// # Panics
    /// Never: what was made here can be read.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash_typed(&self.0).expect("a code that was made here can be read")
    }
}

/// What is kept of the code that somebody typed: with or without blanks and dashes, large or small. `None` where it cannot be one.
#[must_use]
pub fn hash_typed(text: &str) -> Option<[u8; 32]> {
    let plain = text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(CODE_CHARS + 1);
    let meant = plain.map(|c| match c.to_ascii_uppercase() {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        c => c,
    });
    let plain = Zeroizing::new(meant.collect::<String>());
    if plain.len() != CODE_CHARS {
        return None;
    }
    let bytes = Zeroizing::new(BASE32_NOPAD.decode(plain.as_bytes()).ok()?);
    digest(&SHA256, &bytes).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_code_is_understood_as_people_type_it() {
        for _ in 0..50 {
            let code = RecoveryCode::fresh(&SystemRandom::default());
            let text = code.as_str();
            assert_eq!((text.len(), text.matches('-').count()), (19, 3), "{text}");
            let typed = [
                text.to_uppercase(),
                text.replace('-', ""),
                text.replace('-', " "),
                format!("  {} ", text.replace('o', "0").replace('i', "1").replace('b', "8")),
            ];
            for typed in typed {
                assert_eq!(hash_typed(&typed), Some(code.hash()), "{typed}");
            }
        }
        assert_eq!(format!("{:?}", RecoveryCode::fresh(&SystemRandom::default())), "RecoveryCode");
    }

    #[test]
    fn what_cannot_be_a_code_has_no_hash() {
        for none in [
            "",
            "123456",
            "aaaa-bbbb-cccc-ddd",
            "aaaa-bbbb-cccc-dddd-e",
            "aaaa-bbbb-cccc-ddd9",
            "ääää-bbbb-cccc-dddd",
        ] {
            assert_eq!(hash_typed(none), None, "{none}");
        }
    }
}
