//! The extractors.

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::guard::Guard;
use crate::claims::Claims;
use crate::error::Error;

/// The claims of the access token that came with a request, verified by the [`Guard`] in the router's state.
#[derive(Clone, PartialEq, Debug)]
pub struct AccessToken(
    /// What the token says.
    pub Claims,
);

impl<S> FromRequestParts<S> for AccessToken
where
    S: Send + Sync,
    Guard: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Guard::from_ref(state).verify(&parts.headers).await?.map(Self).ok_or(Error::Missing)
    }
}

impl<S> OptionalFromRequestParts<S> for AccessToken
where
    S: Send + Sync,
    Guard: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        Ok(Guard::from_ref(state).verify(&parts.headers).await?.map(Self))
    }
}

/// The claims that [`RequireToken`](super::RequireToken) has verified; where no such layer is, nobody gets in.
impl<S: Send + Sync> FromRequestParts<S> for Claims {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get().cloned().ok_or(Error::NoLayer)
    }
}

/// The claims, if a token came; for routes behind [`RequireToken::optional`](super::RequireToken::optional).
impl<S: Send + Sync> OptionalFromRequestParts<S> for Claims {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        Ok(parts.extensions.get().cloned())
    }
}
