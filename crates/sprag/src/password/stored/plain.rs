//! Hashes without a dollar in them: of better-auth, Lucia and other scrypt by Node, and of ASP.NET Identity.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::super::work::{Digest, Work};
use super::parts::{Read, stored, unsupported};
use super::{Prepared, Stored};

/// What scrypt gives by better-auth, by Lucia, and in Node's own examples.
const NODE_OUTPUT_BYTES: usize = 64;

/// So many digits are 16 bytes, the salt of better-auth and Lucia 3.
const HEX_SALT_CHARS: usize = 32;

/// `N = 16384` everywhere; better-auth and Lucia since version 2 have twice the `r` that Node has by itself.
const NODE: Work = Work::Scrypt { log_n: 14, r: 8, p: 1 };
const BETTER_AUTH: Work = Work::Scrypt { log_n: 14, r: 16, p: 1 };

/// ASP.NET Identity: what stands before the salt of version 3, and the lengths that it always has.
const IDENTITY_HEAD_BYTES: usize = 13;
const IDENTITY_SUBKEY_BYTES: usize = 32;
const IDENTITY_2_SALT_BYTES: usize = 16;
const IDENTITY_2_ITERATIONS: u32 = 1000;

/// Hexadecimal digits, large or small.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

pub(super) fn read(text: &str) -> Read {
    match *text.split(':').collect::<Vec<_>>().as_slice() {
        // Lucia since version 2.
        ["s2", salt, output] => node(salt, output, (BETTER_AUTH, Prepared::Nfkc), None),
        // better-auth and Lucia 3; or by whoever calls Node's scrypt with nothing but a length. Its salt is the text.
        [salt, output] if salt.len() == HEX_SALT_CHARS && hex(salt).is_some() => {
            node(salt, output, (BETTER_AUTH, Prepared::Nfkc), Some((NODE, Prepared::AsTyped)))
        }
        // Lucia 1, whose salt has 16 letters.
        [salt, output] => node(salt, output, (NODE, Prepared::AsTyped), Some((NODE, Prepared::Nfkc))),
        [_] => match *text.split('.').collect::<Vec<_>>().as_slice() {
            [output, salt] => node(salt, output, (NODE, Prepared::AsTyped), None),
            _ => identity(text),
        },
        _ => None,
    }
}

fn node(salt: &str, output: &str, way: (Work, Prepared), or: Option<(Work, Prepared)>) -> Read {
    let read = stored(way.0, salt.into(), hex(output)?, NODE_OUTPUT_BYTES)?;
    Some(read.map(|hash| Stored { prepared: way.1, or, ..hash }))
}

/// ASP.NET Identity: Base64 of a byte that says which version, the function, the salt and the subkey.
fn identity(text: &str) -> Read {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    match bytes.split_first()? {
        (0, rest) if rest.len() == IDENTITY_2_SALT_BYTES + IDENTITY_SUBKEY_BYTES => {
            let (salt, subkey) = rest.split_at(IDENTITY_2_SALT_BYTES);
            identity_subkey(Digest::Sha1, IDENTITY_2_ITERATIONS, salt, subkey)
        }
        (1, _) if bytes.len() > IDENTITY_HEAD_BYTES => {
            let (head, rest) = bytes.split_at(IDENTITY_HEAD_BYTES);
            let number = |at: usize| {
                head.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)
            };
            let digest = match number(1)? {
                0 => Digest::Sha1,
                1 => Digest::Sha256,
                2 => Digest::Sha512,
                _ => return None,
            };
            let (iterations, salt_bytes) = (number(5)?, usize::try_from(number(9)?).ok()?);
            let whole = rest.split_at_checked(salt_bytes);
            let Some((salt, subkey)) = whole.filter(|(_, key)| key.len() == IDENTITY_SUBKEY_BYTES) else {
                return unsupported(
                    "an ASP.NET Identity hash that is cut short, or has a subkey of another length than 32 bytes",
                );
            };
            identity_subkey(digest, iterations, salt, subkey)
        }
        _ => None,
    }
}

/// The subkey is longer than SHA-1's output, and shorter than SHA-512's.
fn identity_subkey(digest: Digest, iterations: u32, salt: &[u8], subkey: &[u8]) -> Read {
    let work = Work::Pbkdf2 { digest, iterations: iterations.try_into().ok()? };
    stored(work, salt.into(), subkey.into(), IDENTITY_SUBKEY_BYTES)
}
