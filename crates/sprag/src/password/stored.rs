//! Stored password hashes, ours and those of the systems that users are imported from: what has been read of one, and the
//! comparison with it.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, HEXLOWER};
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::Unusable;
use super::memory::Memory;
use super::secrets::SourceSecrets;
use super::work::{BCRYPT_BYTES, Keyed, TODAY, Work};
use crate::error::Fault;

mod named;
mod parts;
mod phc;
mod plain;
mod read;

/// The longest stored hash that is read. Genuine ones stay below 256 bytes, and below 400 with Firebase's key in them.
const MAX_STORED_BYTES: usize = 512;

/// With this WordPress keys its digest of a password.
const WORDPRESS_KEY: &[u8] = b"wp-sha384";

/// What PHP's `trim` takes away.
const PHP_BLANKS: [char; 6] = [' ', '\t', '\n', '\r', '\0', '\u{b}'];

/// A stored hash that has been read and costs no more than is allowed.
#[derive(PartialEq, Eq)]
pub(super) struct Stored {
    /// What it takes to compare a password with it.
    pub(super) work: Work,
    prepared: Prepared,
    /// The work of another maker who writes hashes of the same form, tried where the first does not match.
    or: Option<(Work, Prepared)>,
    salt: Vec<u8>,
    output: Vec<u8>,
    /// What Argon2 mixes in besides.
    data: Vec<u8>,
    key: Key,
}

/// What a maker does to a password before the slow function, to get around bcrypt's 72 bytes or to have one form of it.
#[derive(Clone, PartialEq, Eq)]
enum Prepared {
    AsTyped,
    HexOfSha256,
    Base64OfSha256,
    /// Keyed with the salt as it is written.
    Base64OfHmac(String),
    /// WordPress: without blanks at its ends.
    Base64OfHmacSha384,
    /// In Unicode's form NFKC.
    Nfkc,
    /// With the pepper of the source system behind it.
    Peppered,
}

/// Whether a stored hash is this one of the source system, marked as made with a pepper.
pub(crate) fn is_peppered(stored: &str, there: &str) -> bool {
    stored.strip_prefix(read::PEPPERED) == Some(there)
}

/// A secret that is mixed in after the password.
#[derive(PartialEq, Eq)]
enum Key {
    None,
    /// Argon2's secret value: the pepper of the source system.
    Pepper,
    /// Firebase's signer key, from the settings.
    Firebase,
    /// Firebase's signer key, as the hash has it.
    FirebaseGiven(Zeroizing<Vec<u8>>),
}

impl Stored {
    /// Reads a stored hash, or says why it is of no use. It hashes nothing.
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        if text.len() > MAX_STORED_BYTES {
            return Err(named::too_long(text));
        }
        let stored = read::read(text).unwrap_or_else(|| Err(named::why_not(text)))?;
        for work in stored.works() {
            work.check_bounds()?;
        }
        Ok(stored)
    }

    /// All that is done to tell that a password is wrong.
    pub(super) fn works(&self) -> impl Iterator<Item = Work> + use<> {
        [Some(self.work), self.or.as_ref().map(|(work, _)| *work)].into_iter().flatten()
    }

    /// Whether it is what a new hash would be.
    pub(super) fn is_todays(&self) -> bool {
        let is_plain = self.prepared == Prepared::AsTyped && self.data.is_empty() && self.key == Key::None;
        self.work == TODAY && is_plain
    }

    /// The secret that it was made with and that is not there.
    pub(super) fn lacks(&self, secrets: &SourceSecrets) -> Option<Unusable> {
        let wants_pepper = self.prepared == Prepared::Peppered || self.key == Key::Pepper;
        if wants_pepper && secrets.pepper.is_none() {
            return Some(Unusable::LacksSecret("a pepper or secret key (SPRAG_IMPORTED_PEPPER)"));
        }
        let wants_signer = self.key == Key::Firebase && secrets.firebase_signer_key.is_none();
        wants_signer.then_some(Unusable::LacksSecret("Firebase's signer key (SPRAG_FIREBASE_SIGNER_KEY)"))
    }

    /// Whether this is the password, in a time that does not depend on how nearly it is; and if so, the text that its maker
    /// has made of it.
    pub(super) fn matches(
        &self,
        password: &[u8],
        secrets: &SourceSecrets,
        memory: &mut Memory,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        if let Some(lacking) = self.lacks(secrets) {
            return Err(Fault::internal("compare with a stored password hash", lacking));
        }
        if self.matches_by(self.work, &self.prepared, password, secrets, memory)? {
            return Ok(Some(self.prepared.text(password)));
        }
        let Some((work, prepared)) = &self.or else { return Ok(None) };
        let is_it = self.matches_by(*work, prepared, password, secrets, memory)?;
        Ok(is_it.then(|| prepared.text(password)))
    }

    fn matches_by(
        &self,
        work: Work,
        prepared: &Prepared,
        password: &[u8],
        secrets: &SourceSecrets,
        memory: &mut Memory,
    ) -> Result<bool, Fault> {
        let pepper = secrets.pepper.as_ref().map_or(&[][..], |pepper| pepper.as_slice());
        let password = prepared.apply(password, pepper);
        let signer = match &self.key {
            Key::None | Key::Pepper => None,
            Key::Firebase => secrets.firebase_signer_key.as_ref(),
            Key::FirebaseGiven(key) => Some(key),
        };
        if let Some(signer) = signer {
            let mut key = Zeroizing::new([0; FIREBASE_KEY_BYTES]);
            work.run(&password, &self.salt, key.as_mut_slice(), memory)?;
            return Ok(encrypted(&key, signer)?.ct_eq(&self.output).into());
        }
        let secret = if self.key == Key::Pepper { pepper } else { &[] };
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        let keyed = Keyed { secret, data: &self.data };
        work.run_keyed(keyed, &password, &self.salt, &mut output, memory)?;
        Ok(output.ct_eq(&self.output).into())
    }

    /// Whether a password that matches is known to its last byte.
    ///
    /// bcrypt by itself looks at 72 bytes. One of just 72 may be the beginning of the right one: the zero byte that ends
    /// a shorter one is not looked at, either.
    pub(super) fn knows_all_of(&self, password: &[u8]) -> bool {
        let is_in_clear = matches!(self.prepared, Prepared::AsTyped | Prepared::Peppered);
        let is_cut = matches!(self.work, Work::Bcrypt { .. }) && is_in_clear;
        !is_cut || password.len() < BCRYPT_BYTES
    }
}

