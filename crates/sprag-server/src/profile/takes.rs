//! Where an action finds its inputs: wire field on the left, input on the right.

use serde_json::{Map, Value};
use sprag::error::refusals as rows;

use super::error::{ProfileError, list, suggest};
use super::section::Field;
use crate::quoted::{LONGEST, quoted};

macro_rules! inputs {
    ($($(#[doc = $doc:literal])* $input:ident = $name:literal;)*) => {
        /// Something an action takes from the body of a request; the names are part of the profile format.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Input {
            $($(#[doc = $doc])* $input,)*
        }

        impl Input {
            /// Every input, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$input),*];

            /// The name, as a profile writes it after `$`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$input => $name,)*
                }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$input => concat!($($doc),*).trim_ascii(),)*
                }
            }
        }
    };
}

inputs! {
    /// A user name or an e-mail address: with an `@` it is the latter.
    Name = "name";
    /// A user name.
    Username = "username";
    /// An e-mail address.
    Email = "email";
    /// The password.
    Password = "password";
    /// What people call the account's owner.
    FullName = "full_name";
    /// The owner's given name.
    GivenName = "given_name";
    /// The owner's family name.
    FamilyName = "family_name";
    /// In which language the owner is written to: a tag such as `de` or `pt-BR`.
    Language = "language";
    /// The password in force, asked for once more.
    CurrentPassword = "current_password";
    /// The password to come.
    NewPassword = "new_password";
    /// The refresh token.
    RefreshToken = "refresh_token";
    /// What the user calls this device.
    Device = "device";
    /// How the refresh token shall travel: `cookie` or `body`.
    Transport = "transport";
    /// The session to end.
    SessionId = "session_id";
    /// What the account may do, as other systems call it.
    Role = "role";
    /// Whether the account may administer others: `true` or `false`.
    IsAdmin = "is_admin";
    /// Whether the account may log in no more: `true` or `false`.
    IsDisabled = "is_disabled";
    /// Whether the account's address counts as confirmed: `true` or `false`.
    IsEmailVerified = "is_email_verified";
    /// What the names begin with that are looked for.
    Query = "query";
    /// The cursor that the last slice of the list gave as `next`.
    After = "after";
    /// How many at most, 1 to 200.
    Limit = "limit";
    /// Of which kinds, with commas between.
    Kind = "kind";
    /// As severe as this, or more: `notice`, `warning` or `critical`.
    Severity = "severity";
    /// What happened since: a span as `2h` or `7d`, a day as `2026-11-21`, or a moment as `2026-11-21T03:02:11Z`.
    Since = "since";
    /// What each row is of: `day`, `week` or `month`.
    By = "by";
    /// The one-time token of a letter.
    Token = "token";
    /// What the answer to a request for a code said, which only the browser has that asked.
    LoginId = "login_id";
    /// A code that somebody types: of a letter, of an app, or a recovery code.
    Code = "code";
    /// Whether all of the account's sessions end, not only those that a letter told of: `true` or `false`.
    Everywhere = "everywhere";
    /// Whether a change of the address shall have no undo: `true` or `false`.
    ClosesUndo = "closes_undo";
    /// What goes on with a log-in that waits for its second factor: `mfa_token` of its answer.
    MfaToken = "mfa_token";
    /// What a browser answered with a passkey: an object, or the same as text.
    Credential = "credential";
    /// Whether this device shall not be asked for a second factor for a while: `true` or `false`.
    RememberDevice = "remember_device";
    /// What this device was given when a second factor was shown on it, so that it is not asked again.
    DeviceToken = "device_token";
    /// What people call a second factor.
    Label = "label";
    /// An invitation to make an account.
    Invite = "invite";
    /// For how long the invitation is good, in seconds, or as a span such as `2h`.
    ExpiresIn = "expires_in";
    /// The solution of a challenge, as ALTCHA's widget writes it.
    Altcha = "altcha";
}

impl Input {
    /// Whether it narrows down what is read, so that it stands in the query of a request and not in its body. Nothing that
    /// nobody else may know does: addresses stand in logs.
    #[must_use]
    pub const fn is_in_query(self) -> bool {
        matches!(
            self,
            Self::Query | Self::After | Self::Limit | Self::Kind | Self::Severity | Self::Since | Self::By
        )
    }

    /// Whether it is `true` or `false`.
    #[must_use]
    pub const fn is_flag(self) -> bool {
        matches!(
            self,
            Self::IsAdmin
                | Self::IsDisabled
                | Self::IsEmailVerified
                | Self::Everywhere
                | Self::ClosesUndo
                | Self::RememberDevice
        )
    }

    /// The input that [`name`](Self::name) stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|input| input.name() == name)
    }
}

