//! Devices that need not show a second factor for a while, since it was shown on them.
//!
//! What such a device shows is `spm_` and base64url of
//!
//! ```text
//! device 16 ‖ secret 16
//! ```
//!
//! What counts is the row: it has the hash of all of it, and when the while ends. It is looked for only where the password was
//! right, and stands in for nothing but being asked: a session that is opened by it is no fresher and no more assured than by the
//! password alone.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::devices::{DeviceText, MAX_DEVICES};
use crate::clock::Timestamp;
use crate::factor::Held;
use crate::random::{self, Random};
use crate::store::{CredentialId, CredentialKind, Step, Was};

const PREFIX: &str = "spm_";
const BYTES: usize = 32;
const HASH_BYTES: usize = 32;

/// The row of the device that shows one of these, if there is one and its while has not ended.
pub(crate) fn shown<'h>(
    held: &'h Held,
    texts: &[DeviceText],
    now: Timestamp,
) -> Option<(CredentialId, &'h [u8])> {
    texts.iter().find_map(|text| {
        let device = read(text)?;
        let (id, row) = held.of(CredentialKind::Remembered).find(|(id, _)| id.id == device)?;
        let (hash, until) = row.split_at_checked(HASH_BYTES)?;
        let until = Timestamp(i64::from_be_bytes(until.try_into().ok()?));
        let is_it = bool::from(hash.ct_eq(hashed(text).as_slice()));
        (is_it && until > now).then_some((id, row))
    })
}

/// What a device is given on which a second factor was shown, and the steps that remember it.
pub(crate) fn remember(random: &dyn Random, until: Timestamp, now: Timestamp) -> (DeviceText, [Step; 2]) {
    let device = random::id(random, now);
    let secret = Zeroizing::new(random::bytes::<16>(random));
    let bytes = Zeroizing::new([device.as_bytes().as_slice(), secret.as_slice()].concat());
    let text = Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)));
    let text = DeviceText::shown(&text);
    let to = [hashed(&text).as_slice(), &until.0.max(0).to_be_bytes()].concat();
    let id = CredentialId { kind: CredentialKind::Remembered, id: device };
    let put = Step::PutCredential { id, was: Was::Missing, to, at: now };
    (text, [put, Step::KeepDevices { most: MAX_DEVICES }])
}

fn read(text: &DeviceText) -> Option<Uuid> {
    let body = text.as_str().strip_prefix(PREFIX)?;
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(body.as_bytes()).ok()?);
    (bytes.len() == BYTES).then(|| Uuid::from_slice(&bytes[..16]).ok()).flatten()
}

fn hashed(text: &DeviceText) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest(&SHA256, text.as_str().as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn a_device_is_known_by_all_of_what_it_was_given_until_its_while_ends() {
        let random = SeededRandom::new(7);
        let until = NOW.plus(std::time::Duration::from_secs(60));
        let (text, [put, _]) = remember(&random, until, NOW);
        let Step::PutCredential { id, to, .. } = put else { panic!("{put:?}") };
        let held = Held { rows: vec![(id, to)] };
        assert!(shown(&held, std::slice::from_ref(&text), NOW).is_some_and(|(found, _)| found == id));
        assert!(shown(&held, std::slice::from_ref(&text), until).is_none(), "its while has ended");
        assert_eq!(text.as_str().len(), 47);
        for place in 0..text.as_str().len() {
            let mut forged = text.as_str().to_owned();
            let other = if &forged[place..=place] == "A" { "B" } else { "A" };
            forged.replace_range(place..=place, other);
            assert!(shown(&held, &[DeviceText::shown(&forged)], NOW).is_none(), "byte {place}");
        }
        for none in ["", "spm_", "spm_AAAA", "spm_\u{e9}"] {
            assert!(shown(&held, &[DeviceText::shown(none)], NOW).is_none(), "{none}");
        }
    }
}
