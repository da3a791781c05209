//! Who adds a second factor: whoever has a session, or somebody whose log-in waits until the account has one.

use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use sprag::engine::Caller;

use super::context::Call;
use crate::edge::instead;
use crate::edge::refusal::Problem;
use crate::edge::wiped::WipedFields;
use crate::profile::{Input, Inputs};

/// A request to add a second factor.
pub(super) struct Enrolling {
    caller: Option<Caller>,
    /// The fields of its body.
    pub(super) fields: WipedFields,
}

/// By what somebody may add a second factor.
pub(super) enum By<'a> {
    /// Their session.
    Caller(Box<Caller>),
    /// What goes on with their log-in.
    LogIn(&'a str),
}

impl Enrolling {
    /// # Errors
    /// The body cannot be read; without an access token that says nothing of who asks.
    pub(super) fn of(call: &mut Call) -> Result<Self, Problem> {
        let caller = call.caller.take();
        let has_body = call.parts.headers.contains_key(CONTENT_TYPE);
        if caller.is_none() && !has_body {
            return Err(missing(&call.parts));
        }
        Ok(Self { caller, fields: call.fields()? })
    }

    /// # Errors
    /// There is neither.
    pub(super) fn by<'a>(&self, inputs: &Inputs<'a>, parts: &Parts) -> Result<By<'a>, Problem> {
        match (&self.caller, inputs.get(Input::MfaToken)) {
            (Some(caller), _) => Ok(By::Caller(Box::new(caller.clone()))),
            (None, Some(token)) => Ok(By::LogIn(token)),
            (None, None) => Err(missing(parts)),
        }
    }
}

fn missing(parts: &Parts) -> Problem {
    Problem::TokenMissing(instead::of_access_token(parts))
}
