//! What proves who somebody is, as it is kept: which credentials there are, and what one takes the place of.

use uuid::Uuid;

/// Which of an account's credentials.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CredentialId {
    /// What kind it is.
    pub kind: CredentialKind,
    /// Tells those of one kind apart.
    pub id: Uuid,
}

impl CredentialId {
    /// The password: an account has at most one.
    pub const PASSWORD: Self = Self { kind: CredentialKind::Password, id: Uuid::nil() };
}

/// What somebody shows to prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CredentialKind {
    /// A password, verified with its hash (a PHC string, or that of the system it was imported from).
    Password,
    /// A device that the account has logged in from, verified with the SHA-256 of what it shows; behind that stands when it was
    /// last seen, as 8 bytes, the most significant first.
    Device,
    /// What another system said last of the account for a profile's access tokens, sealed: nothing is verified with it, and it is
    /// one account's as credentials are.
    Claims,
    /// A seed of time-based one-time passwords: a second factor. [Sealed](crate::keys::KeyRing::seal), behind the last step that was
    /// used.
    Totp,
    /// Such a seed whose owner has not shown yet that they have it. It is no factor.
    WaitingTotp,
    /// A passkey: a second factor.
    Passkey,
    /// A code that stands in for a second factor once, verified with its SHA-256. By itself it is no factor.
    RecoveryCode,
    /// A device that need not show a second factor for a while, verified with the SHA-256 of what it shows; behind that stands the
    /// end of the while, as 8 bytes, the most significant first.
    Remembered,
}

impl CredentialKind {
    /// What a second factor is. An account that has none of these needs none at a log-in.
    pub const FACTORS: [Self; 2] = [Self::Totp, Self::Passkey];

    /// The second factors, and what goes with them.
    pub const OF_FACTORS: [Self; 5] =
        [Self::Totp, Self::WaitingTotp, Self::Passkey, Self::RecoveryCode, Self::Remembered];

    /// The stable name, as it stands in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Device => "device",
            Self::Claims => "claims",
            Self::Totp => "totp",
            Self::WaitingTotp => "waiting_totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
            Self::Remembered => "remembered",
        }
    }
}

/// What a credential takes the place of, in what it is verified with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Was {
    /// Nothing: the account must have none of that id.
    Missing,
    /// This: what the account has must be verified with it.
    This(Vec<u8>),
    /// Whatever there is, or nothing: something else that the commit expects decides.
    Any,
}
