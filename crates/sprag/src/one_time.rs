//! What is handed out once and comes back once: links and codes.
//!
//! A row ([`OneTimeToken`]) holds hashes, what the token is for and bound to, and what is sealed for whoever spends it. What the
//! owner holds is a [text] whose tag is checked before the store is asked. Spending is one conditional step of a commit
//! ([`Step::SpendToken`](crate::store::Step::SpendToken)), so nothing works twice.

use std::time::Duration;

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::{AccountId, Epoch};

pub(crate) mod login;
pub(crate) mod sealed;
pub mod text;

pub use text::{OneTimeText, Parsed};

/// How often a short code may be tried.
pub const MAX_TRIES: u16 = 5;

/// SHA-256 of something that is not kept.
pub type Digest = [u8; 32];

const HOUR: Duration = Duration::from_secs(3600);

/// Tells the tokens of one account apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenId(pub Uuid);

/// What a token is good for: nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Purpose {
    /// Confirms that an address is its owner's.
    VerifyEmail,
    /// Sets a new password.
    ResetPassword,
    /// Has the account log in under another address: the one that it was sent to.
    ChangeEmail,
    /// Puts the address back that a change took away.
    UndoEmail,
    /// Logs in.
    LogIn,
    /// Ends sessions that somebody else has opened.
    NotMe,
    /// Goes on with a log-in whose password was right, once a second factor is shown.
    SecondFactor,
    /// Answers a challenge of a passkey.
    Passkey,
    /// Goes on with a log-in whose password was right, once the account has the second factor that it must have.
    Enrolment,
    /// Makes the account whose id it carries.
    Invite,
    /// Keeps an account that is to be erased.
    KeepAccount,
}

impl Purpose {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::UndoEmail,
        Self::LogIn,
        Self::NotMe,
        Self::Invite,
        Self::KeepAccount,
        Self::SecondFactor,
        Self::Passkey,
        Self::Enrolment,
    ];

    /// The stable name, as it stands in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::UndoEmail => "undo_email",
            Self::LogIn => "log_in",
            Self::NotMe => "not_me",
            Self::SecondFactor => "second_factor",
            Self::Passkey => "passkey",
            Self::Enrolment => "enrolment",
            Self::Invite => "invite",
            Self::KeepAccount => "keep_account",
        }
    }

    /// The purpose of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Its number in a token's text. A number is never given to another purpose.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::VerifyEmail => 1,
            Self::ResetPassword => 2,
            Self::ChangeEmail => 20,
            Self::UndoEmail => 21,
            Self::LogIn => 22,
            Self::NotMe => 23,
            Self::SecondFactor => 40,
            Self::Passkey => 42,
            Self::Enrolment => 41,
            Self::Invite => 10,
            Self::KeepAccount => 11,
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.number() == number)
    }

    /// How long it can be spent, at most.
    #[must_use]
    pub fn lives(self) -> Duration {
        match self {
            Self::VerifyEmail | Self::ChangeEmail => 24 * HOUR,
            Self::ResetPassword => HOUR,
            Self::UndoEmail | Self::NotMe | Self::Invite => 7 * 24 * HOUR,
            Self::LogIn => HOUR / 6,
            Self::SecondFactor | Self::Passkey => Duration::from_secs(300),
            Self::Enrolment => HOUR / 4,
            Self::KeepAccount => 90 * 24 * HOUR,
        }
    }
}

/// A token as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OneTimeToken {
    /// Whose it is.
    pub account: AccountId,
    /// Which of the account's.
    pub id: TokenId,
    /// What it is good for.
    pub purpose: Purpose,
    /// SHA-256 of what it is good for alone: the address that it was sent to, the browser that asked.
    pub bound_to: Digest,
    /// SHA-256 of the secret in its text.
    pub secret_hash: Digest,
    /// SHA-256 of the short code that does the same, where there is one.
    pub code_hash: Option<Digest>,
    /// Which try had the right code, if the last one had.
    pub solved_by: Option<Digest>,
    /// How many tries of the code were counted.
    pub tries: u16,
    /// The account's epoch when it was made, where it dies with that.
    pub epoch: Option<Epoch>,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// What whoever spends it must know, [sealed](crate::keys::KeyRing::seal).
    pub sealed: Vec<u8>,
}

impl OneTimeToken {
    /// Whether it is good for that, bound so, and not expired at `at`.
    pub(crate) fn is_for(&self, purpose: Purpose, bound_to: &Digest, at: Timestamp) -> bool {
        self.purpose == purpose && self.bound_to == *bound_to && self.expires_at > at
    }
}

/// What shows that whoever spends a token may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// The secret in its text has this hash.
    Secret(Digest),
    /// The last try of its code was this one, and had the right code.
    Solved(Digest),
}

/// SHA-256 of something that is not kept.
#[must_use]
pub fn hashed(secret: &[u8]) -> Digest {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
    hash
}
