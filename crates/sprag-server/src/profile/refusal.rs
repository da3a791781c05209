//! The shape of a "no": one body for all refusals, with exceptions by code.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::Value;

use super::error::{ProfileError, quote, suggest};
use super::fact::Fact;
use super::facts::{Facts, FieldFacts, RefusalFacts};
use super::node::Node;
use super::section::Field;
use super::template::{Scope, Template};

/// What stands in the `code` of a refusal or fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The code; stable, part of the wire.
    pub name: &'static str,
    /// Its status, unless a profile has another.
    pub status: StatusCode,
    /// When it is answered.
    pub when: &'static str,
}

/// Every code; `docs/reference/errors.md` documents each.
pub const CODES: &[Code] = &[
    code(
        "request_invalid",
        StatusCode::BAD_REQUEST,
        "The request cannot be understood, or its cookie and body name different sessions",
    ),
    code("field_missing", StatusCode::BAD_REQUEST, "A field that this call needs is not in the body"),
    code("field_invalid", StatusCode::BAD_REQUEST, "A field of the body holds something it cannot hold"),
    code("token_missing", StatusCode::UNAUTHORIZED, "No token was sent"),
    code("token_invalid", StatusCode::UNAUTHORIZED, "The token is not one of ours, or not for this profile"),
    code("token_spent", StatusCode::UNAUTHORIZED, "The refresh token was spent a moment ago; nothing ended"),
    code("token_expired", StatusCode::UNAUTHORIZED, "The lifetime of the token or its session is over"),
    code(
        "session_ended",
        StatusCode::UNAUTHORIZED,
        "The session is over; a genuine token also learns the cause",
    ),
    code("account_disabled", StatusCode::UNAUTHORIZED, "The account may not log in"),
    code("credentials_invalid", StatusCode::UNAUTHORIZED, "The name is unknown or the password wrong"),
    // Not 401: front ends answer that with a refresh, and the token is not what is wrong.
    code("current_password_wrong", StatusCode::FORBIDDEN, "The current password is wrong"),
    code(
        "forbidden",
        StatusCode::FORBIDDEN,
        "Only an administrator may do this, or the session asks about itself",
    ),
    code("origin_refused", StatusCode::FORBIDDEN, "A cookie came with a request from another origin"),
    code("not_found", StatusCode::NOT_FOUND, "There is no such path"),
    code("session_unknown", StatusCode::NOT_FOUND, "The account has no such live session"),
    code("account_unknown", StatusCode::NOT_FOUND, "There is no such account"),
    code("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "The path does not take this method"),
    code("request_timeout", StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time"),
    code("name_taken", StatusCode::CONFLICT, "Another account has this user name or e-mail"),
    code("request_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
    code(
        "media_type_unsupported",
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body is of a type that this call does not read",
    ),
    code("name_invalid", StatusCode::BAD_REQUEST, "This cannot be a user name or e-mail"),
    code("password_rejected", StatusCode::BAD_REQUEST, "This password cannot be taken"),
    code(
        "too_many_retries",
        StatusCode::TOO_MANY_REQUESTS,
        "One spent refresh token was presented too often",
    ),
    code(
        "rate_limited",
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests; Retry-After says when to come again",
    ),
    code("internal", StatusCode::INTERNAL_SERVER_ERROR, "The server has a defect; its log says more"),
    code(
        "unavailable",
        StatusCode::SERVICE_UNAVAILABLE,
        "The store does not answer; nothing ended; Retry-After says when to come again",
    ),
    code(
        "busy",
        StatusCode::SERVICE_UNAVAILABLE,
        "More work is waiting than is accepted; Retry-After says when to come again",
    ),
];

const fn code(name: &'static str, status: StatusCode, when: &'static str) -> Code {
    Code { name, status, when }
}

/// How a profile says no.
#[derive(Clone, PartialEq, Debug)]
pub struct RefusalShape {
    /// The media type of the body.
    pub content_type: String,
    gives: Template,
    exceptions: BTreeMap<&'static str, Exception>,
}

/// What is different for one code.
#[derive(Clone, PartialEq, Debug)]
struct Exception {
    status: StatusCode,
    message: Option<String>,
    gives: Option<Template>,
}

/// A field of a request that is missing or wrong, before a profile words it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldAtFault<'a> {
    /// Its name on the wire.
    pub name: &'a str,
    /// The code that it alone would have.
    pub code: &'a str,
    /// What is wrong with it, in a sentence.
    pub message: &'a str,
}

/// Problem details (RFC 9457), for profiles that say nothing else and for requests that no profile answers.
impl Default for RefusalShape {
    fn default() -> Self {
        let fact = |key: &str, fact, is_optional| (key.to_owned(), Node::Fact { fact, is_optional });
        let gives = Template::object(vec![
            ("type".to_owned(), Node::Constant(Value::from("about:blank"))),
            fact("title", Fact::Title, false),
            fact("status", Fact::Status, false),
            fact("detail", Fact::Message, false),
            fact("code", Fact::Code, false),
            fact("cause", Fact::Cause, true),
            fact("field", Fact::Field, true),
        ]);
        let content_type = "application/problem+json".to_owned();
        Self { content_type, gives, exceptions: BTreeMap::new() }
    }
}

impl RefusalShape {
    /// The status for `code`; 500 for a code that [`CODES`] does not have.
    #[must_use]
    pub fn status(&self, code: &str) -> StatusCode {
        self.exceptions.get(code).map_or_else(|| usual_status(code), |exception| exception.status)
    }

    /// Writes the body for a refusal at the end of `out`, and says which status it has.
    ///
    /// `message` is the usual sentence; the profile may have its own. Of `fields` the first decides, and the profile may list
    /// the others, each as it lists the faults of its code.
    pub fn write(
        &self,
        code: &str,
        message: &str,
        cause: Option<&str>,
        fields: &[FieldAtFault<'_>],
        out: &mut Vec<u8>,
    ) -> StatusCode {
        let (status, gives) = (self.status(code), self.template(code));
        let own_shape = |code: &str| {
            let own = self.template(code);
            if std::ptr::eq(own, gives) { None } else { own.element() }
        };
        let fields: Vec<FieldFacts<'_>> = fields
            .iter()
            .map(|field| FieldFacts {
                name: field.name,
                code: field.code,
                message: self.message(field.code).unwrap_or(field.message),
                shape: own_shape(field.code),
            })
            .collect();
        let refusal = RefusalFacts {
            code,
            message: self.message(code).unwrap_or(message),
            cause,
            fields: &fields,
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Refused"),
        };
        gives.write(&Facts { refusal: Some(refusal), ..Facts::default() }, out);
        status
    }

    /// The profile's own sentence for `code`.
    fn message(&self, code: &str) -> Option<&str> {
        self.exceptions.get(code)?.message.as_deref()
    }

    fn template(&self, code: &str) -> &Template {
        self.exceptions.get(code).and_then(|exception| exception.gives.as_ref()).unwrap_or(&self.gives)
    }

    /// The templates and, for each, the code it is for; `None` is for all other codes.
    pub(crate) fn templates(&self) -> impl Iterator<Item = (Option<&'static str>, &Template)> {
        let exceptions = self.exceptions.iter();
        let special =
            exceptions.filter_map(|(code, exception)| Some((Some(*code), exception.gives.as_ref()?)));
        std::iter::once((None, &self.gives)).chain(special)
    }

    /// How the profile writes a field at fault in a list, for each of `codes` that has such a list.
    pub(crate) fn elements(&self, codes: &[&str]) -> Vec<&Node> {
        codes.iter().filter_map(|code| self.template(code).element()).collect()
    }

    /// Reads `[refusal]`.
    ///
    /// # Errors
    /// It names an unknown code, an unknown fact or no error status.
    pub(super) fn parse(field: &Field<'_>) -> Result<Self, ProfileError> {
        let section = field.section(&["gives", "content_type", "codes"])?;
        let mut shape = Self::default();
        if let Some(field) = section.get("gives") {
            shape.gives = Template::parse(&field, SCOPE)?;
            shape.content_type = "application/json".to_owned();
        }
        if let Some(field) = section.get("content_type") {
            shape.content_type = media_type(&field)?;
        }
        if let Some(field) = section.get("codes") {
            for (code, field) in field.open_section()?.fields() {
                let (code, exception) = exception(code, &field)?;
                shape.exceptions.insert(code, exception);
            }
        }
        Ok(shape)
    }
}

const SCOPE: Scope<'static> = Scope { anywhere: Fact::REFUSAL, each: &[Fact::Field] };

fn usual_status(code: &str) -> StatusCode {
    let known = CODES.iter().find(|known| known.name == code);
    known.map_or(StatusCode::INTERNAL_SERVER_ERROR, |known| known.status)
}

fn exception(code: &str, field: &Field<'_>) -> Result<(&'static str, Exception), ProfileError> {
    let Some(usual) = CODES.iter().find(|known| known.name == code) else {
        let known: Vec<&str> = CODES.iter().map(|known| known.name).collect();
        return Err(field.error(format!("unknown code {}", quote(code))).hint(suggest(code, &known)));
    };
    let section = field.section(&["status", "message", "gives"])?;
    let status = match section.get("status") {
        Some(field) => {
            StatusCode::from_u16(field.number(400..=599)?).map_err(|error| field.error(error.to_string()))?
        }
        None => usual.status,
    };
    let message = section.get("message").map(|field| field.text().map(str::to_owned)).transpose()?;
    let gives = section.get("gives").map(|field| Template::parse(&field, SCOPE)).transpose()?;
    Ok((usual.name, Exception { status, message, gives }))
}

fn media_type(field: &Field<'_>) -> Result<String, ProfileError> {
    let text = field.text()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_plain && (text.ends_with("json") || text.contains("json;")) {
        return Ok(text.to_owned());
    }
    Err(field
        .error(format!("{} is not a JSON media type", quote(text)))
        .hint("write \"application/json\" or one that ends in \"+json\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag::Refusal;

    #[test]
    fn every_refusal_of_the_engine_has_a_status() {
        let refusals = [
            Refusal::TokenMissing,
            Refusal::TokenInvalid,
            Refusal::TokenSpent,
            Refusal::TokenExpired,
            Refusal::SessionEnded(None),
            Refusal::AccountDisabled,
            Refusal::TooManyRetries,
            Refusal::CredentialsInvalid,
            Refusal::CurrentPasswordWrong,
            Refusal::PasswordRejected,
            Refusal::NameInvalid(""),
            Refusal::NameTaken,
            Refusal::Forbidden,
            Refusal::SessionUnknown,
            Refusal::AccountUnknown,
        ];
        for refusal in refusals {
            let status = RefusalShape::default().status(refusal.code());
            assert!(status.is_client_error(), "{} has {status}", refusal.code());
        }
    }

    #[test]
    fn a_code_stands_once_in_the_list() {
        for (position, code) in CODES.iter().enumerate() {
            assert!(CODES[..position].iter().all(|earlier| earlier.name != code.name), "{}", code.name);
        }
    }
}
