//! Logging in by mail: what only the browser has that asked for it, and what the link and the code do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Digest, TokenId, hashed};
use crate::clock::Timestamp;
use crate::keys::KeyRing;
use crate::random::{self, Random};
use crate::session::AccountId;

/// What a login id is sealed for.
const BOUND_TO: [&[u8]; 1] = [b"log-in by mail"];

/// How many digits a code has.
const DIGITS: usize = 6;

/// What the link and the code of a letter do.
#[derive(Serialize, Deserialize)]
pub(crate) struct LogIn {
    /// The address that they were sent to, as it stands in the account.
    pub(crate) address: String,
    /// With which profile.
    pub(crate) profile: u16,
    /// The code, for a page that shows it.
    pub(crate) code: String,
    /// Whether the link works without the login id.
    pub(crate) works_anywhere: bool,
}

/// What only the browser has that asked: which token the letter has, and what that is bound to. As it is handed out it is sealed,
/// and nothing in it tells whether there is such an account.
pub(crate) struct LoginId {
    pub(crate) account: AccountId,
    pub(crate) token: TokenId,
    secret: Zeroizing<[u8; 16]>,
}

impl LoginId {
    pub(crate) fn new(account: AccountId, token: TokenId, random: &dyn Random) -> Self {
        Self { account, token, secret: Zeroizing::new(random::bytes(random)) }
    }

    /// As it is handed out.
    pub(crate) fn write(&self, keys: &KeyRing, random: &dyn Random, now: Timestamp) -> String {
        let (account, token) = (self.account.0.as_bytes(), self.token.0.as_bytes());
        let facts = Zeroizing::new([account.as_slice(), token, self.secret.as_slice()].concat());
        keys.seal_cursor(now, random, &BOUND_TO, &facts)
    }

    /// One of ours; `None` for any other text.
    pub(crate) fn read(keys: &KeyRing, now: Timestamp, text: &str) -> Option<Self> {
        let facts = Zeroizing::new(keys.open_cursor(now, &BOUND_TO, text)?);
        let (account, rest) = facts.split_first_chunk::<16>()?;
        let (token, secret) = rest.split_first_chunk::<16>()?;
        let secret = Zeroizing::new(secret.try_into().ok()?);
        Some(Self {
            account: AccountId(Uuid::from_bytes(*account)),
            token: TokenId(Uuid::from_bytes(*token)),
            secret,
        })
    }

    /// What its token is bound to.
    pub(crate) fn bound_to(&self) -> Digest {
        hashed(self.secret.as_slice())
    }

    /// What is kept of a code: with the secret, which no row has, so that a million guesses at the row find nothing.
    pub(crate) fn code_hash(&self, code: &str) -> Digest {
        hashed(&Zeroizing::new([self.secret.as_slice(), code.as_bytes()].concat()))
    }
}

/// A code that nobody can foresee.
pub(crate) fn new_code(random: &dyn Random) -> String {
    let number = u64::from_be_bytes(random::bytes(random)) % 1_000_000;
    format!("{number:0DIGITS$}")
}

/// A code as somebody typed it, with blanks or dashes between its digits; `None` where it cannot be one.
pub(crate) fn typed_code(text: &str) -> Option<String> {
    let code: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use crate::random::SeededRandom;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn a_login_id_is_read_again_and_no_other_text_is() {
        let random = SeededRandom::new(7);
        let keys = KeyRing::generate(Algorithm::Es256, &random, NOW).unwrap();
        let login = LoginId::new(AccountId(Uuid::from_u128(1)), TokenId(Uuid::from_u128(2)), &random);
        let text = login.write(&keys, &random, NOW);
        let read = LoginId::read(&keys, NOW, &text).unwrap();
        assert_eq!((read.account.0.as_u128(), read.token.0.as_u128()), (1, 2));
        assert_eq!(read.code_hash("123456"), login.code_hash("123456"));
        assert_ne!(read.code_hash("123456"), hashed(b"123456"));
        let cursor = keys.seal_cursor(NOW, &random, &[b"another"], &[0; 48]);
        for other in ["", "x", &text[1..], &format!("{text}A"), &cursor] {
            assert!(LoginId::read(&keys, NOW, other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_code_has_six_digits_however_it_is_typed() {
        let random = SeededRandom::new(7);
        for _ in 0..50 {
            let code = new_code(&random);
            assert_eq!(typed_code(&code).as_ref(), Some(&code));
        }
        assert_eq!(typed_code(" 012-345 ").as_deref(), Some("012345"));
        for none in ["", "12345", "1234567", "12345a", "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}"] {
            assert_eq!(typed_code(none), None, "{none}");
        }
    }
}
