//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, thirty seconds, one step either way, as every app reads them.
//!
//! A seed is kept as
//!
//! ```text
//! version 1 ‖ made at 8 ‖ last step 8 ‖ sealed (length of the seed 1 ‖ seed ‖ label)
//! ```
//!
//! A use puts a row with a later step in the place of the one that was read, so each step is good once, whoever asks whichever
//! node.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use totp_rs::{Builder, Secret, Totp};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::KeyRing;
use crate::random::{self, Random};
use crate::session::AccountId;

/// How long a step is, in seconds.
pub const STEP_SECONDS: u64 = 30;

/// How many digits a code has.
pub const DIGITS: usize = 6;

/// How long a seed is that is made here, in bytes: as long as what SHA-1 gives (RFC 4226 section 4).
pub const SEED_BYTES: usize = 20;

/// The longest seed that is taken from another system, in bytes.
pub const MAX_SEED_BYTES: usize = 128;

/// The shortest one: 80 bits, as older systems make them.
pub const MIN_SEED_BYTES: usize = 10;

/// How a seed begins that apps read from a QR code.
const URI: &str = "otpauth://";

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8 + 8;

/// A seed and what its owner calls it.
pub struct Seed {
    bytes: Zeroizing<Vec<u8>>,
    /// What its owner calls it.
    pub label: Option<String>,
}

/// Prints what a log may show.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    /// A fresh one.
    #[must_use]
    pub fn fresh(random: &dyn Random, label: Option<String>) -> Self {
        Self { bytes: Zeroizing::new(random::bytes::<SEED_BYTES>(random).to_vec()), label }
    }

    /// One that another system made, in base32 as people copy it: letters of any size, with or without blanks, dashes and
    /// padding. `None` where it is none, or shorter or longer than [`MIN_SEED_BYTES`] and [`MAX_SEED_BYTES`].
    #[must_use]
    pub fn from_base32(text: &str, label: Option<String>) -> Option<Self> {
        let plain = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '='));
        let plain = Zeroizing::new(plain.map(|c| c.to_ascii_uppercase()).collect::<String>());
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(plain.as_bytes()).ok()?);
        (MIN_SEED_BYTES..=MAX_SEED_BYTES).contains(&bytes.len()).then_some(Self { bytes, label })
    }

    /// One that another system made, as it keeps it: in base32, or as an `otpauth://` URI with the codes that are taken here, six digits
    /// each thirty seconds by SHA-1.
    ///
    /// # Errors
    /// Why it cannot be taken, as the end of a sentence that begins with it.
    pub fn from_text(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if !text.to_ascii_lowercase().starts_with(URI) {
            return Self::from_base32(text, None).ok_or("is no seed in base32 of 10 to 128 bytes");
        }
        let path = text.get(URI.len()..).unwrap_or_default();
        let (kind, _) = path.split_once('/').ok_or("is no otpauth URI")?;
        if !kind.eq_ignore_ascii_case("totp") {
            return Err("is of counted codes, and only time-based ones are taken");
        }
        let (_, query) = path.split_once('?').ok_or("is an otpauth URI without a secret")?;
        let of = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next_back()
        };
        let is = |name, usual: &str| of(name).is_none_or(|value| value.eq_ignore_ascii_case(usual));
        if !is("algorithm", "SHA1") || !is("digits", "6") || !is("period", "30") {
            return Err("is of codes that are not six digits each thirty seconds by SHA-1");
        }
        let secret = of("secret").ok_or("is an otpauth URI without a secret")?.replace("%3D", "=");
        Self::from_base32(&secret.replace("%3d", "="), None)
            .ok_or("has a secret that is not 10 to 128 bytes in base32")
    }

    /// As people copy it.
    #[must_use]
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&self.bytes))
    }

    /// As apps read it, from a QR code: `issuer` is the service, `owner` whom it is for.
    #[must_use]
    pub fn uri(&self, issuer: &str, owner: &str) -> Zeroizing<String> {
        // A colon parts the one from the other.
        let [issuer, owner] = [issuer, owner].map(|text| escaped(&text.replace(':', " ")));
        let secret = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{owner}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
            *secret
        ))
    }

    /// The code of a moment.
    #[must_use]
    pub fn code(&self, at: Timestamp) -> String {
        self.codes().generate(seconds(at)).to_string()
    }

    /// The step that a code is of, at a moment or one step before or after it.
    #[must_use]
    pub fn step_of(&self, code: &str, at: Timestamp) -> Option<u64> {
        self.codes().check(code, seconds(at))
    }

    fn codes(&self) -> Totp {
        let secret = Secret::new(self.bytes.to_vec().into_boxed_slice());
        Builder::new().with_secret(secret).build_noncompliant()
    }

    /// As it goes into the store, for the credential of that account and id.
    #[must_use]
    pub(crate) fn kept(
        &self,
        (keys, random): (&KeyRing, &dyn Random),
        (account, id): (AccountId, Uuid),
        (made_at, last_step): (Timestamp, u64),
        now: Timestamp,
    ) -> Vec<u8> {
        let label = self.label.as_deref().unwrap_or_default();
        let length = u8::try_from(self.bytes.len()).unwrap_or_default();
        let plain = Zeroizing::new([&[length], self.bytes.as_slice(), label.as_bytes()].concat());
        let sealed = keys.seal(now, random, &bound_to(&account, &id), &plain);
        [&[VERSION], made_at.0.to_be_bytes().as_slice(), &last_step.to_be_bytes(), &sealed].concat()
    }
}

