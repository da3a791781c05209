//! From a record to a user or a session, by the columns that a profile names.

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::Value;
use sprag::account::{Name, NameKind};
use sprag::clock::Timestamp;
use sprag::engine::{Imported, ImportedSession, ImportedUser, NameKept};
use sprag::password::says_no_password;
use sprag::token::ForeignToken;

use super::hash_form::HashForm;
use super::record::Record;
use super::value::{self, Wrong};
use crate::shape::{ImportField, TableShape};

/// Why a record is refused.
pub(super) type Reason = Cow<'static, str>;

/// Why a session is left out of which nothing is said.
pub const UNSAID: &str = "its status is empty there";

/// The longest id that a report repeats.
const MAX_SHOWN_ID_BYTES: usize = 64;

/// A user as a record has it.
#[derive(Clone)]
pub(super) struct User {
    external_id: String,
    username: Option<String>,
    email: Option<String>,
    password_hash: String,
    totp_secret: Option<String>,
    recovery_codes: Vec<String>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    language: Option<String>,
    role: Option<String>,
    /// `None` where nothing there says so.
    is_admin: Option<bool>,
    is_disabled: bool,
    created_at: Option<Timestamp>,
    /// Names that other users of the source keep.
    pub(super) left_to_others: Vec<NameKept>,
}

impl User {
    pub(super) fn read(record: &Record, shape: &TableShape, form: &HashForm) -> Result<Self, Reason> {
        use ImportField as F;
        let fields = Fields { record, shape };
        let role = fields.text(F::Role)?;
        let has_admin_role = role.is_some() && role == shape.admin_role;
        // Empty is a no; only what is not there says nothing.
        let is_said = fields.has(F::IsAdmin) || (shape.admin_role.is_some() && fields.has(F::Role));
        let is_admin = fields.flag(F::IsAdmin)? == Some(true) || has_admin_role;
        // Nobody logs in who is not said to be active, or where nothing is said.
        let is_inactive = matches!(fields.status(F::IsActive)?, Status::No | Status::Empty);
        let is_disabled = matches!(fields.status(F::IsDisabled)?, Status::Yes | Status::Empty);
        // What was begun and never confirmed is no factor. Where its status is empty, it may be one.
        let has_factor = !matches!(fields.status(F::TotpIsActive)?, Status::No);
        Ok(Self {
            external_id: fields.needed(F::ExternalId, value::text)?,
            username: fields.text(F::Username)?,
            email: fields.text(F::Email)?,
            // Who always logged in by way of another service never had one.
            password_hash: form.complete(
                fields.read(F::PasswordHash, value::secret)?.unwrap_or_default(),
                fields.read(F::PasswordSalt, value::secret)?,
            ),
            totp_secret: fields.read(F::TotpSecret, value::secret)?.filter(|_| has_factor),
            recovery_codes: fields.read(F::RecoveryCodes, value::list)?.unwrap_or_default(),
            name: fields.text(F::Name)?,
            given_name: fields.text(F::GivenName)?,
            family_name: fields.text(F::FamilyName)?,
            language: fields.text(F::Language)?,
            role,
            is_admin: is_said.then_some(is_admin),
            is_disabled: is_disabled || is_inactive,
            created_at: fields.time(F::CreatedAt)?,
            left_to_others: Vec::new(),
        })
    }

    /// Whether the source has no password of it.
    pub(super) fn has_no_password(&self) -> bool {
        says_no_password(&self.password_hash)
    }

    pub(super) fn imported(&self) -> ImportedUser<'_> {
        ImportedUser {
            external_id: &self.external_id,
            username: self.username.as_deref(),
            email: self.email.as_deref(),
            password_hash: &self.password_hash,
            totp_secret: self.totp_secret.as_deref(),
            recovery_codes: &self.recovery_codes,
            name: self.name.as_deref(),
            given_name: self.given_name.as_deref(),
            family_name: self.family_name.as_deref(),
            language: self.language.as_deref(),
            role: self.role.as_deref(),
            is_admin: self.is_admin,
            is_disabled: self.is_disabled,
            created_at: self.created_at,
            claims_later: self.is_named_like_an_address(),
            left_to_others: &self.left_to_others,
        }
    }
}

