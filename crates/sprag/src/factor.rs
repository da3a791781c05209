//! Second factors: what somebody has besides their password.
//!
//! Each is a row of `credential`. A seed of time-based codes is sealed, and its last step stands beside it, so that a use is a
//! compare-and-swap and no code works twice; a recovery code is kept as its hash and forgotten by its use.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::KeyRing;
use crate::session::AccountId;
use crate::store::{CredentialId, CredentialKind};

pub mod recovery;
pub mod totp;

use totp::KeptSeed;

/// How many seeds of time-based codes an account may have.
pub const MAX_TOTP: usize = 5;

/// What a second factor is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FactorKind {
    /// Time-based codes (RFC 6238).
    Totp,
    /// A passkey (WebAuthn).
    Passkey,
    /// A code that stands in for the others once.
    RecoveryCode,
    /// The code of a letter. It is no second factor, and asked for where an account has none.
    MailedCode,
}

impl FactorKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Totp, Self::Passkey, Self::RecoveryCode, Self::MailedCode];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
            Self::MailedCode => "mailed_code",
        }
    }
}

/// A second factor, as its owner and administrators are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Factor {
    /// Which of the account's.
    pub id: Uuid,
    /// What it is.
    pub kind: FactorKind,
    /// What its owner calls it, if it has a name.
    pub label: Option<String>,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was last used, if it was.
    pub used_at: Option<Timestamp>,
}

/// What an account has of second factors, as it stands in the store.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(crate) rows: Vec<(CredentialId, Vec<u8>)>,
}

impl Held {
    /// Those of a kind.
    pub(crate) fn of(&self, kind: CredentialKind) -> impl Iterator<Item = (CredentialId, &[u8])> {
        self.rows.iter().filter(move |(id, _)| id.kind == kind).map(|(id, secret)| (*id, secret.as_slice()))
    }

    /// Whether the account needs more than a password.
    pub(crate) fn has_factor(&self) -> bool {
        self.rows.iter().any(|(id, _)| CredentialKind::FACTORS.contains(&id.kind))
    }

    /// What its owner may show, in the order in which it is to be offered.
    pub(crate) fn kinds(&self) -> Vec<FactorKind> {
        let has = |kind| self.of(kind).next().is_some();
        let offered = [
            (CredentialKind::Passkey, FactorKind::Passkey),
            (CredentialKind::Totp, FactorKind::Totp),
            (CredentialKind::RecoveryCode, FactorKind::RecoveryCode),
        ];
        offered.into_iter().filter(|(kind, _)| has(*kind)).map(|(_, kind)| kind).collect()
    }

    /// How many recovery codes are left.
    pub(crate) fn recovery_codes(&self) -> usize {
        self.of(CredentialKind::RecoveryCode).count()
    }

    /// What is told of them.
    ///
    /// # Errors
    /// A [`Fault`] where one cannot be read.
    pub(crate) fn listed(&self, keys: &KeyRing, account: AccountId) -> Result<Vec<Factor>, Fault> {
        let seeds = self.of(CredentialKind::Totp).map(|(id, row)| {
            let kept = KeptSeed::read(row)?;
            let label = kept.open(keys, account, id.id).map(|seed| seed.label).ok().flatten();
            let (added_at, used_at) = (kept.made_at, kept.used_at());
            Ok(Factor { id: id.id, kind: FactorKind::Totp, label, added_at, used_at })
        });
        let mut listed: Vec<Factor> = seeds.collect::<Result<_, Fault>>()?;
        for (id, row) in self.of(CredentialKind::Passkey) {
            let kept = crate::passkeys::KeptRow::read(row)?;
            let label = kept.open(keys, account, id.id).ok().and_then(|kept| kept.label);
            let (added_at, used_at) = (kept.made_at, kept.used_at);
            listed.push(Factor { id: id.id, kind: FactorKind::Passkey, label, added_at, used_at });
        }
        Ok(listed)
    }
}