/// The digits that somebody typed, if they may be the code of an app: blanks between them are theirs.
pub(crate) fn typed_code(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect();
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// A seed as it stands in the store.
pub(crate) struct KeptSeed<'a> {
    pub(crate) made_at: Timestamp,
    pub(crate) last_step: u64,
    pub(crate) sealed: &'a [u8],
}

impl<'a> KeptSeed<'a> {
    /// # Errors
    /// A [`Fault`] where it is of a newer build, or cut off.
    pub(crate) fn read(row: &'a [u8]) -> Result<Self, Fault> {
        let unreadable =
            || Fault::internal("read a second factor", "its row is of a newer build, or damaged");
        let (head, sealed) = row.split_first_chunk::<HEAD_BYTES>().ok_or_else(unreadable)?;
        let [VERSION, made @ ..] = *head else { return Err(unreadable()) };
        let (made_at, last_step) = made.split_first_chunk::<8>().ok_or_else(unreadable)?;
        let last_step = last_step.try_into().map_err(|_| unreadable())?;
        let made_at = Timestamp(i64::from_be_bytes(*made_at));
        Ok(Self { made_at, last_step: u64::from_be_bytes(last_step), sealed })
    }

    /// # Errors
    /// A [`Fault`] where the ring has no longer the key that it was sealed with.
    pub(crate) fn open(&self, keys: &KeyRing, account: AccountId, id: Uuid) -> Result<Seed, Fault> {
        const DOING: &str = "open a second factor";
        let plain = keys.open_of_any_age(&bound_to(&account, &id), self.sealed);
        let plain = plain.ok_or_else(|| {
            Fault::internal(
                DOING,
                "the key ring has no longer the key that it was sealed with; put that back",
            )
        })?;
        let damaged = || Fault::internal(DOING, "what was sealed is no seed");
        let (length, rest) = plain.split_first().ok_or_else(damaged)?;
        let (seed, label) = rest.split_at_checked(usize::from(*length)).ok_or_else(damaged)?;
        let label = std::str::from_utf8(label).ok().filter(|label| !label.is_empty());
        Ok(Seed { bytes: Zeroizing::new(seed.to_vec()), label: label.map(str::to_owned) })
    }

    /// When it was last used, to the step; nothing before the first use.
    pub(crate) fn used_at(&self) -> Option<Timestamp> {
        let seconds = i64::try_from(self.last_step.checked_mul(STEP_SECONDS)?).ok()?;
        (seconds > 0).then(|| Timestamp(seconds.saturating_mul(1000)))
    }
}

fn bound_to<'a>(account: &'a AccountId, id: &'a Uuid) -> [&'a [u8]; 4] {
    [b"credential", account.0.as_bytes(), b"totp", id.as_bytes()]
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0)
}