/// Firebase's cipher takes so much of what scrypt gives.
const FIREBASE_KEY_BYTES: usize = 32;

/// What Firebase keeps: its signer key, encrypted with AES-256 in counter mode from zero.
fn encrypted(key: &[u8; FIREBASE_KEY_BYTES], signer: &[u8]) -> Result<Vec<u8>, Fault> {
    let impossible = |_| Fault::internal("compare a password", "AES cannot do this");
    let key = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ctr).map_err(impossible)?;
    let mut text = signer.to_vec();
    let from_zero = EncryptionContext::Iv128([0; 16].into());
    key.less_safe_encrypt(&mut text, from_zero).map_err(impossible)?;
    Ok(text)
}

impl Prepared {
    fn apply(&self, password: &[u8], pepper: &[u8]) -> Zeroizing<Vec<u8>> {
        let sha256 = || digest::digest(&digest::SHA256, password);
        let base64_of_hmac = |algorithm, key: &[u8], text: &[u8]| {
            BASE64.encode(hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref()).into_bytes()
        };
        Zeroizing::new(match self {
            Self::AsTyped | Self::Nfkc => return self.text(password),
            Self::HexOfSha256 => HEXLOWER.encode(sha256().as_ref()).into_bytes(),
            Self::Base64OfSha256 => BASE64.encode(sha256().as_ref()).into_bytes(),
            Self::Base64OfHmac(key) => base64_of_hmac(hmac::HMAC_SHA256, key.as_bytes(), password),
            Self::Base64OfHmacSha384 => {
                base64_of_hmac(hmac::HMAC_SHA384, WORDPRESS_KEY, &self.text(password))
            }
            Self::Peppered => [password, pepper].concat(),
        })
    }

    /// What a maker takes several spellings of a password for, before any digest of it.
    fn text(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        // What was typed is Unicode; were it not, it would stay as it is.
        let text = str::from_utf8(password).ok();
        Zeroizing::new(match (self, text) {
            (Self::Nfkc, Some(text)) => text.nfkc().collect::<String>().into_bytes(),
            (Self::Base64OfHmacSha384, Some(text)) => text.trim_matches(PHP_BLANKS).as_bytes().to_vec(),
            _ => password.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_two_makers_write_alike_counts_with_the_work_of_both() {
        let works = |hash: &str| Stored::parse(hash).unwrap().works().collect::<Vec<_>>();
        let key = "0".repeat(128);
        let scrypt = |r| Work::Scrypt { log_n: 14, r, p: 1 };
        assert_eq!(works(&format!("{}:{key}", "0".repeat(32))), [scrypt(16), scrypt(8)]);
        assert_eq!(works(&format!("s2:{}:{key}", "0".repeat(32))), [scrypt(16)]);
        assert_eq!(works(&format!("{key}.{}", "0".repeat(32))), [scrypt(8)]);
    }

    #[test]
    fn todays_costs_with_a_secret_or_data_are_not_what_a_new_hash_would_be() {
        let parse = |more: &str| {
            let costs = format!("m=19456,t=2,p=1{more}");
            let output = "aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";
            Stored::parse(&format!("$argon2id$v=19${costs}$c29tZXNhbHRzb21lc2FsdA${output}")).unwrap()
        };
        assert!(parse("").is_todays());
        assert!(!parse(",data=YQ").is_todays() && !parse(",keyid=YQ").is_todays());
    }
}