/// The fields a route reads from the body of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Takes {
    fields: Vec<TakenField>,
}

/// One field on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenField {
    /// The name on the wire.
    pub name: String,
    /// What it holds.
    pub input: Input,
    /// Whether the request may lack it.
    pub is_optional: bool,
}

/// What a request brought, by input.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    values: [Option<&'a str>; Input::ALL.len()],
    body: Option<&'a Map<String, Value>>,
}

impl Default for Inputs<'_> {
    fn default() -> Self {
        Self { values: [None; Input::ALL.len()], body: None }
    }
}

impl<'a> Inputs<'a> {
    /// What was brought for `input`; never empty.
    #[must_use]
    pub fn get(&self, input: Input) -> Option<&'a str> {
        self.values[input as usize]
    }

    /// What was brought for an input that is `true` or `false`.
    #[must_use]
    pub fn flag(&self, input: Input) -> Option<bool> {
        self.get(input).map(|text| text == "true")
    }

    /// Says that a field did not come, and which came in its place.
    pub(crate) fn missing(&self, field: String) -> TakeError {
        TakeError::missing(field, self.body.unwrap_or(&Map::new()))
    }
}

/// A field of a request that is missing or wrong, the first of them in the order of the profile.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the field {field:?} {what}{}", .instead.as_deref().map(came_instead).unwrap_or_default())]
pub struct TakeError {
    /// The name on the wire.
    pub field: String,
    /// What is wrong with it, as the end of a sentence that begins with the field.
    pub what: &'static str,
    /// The name of a field that came in its place.
    pub instead: Option<String>,
    /// The refusal's code: `field_missing` or `field_invalid`.
    pub code: &'static str,
    /// The further fields that are, for profiles that list them all; these have none of their own.
    pub others: Vec<TakeError>,
}

impl TakeError {
    fn invalid(field: &TakenField, what: &'static str) -> Self {
        Self::wrong(field.name.clone(), what)
    }

    /// What came in a field is none of what can stand there; `what` ends a sentence that begins with the field.
    pub(crate) fn wrong(field: String, what: &'static str) -> Self {
        Self { field, what, instead: None, code: rows::FIELD_INVALID.name, others: Vec::new() }
    }

    /// The field did not come; perhaps another of the body was meant for it.
    pub(crate) fn missing(field: String, body: &Map<String, Value>) -> Self {
        let instead = name_of_field_instead(&field, body).filter(|_| !body.contains_key(&field));
        let what = if body.contains_key(&field) { "came empty" } else { "is missing" };
        Self { field, what, instead, code: rows::FIELD_MISSING.name, others: Vec::new() }
    }
}

fn came_instead(name: &str) -> String {
    format!("; {} came in its place", quoted(name))
}

/// The name in a body that was probably meant for a field; also one level further down, as in `data.refreshToken`.
pub(crate) fn name_of_field_instead(wanted: &str, body: &Map<String, Value>) -> Option<String> {
    let above = name_instead(wanted, body.keys().map(String::as_str)).map(str::to_owned);
    above.or_else(|| {
        let inner = body.iter().filter_map(|(name, value)| Some((name, value.as_object()?)));
        inner.take(MOST_NAMES).find_map(|(name, fields)| {
            let found = fields.keys().find(|key| key.as_str() == wanted).map(String::as_str);
            let found = found.or_else(|| name_instead(wanted, fields.keys().map(String::as_str)))?;
            is_plain(name).then(|| format!("{name}.{found}"))
        })
    })
}

/// The name, among those that came, which was probably meant for another: written with other letters between its words,
/// shorter or longer by a word, or mistyped. The other itself is not meant for itself, and only plain names are repeated to
/// whoever sent them.
pub(crate) fn name_instead<'a>(wanted: &str, came: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let bare = plain(wanted);
    let far = |name: &str| {
        let name = plain(name);
        match () {
            () if name == bare => Some(0),
            () if name.len() >= 4 && bare.ends_with(&name) || bare.starts_with(&name) && name.len() >= 4 => {
                Some(1)
            }
            () if bare.len() >= 4 && name.contains(&bare) => Some(2),
            () if strsim::damerau_levenshtein(&name, &bare) <= bare.len() / 5 => Some(3),
            () => None,
        }
    };
    let names = came.take(MOST_NAMES).filter(|name| is_plain(name) && *name != wanted);
    names.filter_map(|name| Some((far(name)?, name))).min_by_key(|(far, _)| *far).map(|(_, name)| name)
}

