//! Comparing a password with a stored hash, or with none.

use super::memory::Memory;
use super::secrets::SourceSecrets;
use super::stored::Stored;
use super::work::TODAY;
use super::{Match, Password};
use crate::error::Fault;

/// The salt of the hash that an unknown name's password is compared with, of which nobody looks at the result.
const NOBODYS_SALT: [u8; 16] = *b"nobody's salt...";

/// Does the work of the stored hash and no other; without one, that of a hash made here.
///
/// How long that took tells whose hash it was. So no answer comes of it at once: who is refused is told so at a moment
/// that says nothing (`moment.rs`).
pub(super) fn compare(
    password: &Password,
    stored: Option<&str>,
    secrets: &SourceSecrets,
    memory: &mut Memory,
) -> Result<Match, Fault> {
    let password = password.0.as_bytes();
    let Some(stored) = stored else {
        TODAY.run(password, &NOBODYS_SALT, &mut [0; 32], memory)?;
        return Ok(Match::No);
    };
    let stored =
        Stored::parse(stored).map_err(|unusable| Fault::internal("read a stored password hash", unusable))?;
    let is_todays = stored.is_todays();
    Ok(match stored.matches(password, secrets, memory)? {
        false => Match::No,
        true if is_todays => Match::Yes,
        // Made anew from what was typed, a hash would refuse the right password for good if that had a wrong tail.
        true if !stored.knows_all_of(password) => Match::Yes,
        true => Match::Outdated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";
    const ARGON2_OTHER: &str =
        "$argon2id$v=19$m=64,t=2,p=2$7jqNz+H7EvOzILayoxnIvQ$XbRwpkuhCmUmd5PMukIOZp5J0vSJ9fS1xKLrLcCM8nU";
    const BOMB: &str = "$2b$31$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";

    fn compared(password: &str, stored: &str) -> Result<Match, Fault> {
        compare(
            &Password::typed(password).unwrap(),
            Some(stored),
            &SourceSecrets::default(),
            &mut Memory::default(),
        )
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
    fn a_hash_over_a_digest_knows_a_long_password_whole() {
        // Django's, of 100 times x: bcrypt over the hexadecimal SHA-256.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, "x".repeat(100).as_bytes());
        let stored = format!("bcrypt_sha256${}", bcrypt(&data_encoding::HEXLOWER.encode(digest.as_ref())));
        assert_eq!(compared(&"x".repeat(100), &stored).unwrap(), Match::Outdated);
        assert_eq!(compared(&"x".repeat(101), &stored).unwrap(), Match::No);
    }
}
