//! From a "no" or a failure to what the wire needs to know of it: status, code, sentence.

use std::borrow::Cow;
use std::error::Error as StdError;

use hyper::StatusCode;
use sprag::{Error, Fault, FaultKind, Refusal};

/// Everything that can be answered instead of success.
#[derive(Debug)]
pub(super) enum Problem {
    /// The engine refused or failed.
    Engine(Error),
    /// The request cannot be understood.
    Invalid { what: Cow<'static, str>, field: Option<String> },
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    TooSlow,
    /// The body is of a kind we do not read.
    UnsupportedMediaType(&'static str),
    /// The path has no such method.
    MethodNotAllowed,
    /// There is no such path.
    NotFound,
    /// A cookie-authenticated request from another site.
    CrossSite,
    /// A defect brought this one request down.
    Panicked,
}

/// What a refusal says, before a page gives it its shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
    pub(super) cause: Option<&'static str>,
    pub(super) field: Option<String>,
    pub(super) retry_after_seconds: Option<u32>,
}

/// The codes that only the wire knows; the engine's own are [`Refusal::code`].
pub const WIRE_CODES: [(u16, &str); 11] = [
    (400, "invalid_request"),
    (403, "cross_site"),
    (404, "not_found"),
    (405, "method_not_allowed"),
    (408, "request_timeout"),
    (413, "content_too_large"),
    (415, "unsupported_media_type"),
    (500, "internal"),
    (503, "busy"),
    (503, "unavailable"),
    (503, "shutting_down"),
];

impl Problem {
    pub(super) fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { what: what.into(), field: None }
    }

    pub(super) fn invalid_field(field: impl Into<String>, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { what: what.into(), field: Some(field.into()) }
    }

    /// What is said of it. Faults are logged here, once, where they are answered; the client learns no detail.
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::Engine(Error::Refused(refusal)) => of_refusal(&refusal),
            Self::Engine(Error::Failed(fault)) => of_fault(&fault),
            Self::Invalid { what, field } => Answer { field, ..plain(StatusCode::BAD_REQUEST, "invalid_request", what) },
            Self::TooLarge => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "content_too_large",
                "the body is larger than 64 KiB; send less",
            ),
            Self::TooSlow => plain(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "the body did not arrive within 10 seconds; send the request again",
            ),
            Self::UnsupportedMediaType(what) => {
                plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", what)
            }
            Self::MethodNotAllowed => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address takes another method; the Allow header names it",
            ),
            Self::NotFound => plain(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nothing at this address; /docs lists what there is",
            ),
            Self::CrossSite => plain(
                StatusCode::FORBIDDEN,
                "cross_site",
                "this request carries a session cookie but no Origin or Sec-Fetch-Site of this site; \
                 send it from a page of this site, or the token in the body",
            ),
            Self::Panicked => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something broke here; try again later")
            }
        }
    }
}

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

fn of_refusal(refusal: &Refusal) -> Answer {
    let cause = match refusal {
        Refusal::SessionEnded(cause) => cause.map(sprag::session::EndCause::name),
        _ => None,
    };
    let field = match refusal {
        Refusal::PasswordRejected => Some("password".to_owned()),
        _ => None,
    };
    let retry_after_seconds = matches!(refusal, Refusal::TooManyRetries).then_some(30);
    let message = refusal.to_string();
    Answer { cause, field, retry_after_seconds, ..plain(status_of(refusal), refusal.code(), message) }
}

fn of_fault(fault: &Fault) -> Answer {
    let source = fault.source().map(ToString::to_string);
    match fault.kind {
        FaultKind::Busy => {
            tracing::debug!(fault = %fault, "too much work at once; said so");
            let message = "too many requests of this kind at once; try again in a second";
            Answer { retry_after_seconds: Some(1), ..plain(StatusCode::SERVICE_UNAVAILABLE, "busy", message) }
        }
        FaultKind::Unavailable => {
            tracing::error!(fault = %fault, source, "a request could not be served; told the client to come back");
            let message = "the service cannot answer just now; try again in a second, with the same token";
            Answer {
                retry_after_seconds: Some(1),
                ..plain(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        }
        FaultKind::Internal => {
            tracing::error!(fault = %fault, source, "a request met a defect");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something broke here; try again later")
        }
    }
}

/// The status each refusal has unless a page says otherwise.
pub fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::TokenMissing
        | Refusal::TokenInvalid
        | Refusal::TokenSpent
        | Refusal::TokenExpired
        | Refusal::SessionEnded(_)
        | Refusal::AccountDisabled
        | Refusal::CredentialsInvalid => StatusCode::UNAUTHORIZED,
        // Not 401: a client would take that for an expired access token and refresh it.
        Refusal::CurrentPasswordWrong | Refusal::Forbidden => StatusCode::FORBIDDEN,
        Refusal::TooManyRetries => StatusCode::TOO_MANY_REQUESTS,
        Refusal::PasswordRejected | Refusal::NameInvalid(_) => StatusCode::BAD_REQUEST,
        Refusal::NameTaken => StatusCode::CONFLICT,
        Refusal::SessionUnknown | Refusal::AccountUnknown => StatusCode::NOT_FOUND,
    }
}

fn plain(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Answer {
    Answer { status, code, message: message.into(), cause: None, field: None, retry_after_seconds: None }
}
