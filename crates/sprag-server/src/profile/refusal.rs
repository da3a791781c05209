//! The shape of a "no": one body for all refusals, with exceptions by code.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::Value;
use sprag::error::{CODES, Code};

use super::error::{ProfileError, suggest};
use super::fact::Fact;
use super::facts::{Facts, FieldFacts, RefusalFacts, WaitingFacts};
use super::node::Node;
use super::section::Field;
use super::template::{Scope, Template};
use crate::quoted::quoted;

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
            fact("mfa_token", Fact::MfaToken, true),
            fact("factors", Fact::MfaFactors, true),
            fact("expires_in", Fact::MfaExpiresIn, true),
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
        self.write_waiting((code, message, cause), fields, None, out)
    }

    /// Writes as [`write`](Self::write) does, where a log-in may wait for a second factor.
    pub fn write_waiting(
        &self,
        (code, message, cause): (&str, &str, Option<&str>),
        fields: &[FieldAtFault<'_>],
        waits: Option<WaitingFacts<'_>>,
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
            waits,
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
    CODES.iter().find(|known| known.name == code).map_or(StatusCode::INTERNAL_SERVER_ERROR, status_of)
}

/// The status of a row of the table of refusals.
fn status_of(code: &Code) -> StatusCode {
    StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn exception(code: &str, field: &Field<'_>) -> Result<(&'static str, Exception), ProfileError> {
    let Some(usual) = CODES.iter().find(|known| known.name == code) else {
        let known: Vec<&str> = CODES.iter().map(|known| known.name).collect();
        return Err(field.error(format!("unknown code {}", quoted(code))).hint(suggest(code, &known)));
    };
    let section = field.section(&["status", "message", "gives"])?;
    let status = match section.get("status") {
        Some(field) => {
            StatusCode::from_u16(field.number(400..=599)?).map_err(|error| field.error(error.to_string()))?
        }
        None => status_of(usual),
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
        .error(format!("{} is not a JSON media type", quoted(text)))
        .hint("write \"application/json\" or one that ends in \"+json\""))
}
