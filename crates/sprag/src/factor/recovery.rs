//! Recovery codes: ten, each of which stands in for a second factor once.
//!
//! A code has 80 bits, so that its hash alone, without a key or a salt, leads nobody to it. It is written in base32, whose digits
//! 0, 1, 8 and 9 do not occur: whoever reads an O as a zero is understood.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
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

/// How many recovery codes of another system an account may bring.
pub const MAX_IMPORTED: usize = 20;

/// The shortest password hash that is taken for one of a code.
const MIN_HASH_BYTES: usize = 40;

const SHA256_OF_TEXT: u8 = 1;
const PASSWORD_HASH: u8 = 2;

/// A code as it is kept. One of ours is the hash of its bytes and nothing else; what came from another system has a byte before it
/// that says what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeptCode<'a> {
    /// One of ours.
    Own(&'a [u8]),
    /// SHA-256 of the text that its owner has.
    Sha256(&'a [u8]),
    /// A hash of that text as of a password.
    PasswordHash(&'a str),
    /// One of a newer build.
    Unknown,
}

impl<'a> KeptCode<'a> {
    pub(crate) fn read(row: &'a [u8]) -> Self {
        match row {
            row if row.len() == 32 => Self::Own(row),
            [SHA256_OF_TEXT, hash @ ..] if hash.len() == 32 => Self::Sha256(hash),
            [PASSWORD_HASH, hash @ ..] => str::from_utf8(hash).map_or(Self::Unknown, Self::PasswordHash),
            _ => Self::Unknown,
        }
    }
}

/// What is kept of a code of another system, by the hash that it has there: SHA-256 of the code's text in hexadecimal or base64, or a
/// hash that a password may have. `None` where it is neither.
#[must_use]
pub fn imported(hash: &str) -> Option<Vec<u8>> {
    let hash = hash.trim();
    let forms = [&HEXLOWER_PERMISSIVE, &BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD];
    let digest = forms.iter().filter_map(|form| form.decode(hash.as_bytes()).ok()).find(|it| it.len() == 32);
    if let Some(digest) = digest {
        return Some([&[SHA256_OF_TEXT], digest.as_slice()].concat());
    }
    let is_hash = hash.len() >= MIN_HASH_BYTES && crate::password::check_hash(hash).is_ok();
    is_hash.then(|| [&[PASSWORD_HASH], hash.as_bytes()].concat())
}

/// SHA-256 of what somebody typed, in each spelling that another system may have hashed: as it stands, without blanks and dashes, in
/// small and in large letters.
pub(crate) fn hashed_spellings(typed: &str) -> Vec<[u8; 32]> {
    let typed = Zeroizing::new(typed.trim().to_owned());
    let bare: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let bare = Zeroizing::new(bare);
    let spelled = [typed.as_str(), bare.as_str()].into_iter().flat_map(|text| {
        [
            Zeroizing::new(text.to_owned()),
            Zeroizing::new(text.to_lowercase()),
            Zeroizing::new(text.to_uppercase()),
        ]
    });
    spelled.filter_map(|text| digest(&SHA256, text.as_bytes()).as_ref().try_into().ok()).collect()
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

    #[test]
    fn a_code_of_another_system_is_kept_by_the_hash_that_it_has_there() {
        let sha256 = digest(&SHA256, b"ABCD-1234");
        for text in [
            data_encoding::HEXLOWER.encode(sha256.as_ref()),
            data_encoding::HEXUPPER.encode(sha256.as_ref()),
            BASE64.encode(sha256.as_ref()),
            BASE64URL_NOPAD.encode(sha256.as_ref()),
        ] {
            let row = imported(&text).expect("a hash");
            let KeptCode::Sha256(kept) = KeptCode::read(&row) else { panic!("{row:?}") };
            let is_of = |typed: &str| hashed_spellings(typed).iter().any(|hash| hash == kept);
            assert!(is_of(" abcd-1234 ") && is_of("ABCD-1234") && !is_of("ABCD1234") && !is_of("abcd-1235"));
        }
        let bcrypt = "$2b$04$abcdefghijklmnopqrstuuu3AFjMbTmk1c5pvSbdd8Tn8YpCH6fYe";
        let row = imported(bcrypt).expect("a hash");
        assert_eq!(KeptCode::read(&row), KeptCode::PasswordHash(bcrypt));
        for none in
            ["", "ABCD-1234", "$2b$04$abc", "not a hash, however long it may be, and it is long enough"]
        {
            assert_eq!(imported(none), None, "{none}");
        }
        assert_eq!(KeptCode::read(&[9; 33]), KeptCode::Unknown);
    }
}
