//! From a text to the hash that it is: one arm for each way of writing one.

use zeroize::Zeroizing;

use super::super::work::{Digest, Work};
use super::parts::{Read, base64, bcrypt, number, padded, pbkdf2, scrypt, stored, unsupported};
use super::phc;
use super::plain;
use super::{Key, Prepared, Stored};

/// What an import puts before a hash that was made with the pepper of its system.
pub(super) const PEPPERED: &str = "{peppered}";

/// The names in braces before which stands a hash as others write it, by Spring, OpenLDAP and Dovecot.
const TRANSPARENT: [&str; 8] = [
    "bcrypt",
    "crypt",
    "blf-crypt",
    "argon2",
    "argon2i",
    "argon2id",
    "argon2@springsecurity_v5_2",
    "argon2@springsecurity_v5_8",
];

/// What Spring's PBKDF2 does unless somebody says otherwise, before its version 5.8 and since: its hashes do not tell.
const SPRING_PBKDF2: [(&str, Digest, u32, usize); 3] = [
    ("pbkdf2", Digest::Sha1, 185_000, 8),
    ("pbkdf2@SpringSecurity_v5_5", Digest::Sha1, 185_000, 8),
    ("pbkdf2@SpringSecurity_v5_8", Digest::Sha256, 310_000, 16),
];
const SPRING_PBKDF2_BYTES: usize = 32;

/// bcrypt's salt, where it does not stand in bcrypt's own letters.
const BCRYPT_SALT_BYTES: usize = 16;

/// Firebase's keys and outputs have as many bytes.
const FIREBASE_BYTES: usize = 64;

/// Reads a hash.
pub(super) fn read(text: &str) -> Read {
    if let Some(inner) = text.strip_prefix(PEPPERED) {
        return peppered(inner);
    }
    if let Some((name, inner)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return in_braces(name, inner);
    }
    if text.contains('$') { between_dollars(text) } else { plain::read(text) }
}

fn peppered(inner: &str) -> Read {
    let mut hash = match between_dollars(inner)? {
        Ok(hash) => hash,
        Err(why) => return Some(Err(why)),
    };
    match (&hash.work, &hash.prepared) {
        (Work::Bcrypt { .. }, Prepared::AsTyped) => hash.prepared = Prepared::Peppered,
        (Work::Argon2 { .. }, Prepared::AsTyped) => hash.key = Key::Pepper,
        _ => return unsupported("a peppered hash of another kind than bcrypt and Argon2"),
    }
    Some(Ok(hash))
}

fn in_braces(name: &str, inner: &str) -> Read {
    let lower = name.to_ascii_lowercase();
    if TRANSPARENT.contains(&lower.as_str()) {
        return between_dollars(inner);
    }
    if lower.starts_with("scrypt") {
        return between_dollars(inner);
    }
    if let Some((_, digest, iterations, salt_bytes)) = SPRING_PBKDF2.iter().find(|(known, ..)| *known == name)
    {
        return spring_pbkdf2(*digest, *iterations, *salt_bytes, inner);
    }
    // passlib's, as OpenLDAP has them.
    let digest = lower.strip_prefix("pbkdf2").map(|digest| digest.trim_start_matches('-'))?;
    let [costs, salt, output] = *inner.split('$').collect::<Vec<_>>().as_slice() else { return None };
    phc::pbkdf2_named(if digest.is_empty() { "sha1" } else { digest }, costs, salt, output)
}

/// Salt and output in hexadecimal, one behind the other.
fn spring_pbkdf2(digest: Digest, iterations: u32, salt_bytes: usize, inner: &str) -> Read {
    let bytes = plain::hex(inner)?;
    let (salt, output) = bytes.split_at_checked(salt_bytes)?;
    let work = Work::Pbkdf2 { digest, iterations: iterations.try_into().ok()? };
    stored(work, salt.into(), output.into(), SPRING_PBKDF2_BYTES)
}

