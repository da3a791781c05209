//! Who logs in: accounts and the names they log in under.
//!
//! ```
//! use sprag::account::{Name, NameKind};
//!
//! let typed = Name::either(" Ann@Example.org ")?;
//! assert_eq!(typed.kind, NameKind::Email);
//! assert_eq!(typed, Name::email("ann@example.org")?, "spellings that people take for one name are one");
//! assert!(Name::username("ann smith").is_err());
//! # Ok::<(), sprag::Refusal>(())
//! ```

use unicode_normalization::UnicodeNormalization as _;

use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::session::{AccountId, Epoch, ProfileId};

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
    /// What else is told of it.
    pub particulars: Particulars,
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
}

/// An account's key in the system it lived in before, which other systems still know it by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct External {
    /// The profile that took that system's place. Keys of two systems have nothing to do with each other.
    pub profile: ProfileId,
    /// The key.
    pub id: String,
}

/// Whether a text can be kept among an account's particulars: not too long, and without control characters.
#[must_use]
pub fn is_particular(text: &str) -> bool {
    text.len() <= MAX_PARTICULAR_BYTES && !text.contains(char::is_control)
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
            particulars: Particulars::default(),
        }
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

/// A name that leads to one account: a user name or an e-mail address, in the form that is compared.
///
/// Spellings that people take for the same name are the same: NFKC, then lower case, without white space around.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name {
    /// Which kind of name.
    pub kind: NameKind,
    /// The form that is compared.
    pub value: String,
}

/// Which kind of name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NameKind {
    /// A user name; never contains `@`.
    Username,
    /// An e-mail address; always contains `@`.
    Email,
    /// The key of the account in the source system, or in the application that embeds the engine. Nobody logs in with it.
    External,
}

impl NameKind {
    /// The stable name, as it stands in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::External => "external",
        }
    }
}

impl Name {
    /// A user name.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if it is empty, too long, or has an `@`, white space or control character.
    pub fn username(text: &str) -> Result<Self, Refusal> {
        let value = normal_form(text);
        if value.is_empty() || value.len() > MAX_USERNAME_BYTES {
            return Err(Refusal::NameInvalid("a user name has 1 to 128 bytes"));
        }
        if value.contains('@') || value.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(Refusal::NameInvalid("a user name has no @, white space or control character"));
        }
        Ok(Self { kind: NameKind::Username, value })
    }

    /// An e-mail address. Only a message sent there can show that it exists; this refuses what cannot be one.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if it is too long, or not one local part, one `@` and one domain.
    pub fn email(text: &str) -> Result<Self, Refusal> {
        let value = normal_form(text);
        let is_plain = !value.contains(|c: char| c.is_control() || c.is_whitespace());
        let parts = value.rsplit_once('@').filter(|(local, domain)| {
            !local.is_empty() && !local.contains('@') && !domain.is_empty() && !domain.starts_with('.')
        });
        if !is_plain || parts.is_none() || value.len() > MAX_EMAIL_BYTES {
            return Err(Refusal::NameInvalid("this is not an e-mail address such as ann@example.org"));
        }
        Ok(Self { kind: NameKind::Email, value })
    }

    /// The key of an account in the source system, exactly as it is there; each profile's source system has its own keys.
    ///
    /// # Errors
    /// [`Refusal::NameInvalid`] if it is empty, too long or has a control character.
    pub fn external(profile: ProfileId, text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.len() > MAX_EXTERNAL_ID_BYTES || text.contains(char::is_control) {
            let what = "the key of a source system has 1 to 255 bytes and no control character";
            return Err(Refusal::NameInvalid(what));
        }
        Ok(Self { kind: NameKind::External, value: format!("{}/{text}", profile.0) })
    }

    /// What somebody typed where either is accepted: with an `@` it is an e-mail address.
    ///
    /// # Errors
    /// As [`Name::username`] or [`Name::email`].
    pub fn either(text: &str) -> Result<Self, Refusal> {
        if text.contains('@') { Self::email(text) } else { Self::username(text) }
    }
}

fn normal_form(text: &str) -> String {
    text.trim().nfkc().collect::<String>().to_lowercase()
}
