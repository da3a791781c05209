//! From a "no" or a failure to what the wire needs to know of it: code, sentence, cause.

use std::borrow::Cow;
use std::error::Error as StdError;

use sprag::engine::WaitingLogIn;
use sprag::error::refusals as rows;
use sprag::error::{Code, Error, Fault, FaultKind, Refusal};
use sprag::seldom;

use super::budgets::seconds;
use crate::profile::{FieldAtFault, TakeError};

/// Everything that can be answered instead of success.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The engine refused or failed.
    Engine(Error),
    /// Somebody else might read another request, for this reason.
    Ambiguous(&'static str),
    /// The request cannot be understood.
    Invalid(Cow<'static, str>),
    /// A field of the body is missing or wrong.
    Field(TakeError),
    /// The engine refused what stands in the field of this name.
    AtField(String, Error),
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    TooSlow,
    /// The body is of a kind we do not read.
    UnsupportedMediaType(Cow<'static, str>),
    /// No token came, with where it was looked for and what came in its place.
    TokenMissing(String),
    /// The path has no such method.
    MethodNotAllowed,
    /// There is no such path.
    NotFound,
    /// An administrator asks for the story of the session they ask with.
    OwnSession,
    /// An administrator would delete, disable or demote the account they ask with, or set its password.
    OwnAccount,
    /// An administrator would have their own account deleted, as anybody else may.
    OwnDeletion,
    /// An administrator asks for the story of a session that there is not.
    NoSuchSession,
    /// A log-in waits for its second factor, or until its account has one.
    Waits(Box<WaitingLogIn>),
    /// A log-in waits for its second factor, or until its account has one, at a profile that has no call to go on with it.
    WaitsInVain { is_enrolment: bool },
    /// Name or password are wrong, or they are right and the address is not confirmed, which nobody is told apart.
    CredentialsOrUnconfirmed,
    /// A budget is exhausted, for so many seconds.
    RateLimited(u32),
    /// A cookie-authenticated request from another site, with what more is known of it.
    CrossSite(Option<String>),
    /// It comes from a place that is not let in.
    PlaceRefused,
    /// A defect brought this one request down.
    Panicked,
}

/// What a refusal says, before a profile gives it its shape; the code decides the status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
    pub(crate) cause: Option<&'static str>,
    pub(crate) fields: Vec<AtFault>,
    pub(crate) retry_after_seconds: Option<u32>,
    /// What goes on with a log-in that waits for its second factor.
    pub(crate) waits: Option<Box<WaitingLogIn>>,
}

/// A field that is missing or wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AtFault {
    pub(crate) name: String,
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
}

impl AtFault {
    pub(crate) fn told(&self) -> FieldAtFault<'_> {
        FieldAtFault { name: &self.name, code: self.code, message: &self.message }
    }
}