impl User {
    /// Whether its user name looks like an e-mail address that is not its own.
    pub(super) fn is_named_like_an_address(&self) -> bool {
        let Some(Ok(name)) = self.username.as_deref().map(Name::either) else { return false };
        let own = self.email.as_deref().and_then(|email| Name::email(email).ok());
        name.kind == NameKind::Email && own.is_none_or(|own| own != name)
    }

    /// Whether it has an e-mail address by which it can be taken in before.
    pub(super) fn has_an_address(&self) -> bool {
        self.email.as_deref().is_some_and(|email| Name::email(email).is_ok())
    }

    /// This user, for a store that is not meant to hold a hash.
    pub(super) fn without_password(&self) -> Self {
        Self { password_hash: String::new(), totp_secret: None, recovery_codes: Vec::new(), ..self.clone() }
    }

    /// What nobody else can have as well, near enough as it is compared.
    pub(super) fn claims(&self) -> Vec<String> {
        let names = [&self.username, &self.email].into_iter().flatten();
        let names = names
            .map(|name| Name::either(name).map_or_else(|_| name.trim().to_lowercase(), |name| name.value));
        names.chain([self.external_id.clone()]).collect()
    }
}

/// What a record says of a session that is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// That it is revoked or inactive.
    Ended,
    /// Nothing, where it should say whether it lives.
    Unsaid,
}

/// A session as a record has it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: String,
    token: ForeignToken,
    created_at: Option<Timestamp>,
    expires_at: Timestamp,
    /// Why it has ended in the source system; `None` while it lives.
    over: Option<Over>,
    ip: Option<String>,
    user_agent: Option<String>,
    device: Option<String>,
}

/// An address as it stands in the journal; what is none is left out.
fn address(text: &str) -> Option<String> {
    text.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical().to_string())
}

impl Session {
    pub(super) fn read(record: &Record, shape: &TableShape) -> Result<Self, Reason> {
        use ImportField as F;
        let fields = Fields { record, shape };
        let over = match (fields.revoked()?, fields.status(F::IsActive)?) {
            (Status::Yes, _) | (_, Status::No) => Some(Over::Ended),
            (Status::Empty, _) | (_, Status::Empty) => Some(Over::Unsaid),
            (Status::No | Status::Unasked, Status::Yes | Status::Unasked) => None,
        };
        let token = fields.token()?;
        if over.is_some() {
            return Ok(Self::of_what_is_over(&fields, token, over));
        }
        Ok(Self {
            user: fields.needed(F::User, value::text)?,
            token,
            created_at: fields.time(F::CreatedAt)?,
            expires_at: fields.needed(F::ExpiresAt, value::time)?,
            over,
            ip: fields.text(F::Ip)?.and_then(|text| address(&text)),
            user_agent: fields.read(F::UserAgent, value::loose_text)?,
            device: fields.read(F::Device, value::loose_text)?,
        })
    }

    /// A token that is over is, whatever else of its record cannot be read: another one may say that it lives.
    fn of_what_is_over(fields: &Fields<'_>, token: ForeignToken, over: Option<Over>) -> Self {
        let expires_at = fields.time(ImportField::ExpiresAt).ok().flatten();
        Self {
            user: fields.text(ImportField::User).ok().flatten().unwrap_or_default(),
            token,
            created_at: None,
            expires_at: expires_at.unwrap_or(Timestamp(i64::MAX)),
            over,
            ip: None,
            user_agent: None,
            device: None,
        }
    }

    pub(super) fn imported(&self) -> ImportedSession<'_> {
        ImportedSession {
            user: &self.user,
            token: self.token,
            created_at: self.created_at,
            expires_at: self.expires_at,
            is_live: self.over.is_none(),
            ip: self.ip.as_deref(),
            user_agent: self.user_agent.as_deref(),
            device: self.device.as_deref(),
        }
    }
}

impl Session {
    /// The outcome, with the reason that only the record knows.
    pub(super) fn explained(&self, outcome: Imported) -> Imported {
        match outcome {
            Imported::Over(_) if self.over == Some(Over::Unsaid) => Imported::Over(UNSAID),
            other => other,
        }
    }
}

