//! What a verified token says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use serde_core::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::rules::Rules;

/// The claims of a token that has been verified; only a verifier makes them.
#[derive(Clone, PartialEq, Debug)]
pub struct Claims {
    subject: String,
    session: String,
    client_id: String,
    id: String,
    issued_at: SystemTime,
    expires_at: SystemTime,
    authenticated_at: Option<SystemTime>,
    methods: Vec<String>,
    assurance: Option<String>,
    further: Map<String, Value>,
}

impl Claims {
    /// Whom the token speaks for (`sub`): the account's id, or what the server was told to call it by.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The id of the account at the server: `account_id` where the token has it, else `sub`.
    #[must_use]
    pub fn account(&self) -> &str {
        self.further.get("account_id").and_then(Value::as_str).unwrap_or(&self.subject)
    }

    /// The session that the token belongs to (`sid`): one log-in on one device.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The client that it was made for (`client_id`): the name of the profile.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The token's own id (`jti`), which no other token has.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was made (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        self.issued_at
    }

    /// When it stops being accepted (`exp`), leeway aside.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// When the user last proved who they are (`auth_time`), where the token tells.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.authenticated_at
    }

    /// How they did (`amr`, RFC 8176): `pwd`, `otp`, `hwk`, …; empty where the token does not tell.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// How well that is assured (`acr`): `aal1` for one factor, `aal2` for two, where the token tells.
    #[must_use]
    pub fn assurance(&self) -> Option<&str> {
        self.assurance.as_deref()
    }

    /// Everything else that it says, as JSON: what the server's profile was configured to add.
    #[must_use]
    pub fn further(&self) -> &Map<String, Value> {
        &self.further
    }

    /// One of the further claims in a type of yours; `None` where the token does not have it.
    ///
    /// # Errors
    /// [`Error::Claim`] if it is there and cannot be read as a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let read = |value| T::deserialize(value).map_err(|_| Error::Claim(name.to_owned()));
        self.further.get(name).map(read).transpose()
    }

    /// Reads and judges the claims of a token whose signature has been verified.
    pub(crate) fn read(
        mut members: Map<String, Value>,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let issuer: String = take(&mut members, "iss", text)?;
        let audience = take_optional(&mut members, "aud", text)?;
        let subject = take(&mut members, "sub", text)?;
        let account = take_optional(&mut members, "account_id", uuid)?;
        if account.is_none() && !is_uuid(&subject) {
            return Err(missing("sub"));
        }
        let issued_at = take(&mut members, "iat", moment)?;
        let claims = Self {
            subject,
            session: take(&mut members, "sid", uuid)?,
            client_id: take(&mut members, "client_id", text)?,
            id: take(&mut members, "jti", token_id)?,
            issued_at,
            expires_at: take(&mut members, "exp", moment)?,
            authenticated_at: take_optional(&mut members, "auth_time", moment)?,
            methods: take_optional(&mut members, "amr", texts)?.unwrap_or_default(),
            assurance: take_optional(&mut members, "acr", text)?,
            further: Map::new(),
        };
        let not_before = take_optional(&mut members, "nbf", moment)?.unwrap_or(issued_at);
        if let Some(account) = account {
            members.insert("account_id".to_owned(), Value::String(account));
        }
        rules.judge_parties(&issuer, audience.as_deref())?;
        rules.judge_time(issued_at.max(not_before), claims.expires_at, now)?;
        Ok(Self { further: members, ..claims })
    }
}

fn missing(name: &str) -> Error {
    Error::Claim(name.to_owned())
}

fn take<T>(
    members: &mut Map<String, Value>,
    name: &str,
    read: impl Fn(Value) -> Option<T>,
) -> Result<T, Error> {
    take_optional(members, name, read)?.ok_or_else(|| missing(name))
}

/// Takes a claim out that may be absent; one that is there must be of its type.
fn take_optional<T>(
    members: &mut Map<String, Value>,
    name: &str,
    read: impl Fn(Value) -> Option<T>,
) -> Result<Option<T>, Error> {
    members.remove(name).map(|value| read(value).ok_or_else(|| missing(name))).transpose()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list.into_iter().map(text).collect(),
        _ => None,
    }
}

/// Whole seconds since the epoch, not negative, as an integer and nothing else. They must fit into 63 bits as
/// milliseconds, so that every reader of a token can count with them.
fn moment(value: Value) -> Option<SystemTime> {
    let seconds = value.as_u64()?;
    let is_countable = seconds <= i64::MAX as u64 / 1000;
    is_countable.then(|| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))).flatten()
}

fn uuid(value: Value) -> Option<String> {
    text(value).filter(|text| is_uuid(text))
}

/// An id in the one form that the server writes: 36 characters, lower case (RFC 9562 section 4).
fn is_uuid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

/// The id of a token: sixteen bytes, in base64url.
fn token_id(value: Value) -> Option<String> {
    let is_id = |text: &String| {
        text.len() == 22 && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok_and(|id| id.len() == 16)
    };
    text(value).filter(is_id)
}
