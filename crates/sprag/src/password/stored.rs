//! Reading stored password hashes: ours, and those of the systems that users are imported from.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use argon2::{Algorithm, Version};
use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE, Specification};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Unusable;
use super::memory::Memory;
use super::work::{BCRYPT_BYTES, Digest, Work};
use crate::error::Fault;

/// The longest stored hash that is read. Genuine ones stay below 256 bytes.
const MAX_STORED_BYTES: usize = 512;

/// Genuine salts have 8 to 32 bytes; what a maker was told to do by hand may be shorter.
const SALT_BYTES: RangeInclusive<usize> = 1..=64;

/// Argon2 itself takes no shorter salt.
const MIN_ARGON2_SALT_BYTES: usize = 8;

/// What is taken from Argon2, whose output may have any length. An output of a byte or two would match many
/// passwords. All others have one length: the first half of PBKDF2's output is a genuine, shorter output.
const ARGON2_OUTPUT_BYTES: RangeInclusive<usize> = 16..=64;

/// How a bcrypt hash, after its cost, divides into salt and output.
const BCRYPT_SALT_CHARS: usize = 22;

/// The starts of what is read here, for telling a damaged hash from another kind.
const READ: [(&str, &str); 14] = [
    ("$argon2", "Argon2"),
    ("argon2$", "Argon2"),
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("bcrypt$", "bcrypt"),
    ("bcrypt_sha256$", "bcrypt"),
    ("$bcrypt-sha256$", "bcrypt"),
    ("$scrypt$", "scrypt"),
    ("scrypt$", "scrypt"),
    ("scrypt:", "scrypt"),
    ("$pbkdf2", "PBKDF2"),
    ("pbkdf2_sha", "PBKDF2"),
    ("pbkdf2:sha", "PBKDF2"),
];

/// The starts of what is known and not read: too weak to vouch for anybody, or too rare.
const NOT_READ: [(&str, &str); 18] = [
    ("$2x$", "bcrypt by a faulty library (2x)"),
    ("$1$", "MD5-crypt"),
    ("$apr1$", "MD5-crypt"),
    ("$5$", "SHA-256-crypt"),
    ("$6$", "SHA-512-crypt"),
    ("$7$", "scrypt as crypt writes it"),
    ("$y$", "yescrypt"),
    ("$gy$", "yescrypt"),
    ("$P$", "phpass"),
    ("$H$", "phpass"),
    ("$S$", "Drupal's SHA-512"),
    ("pbkdf2:", "PBKDF2 with another digest than SHA-1 or SHA-2"),
    ("md5$", "salted MD5"),
    ("sha1$", "salted SHA-1"),
    ("sha256$", "salted SHA-256"),
    ("sha512$", "salted SHA-512"),
    ("plain$", "a password in clear"),
    ("{", "a hash with its name in braces, as LDAP and Spring write it"),
];

/// The lengths of MD5, SHA-1 and SHA-2 in hexadecimal.
const DIGEST_CHARS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// A stored hash that has been read and costs no more than is allowed.
#[derive(PartialEq, Eq)]
pub(super) struct Stored {
    /// What it takes to compare a password with it.
    pub(super) work: Work,
    prepared: Prepared,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// What a maker does to a password before bcrypt, to get around its 72 bytes.
#[derive(PartialEq, Eq)]
enum Prepared {
    AsTyped,
    HexOfSha256,
    Base64OfSha256,
    /// Keyed with the salt as it is written.
    Base64OfHmac(String),
}

impl Stored {
    /// Reads a stored hash, or says why it is of no use. It hashes nothing.
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        if text.len() > MAX_STORED_BYTES {
            return Err(Unusable::NotAHash);
        }
        let stored = read(text).ok_or_else(|| why_not(text))?;
        stored.work.check_bounds()?;
        Ok(stored)
    }

    /// Whether this is the password, in a time that does not depend on how nearly it is.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, Fault> {
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        self.work.run(&self.prepared.apply(password), &self.salt, &mut output, memory)?;
        Ok(output.ct_eq(&self.output).into())
    }

    /// Whether a password that matches is known to its last byte.
    ///
    /// bcrypt by itself looks at 72 bytes. One of just 72 may be the beginning of the right one: the zero byte that ends
    /// a shorter one is not looked at, either.
    pub(super) fn knows_all_of(&self, password: &[u8]) -> bool {
        let is_cut = matches!(self.work, Work::Bcrypt { .. }) && self.prepared == Prepared::AsTyped;
        !is_cut || password.len() < BCRYPT_BYTES
    }
}