/// What a report may call a record: the id of its user, unless that may be a secret in the wrong column.
pub(super) fn shown_id(record: &Record, shape: &TableShape) -> Option<String> {
    use ImportField as F;
    let fields = Fields { record, shape };
    let id = fields.text(F::ExternalId).ok().flatten().or_else(|| fields.text(F::User).ok().flatten())?;
    let secrets = [F::PasswordHash, F::TotpSecret, F::Token, F::TokenSha256];
    let is_secret = secrets.into_iter().any(|field| fields.text(field).ok().flatten().as_ref() == Some(&id));
    (!is_secret && id.len() <= MAX_SHOWN_ID_BYTES && !id.contains('$')).then_some(id)
}

/// What a column says that tells whether something lives.
#[derive(Clone, Copy)]
enum Status {
    Yes,
    No,
    /// Nothing in this record, or it has not even the column: that is never a reason to let something live.
    Empty,
    /// The profile names no such column.
    Unasked,
}

/// A record, read by the names of our fields.
struct Fields<'a> {
    record: &'a Record,
    shape: &'a TableShape,
}

impl Fields<'_> {
    /// Whether the record has the column at all, be it empty.
    fn has(&self, field: ImportField) -> bool {
        self.shape.column(field).is_some_and(|column| self.record.contains_key(&column.column))
    }

    fn text(&self, field: ImportField) -> Result<Option<String>, Reason> {
        self.read(field, value::text)
    }

    fn flag(&self, field: ImportField) -> Result<Option<bool>, Reason> {
        self.read(field, value::flag)
    }

    fn status(&self, field: ImportField) -> Result<Status, Reason> {
        if self.shape.column(field).is_none() {
            return Ok(Status::Unasked);
        }
        Ok(match self.flag(field)? {
            Some(true) => Status::Yes,
            Some(false) => Status::No,
            None => Status::Empty,
        })
    }

    /// Whether a session is revoked: by a yes, or by the moment at which it was. A moment says both, for it is empty while
    /// the session lives; a source that has one need not have the other.
    fn revoked(&self) -> Result<Status, Reason> {
        if self.shape.column(ImportField::RevokedAt).is_none() {
            return self.status(ImportField::IsRevoked);
        }
        if self.time(ImportField::RevokedAt)?.is_some() {
            return Ok(Status::Yes);
        }
        // Whether a source may lack it was settled when it was opened.
        let flag = self.shape.column(ImportField::IsRevoked);
        let is_asked = flag.is_some_and(|flag| !flag.is_optional) || self.has(ImportField::IsRevoked);
        match self.has(ImportField::RevokedAt) {
            _ if is_asked => self.status(ImportField::IsRevoked),
            true => Ok(Status::No),
            false => Ok(Status::Empty),
        }
    }

    fn time(&self, field: ImportField) -> Result<Option<Timestamp>, Reason> {
        self.read(field, value::time)
    }

    fn token(&self) -> Result<ForeignToken, Reason> {
        if self.shape.column(ImportField::TokenSha256).is_some() {
            return self.needed(ImportField::TokenSha256, value::sha256).map(ForeignToken::hashed);
        }
        let text = self.needed(ImportField::Token, value::secret)?;
        let wrong = "holds no token: 20 to 4096 visible characters";
        ForeignToken::new(&text).ok_or_else(|| self.wrong(ImportField::Token, wrong))
    }

    fn needed<T>(
        &self,
        field: ImportField,
        read: fn(&Value) -> Result<Option<T>, Wrong>,
    ) -> Result<T, Reason> {
        self.read(field, read)?.ok_or_else(|| self.wrong(field, "is empty"))
    }

    /// What the source lacks is not there, as what it leaves empty.
    fn read<T>(
        &self,
        field: ImportField,
        read: fn(&Value) -> Result<Option<T>, Wrong>,
    ) -> Result<Option<T>, Reason> {
        let found = self.shape.column(field).and_then(|column| self.record.get(&column.column));
        found.map_or(Ok(None), |value| read(value).map_err(|wrong| self.wrong(field, wrong)))
    }

    fn wrong(&self, field: ImportField, wrong: Wrong) -> Reason {
        let column = self.shape.column(field).map_or("", |column| column.column.as_str());
        reason(column, field, wrong)
    }
}

/// What is wrong with a value, told by its column, and by our name for it where that is another.
pub(super) fn reason(column: &str, field: ImportField, wrong: Wrong) -> Reason {
    let ours = if column == field.name() { String::new() } else { format!(" ({})", field.name()) };
    format!("the column {column:?}{ours} {wrong}").into()
}