fn is_plain(name: &str) -> bool {
    name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// How many a listing has at most in one slice.
pub(crate) const MOST_LISTED: u32 = 200;

/// How many names of a body are looked at.
const MOST_NAMES: usize = 64;

impl TakenField {
    /// What `object` has in this field, or what is wrong with that; `null` and the empty text count as absent.
    fn read<'a>(&self, object: &'a Map<String, Value>) -> Result<Option<&'a str>, &'static str> {
        match object.get(&self.name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text))
                if self.input == Input::Transport && !matches!(text.as_str(), "cookie" | "body") =>
            {
                Err("must be \"cookie\" or \"body\"")
            }
            // A form has texts only.
            Some(Value::String(text))
                if self.input.is_flag() && !matches!(text.as_str(), "true" | "false") =>
            {
                Err("must be true or false")
            }
            Some(Value::String(text)) => Ok(Some(text)),
            // Whoever wants it finds it by its name.
            Some(Value::Object(_)) if self.input == Input::Credential => Ok(Some("{}")),
            Some(Value::Bool(flag)) if self.input.is_flag() => Ok(Some(if *flag { "true" } else { "false" })),
            Some(_) if self.input.is_flag() => Err("must be true or false"),
            Some(_) => Err("must be a text"),
        }
    }
}

impl Takes {
    /// Reads the inputs out of the body of a request.
    ///
    /// Fields that the profile does not name are ignored, since clients add fields. `null` and the empty text
    /// count as absent. Of several fields for one input the first in the order of the profile counts.
    ///
    /// # Errors
    /// A field holds something other than a text, or a required input is missing.
    pub fn read<'a>(&self, object: &'a Map<String, Value>) -> Result<Inputs<'a>, TakeError> {
        let mut inputs = Inputs { body: Some(object), ..Inputs::default() };
        for field in &self.fields {
            if let Ok(Some(text)) = field.read(object) {
                inputs.values[field.input as usize].get_or_insert(text);
            }
        }
        let mut errors = self.errors(object, &inputs).into_iter();
        match errors.next() {
            Some(first) => Err(TakeError { others: errors.collect(), ..first }),
            None => Ok(inputs),
        }
    }

    /// What is missing or wrong, one field for each input.
    fn errors(&self, object: &Map<String, Value>, inputs: &Inputs<'_>) -> Vec<TakeError> {
        let (mut errors, mut named) = (Vec::new(), Vec::new());
        let is_wrong = |input| {
            let mut fields = self.fields.iter();
            fields.any(|field| field.input == input && field.read(object).is_err())
        };
        for field in &self.fields {
            let error = match field.read(object) {
                Err(what) => TakeError::invalid(field, what),
                Ok(_) if field.is_optional || inputs.get(field.input).is_some() => continue,
                // Another field for this input came, and is at fault itself.
                Ok(_) if is_wrong(field.input) => continue,
                Ok(_) => TakeError::missing(field.name.clone(), object),
            };
            if !named.contains(&field.input) {
                named.push(field.input);
                errors.push(error);
            }
        }
        errors
    }

    /// The fields, in the order of the profile.
    #[must_use]
    pub fn fields(&self) -> &[TakenField] {
        &self.fields
    }

    /// Whether some field holds `input`.
    #[must_use]
    pub fn takes(&self, input: Input) -> bool {
        self.fields.iter().any(|field| field.input == input)
    }

    /// Whether a request without `input` is refused.
    #[must_use]
    pub fn requires(&self, input: Input) -> bool {
        self.fields.iter().any(|field| field.input == input && !field.is_optional)
    }

    /// Adds a field that a request may lack.
    pub(super) fn add_optional(&mut self, name: &str, input: Input) {
        self.fields.push(TakenField { name: name.to_owned(), input, is_optional: true });
    }

    /// Reads the `takes` of a route whose action takes `available`.
    ///
    /// # Errors
    /// It names what the action does not take.
    pub(super) fn parse(field: &Field<'_>, available: &[Input]) -> Result<Self, ProfileError> {
        let fields = field.open_section()?.fields().into_iter();
        let fields = fields.map(|(name, field)| taken_field(name, &field, available));
        Ok(Self { fields: fields.collect::<Result<_, _>>()? })
    }
}

fn taken_field(name: &str, field: &Field<'_>, available: &[Input]) -> Result<TakenField, ProfileError> {
    let text = field.text()?;
    let (word, is_optional) = text.strip_suffix('?').map_or((text, false), |word| (word, true));
    let input = word.strip_prefix('$').and_then(Input::named);
    match input.filter(|input| available.contains(input)) {
        Some(input) => Ok(TakenField { name: name.to_owned(), input, is_optional }),
        None => {
            let known: Vec<String> = available.iter().map(|input| format!("${}", input.name())).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = match input {
                Some(_) if !known.is_empty() => format!("it takes {}", list(&known)),
                _ => suggest(word, &known),
            };
            Err(field.error(format!("this action does not take {}", quoted(text))).hint(hint))
        }
    }
}
