//! What a session is, and how one ends.
//!
//! A session is one row, however often it is refreshed: [`Session`] is what a verdict reads of it, [`SessionDetail`] what
//! people read, [`EndCause`] why it is over, and [`Methods`] how its owner showed who they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::policy::Policy;

mod methods;

pub use methods::Methods;

/// Who a session belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub Uuid);

/// One log-in on one device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// Whether it is that of a session which was imported: made of its token, a UUID of version 8. All others are of
    /// version 7.
    ///
    /// A store gives such an id once, whichever account it is for, and finds its account by it alone.
    #[must_use]
    pub fn is_imported(self) -> bool {
        self.0.get_version_num() == 8
    }
}

/// The profile whose sessions these are; every token carries it under its tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileId(pub u16);

/// How often a session has turned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Moves whenever everything handed out to an account before must stop working.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

macro_rules! uuid_text {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $id {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

uuid_text!(AccountId, SessionId);

/// Where a session's row stands: account first, so that listing and ending all are prefix scans.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey {
    /// Whose session.
    pub account: AccountId,
    /// Which one.
    pub session: SessionId,
}

/// The hot row: everything a verdict reads, and nothing that only people read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Where the row stands.
    pub key: SessionKey,
    /// The profile it was opened at.
    pub profile: ProfileId,
    /// g: how often it has turned.
    pub generation: Generation,
    /// SHA-256 of the session secret, which only the client's token carries.
    pub secret_hash: SecretHash,
    /// The account's epoch when the session was opened.
    pub epoch: Epoch,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last turned; the moment it was opened until it has.
    pub rotated_at: Timestamp,
    /// When it ends unless it turns before; slides.
    pub idle_expires_at: Timestamp,
    /// When it ends at the latest; never moves.
    pub expires_at: Timestamp,
    /// When its user last showed who they are; never moves.
    pub authenticated_at: Timestamp,
    /// How they did; never moves.
    pub methods: Methods,
    /// The retry id that made the last rotation, hashed.
    pub retry_hash: Option<ShortHash>,
    /// The retry id that made the rotation before the last, hashed.
    pub previous_retry_hash: Option<ShortHash>,
    /// The client instance that made the last rotation, hashed; [`NO_INSTANCE`] where none has been seen.
    pub instance_hash: ShortHash,
    /// The last other instance that the row had, hashed. These two are the ones that it knows.
    pub other_instance_hash: Option<ShortHash>,
    /// The generation that an instance last turned the row to which it did not know then.
    pub taken_generation: Option<Generation>,
    /// The generation that is contested: somebody else had a right to turn the row to it, or the one who did had none.
    pub contested_generation: Option<Generation>,
    /// How many retries the present generation has answered.
    pub retries: u8,
    /// In how many generations running another client instance has retried.
    pub streak: u8,
    /// The last generation that counted for `streak`.
    pub streak_generation: Option<Generation>,
    /// When and why it ended, if it has.
    pub ended: Option<Ended>,
}

impl Session {
    /// One that begins now at a profile, has not turned yet, and knows of no client instance.
    pub fn begun(
        key: SessionKey,
        profile: ProfileId,
        secret_hash: SecretHash,
        epoch: Epoch,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        Self {
            key,
            profile,
            generation: Generation(0),
            secret_hash,
            epoch,
            created_at: now,
            rotated_at: now,
            idle_expires_at: now.plus(policy.idle_timeout),
            expires_at: now.plus(policy.absolute_lifetime),
            authenticated_at: now,
            methods: Methods::NONE,
            retry_hash: None,
            previous_retry_hash: None,
            instance_hash: NO_INSTANCE,
            other_instance_hash: None,
            taken_generation: None,
            contested_generation: None,
            retries: 0,
            streak: 0,
            streak_generation: None,
            ended: None,
        }
    }

    /// Whether it has neither ended nor run out by `now`. Its account may have moved on all the same.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at && now < self.idle_expires_at
    }
}

/// SHA-256 of a session secret.
pub type SecretHash = [u8; 32];

/// The first half of a SHA-256: of a retry id or client instance, compared only for equality.
pub type ShortHash = [u8; 16];

/// No client instance: of a session that came from another system and that nobody has refreshed here.
pub const NO_INSTANCE: ShortHash = [0; 16];

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: EndCause,
}

/// What people read of a session; written at log-in and at its end, never by a refresh.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionDetail {
    /// The address that logged in.
    pub ip: Option<String>,
    /// The client that logged in, as it called itself.
    pub user_agent: Option<String>,
    /// What the user calls the device.
    pub device: Option<String>,
    /// The address that ended it.
    pub ended_ip: Option<String>,
}

/// Why a session ended; stable, part of the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Its user logged out.
    Logout,
    /// Its user logged out everywhere.
    LogoutAll,
    /// Its user ended it from another session, or a client revoked its token (RFC 7009).
    Revoked,
    /// A spent token came back: theft until proven otherwise.
    Reuse,
    /// It was not refreshed for too long.
    Idle,
    /// It reached its absolute lifetime.
    Expired,
    /// The account's password changed.
    PasswordChanged,
    /// The account was disabled.
    Disabled,
    /// An administrator ended it.
    Admin,
    /// A newer log-in on the same device, or one more than the account may have, took its place.
    Replaced,
    /// Another client instance refreshed in step with it.
    Lockstep,
    /// Its token was ahead of the database, and the policy is to refuse that.
    Ahead,
}

impl EndCause {
    /// Every cause, in the order of the reference.
    pub const ALL: [Self; 12] = [
        Self::Logout,
        Self::LogoutAll,
        Self::Revoked,
        Self::Reuse,
        Self::Idle,
        Self::Expired,
        Self::PasswordChanged,
        Self::Disabled,
        Self::Admin,
        Self::Replaced,
        Self::Lockstep,
        Self::Ahead,
    ];

    /// The stable name, as it stands on the wire and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::Revoked => "revoked",
            Self::Reuse => "reuse",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::PasswordChanged => "password_changed",
            Self::Disabled => "disabled",
            Self::Admin => "admin",
            Self::Replaced => "replaced",
            Self::Lockstep => "lockstep",
            Self::Ahead => "ahead",
        }
    }

    /// The cause that [`name`](Self::name) stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }

    /// One sentence for the person who was signed out.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Logout => "you signed out on this device",
            Self::LogoutAll => "you signed out on all devices",
            Self::Revoked => "this session was revoked",
            Self::Reuse => "an old token of this session was used again, which may mean it was stolen",
            Self::Idle => "this session was not used for too long",
            Self::Expired => "this session reached its longest lifetime",
            Self::PasswordChanged => "the password was changed",
            Self::Disabled => "the account was disabled",
            Self::Admin => "an administrator ended this session",
            Self::Replaced => "a newer sign-in took this session's place",
            Self::Lockstep => "another client was using this session's tokens in step with yours",
            Self::Ahead => "this session's token was ahead of the server's records",
        }
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
