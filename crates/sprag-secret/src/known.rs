//! Secrets that are on public lists, by hash.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;

use crate::forms::{self, plain};

/// The list: one hash a line, in ascending order.
pub const HASHES: &str = include_str!("../known/hashes.txt");

/// A line of the list: 16 hexadecimal digits and the line's end.
const LINE_BYTES: usize = 17;

/// One line of the list: the first eight bytes of the SHA-256 of a secret's plain form, in hexadecimal. A random secret
/// meets one of some thousands by chance once in 10^15 times.
pub type Hash = String;

/// What stands on the list for one secret of a public list: its hash, and another if it has escapes as JSON writes them.
/// Nothing where it is too short for any form of it to be taken.
#[must_use]
pub fn hashes(entry: &[u8]) -> Vec<Hash> {
    let unescaped = unescaped(entry);
    let forms = [Some(entry), unescaped.as_deref()].into_iter().flatten().map(plain);
    forms.filter(|plain| plain.len() >= forms::MIN_BYTES).map(|plain| hash(&plain)).collect()
}

/// Whether this form of a secret is on the list.
pub(crate) fn contains(form: &[u8]) -> bool {
    let plain = plain(form);
    plain.len() >= forms::MIN_BYTES && is_listed(hash(&plain).as_bytes())
}

fn hash(plain: &[u8]) -> Hash {
    HEXLOWER.encode(&digest(&SHA256, plain).as_ref()[..8])
}

/// All lines are of one length: the middle one is found by counting.
fn is_listed(hash: &[u8]) -> bool {
    let list = HASHES.as_bytes();
    let (mut low, mut high) = (0, list.len() / LINE_BYTES);
    while low < high {
        let middle = low + (high - low) / 2;
        let line = &list[middle * LINE_BYTES..(middle + 1) * LINE_BYTES - 1];
        match line.cmp(hash) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    false
}

/// The text that a JSON string or a source line means by this one; `None` if there is nothing to undo.
fn unescaped(entry: &[u8]) -> Option<Vec<u8>> {
    if !entry.contains(&b'\\') {
        return None;
    }
    let text = std::str::from_utf8(entry).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match rest.next()? {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'u' => {
                let digits = rest.as_str().get(..4)?;
                out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                rest = rest.as_str()[4..].chars();
            }
            itself => out.push(itself),
        }
    }
    Some(out.into_bytes())
}