impl Problem {
    pub(crate) fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(what.into())
    }

    /// Whether an access token is what stands in the way: there is one, and it does not say who is asking.
    pub(crate) fn is_about_token(&self) -> bool {
        use Refusal::{SessionEnded, TokenExpired, TokenInvalid};
        matches!(self, Self::Engine(Error::Refused(TokenInvalid | TokenExpired | SessionEnded(_))))
    }

    /// Whether an access token stands in the way that was good once.
    pub(crate) fn is_of_the_past(&self) -> bool {
        use Refusal::{SessionEnded, TokenExpired};
        matches!(self, Self::Engine(Error::Refused(TokenExpired | SessionEnded(_))))
    }

    /// What is said of it. Faults are logged here, once, where they are answered; the client learns no detail.
    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::Engine(Error::Refused(refusal)) => of_refusal(&refusal),
            Self::Engine(Error::Failed(fault)) => of_fault(&fault),
            Self::Ambiguous(why) => said(
                &rows::REQUEST_AMBIGUOUS,
                format!(
                    "others may read this request otherwise: {why}; mend it, and send it on a new connection"
                ),
            ),
            Self::Invalid(what) => said(&rows::REQUEST_INVALID, what),
            Self::Field(error) => of_fields(error),
            Self::AtField(name, error) => {
                let answer = Self::Engine(error).answer();
                let field = AtFault { name, code: answer.code, message: answer.message.clone() };
                Answer { fields: vec![field], ..answer }
            }
            Self::TooLarge => plain(&rows::REQUEST_TOO_LARGE),
            Self::TooSlow => plain(&rows::REQUEST_TIMEOUT),
            Self::UnsupportedMediaType(what) => said(&rows::MEDIA_TYPE_UNSUPPORTED, what),
            Self::TokenMissing(why) => {
                // Profiles that word this refusal as another system did tell their clients nothing of it.
                if let Some(left_out) = seldom::left_out("find the token of a request") {
                    tracing::debug!(left_out, "a call was refused: {why}");
                }
                said(&rows::TOKEN_MISSING, why)
            }
            Self::MethodNotAllowed => plain(&rows::METHOD_NOT_ALLOWED),
            Self::NotFound => plain(&rows::NOT_FOUND),
            Self::OwnSession => {
                said(&rows::FORBIDDEN, "nobody is told of the session they ask with; ask from another one")
            }
            Self::OwnAccount => said(
                &rows::FORBIDDEN,
                "nobody deletes, disables or demotes the account they ask with, nor sets its password here; change your own password \
                 with the call for that, and have another administrator, or the command line, do the rest",
            ),
            Self::OwnDeletion => said(
                &rows::FORBIDDEN,
                "an administrator does not delete their own account; have another administrator, or `sprag user set NAME --admin off`, \
                 take that away first, and ask again then",
            ),
            Self::NoSuchSession => said(
                &rows::SESSION_UNKNOWN,
                "nothing is known of a session with this id, live or ended; look whether the id is whole",
            ),
            Self::Waits(waits) => {
                let answer = if waits.is_enrolment {
                    said(
                        &rows::ENROLMENT_REQUIRED,
                        "this account must have a second factor and has none, so no session was opened; add one with the mfa_token of this answer",
                    )
                } else {
                    said(
                        &rows::SECOND_FACTOR_REQUIRED,
                        "this account has a second factor, so no session was opened; show it with the mfa_token of this answer",
                    )
                };
                Answer { waits: Some(waits), ..answer }
            }
            Self::WaitsInVain { is_enrolment: true } => said(
                &rows::ENROLMENT_REQUIRED,
                "this account must have a second factor and has none, and none can be added here, so no session was opened; add one in an \
                 app of this service that can, or ask whoever runs it",
            ),
            Self::WaitsInVain { is_enrolment: false } => said(
                &rows::SECOND_FACTOR_REQUIRED,
                "this account has a second factor, and nothing takes one here, so no session was opened; log in with an app of this \
                 service that asks for it, or ask whoever runs it",
            ),
            Self::CredentialsOrUnconfirmed => said(
                &rows::CREDENTIALS_INVALID,
                "the name or the password is wrong, or the address is not confirmed yet; if they are right, follow the link of the letter \
                 that is on its way",
            ),
            Self::RateLimited(seconds) => {
                Answer { retry_after_seconds: Some(seconds), ..plain(&rows::RATE_LIMITED) }
            }
            Self::CrossSite(None) => plain(&rows::ORIGIN_REFUSED),
            Self::CrossSite(Some(what)) => said(&rows::ORIGIN_REFUSED, what),
            Self::PlaceRefused => plain(&rows::PLACE_REFUSED),
            Self::Panicked => plain(&rows::INTERNAL),
        }
    }
}

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

fn of_fields(mut error: TakeError) -> Answer {
    let others = std::mem::take(&mut error.others);
    let (code, message) = (error.code, error.to_string().into());
    let at_fault = |error: TakeError| {
        let message = error.to_string().into();
        AtFault { name: error.field, code: error.code, message }
    };
    let fields = std::iter::once(error).chain(others).map(at_fault).collect();
    Answer { code, message, cause: None, fields, retry_after_seconds: None, waits: None }
}

fn of_refusal(refusal: &Refusal) -> Answer {
    let cause = match refusal {
        Refusal::SessionEnded(cause) => cause.map(sprag::session::EndCause::name),
        _ => None,
    };
    let retry_after_seconds = match refusal {
        Refusal::TooManyRetries => Some(30),
        Refusal::RateLimited(spent) => Some(u32::try_from(seconds(spent.wait)).unwrap_or(u32::MAX).max(1)),
        _ => None,
    };
    Answer { cause, retry_after_seconds, ..said(refusal.row(), refusal.to_string()) }
}

fn of_fault(fault: &Fault) -> Answer {
    let source = fault.source().map(ToString::to_string);
    let retry_after_seconds = match fault.kind {
        FaultKind::Busy => {
            tracing::debug!(fault = %fault, "too much work at once; said so");
            Some(1)
        }
        FaultKind::Unavailable => {
            if let Some(left_out) = seldom::left_out(fault.doing) {
                tracing::error!(
                    fault = %fault,
                    source,
                    left_out,
                    "a request could not be served; told the client to come back (left_out: how many more since the \
                     last such line)"
                );
            }
            Some(1)
        }
        FaultKind::Internal => {
            if let Some(left_out) = seldom::left_out(fault.doing) {
                tracing::error!(fault = %fault, source, left_out, "a request met a defect");
            }
            None
        }
    };
    Answer { retry_after_seconds, ..plain(fault.kind.row()) }
}

/// What the table of refusals says, where nothing more is known.
fn plain(row: &Code) -> Answer {
    said(row, row.sentence)
}

/// A row with a sentence of its own for the case at hand.
fn said(row: &Code, message: impl Into<Cow<'static, str>>) -> Answer {
    Answer {
        code: row.name,
        message: message.into(),
        cause: None,
        fields: Vec::new(),
        retry_after_seconds: None,
        waits: None,
    }
}
