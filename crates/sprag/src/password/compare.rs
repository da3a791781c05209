//! Comparing a password with a stored hash, or with none.

use super::memory::Memory;
use super::secrets::SourceSecrets;
use super::stored::Stored;
use super::work::TODAY;
use super::{Match, Password};
use crate::error::Fault;

/// The salt of the hash that an unknown name's password is compared with, of which nobody looks at the result.
const NOBODYS_SALT: [u8; 16] = *b"nobody's salt...";

/// What a comparison has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) matched: Match,
    /// The place of the form that a new hash is made of: the one that matched, or what the maker of the hash made of it; 0
    /// where none matched.
    pub(super) form: usize,
}

/// Compares the forms of a password with a stored hash, one after the other until one matches. Does the work of the stored
/// hash and no other; without one, that of a hash made here.
///
/// How long that took tells whose hash it was. So no answer comes of it at once: who is refused is told so at a moment
/// that says nothing (`moment.rs`).
pub(super) fn compare(
    forms: &[Password],
    stored: Option<&str>,
    secrets: &SourceSecrets,
    memory: &mut Memory,
) -> Result<Found, Fault> {
    const NOTHING: Found = Found { matched: Match::No, form: 0 };
    let Some(stored) = stored else {
        for form in forms {
            TODAY.run(form.0.as_bytes(), &NOBODYS_SALT, &mut [0; 32], memory)?;
        }
        return Ok(NOTHING);
    };
    let stored =
        Stored::parse(stored).map_err(|unusable| Fault::internal("read a stored password hash", unusable))?;
    for (place, form) in forms.iter().enumerate() {
        let password = form.0.as_bytes();
        let Some(text) = stored.matches(password, secrets, memory)? else { continue };
        // The form that its maker has hashed, which is the only one that leads to it from every spelling. A text that is no
        // form of what was typed, one without blanks at its ends, does not: then the hash stays.
        let hashed = forms.iter().position(|form| form.0.as_bytes() == text.as_slice());
        // Made anew from what was typed, a hash would refuse the right password for good if that had a wrong tail.
        let stays = stored.is_todays() || !stored.knows_all_of(password) || hashed.is_none();
        let matched = if stays { Match::Yes } else { Match::Outdated };
        return Ok(Found { matched, form: hashed.unwrap_or(place) });
    }
    Ok(NOTHING)
}

#[cfg(test)]
mod tests {
    use super::super::forms::forms;
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";
    const ARGON2_OTHER: &str =
        "$argon2id$v=19$m=64,t=2,p=2$7jqNz+H7EvOzILayoxnIvQ$XbRwpkuhCmUmd5PMukIOZp5J0vSJ9fS1xKLrLcCM8nU";
    const BOMB: &str = "$2b$31$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";

    fn found(password: &str, stored: &str) -> Result<Found, Fault> {
        let forms = forms(&Password::typed(password).unwrap());
        compare(&forms, Some(stored), &SourceSecrets::default(), &mut Memory::default())
    }

    fn compared(password: &str, stored: &str) -> Result<Match, Fault> {
        found(password, stored).map(|found| found.matched)
    }

    /// As another system would have made it.
    fn bcrypt(password: &str) -> String {
        let mut key = password.as_bytes().to_vec();
        key.push(0);
        key.truncate(72);
        let mut alphabet = data_encoding::Specification::new();
        alphabet.symbols.push_str("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        let base64 = alphabet.encoding().unwrap();
        let output = bcrypt::bcrypt(4, [7; 16], &key);
        format!("$2b$04${}{}", base64.encode(&[7; 16]), base64.encode(&output[..23]))
    }

    #[test]
    fn t29_a_bomb_is_not_tried() {
        assert!(compared(PASSWORD, BOMB).is_err());
    }

    #[test]
    fn argon2id_with_other_parameters_is_outdated() {
        assert_eq!(compared(PASSWORD, ARGON2_OTHER).unwrap(), Match::Outdated);
    }

    #[test]
    fn a_bcrypt_hash_that_cannot_know_the_tail_is_not_made_anew_from_a_wrong_one() {
        let long = "x".repeat(100);
        let stored = bcrypt(&long);
        for typed in [long.clone(), format!("{}wrong tail", "x".repeat(72)), "x".repeat(72), "x".repeat(73)] {
            assert_eq!(compared(&typed, &stored).unwrap(), Match::Yes, "{} bytes", typed.len());
        }
        assert_eq!(compared(&"x".repeat(71), &stored).unwrap(), Match::No);
        let short = "x".repeat(71);
        assert_eq!(compared(&short, &bcrypt(&short)).unwrap(), Match::Outdated, "this one is known whole");
        assert_eq!(compared(&"x".repeat(72), &bcrypt(&short)).unwrap(), Match::No);
    }

    #[test]
    fn a_system_that_hashed_another_form_than_is_typed_here_let_nobody_in() {
        let (composed, decomposed) = ("caf\u{e9} \u{ff41}", "cafe\u{301} \u{ff41}");
        let plain = "caf\u{e9} a";
        for (hashed, form) in [(composed, 0), (decomposed, 1), (plain, 2)] {
            let found = found(composed, &bcrypt(hashed)).unwrap();
            assert_eq!(found, Found { matched: Match::Outdated, form }, "{hashed}");
        }
        assert_eq!(compared("cafe \u{ff41}", &bcrypt(composed)).unwrap(), Match::No);
        assert_eq!(compared("cafe a", &bcrypt(plain)).unwrap(), Match::No, "a mark is no form");
        assert_eq!(compared(plain, &bcrypt(composed)).unwrap(), Match::No, "what is plain has no wide form");
    }

    #[test]
    fn a_form_that_fills_what_bcrypt_looks_at_is_not_made_anew() {
        // 60 bytes as typed, and 90 as that system had it.
        let (typed, there) = ("\u{e9}".repeat(30), "e\u{301}".repeat(30));
        let matched = Found { matched: Match::Yes, form: 1 };
        assert_eq!(found(&typed, &bcrypt(&there)).unwrap(), matched);
        let other_tail = format!("{}{}", "\u{e9}".repeat(24), "wrong tail");
        assert_eq!(
            found(&other_tail, &bcrypt(&there)).unwrap(),
            matched,
            "bcrypt cannot tell it from the right one"
        );
        let short = "e\u{301}".repeat(10);
        let known_whole = Found { matched: Match::Outdated, form: 1 };
        assert_eq!(found(&"\u{e9}".repeat(10), &bcrypt(&short)).unwrap(), known_whole);
    }

    #[test]
    fn a_hash_over_a_digest_knows_a_long_password_whole() {
        // Django's, of 100 times x: bcrypt over the hexadecimal SHA-256.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, "x".repeat(100).as_bytes());
        let stored = format!("bcrypt_sha256${}", bcrypt(&data_encoding::HEXLOWER.encode(digest.as_ref())));
        assert_eq!(compared(&"x".repeat(100), &stored).unwrap(), Match::Outdated);
        assert_eq!(compared(&"x".repeat(101), &stored).unwrap(), Match::No);
    }
}
