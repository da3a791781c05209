//! Known devices: those that an account has logged in from. Guessing strangers spend another budget than they do.
//!
//! A device shows what it was given at its log-in: `spd_` and base64url of
//!
//! ```text
//! version 1 ‖ key id 1 ‖ device 16 ‖ secret 16 ‖ account hash 16 ‖ tag 16
//! ```
//!
//! The account hash is the account's id under a key, so that what lies on a shared machine names nobody; the tag is an HMAC over
//! all bytes before it, so that what is none of ours costs no SQL. What counts is the row: it has the hash of all of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Authn;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::{KeyRing, RefreshKey};
use crate::proof_of_work::Solved;
use crate::random::{self, Random};
use crate::session::{AccountId, SessionKey};
use crate::store::{CredentialId, CredentialKind, Step, Was};

/// How many devices an account knows; those that were seen longest ago are forgotten.
pub const MAX_DEVICES: u32 = 50;

const PREFIX: &str = "spd_";
const VERSION: u8 = 1;
const ACCOUNT_AT: usize = 34;
const TAG_AT: usize = 50;
const BYTES: usize = 66;

/// What a client shows of the device that it runs on, besides what it authenticates with. None of it need be good.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// What devices were given at a log-in here; a shared one may have several.
    pub devices: Vec<DeviceText>,
    /// A live session whose newest refresh token it has shown.
    pub session: Option<SessionKey>,
    /// A challenge that it has solved, which stands in where its network's budget has no room.
    pub solved: Option<Solved>,
    /// Whether an account whose address is not confirmed is refused as one is that there is not, by whichever name: an address must
    /// be confirmed first, and nobody is to learn who has it.
    pub hides_unconfirmed: bool,
}

/// What a known device shows.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceText(Zeroizing<String>);

/// Prints what a log may show.
impl std::fmt::Debug for DeviceText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceText")
    }
}

impl DeviceText {
    /// What a client showed, whatever it is.
    #[must_use]
    pub fn shown(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn row(&self, seen: Timestamp) -> Vec<u8> {
        [digest(&SHA256, self.0.as_bytes()).as_ref(), &seen.0.max(0).to_be_bytes()].concat()
    }
}

/// How an account knows the device that somebody logs in on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// By its row, and what it showed.
    Device(Uuid, DeviceText),
    /// By a session that lives on it.
    Session(SessionKey),
}

impl Authn<'_> {
    /// How the account knows the device that shows this, if it does.
    pub(super) async fn known(&self, account: AccountId, shown: &Shown) -> Result<Option<Known>, Fault> {
        for text in &shown.devices {
            let Some(device) = read(text, account, &self.keys.load(), self.clock.now()) else { continue };
            let id = CredentialId { kind: CredentialKind::Device, id: device };
            let found = self.store.secret_of(account, id).await?;
            let is_it = |row: Vec<u8>| {
                row.get(..32).is_some_and(|hash| hash.ct_eq(&text.row(Timestamp(0))[..32]).into())
            };
            if found.is_some_and(is_it) {
                return Ok(Some(Known::Device(device, text.clone())));
            }
        }
        // Last, for what the device was given at an earlier log-in is remembered anew.
        Ok(shown.session.filter(|session| session.account == account).map(Known::Session))
    }
}

/// The device that this text is of, if it was made for that account with one of our keys.
fn read(text: &DeviceText, account: AccountId, keys: &KeyRing, now: Timestamp) -> Option<Uuid> {
    let body = text.as_str().strip_prefix(PREFIX).filter(|body| body.len() == BYTES.div_ceil(3) * 4)?;
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(body.as_bytes()).ok()?);
    let [version, key_id, ..] = bytes[..] else { return None };
    let key = keys.accepted_refresh(key_id, now).filter(|_| version == VERSION && bytes.len() == BYTES)?;
    let is_ours = tag(key, &bytes[..TAG_AT]).ct_eq(&bytes[TAG_AT..]);
    let is_theirs = account_hash(key, account).ct_eq(&bytes[ACCOUNT_AT..TAG_AT]);
    bool::from(is_ours & is_theirs).then(|| Uuid::from_slice(&bytes[2..18]).ok()).flatten()
}

