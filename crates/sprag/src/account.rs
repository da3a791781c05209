//! Who logs in: accounts and the names they log in under.
//!
//! ```
//! use sprag::account::{Name, NameKind};
//!
//! let typed = Name::either(" Ann@Example.org ")?;
//! assert_eq!(typed.kind, NameKind::Email);
//! assert_eq!(typed, Name::email("ann@example.org")?, "spellings that people take for one name are one");
//! assert_eq!(Name::username("Ann  Smith")?, Name::username("ａｎｎ ｓｍｉｔｈ")?);
//! assert!(Name::username("ann\u{200b}").is_err(), "what nobody sees tells no two names apart");
//! # Ok::<(), sprag::Refusal>(())
//! ```

use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::session::{AccountId, Epoch, ProfileId};

mod form;
mod language;
mod name;

pub use language::{MAX_LANGUAGE_BYTES, is_language, wanted_most};
pub use name::{Name, NameKind};

/// The longest user name, in bytes of its normal form.
pub const MAX_USERNAME_BYTES: usize = 128;

/// The longest key of a source system, in bytes.
pub const MAX_EXTERNAL_ID_BYTES: usize = 255;

/// The longest of the other particulars, in bytes.
pub const MAX_PARTICULAR_BYTES: usize = 255;

/// The longest e-mail address, in bytes (RFC 5321 section 4.5.3.1.3 allows a path of 256 with its brackets).
pub const MAX_EMAIL_BYTES: usize = 254;

/// Who may log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Never changes.
    pub id: AccountId,
    /// The user name as it was typed, if there is one.
    pub username: Option<String>,
    /// The e-mail address as it was typed, if there is one.
    pub email: Option<String>,
    /// Whether it may administer others.
    pub is_admin: bool,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Timestamp>,
    /// Moves when everything handed out before must stop working.
    pub epoch: Epoch,
    /// When it was made.
    pub created_at: Timestamp,
    /// The address that its owner has confirmed last, and when, if any.
    pub confirmed: Option<ConfirmedEmail>,
    /// When everything is to forget its owner, if they asked for that.
    pub erase_at: Option<Timestamp>,
    /// What else is told of it.
    pub particulars: Particulars,
}

/// An address whose owner has shown that letters reach them there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfirmedEmail {
    /// The address, as it was told then.
    pub address: String,
    /// When it was confirmed.
    pub at: Timestamp,
}

/// What is told of an account besides its names. No rule of a session depends on it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Particulars {
    /// Where it lived before, if it did.
    pub external: Option<External>,
    /// What it may do there, as other systems call it; nothing here asks for it.
    pub role: Option<String>,
    /// What people call its owner.
    pub name: Option<String>,
    /// The owner's given name.
    pub given_name: Option<String>,
    /// The owner's family name.
    pub family_name: Option<String>,
    /// In which language they are written to where they have not asked for it just now: a tag such as `de` or `pt-BR`.
    pub language: Option<String>,
}

/// Which of an account's [particulars](Particulars) is told anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Particular {
    /// [`Particulars::role`].
    Role,
    /// [`Particulars::name`].
    Name,
    /// [`Particulars::given_name`].
    GivenName,
    /// [`Particulars::family_name`].
    FamilyName,
    /// [`Particulars::language`].
    Language,
}

impl Particular {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Role, Self::Name, Self::GivenName, Self::FamilyName, Self::Language];

    /// What people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Name => "name",
            Self::GivenName => "given name",
            Self::FamilyName => "family name",
            Self::Language => "language",
        }
    }
}

impl Particulars {
    /// What is told of it.
    #[must_use]
    pub fn told(&self, which: Particular) -> Option<&str> {
        match which {
            Particular::Role => self.role.as_deref(),
            Particular::Name => self.name.as_deref(),
            Particular::GivenName => self.given_name.as_deref(),
            Particular::FamilyName => self.family_name.as_deref(),
            Particular::Language => self.language.as_deref(),
        }
    }

    /// Tells it anew.
    pub(crate) fn tell(&mut self, which: Particular, text: Option<String>) {
        *match which {
            Particular::Role => &mut self.role,
            Particular::Name => &mut self.name,
            Particular::GivenName => &mut self.given_name,
            Particular::FamilyName => &mut self.family_name,
            Particular::Language => &mut self.language,
        } = text;
    }
}

/// An account's key in the system it lived in before, which other systems still know it by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct External {
    /// The profile that took that system's place. Keys of two systems have nothing to do with each other.
    pub profile: ProfileId,
    /// The key.
    pub id: String,
}

/// Whether a text can be kept among an account's particulars: not too long, and without control characters. People's names
/// may have the joiners and marks that a name to log in with may not.
#[must_use]
pub fn is_particular(text: &str) -> bool {
    text.len() <= MAX_PARTICULAR_BYTES && !text.contains(char::is_control)
}

/// What people call somebody: kept as it was typed.
pub(crate) fn particular(text: Option<&str>) -> Result<Option<String>, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if !is_particular(text) => {
            Err(Refusal::NameInvalid("a name has at most 255 bytes and no control character"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// A language that somebody chose, as a tag.
pub(crate) fn language(text: Option<&str>) -> Result<Option<String>, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if !is_language(text) => {
            Err(Refusal::NameInvalid("a language is a tag such as de or pt-BR; choose one"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

impl Account {
    /// An account that was just made: enabled, in its first epoch, without names. A name leads to it only if it is stored
    /// with it.
    #[must_use]
    pub fn new(id: AccountId, created_at: Timestamp) -> Self {
        Self {
            id,
            username: None,
            email: None,
            is_admin: false,
            disabled_at: None,
            epoch: Epoch(0),
            created_at,
            confirmed: None,
            erase_at: None,
            particulars: Particulars::default(),
        }
    }

    /// When its owner confirmed the address that it has now, if they did. A confirmation of another address counts for nothing.
    #[must_use]
    pub fn email_confirmed_at(&self) -> Option<Timestamp> {
        let confirmed = self.confirmed.as_ref()?;
        let is_the_one = self.email.as_ref().is_some_and(|email| *email == confirmed.address);
        is_the_one.then_some(confirmed.at)
    }

    /// Whether it has an address that its owner has not confirmed.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        self.email.is_some() && self.email_confirmed_at().is_none()
    }

    /// Its key in the system whose place this profile took, if it comes from there.
    #[must_use]
    pub fn external_id(&self, profile: ProfileId) -> Option<&str> {
        let external = self.particulars.external.as_ref().filter(|external| external.profile == profile);
        external.map(|external| external.id.as_str())
    }

    /// What it may do, as other systems call it: `admin` or `user` unless the source system said otherwise.
    #[must_use]
    pub fn role(&self) -> &str {
        let usual = if self.is_admin { "admin" } else { "user" };
        self.particulars.role.as_deref().unwrap_or(usual)
    }
}
