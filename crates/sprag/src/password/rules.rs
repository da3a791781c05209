//! What a new password must be: long enough, and none that others try first (NIST SP 800-63B-4 section 3.1.1.2). There is no rule of
//! which characters it has: those make passwords that people forget and machines guess.
//!
//! What an account logs in with already is not held to any of this.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest;

use super::common;
use crate::error::{Fault, Rejected};
use crate::policy::{MAX_PASSWORD_BYTES, PasswordLength};

/// The shortest name of an account that a password may not be made of, in characters.
const MIN_NAME_CHARS: usize = 3;

/// Up to so many characters, what a password repeats is nothing that needs guessing.
const MAX_REPEATED_CHARS: usize = 4;

/// A password that somebody chooses, as typed.
#[derive(Clone, Copy)]
pub struct NewPassword<'a> {
    /// The password.
    pub text: &'a str,
    /// How long it must be; what the engine was built with, where nothing is said.
    pub length: Option<PasswordLength>,
}

impl<'a> From<&'a str> for NewPassword<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, length: None }
    }
}

impl fmt::Debug for NewPassword<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPassword").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Whoever knows which passwords were stolen.
#[async_trait]
pub trait Breaches: Send + Sync + fmt::Debug {
    /// Whether the password with that hash is known from a breach. It answers within a moment, or fails.
    ///
    /// # Errors
    /// A [`Fault`], where it cannot be asked just now. Then nobody is kept from anything.
    async fn know(&self, hash: &PasswordSha1) -> Result<bool, Fault>;
}

/// SHA-1 of a password, as those who collect stolen ones list them. It is never kept.
#[derive(Clone, Copy)]
pub struct PasswordSha1([u8; 20]);

impl PasswordSha1 {
    /// Of a password as typed.
    pub(crate) fn of(text: &str) -> Self {
        let mut hash = [0; 20];
        hash.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// In capital letters and digits, all 40.
    #[must_use]
    pub fn as_hex(&self) -> String {
        data_encoding::HEXUPPER.encode(&self.0)
    }
}

impl fmt::Debug for PasswordSha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordSha1")
    }
}

/// Holds a password against everything that needs nobody to be asked; `own` are the names of the account.
pub(crate) fn judge(text: &str, least: u16, own: &[&str]) -> Result<(), Rejected> {
    if text.is_empty() || text.len() > MAX_PASSWORD_BYTES || text.contains('\0') {
        return Err(Rejected::Unfit);
    }
    if text.chars().count() < usize::from(least) {
        return Err(Rejected::TooShort(least));
    }
    let plain = text.to_lowercase();
    if common::has(&plain) || repeats(&plain) || counts(&plain) {
        return Err(Rejected::Common);
    }
    if is_made_of(&plain, own) {
        return Err(Rejected::OwnName);
    }
    Ok(())
}

/// Whether a text is one piece again and again: a short one, or one that many people have.
fn repeats(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2).filter(|length| chars.len().is_multiple_of(*length)).any(|length| {
        let piece = &chars[..length];
        let is_repeated = chars.chunks(length).all(|part| part == piece);
        is_repeated && (length <= MAX_REPEATED_CHARS || common::has(&piece.iter().collect::<String>()))
    })
}

/// Whether each character is the one after, or before, the last: `12345678901234`, `hgfedcba`.
fn counts(text: &str) -> bool {
    let steps: Vec<i64> = text
        .chars()
        .zip(text.chars().skip(1))
        .map(|(one, next)| match (one, next) {
            ('9', '0') => 1,
            ('0', '9') => -1,
            (one, next) => i64::from(u32::from(next)) - i64::from(u32::from(one)),
        })
        .collect();
    let is_even = |step: i64| steps.iter().all(|found| *found == step);
    steps.len() > 1 && (is_even(1) || is_even(-1))
}

/// Whether nothing but digits and marks is left of a text without these names.
fn is_made_of(text: &str, own: &[&str]) -> bool {
    let mut names: Vec<String> = own
        .iter()
        .flat_map(|name| {
            let name = name.trim().to_lowercase();
            let (local, domain) = name.split_once('@').map_or(("", ""), |(local, domain)| (local, domain));
            let words = name.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
            let parts = [local.to_owned(), domain.to_owned(), name.clone()];
            parts.into_iter().chain(words).collect::<Vec<_>>()
        })
        .filter(|name| name.chars().count() >= MIN_NAME_CHARS)
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let has_one = names.iter().any(|name| text.contains(name.as_str()));
    let left = names.iter().fold(text.to_owned(), |left, name| left.replace(name.as_str(), ""));
    has_one && !left.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_how_many_characters_there_are_and_not_which() {
        for fit in [
            "correct horse battery",
            "\u{1f40e}\u{1f50b}\u{1f4ce}\u{1f40e}\u{1f389}\u{1f40e}\u{1f50b}\u{2705}",
            "        x       y",
            "zqxjkvbp",
        ] {
            assert_eq!(judge(fit, 8, &[]), Ok(()), "{fit:?}");
        }
        assert_eq!(
            judge("\u{e9}\u{e9}\u{e9}\u{e9}", 8, &[]),
            Err(Rejected::TooShort(8)),
            "eight bytes are four characters"
        );
        assert_eq!(judge("correct horse", 15, &[]), Err(Rejected::TooShort(15)));
        assert_eq!(judge(&"x y".repeat(400), 8, &[]), Err(Rejected::Unfit));
        assert_eq!(judge("correct\0horse battery", 8, &[]), Err(Rejected::Unfit));
        assert_eq!(judge("", 8, &[]), Err(Rejected::Unfit));
    }

    #[test]
    fn what_others_try_first_is_refused_in_any_case() {
        for common in ["password", "PassWord", "12345678", "iloveyou", "qwertyuiop", "baseball", "sunshine"] {
            assert_eq!(judge(common, 8, &[]), Err(Rejected::Common), "{common}");
        }
        for easy in [
            "passwordpassword",
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "123456789012345",
            "hgfedcba",
            "98765432109",
        ] {
            assert_eq!(judge(easy, 8, &[]), Err(Rejected::Common), "{easy}");
        }
    }

    #[test]
    fn an_accounts_own_names_with_some_digits_are_no_password() {
        let own = ["ann.example", "Ann.Example@Post.example.org", "Ann Example"];
        for made in ["ann.example", "AnnExample2026!", "example-ann-1984", "post.example.org"] {
            assert_eq!(judge(made, 8, &own), Err(Rejected::OwnName), "{made}");
        }
        for other in ["ann's battery staple", "examples of ann"] {
            assert_eq!(judge(other, 8, &own), Ok(()), "{other}");
        }
        assert_eq!(judge("example1984", 8, &["al"]), Ok(()), "a name of two letters says nothing");
    }

    #[test]
    fn a_hash_does_not_print() {
        let hash = PasswordSha1::of("password");
        assert_eq!(hash.as_hex(), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
        assert_eq!(format!("{hash:?}"), "PasswordSha1");
    }
}