/// What a device is given that an account has logged in from, and the steps that remember it: anew where it was known.
///
/// A device that is known by its session is given nothing, and no row is made for it: it may keep no cookies, and one more row at
/// each of its log-ins would have the account forget its other devices.
pub(crate) fn remember(
    account: AccountId,
    known: Option<&Known>,
    keys: &KeyRing,
    random: &dyn Random,
    now: Timestamp,
) -> (Option<DeviceText>, Vec<Step>) {
    let (device, text) = match known {
        Some(Known::Device(device, text)) => (*device, text.clone()),
        Some(Known::Session(_)) => return (None, Vec::new()),
        None => made(account, keys, random, now),
    };
    let id = CredentialId { kind: CredentialKind::Device, id: device };
    let put = Step::PutCredential { id, was: Was::Any, to: text.row(now), at: now };
    (Some(text), vec![put, Step::KeepDevices { most: MAX_DEVICES }])
}

fn made(account: AccountId, keys: &KeyRing, random: &dyn Random, now: Timestamp) -> (Uuid, DeviceText) {
    let (key, device) = (keys.signing_refresh(now), random::id(random, now));
    let secret = Zeroizing::new(random::bytes::<16>(random));
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
    bytes.extend_from_slice(&[VERSION, key.id]);
    bytes.extend_from_slice(device.as_bytes());
    bytes.extend_from_slice(secret.as_slice());
    bytes.extend_from_slice(&account_hash(key, account));
    let tag = tag(key, &bytes);
    bytes.extend_from_slice(&tag);
    let mut text = Zeroizing::new(PREFIX.to_owned());
    BASE64URL_NOPAD.encode_append(&bytes, &mut text);
    (device, DeviceText(text))
}

fn account_hash(key: &RefreshKey, account: AccountId) -> [u8; 16] {
    start_of(&hmac::sign(&key.device, &[b"account\n", account.0.as_bytes().as_slice()].concat()))
}

fn tag(key: &RefreshKey, facts: &[u8]) -> [u8; 16] {
    start_of(&hmac::sign(&key.device, &[b"device\n", facts].concat()))
}

fn start_of(tag: &hmac::Tag) -> [u8; 16] {
    let mut start = [0; 16];
    start.copy_from_slice(&tag.as_ref()[..16]);
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const ANN: AccountId = AccountId(Uuid::from_u128(1));

    #[test]
    fn a_device_is_read_as_that_of_its_account_and_of_no_other() {
        let random = SeededRandom::new(7);
        let ring = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        let (device, text) = made(ANN, &ring, &random, NOW);
        assert_eq!(read(&text, ANN, &ring, NOW), Some(device));
        assert_eq!(read(&text, AccountId(Uuid::from_u128(2)), &ring, NOW), None);
        let other_ring = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        assert_eq!(read(&text, ANN, &other_ring, NOW), None);
        for place in 0..text.as_str().len() {
            let mut forged = text.as_str().to_owned();
            let other = if &forged[place..=place] == "A" { "B" } else { "A" };
            forged.replace_range(place..=place, other);
            assert_eq!(read(&DeviceText::shown(&forged), ANN, &ring, NOW), None, "byte {place}");
        }
        for none in ["", "spd_", "spr_AAAA", "spd_\u{e9}"] {
            assert_eq!(read(&DeviceText::shown(none), ANN, &ring, NOW), None, "{none}");
        }
    }

    #[test]
    fn no_row_is_made_for_a_device_that_is_known_by_its_session() {
        let random = SeededRandom::new(7);
        let ring = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        let session = crate::session::SessionId(Uuid::from_u128(2));
        let known = Known::Session(SessionKey { account: ANN, session });
        let (text, steps) = remember(ANN, Some(&known), &ring, &random, NOW);
        assert!(steps.is_empty() && text.is_none());
        assert_eq!(remember(ANN, None, &ring, &random, NOW).1.len(), 2);
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", DeviceText::shown("spd_secret")), "DeviceText");
    }
}
