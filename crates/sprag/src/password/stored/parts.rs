//! The pieces that hashes are written in: numbers, Base64, and the slow functions with a salt and an output.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use data_encoding::{BASE64, BASE64_NOPAD, Specification};

use super::super::Unusable;
use super::super::work::{Digest, Work};
use super::{Key, Prepared, Stored};

/// Genuine salts have 8 to 32 bytes; what a maker was told to do by hand may be shorter.
const SALT_BYTES: RangeInclusive<usize> = 1..=64;

/// How a bcrypt hash, after its cost, divides into salt and output.
const BCRYPT_SALT_CHARS: usize = 22;

/// A hash that was read, or one that is known for what it is and not read; nothing where the text is none of that form.
pub(super) type Read = Option<Result<Stored, Unusable>>;

/// A hash of a kind that is known and not read.
pub(super) fn unsupported(what: &'static str) -> Read {
    Some(Err(Unusable::Unsupported(what)))
}

pub(super) fn bcrypt(prepared: Prepared, cost: &str, rest: &str) -> Read {
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
    let read = stored(work, salt, output, work.output_bytes())?;
    Some(read.map(|hash| Stored { prepared, ..hash }))
}

/// scrypt whose N is written out.
pub(super) fn scrypt(n: &str, r: &str, p: &str) -> Option<Work> {
    let (n, r, p) = (number(n)?, number(r)?, number(p)?);
    let log_n = if n == u32::MAX { u32::BITS } else { n.ilog2() };
    let is_power = n == u32::MAX || n.is_power_of_two();
    is_power.then_some(Work::Scrypt { log_n, r, p })
}

pub(super) fn pbkdf2(digest: Digest, iterations: u32, salt: Vec<u8>, output: Vec<u8>) -> Read {
    if output.len() > digest.output_bytes() {
        return unsupported("PBKDF2 with an output of another length than its digest's");
    }
    let work = Work::Pbkdf2 { digest, iterations: NonZeroU32::new(iterations)? };
    stored(work, salt, output, work.output_bytes())
}

/// Each maker's outputs but Argon2's have one length: the first half of PBKDF2's or scrypt's is a genuine, shorter output.
pub(super) fn stored(work: Work, salt: Vec<u8>, output: Vec<u8>, output_bytes: usize) -> Read {
    let is_whole = output.len() == output_bytes && SALT_BYTES.contains(&salt.len());
    let (prepared, key) = (Prepared::AsTyped, Key::None);
    is_whole.then_some(Ok(Stored { work, prepared, or: None, salt, output, data: Vec::new(), key }))
}

/// Base64 with its padding or without, as makers of PHC strings disagree.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.ends_with('=') { BASE64 } else { BASE64_NOPAD };
    alphabet.decode(text.as_bytes()).ok()
}

/// Base64 that has its padding.
pub(super) fn padded(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

/// passlib's Base64, in which a point stands for the plus.
pub(super) fn adapted_base64(text: &str) -> Option<Vec<u8>> {
    base64(&text.replace('.', "+"))
}

/// A number above 0 as makers write it. One that is too long is beyond every bound, and read as the largest.
pub(super) fn number(text: &str) -> Option<u32> {
    let is_number =
        text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && !text.is_empty();
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}