/// As it stands in a URI (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use crate::random::SystemRandom;

    const NOW: Timestamp = Timestamp(1_782_907_200_000);

    /// RFC 6238 appendix B, SHA-1: the last six of its eight digits.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn seed_of_the_rfc() -> Seed {
        Seed { bytes: Zeroizing::new(b"12345678901234567890".to_vec()), label: None }
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        let seed = seed_of_the_rfc();
        for (at, code) in VECTORS {
            let at = Timestamp(at * 1000);
            assert_eq!(seed.code(at), code, "{at:?}");
            assert_eq!(seed.step_of(code, at), Some(u64::try_from(at.seconds() / 30).unwrap()));
        }
    }

    #[test]
    fn a_code_is_good_for_its_own_step_and_the_one_before_and_after() {
        let seed = seed_of_the_rfc();
        let (code, step) = (seed.code(NOW), u64::try_from(NOW.seconds() / 30).unwrap());
        for seconds in [-30_i64, 0, 30] {
            assert_eq!(seed.step_of(&code, Timestamp(NOW.0 + seconds * 1000)), Some(step), "{seconds}");
        }
        for seconds in [-60_i64, 60, 90] {
            assert_eq!(seed.step_of(&code, Timestamp(NOW.0 + seconds * 1000)), None, "{seconds}");
        }
        for wrong in ["", "1", "12345", "1234567", "abcdef", "-12345", "١٢٣٤٥٦"] {
            assert_eq!(seed.step_of(wrong, NOW), None, "{wrong}");
        }
    }

    #[test]
    fn a_seed_opens_in_its_own_row_and_nowhere_else() {
        let random = SystemRandom::default();
        let keys = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        let (ann, bob, id) =
            (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)), Uuid::from_u128(3));
        let seed = Seed::fresh(&random, Some("her phone".to_owned()));
        let row = seed.kept((&keys, &random), (ann, id), (NOW, 7), NOW);
        let kept = KeptSeed::read(&row).unwrap();
        assert_eq!((kept.made_at, kept.last_step), (NOW, 7));
        let opened = kept.open(&keys, ann, id).unwrap();
        assert_eq!((opened.base32(), opened.label.as_deref()), (seed.base32(), Some("her phone")));
        assert!(kept.open(&keys, bob, id).is_err());
        assert!(kept.open(&keys, ann, Uuid::from_u128(4)).is_err());
        let other = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        assert!(kept.open(&other, ann, id).is_err());
        assert!(KeptSeed::read(&row[..10]).is_err());
        assert_eq!(format!("{seed:?}"), "Seed");
    }

    #[test]
    fn a_seed_of_a_retired_key_still_opens() {
        let random = SystemRandom::default();
        let mut keys = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        let (ann, id) = (AccountId(Uuid::from_u128(1)), Uuid::from_u128(3));
        let row = Seed::fresh(&random, None).kept((&keys, &random), (ann, id), (NOW, 0), NOW);
        keys.add_refresh(&random, NOW, NOW);
        assert!(keys.retire("1", NOW));
        assert!(
            KeptSeed::read(&row).unwrap().open(&keys, ann, id).is_ok(),
            "people keep their phones for years"
        );
    }

    #[test]
    fn an_app_reads_whose_seed_it_is_and_which() {
        let seed = seed_of_the_rfc();
        assert_eq!(
            seed.uri("Ann & Söhne", "ann:x@example.org").as_str(),
            "otpauth://totp/Ann%20%26%20S%C3%B6hne:ann%20x%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Ann%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn a_seed_is_read_as_people_copy_it() {
        let wanted = seed_of_the_rfc().base32();
        for text in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ=",
        ] {
            assert_eq!(Seed::from_base32(text, None).unwrap().base32(), wanted, "{text}");
        }
        for none in ["", "GEZDGNBV", "GEZDGNBVGY3TQOJ1", "é"] {
            assert!(Seed::from_base32(none, None).is_none(), "{none}");
        }
    }

    #[test]
    fn a_seed_of_another_system_is_read_as_it_is_kept_there() {
        let plain = Seed::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", None).unwrap();
        for text in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            " gezd gnbv gy3t qojq gezd gnbv gy3t qojq ",
            "otpauth://totp/Old:ann%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Old",
            "otpauth://totp/ann?algorithm=sha1&digits=6&period=30&secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            "OTPAUTH://TOTP/x?SECRET=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ%3D%3D",
        ] {
            assert_eq!(Seed::from_text(text).unwrap().base32(), plain.base32(), "{text}");
        }
        for (text, why) in [
            ("", "no seed in base32"),
            ("GEZDGNBV", "no seed in base32"),
            ("otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "counted codes"),
            ("otpauth://totp/x?issuer=Old", "without a secret"),
            ("otpauth://totp", "no otpauth URI"),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=8", "not six digits"),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&algorithm=SHA256", "not six digits"),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&period=60", "not six digits"),
            ("otpauth://totp/x?secret=018", "10 to 128 bytes"),
        ] {
            assert!(Seed::from_text(text).is_err_and(|told| told.contains(why)), "{text}");
        }
    }
}
