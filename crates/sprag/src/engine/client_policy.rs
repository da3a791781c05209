//! Whose tokens, under which policy, in which form: what one client application asks of the engine.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::next_id::NextId;
use crate::account::Account;
use crate::hooks::Hooks;
use crate::policy::{PasswordLength, Policy};
use crate::session::ProfileId;
use crate::token::Encoding;

/// What one profile asks of the engine: whose tokens, under which policy, in which form.
#[derive(Clone, Debug)]
pub struct ClientPolicy {
    /// The profile's id, carried in every refresh token.
    pub profile: ProfileId,
    /// The profile's name: the `client_id` claim.
    pub client_id: String,
    /// The rules its sessions live under.
    pub policy: Policy,
    /// The form of its refresh tokens.
    pub encoding: Encoding,
    /// What its access tokens say.
    pub access: AccessTokenShape,
    /// Whether a client may present the refresh token of the system that the profile took the place of, where a session
    /// was imported for it.
    pub takes_imported_tokens: bool,
    /// Which key an account gets that is made with it.
    pub next_id: NextId,
    /// Whether whoever registers with it confirms their address.
    pub confirmation: Confirmation,
    /// How long a password must be that is chosen with it.
    pub password: PasswordLength,
    /// Who must have a second factor to log in with it.
    pub second_factor: SecondFactor,
    /// Which other systems are asked before something is decided.
    pub hooks: Hooks,
}

impl ClientPolicy {
    /// What a client asks that is content with the defaults: opaque refresh tokens, access tokens of a quarter of an hour
    /// about the account's id. Change the fields that shall differ.
    #[must_use]
    pub fn new(profile: ProfileId, client_id: impl Into<String>) -> Self {
        Self {
            profile,
            client_id: client_id.into(),
            policy: Policy::default(),
            encoding: Encoding::Opaque,
            access: AccessTokenShape::default(),
            takes_imported_tokens: false,
            next_id: NextId::Uuid,
            confirmation: Confirmation::Off,
            password: PasswordLength::default(),
            second_factor: SecondFactor::default(),
            hooks: Hooks::default(),
        }
    }
}

/// Whether whoever registers confirms their address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Confirmation {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked by a letter, and log in all the same.
    Asked,
    /// They are asked by a letter, and no session is opened before they have.
    Required,
}

/// Who must have a second factor. Whoever has none is let in no further than to add one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SecondFactor {
    /// Nobody; who has one is asked for it.
    #[default]
    Optional,
    /// Everybody.
    Required,
    /// Administrators.
    Admins,
}

impl SecondFactor {
    /// Each, by the word for it.
    pub const ALL: [(&'static str, Self); 3] =
        [("optional", Self::Optional), ("required", Self::Required), ("admins", Self::Admins)];

    /// Whether the owner of that account must have one.
    #[must_use]
    pub fn is_asked_of(self, account: &Account) -> bool {
        match self {
            Self::Optional => false,
            Self::Required => true,
            Self::Admins => account.is_admin,
        }
    }
}

/// What the access tokens of a profile say, so that the APIs that verify them find what they look for.
#[derive(Clone, Debug, Default)]
pub struct AccessTokenShape {
    /// Claims besides the registered ones.
    pub claims: Claims,
    /// What `sub` is.
    pub subject: Subject,
    /// Whether they name no audience.
    pub has_no_audience: bool,
}

/// What the `sub` of an access token is. Where the account has no such name, it is its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Subject {
    /// The account's id.
    #[default]
    Id,
    /// Its key in the source system.
    External,
    /// Its user name.
    Username,
    /// Its e-mail address.
    Email,
}

impl Subject {
    /// The name of that kind on `profile`; `None` where the id is the subject.
    #[must_use]
    pub fn of(self, account: &Account, profile: ProfileId) -> Option<&str> {
        match self {
            Self::Id => None,
            Self::External => account.external_id(profile),
            Self::Username => account.username.as_deref(),
            Self::Email => account.email.as_deref(),
        }
    }
}

/// Claims of a profile's access tokens besides the registered ones.
#[derive(Clone, Default)]
pub enum Claims {
    /// There are none.
    #[default]
    None,
    /// Every token has the same.
    Constant(Map<String, Value>),
    /// They tell of the account. Then a refresh reads it, which others need not.
    OfAccount(Arc<Telling>),
}

/// What a token says of its account.
pub type Telling = dyn Fn(&Account) -> Map<String, Value> + Send + Sync;

impl AccessTokenShape {
    /// Whether a token tells of its account more than its id.
    #[must_use]
    pub fn tells_of_account(&self) -> bool {
        self.subject != Subject::Id || matches!(self.claims, Claims::OfAccount(_))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Constant(_) => "Constant",
            Self::OfAccount(_) => "OfAccount",
        })
    }
}