fn between_dollars(text: &str) -> Read {
    use Prepared::{AsTyped, Base64OfHmacSha384, HexOfSha256};
    let parts: Vec<&str> = text.split('$').collect();
    match *parts.as_slice() {
        // PHC strings, and the same behind the name that Django puts there.
        ["" | "argon2", kind, ref segments @ .., salt, output] if kind.starts_with("argon2") => {
            phc::argon2(kind, segments, salt, output)
        }
        // bcrypt everywhere, and as Django writes it, plain and over SHA-256.
        ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(AsTyped, cost, rest),
        ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => bcrypt(AsTyped, cost, rest),
        ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => bcrypt(HexOfSha256, cost, rest),
        // WordPress since 6.8.
        ["", "wp", "2y", cost, rest] => bcrypt(Base64OfHmacSha384, cost, rest),
        ["", "bcrypt-sha256", costs, salt, output] => passlib_bcrypt(costs, salt, output),
        // bcrypt as a PHC string, of AdonisJS.
        ["", "bcrypt", _, cost, salt, output] => {
            let work = Work::Bcrypt { cost: number(cost.strip_prefix("r=")?)? };
            stored(work, base64(salt)?, base64(output)?, work.output_bytes())
                .filter(|read| read.as_ref().is_ok_and(|hash| hash.salt.len() == BCRYPT_SALT_BYTES))
        }
        // scrypt as PHC strings, as Django writes it, and as Java does: Spring with its costs in one number, others with a name.
        ["", "scrypt", costs, salt, output] => phc::scrypt(costs, salt, output),
        ["scrypt", n, salt, r, p, output] => stored(scrypt(n, r, p)?, salt.into(), padded(output)?, 64),
        ["", "s0", costs, salt, output] | ["", costs, salt, output] => {
            stored(costs_in_one(costs)?, padded(salt)?, padded(output)?, 32)
        }
        // Firebase's, as an import writes it, and with its key as Ory Kratos does; and as Supabase writes it.
        ["", "firescrypt", costs, salt, output, separator] => {
            firebase(costs, ["ln", "r", "p"], salt, output, separator, None)
        }
        ["", "firescrypt", costs, salt, output, separator, key] => {
            firebase(costs, ["ln", "r", "p"], salt, output, separator, Some(key))
        }
        ["", "fbscrypt", costs, salt, output] => {
            let find = |name| costs.split(',').find_map(|pair: &str| pair.strip_prefix(name));
            firebase(costs, ["n", "r", "p"], salt, output, find("ss=")?, Some(find("sk=")?))
        }
        _ => pbkdf2_between_dollars(&parts),
    }
}

fn pbkdf2_between_dollars(parts: &[&str]) -> Read {
    match *parts {
        // Django, and whoever gave its hasher another digest.
        [name, iterations, salt, output] if name.starts_with("pbkdf2_") => {
            let digest = Digest::named(name.strip_prefix("pbkdf2_")?)?;
            pbkdf2(digest, number(iterations)?, salt.into(), padded(output)?)
        }
        ["", name, costs, salt, output] if name.starts_with("pbkdf2") => {
            let digest = name.strip_prefix("pbkdf2")?;
            let digest = digest.strip_prefix('-').or_else(|| digest.is_empty().then_some("sha1"))?;
            phc::pbkdf2_named(digest, costs, salt, output)
        }
        // Werkzeug: the function with its parameters, the salt in clear, the output in hexadecimal.
        [method, salt, output] => {
            let output = plain::hex(output)?;
            match *method.split(':').collect::<Vec<_>>().as_slice() {
                ["scrypt", n, r, p] => stored(scrypt(n, r, p)?, salt.into(), output, 64),
                ["pbkdf2", digest, iterations] => {
                    pbkdf2(Digest::named(digest)?, number(iterations)?, salt.into(), output)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// passlib's bcrypt over SHA-256: now, and before its 1.7.3.
fn passlib_bcrypt(costs: &str, salt: &str, output: &str) -> Read {
    let rest = format!("{salt}{output}");
    match *costs.split(',').collect::<Vec<_>>().as_slice() {
        ["v=2", "t=2b", cost] => {
            bcrypt(Prepared::Base64OfHmac(salt.to_owned()), cost.strip_prefix("r=")?, &rest)
        }
        ["2a" | "2b", cost] => bcrypt(Prepared::Base64OfSha256, cost, &rest),
        _ => None,
    }
}

/// `e0801`: the logarithm of N, r and p, a byte each, in hexadecimal.
fn costs_in_one(text: &str) -> Option<Work> {
    let is_one = (5..=6).contains(&text.len());
    let [_, log_n, r, p] = u32::from_str_radix(text, 16).ok().filter(|_| is_one)?.to_be_bytes();
    Some(Work::Scrypt { log_n: log_n.into(), r: r.into(), p: p.into() })
}

/// The separator is part of the salt; the key comes from the settings where the hash has none.
fn firebase(
    costs: &str,
    names: [&str; 3],
    salt: &str,
    output: &str,
    separator: &str,
    key: Option<&str>,
) -> Read {
    let number_of = |name: &str| {
        let pairs = costs.split(',').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(known, _)| *known == name).find_map(|(_, value)| number(value))
    };
    let [log_n, r, p] = names.map(number_of);
    let (separator, output) = (base64(separator)?, base64(output)?);
    let work = Work::Scrypt { log_n: log_n?, r: r?, p: p.unwrap_or(1) };
    let salt = [base64(salt)?, separator].concat();
    let key = match key {
        None => Key::Firebase,
        Some(key) => Key::FirebaseGiven(Zeroizing::new(base64(key)?)),
    };
    // The output is as long as the key.
    let (length, is_whole) = (output.len(), output.len() >= FIREBASE_BYTES);
    let read = stored(work, salt, output, length).filter(|_| is_whole)?;
    Some(read.map(|hash| Stored { key, ..hash }))
}
