//! The kinds of users that a refusal must not tell apart, and the mixes of them that are tried.

use sprag::random::{self, Random};

/// What stands behind a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// Nobody has the name.
    Nobody,
    /// A hash as it is made here.
    Argon2id,
    /// A hash as it is made here, of a user who may not log in.
    Disabled,
    /// No password.
    NoPassword,
    /// What Django writes for a user who has no password.
    Unusable,
    /// A hash that was too slow to be taken.
    TooSlow,
    Bcrypt10,
    Bcrypt12,
    Pbkdf2Sha256Of100000,
    Pbkdf2Sha256Of260000,
    Pbkdf2Sha256Of600000,
    /// As Werkzeug writes it.
    Scrypt,
}

/// Kinds that are in one store.
pub(super) struct Mix {
    pub(super) name: &'static str,
    pub(super) kinds: &'static [Kind],
}

/// Every kind together, and what one system or another would bring.
pub(super) const MIXES: [Mix; 5] = [
    Mix { name: "ours", kinds: &[Kind::Nobody, Kind::Argon2id, Kind::Disabled, Kind::NoPassword] },
    Mix {
        name: "bcrypt",
        kinds: &[
            Kind::Nobody,
            Kind::Argon2id,
            Kind::Bcrypt10,
            Kind::Bcrypt12,
            Kind::NoPassword,
            Kind::TooSlow,
        ],
    },
    Mix {
        name: "django",
        kinds: &[
            Kind::Nobody,
            Kind::Argon2id,
            Kind::Pbkdf2Sha256Of100000,
            Kind::Pbkdf2Sha256Of260000,
            Kind::Pbkdf2Sha256Of600000,
            Kind::Unusable,
        ],
    },
    Mix {
        name: "werkzeug",
        kinds: &[Kind::Nobody, Kind::Argon2id, Kind::Scrypt, Kind::Pbkdf2Sha256Of260000, Kind::NoPassword],
    },
    Mix {
        name: "everything",
        kinds: &[
            Kind::Nobody,
            Kind::Argon2id,
            Kind::Disabled,
            Kind::NoPassword,
            Kind::Unusable,
            Kind::TooSlow,
            Kind::Bcrypt10,
            Kind::Bcrypt12,
            Kind::Pbkdf2Sha256Of100000,
            Kind::Pbkdf2Sha256Of260000,
            Kind::Pbkdf2Sha256Of600000,
            Kind::Scrypt,
        ],
    },
];

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BCRYPT: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";

/// The last letters of 16 and of 32 bytes in Base64, whose spare bits are zero.
const LAST_OF_16: &[u8] = b"AQgw";
const LAST_OF_32: &[u8] = b"AEIMQUYcgkosw048";

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody has the name",
            Self::Argon2id => "Argon2id, as made here",
            Self::Disabled => "disabled",
            Self::NoPassword => "no password",
            Self::Unusable => "Django's mark for no password",
            Self::TooSlow => "bcrypt 15, left out by the import",
            Self::Bcrypt10 => "bcrypt 10",
            Self::Bcrypt12 => "bcrypt 12",
            Self::Pbkdf2Sha256Of100000 => "PBKDF2-SHA256, 100,000",
            Self::Pbkdf2Sha256Of260000 => "PBKDF2-SHA256, 260,000",
            Self::Pbkdf2Sha256Of600000 => "PBKDF2-SHA256, 600,000",
            Self::Scrypt => "scrypt 2^15, 8, 1",
        }
    }

    /// A hash of this kind that no password matches.
    pub(super) fn hash(self, random: &dyn Random) -> String {
        let text = |alphabet, length| letters(random, alphabet, length);
        let bcrypt = |cost| format!("$2b${cost}${}", text(BCRYPT, 53));
        let of_32 = || format!("{}{}", text(BASE64, 42), text(LAST_OF_32, 1));
        let pbkdf2 = |iterations| format!("pbkdf2_sha256${iterations}${}${}=", text(HEX, 22), of_32());
        match self {
            Self::Nobody | Self::NoPassword => String::new(),
            Self::Argon2id | Self::Disabled => {
                let salt = format!("{}{}", text(BASE64, 21), text(LAST_OF_16, 1));
                format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${}", of_32())
            }
            Self::Unusable => format!("!{}", text(HEX, 40)),
            Self::TooSlow => bcrypt(15),
            Self::Bcrypt10 => bcrypt(10),
            Self::Bcrypt12 => bcrypt(12),
            Self::Pbkdf2Sha256Of100000 => pbkdf2(100_000),
            Self::Pbkdf2Sha256Of260000 => pbkdf2(260_000),
            Self::Pbkdf2Sha256Of600000 => pbkdf2(600_000),
            Self::Scrypt => format!("scrypt:32768:8:1${}${}", text(HEX, 16), text(HEX, 128)),
        }
    }
}

/// So many letters of an alphabet, each as likely as the others or nearly so.
fn letters(random: &dyn Random, alphabet: &[u8], length: usize) -> String {
    let letter = |_| {
        let drawn = u32::from_le_bytes(random::bytes(random));
        char::from(alphabet[drawn as usize % alphabet.len()])
    };
    (0..length).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use sprag::password::check_hash;
    use sprag::random::SeededRandom;

    use super::*;

    #[test]
    fn every_hash_is_one_that_an_import_takes_or_is_said_to_be_none() {
        let random = SeededRandom::new(1);
        for kind in MIXES.iter().flat_map(|mix| mix.kinds) {
            let has_hash = !matches!(kind, Kind::Nobody | Kind::NoPassword | Kind::Unusable);
            for _ in 0..50 {
                let hash = kind.hash(&random);
                assert_eq!(check_hash(&hash).is_ok(), has_hash, "{kind:?}: {hash}");
            }
        }
    }
}
