//! PHC strings: `$name$v=19$m=65536,t=3,p=4$salt$output`. Their parameters may stand in any order, and their Base64 may be
//! padded: node-argon2 sorts by name, and others pad.

use argon2::{Algorithm, Params, Version};

use super::super::work::{Digest, Work};
use super::parts::{Read, adapted_base64, base64, number, pbkdf2, stored, unsupported};
use super::{Key, Stored};

/// Argon2 itself takes no shorter salt.
const MIN_ARGON2_SALT_BYTES: usize = 8;

/// What is taken from Argon2, whose output may have any length. An output of a byte or two would match many passwords.
const MIN_ARGON2_OUTPUT_BYTES: usize = 16;
const MAX_ARGON2_OUTPUT_BYTES: usize = 64;

/// The highest exponent that scrypt could have; a larger number is N itself.
const MAX_EXPONENT: u32 = 63;

/// What stands before the salt: `name=value` pairs, each name once.
struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parameters<'a> {
    fn of(segments: &[&'a str]) -> Option<Self> {
        let pairs = segments.iter().flat_map(|segment| segment.split(','));
        let pairs: Vec<_> = pairs.map(|pair| pair.split_once('=')).collect::<Option<_>>()?;
        let is_twice = |(index, (name, _)): (usize, &(&str, &str))| {
            pairs[..index].iter().any(|(other, _)| other == name)
        };
        let has_twin = pairs.iter().enumerate().any(is_twice);
        (!has_twin).then_some(Self(pairs))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.text(name).and_then(number)
    }

    fn has_others_than(&self, known: &[&str]) -> bool {
        self.0.iter().any(|(name, _)| !known.contains(name))
    }
}

/// Argon2 1.0 wrote no version.
pub(super) fn argon2(kind: &str, segments: &[&str], salt: &str, output: &str) -> Read {
    let algorithms = [Algorithm::Argon2id, Algorithm::Argon2i, Algorithm::Argon2d];
    let Some(algorithm) = algorithms.into_iter().find(|algorithm| algorithm.as_str() == kind) else {
        return unsupported("Argon2 of another kind than Argon2id, Argon2i and Argon2d");
    };
    let parameters = Parameters::of(segments)?;
    if parameters.has_others_than(&["v", "m", "t", "p", "keyid", "data"]) {
        return unsupported("Argon2 with a parameter that is not known here");
    }
    let version = match parameters.text("v") {
        None | Some("16") => Version::V0x10,
        Some("19") => Version::V0x13,
        Some(other) if number(other).is_some() => {
            return unsupported("Argon2 of another version than 1.0 and 1.3");
        }
        Some(_) => return None,
    };
    let (memory_kib, passes) = (parameters.number("m")?, parameters.number("t")?);
    let queues = parameters.number("p")?;
    let data = base64(parameters.text("data").unwrap_or_default())?;
    if data.len() > Params::MAX_DATA_LEN {
        return unsupported("Argon2 with more than 32 bytes of associated data");
    }
    // It names the key that was mixed in, which stands in no hash.
    let has_key = parameters.text("keyid").is_some_and(|id| !id.is_empty());
    let (salt, output) = (base64(salt)?, base64(output)?);
    if output.len() > MAX_ARGON2_OUTPUT_BYTES {
        return unsupported("Argon2 with an output of more than 64 bytes");
    }
    if salt.len() < MIN_ARGON2_SALT_BYTES || output.len() < MIN_ARGON2_OUTPUT_BYTES {
        return None;
    }
    let (length, work) = (output.len(), Work::Argon2 { algorithm, version, memory_kib, passes, queues });
    let key = if has_key { Key::Pepper } else { Key::None };
    Some(stored(work, salt, output, length)?.map(|hash| Stored { data, key, ..hash }))
}

/// scrypt by passlib and others, who write the logarithm of N (`ln`), and by AdonisJS, which writes N itself (`n`) and has
/// twice the output.
pub(super) fn scrypt(costs: &str, salt: &str, output: &str) -> Read {
    let parameters = Parameters::of(&[costs])?;
    if parameters.has_others_than(&["ln", "n", "r", "p"]) {
        return unsupported("scrypt with a parameter that is not known here");
    }
    let (r, p) = (parameters.number("r")?, parameters.number("p")?);
    let (log_n, output_bytes) = match (parameters.number("ln"), parameters.number("n")) {
        (Some(log_n), None) => (log_n, 32),
        (None, Some(log_n)) if log_n <= MAX_EXPONENT => (log_n, 32),
        (None, Some(n)) if n == u32::MAX => (u32::BITS, 64),
        (None, Some(n)) if n.is_power_of_two() => (n.ilog2(), 64),
        _ => return None,
    };
    let output = base64(output)?;
    if output.len() > output_bytes {
        return unsupported("scrypt with an output of another length than its makers write");
    }
    stored(Work::Scrypt { log_n, r, p }, base64(salt)?, output, output_bytes)
}

/// PBKDF2 of passlib, which writes only how often, and of those who write PHC strings (`i`, and the length `l`).
pub(super) fn pbkdf2_named(digest: &str, costs: &str, salt: &str, output: &str) -> Read {
    let Some(digest) = Digest::named(digest) else {
        return unsupported("PBKDF2 with another digest than SHA-1 or SHA-2");
    };
    let (salt, output) = (adapted_base64(salt)?, adapted_base64(output)?);
    if let Some(iterations) = number(costs) {
        return pbkdf2(digest, iterations, salt, output);
    }
    let parameters = Parameters::of(&[costs])?;
    if parameters.has_others_than(&["i", "l"]) {
        return unsupported("PBKDF2 with a parameter that is not known here");
    }
    let iterations = parameters.number("i")?;
    if parameters.number("l").is_some_and(|length| usize::try_from(length) != Ok(digest.output_bytes())) {
        return unsupported("PBKDF2 with an output of another length than its digest's");
    }
    pbkdf2(digest, iterations, salt, output)
}
