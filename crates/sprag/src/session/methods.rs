//! How somebody showed who they are.

use std::fmt;
use std::ops::BitOr;

/// The ways in which somebody showed who they are when a session began: a set, one bit each.
///
/// A session's row keeps it, and its access tokens tell it as `amr` (RFC 8176) and `acr`.
///
/// ```
/// use sprag::session::Methods;
///
/// let methods = Methods::PASSWORD | Methods::OTP;
/// assert!(methods.contains(Methods::PASSWORD));
/// assert_eq!(methods.amr().collect::<Vec<_>>(), ["pwd", "otp", "mfa"]);
/// assert_eq!(methods.acr(), Some("aal2"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Methods(u16);

impl Methods {
    /// Nothing is known: an imported session, or one of a build that did not note it.
    pub const NONE: Self = Self(0);
    /// A password (`pwd`).
    pub const PASSWORD: Self = Self(1);
    /// A one-time password: TOTP, or a recovery code (`otp`).
    pub const OTP: Self = Self(1 << 1);
    /// A key that never leaves its holder's device: a passkey or security key (`hwk`).
    pub const KEY: Self = Self(1 << 2);
    /// A link or code sent by mail (`mail`, which is not registered; RFC 8176 leaves others to the issuer).
    pub const MAIL: Self = Self(1 << 3);
    /// The device asked its holder for a PIN or a fingerprint before it used the key. It shows as `mfa` only: no
    /// registered value says just this.
    pub const USER_VERIFIED: Self = Self(1 << 4);

    /// Those that have a name of their own, in the order in which `amr` lists them.
    const NAMED: [(Self, &str); 4] =
        [(Self::PASSWORD, "pwd"), (Self::OTP, "otp"), (Self::KEY, "hwk"), (Self::MAIL, "mail")];

    /// The set as a store keeps it. The highest bit is never used, so that it fits a signed column of 16 bits.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set that [`bits`](Self::bits) stands for. Bits that only a newer build knows are kept.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits & !(1 << 15))
    }

    /// Whether every method of `others` is among them.
    #[must_use]
    pub fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether something was shown that one has: a code of an app, a recovery code, or a key.
    #[must_use]
    pub fn has_factor(self) -> bool {
        self.contains(Self::OTP) || self.contains(Self::KEY)
    }

    /// Whether two independent factors were shown: a password and something one has, or a key whose device verified its
    /// holder. A message by mail is no factor (NIST SP 800-63B-4 section 3.1.3.1).
    #[must_use]
    pub fn is_multi_factor(self) -> bool {
        (self.contains(Self::PASSWORD) && self.has_factor()) || self.contains(Self::KEY | Self::USER_VERIFIED)
    }

    /// The values of the claim `amr` (RFC 8176 section 2); none where nothing is known.
    pub fn amr(self) -> impl Iterator<Item = &'static str> {
        let named = Self::NAMED.into_iter().filter(move |(method, _)| self.contains(*method));
        named.map(|(_, name)| name).chain(self.is_multi_factor().then_some("mfa"))
    }

    /// The value of the claim `acr`: the authenticator assurance level of NIST SP 800-63B, `aal1` or `aal2`; `None` where
    /// nothing is known.
    #[must_use]
    pub fn acr(self) -> Option<&'static str> {
        match (self.is_empty(), self.is_multi_factor()) {
            (true, _) => None,
            (false, true) => Some("aal2"),
            (false, false) => Some("aal1"),
        }
    }
}

impl BitOr for Methods {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.amr()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_independent_factors_are_aal2() {
        let is_aal2 = |methods: Methods| methods.acr() == Some("aal2");
        assert!(is_aal2(Methods::PASSWORD | Methods::OTP));
        assert!(is_aal2(Methods::PASSWORD | Methods::KEY));
        assert!(is_aal2(Methods::KEY | Methods::USER_VERIFIED));
        for one in [Methods::PASSWORD, Methods::OTP, Methods::KEY, Methods::MAIL, Methods::USER_VERIFIED] {
            assert_eq!(one.acr(), Some("aal1"), "{one:?}");
        }
        assert!(!is_aal2(Methods::MAIL | Methods::OTP), "a mailbox is no factor");
        assert!(!is_aal2(Methods::PASSWORD | Methods::MAIL), "a mailbox is no factor");
        assert!(!is_aal2(Methods::OTP | Methods::KEY), "both are things that one has");
        assert!(!is_aal2(Methods::PASSWORD | Methods::USER_VERIFIED), "no key came with it");
    }

    #[test]
    fn what_is_not_known_is_not_claimed() {
        assert_eq!(Methods::NONE.acr(), None);
        assert_eq!(Methods::NONE.amr().count(), 0);
    }

    #[test]
    fn a_store_gives_back_what_it_was_given_and_what_a_newer_build_wrote() {
        let methods = Methods::PASSWORD | Methods::MAIL;
        assert_eq!(Methods::from_bits(methods.bits()), methods);
        assert_eq!(Methods::from_bits(1 << 9).bits(), 1 << 9);
        assert!(i16::try_from(Methods::from_bits(u16::MAX).bits()).is_ok(), "it fits a smallint");
    }
}