impl Prepared {
    fn apply(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let sha256 = || digest::digest(&digest::SHA256, password);
        Zeroizing::new(match self {
            Self::AsTyped => password.to_vec(),
            Self::HexOfSha256 => HEXLOWER.encode(sha256().as_ref()).into_bytes(),
            Self::Base64OfSha256 => BASE64.encode(sha256().as_ref()).into_bytes(),
            Self::Base64OfHmac(key) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
                BASE64.encode(hmac::sign(&key, password).as_ref()).into_bytes()
            }
        })
    }
}

/// One arm for each way of writing a hash.
fn read(text: &str) -> Option<Stored> {
    use Prepared::{AsTyped, Base64OfHmac, Base64OfSha256, HexOfSha256};
    let parts: Vec<&str> = text.split('$').collect();
    match *parts.as_slice() {
        // PHC strings, and the same behind the name that Django puts there. Argon2 1.0 wrote no version.
        ["" | "argon2", kind, version, costs, salt, output] if kind.starts_with("argon2") => {
            argon2(kind, version, costs, salt, output)
        }
        ["" | "argon2", kind, costs, salt, output] if kind.starts_with("argon2") => {
            argon2(kind, "v=16", costs, salt, output)
        }
        // bcrypt everywhere, and as Django writes it, plain and over SHA-256.
        ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(AsTyped, cost, rest),
        ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => bcrypt(AsTyped, cost, rest),
        ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => bcrypt(HexOfSha256, cost, rest),
        // passlib's bcrypt over SHA-256: now, and before its 1.7.3.
        ["", "bcrypt-sha256", costs, salt, output] => {
            let rest = format!("{salt}{output}");
            match *costs.split(',').collect::<Vec<_>>().as_slice() {
                ["v=2", "t=2b", cost] => {
                    bcrypt(Base64OfHmac(salt.to_owned()), cost.strip_prefix("r=")?, &rest)
                }
                ["2a" | "2b", cost] => bcrypt(Base64OfSha256, cost, &rest),
                _ => None,
            }
        }
        // scrypt as PHC and passlib write it, and as Django does.
        ["", "scrypt", costs, salt, output] => {
            let [log_n, r, p] = fields(costs, ["ln=", "r=", "p="])?;
            let work = Work::Scrypt { log_n, r, p };
            stored(work, unpadded(salt)?, unpadded(output)?, 32)
        }
        ["scrypt", n, salt, r, p, output] => stored(scrypt(n, r, p)?, salt.into(), padded(output)?, 64),
        // PBKDF2 of Django.
        [name @ ("pbkdf2_sha1" | "pbkdf2_sha256"), iterations, salt, output] => {
            let digest = Digest::named(name.strip_prefix("pbkdf2_")?)?;
            pbkdf2(digest, iterations, salt.into(), padded(output)?)
        }
        // PBKDF2 of passlib, in whose Base64 a point stands for the plus.
        ["", name @ ("pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512"), iterations, salt, output] => {
            let digest = Digest::named(name.strip_prefix("pbkdf2-").unwrap_or("sha1"))?;
            let plus = |text: &str| text.replace('.', "+");
            pbkdf2(digest, iterations, unpadded(&plus(salt))?, unpadded(&plus(output))?)
        }
        // Werkzeug: the function with its parameters, the salt in clear, the output in hexadecimal.
        [method, salt, output] => {
            let output = HEXLOWER_PERMISSIVE.decode(output.as_bytes()).ok()?;
            match *method.split(':').collect::<Vec<_>>().as_slice() {
                ["scrypt", n, r, p] => stored(scrypt(n, r, p)?, salt.into(), output, 64),
                ["pbkdf2", digest, iterations] => {
                    pbkdf2(Digest::named(digest)?, iterations, salt.into(), output)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn argon2(kind: &str, version: &str, costs: &str, salt: &str, output: &str) -> Option<Stored> {
    let algorithm = [Algorithm::Argon2id, Algorithm::Argon2i, Algorithm::Argon2d]
        .into_iter()
        .find(|algorithm| algorithm.as_str() == kind)?;
    let version = match version {
        "v=16" => Version::V0x10,
        "v=19" => Version::V0x13,
        _ => return None,
    };
    let [memory_kib, passes, lanes] = fields(costs, ["m=", "t=", "p="])?;
    let (salt, output) = (unpadded(salt)?, unpadded(output)?);
    let (length, is_read) = (output.len(), ARGON2_OUTPUT_BYTES.contains(&output.len()));
    let work = Work::Argon2 { algorithm, version, memory_kib, passes, lanes };
    stored(work, salt, output, length).filter(|hash| is_read && hash.salt.len() >= MIN_ARGON2_SALT_BYTES)
}

fn bcrypt(prepared: Prepared, cost: &str, rest: &str) -> Option<Stored> {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    // The last letter of the salt has four bits to spare, and some makers fill them.
    alphabet.check_trailing_bits = false;
    let base64 = alphabet.encoding().expect("64 symbols make a Base64");
    // A hash that was tampered with may have a letter of two bytes at the boundary.
    let (salt, output) = rest.split_at_checked(BCRYPT_SALT_CHARS)?;
    let cost = number(cost.strip_prefix('0').unwrap_or(cost))?;
    let (salt, output) = (base64.decode(salt.as_bytes()).ok()?, base64.decode(output.as_bytes()).ok()?);
    let work = Work::Bcrypt { cost };
    Some(Stored { prepared, ..stored(work, salt, output, work.output_bytes())? })
}

fn scrypt(n: &str, r: &str, p: &str) -> Option<Work> {
    let (n, r, p) = (number(n)?, number(r)?, number(p)?);
    let log_n = if n == u32::MAX { u32::BITS } else { n.ilog2() };
    let is_power = n == u32::MAX || n.is_power_of_two();
    is_power.then_some(Work::Scrypt { log_n, r, p })
}

fn pbkdf2(digest: Digest, iterations: &str, salt: Vec<u8>, output: Vec<u8>) -> Option<Stored> {
    let work = Work::Pbkdf2 { digest, iterations: NonZeroU32::new(number(iterations)?)? };
    stored(work, salt, output, work.output_bytes())
}

fn stored(work: Work, salt: Vec<u8>, output: Vec<u8>, output_bytes: usize) -> Option<Stored> {
    let is_whole = output.len() == output_bytes && SALT_BYTES.contains(&salt.len());
    is_whole.then_some(Stored { work, prepared: Prepared::AsTyped, salt, output })
}

fn padded(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

fn unpadded(text: &str) -> Option<Vec<u8>> {
    BASE64_NOPAD.decode(text.as_bytes()).ok()
}

/// The numbers of `m=65536,t=3,p=4` and its like, in this order.
fn fields<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut parts = text.split(',');
    let mut numbers = [0; N];
    for (number_read, name) in numbers.iter_mut().zip(names) {
        *number_read = number(parts.next()?.strip_prefix(name)?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number above 0 as makers write it. One that is too long is beyond every bound, and read as the largest.
fn number(text: &str) -> Option<u32> {
    let is_number =
        text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && !text.is_empty();
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Why a text cannot be read as a hash.
fn why_not(text: &str) -> Unusable {
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(start, _)| text.starts_with(start)).map(|(_, name)| *name)
    };
    // Django writes an exclamation mark for a user who has no password, Unix a star.
    if text.is_empty() || text.starts_with(['!', '*']) {
        return Unusable::NoPassword;
    }
    if let Some(name) = named(&READ) {
        return Unusable::Damaged(name);
    }
    if let Some(name) = named(&NOT_READ) {
        return Unusable::Unsupported(name);
    }
    if DIGEST_CHARS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Unusable::Unsupported("a plain digest (MD5, SHA-1 or SHA-2)");
    }
    if text.starts_with('$') && text.matches('$').count() >= 2 {
        return Unusable::Unsupported("a hash of a kind not known here");
    }
    Unusable::NotAHash
}
