//! What an extractor and a layer verify with.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::bearer::bearer;
use crate::claims::Claims;
use crate::error::Error;
use crate::remote::RemoteVerifier;
use crate::verifier::Verifier;

/// A verifier of either kind, for the state of a router or for a layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Local(Verifier),
    Remote(RemoteVerifier),
}

impl Guard {
    /// Verifies the bearer token among a request's headers; `None` if there is none.
    ///
    /// # Errors
    /// [`Error`] says why it is not accepted.
    pub async fn verify(&self, headers: &HeaderMap) -> Result<Option<Claims>, Error> {
        let values = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let Some(token) = bearer(values)? else { return Ok(None) };
        match &self.0 {
            Kind::Local(verifier) => verifier.verify(token),
            Kind::Remote(verifier) => verifier.verify(token).await,
        }
        .map(Some)
    }
}

impl From<Verifier> for Guard {
    fn from(verifier: Verifier) -> Self {
        Self(Kind::Local(verifier))
    }
}

impl From<RemoteVerifier> for Guard {
    fn from(verifier: RemoteVerifier) -> Self {
        Self(Kind::Remote(verifier))
    }
}
