//! An extractor and a layer for axum (feature `axum`).
//!
//! [`RequireToken`] is a layer: what is behind it is reached with an access token only, and handlers there take
//! [`Claims`] as an argument. [`AccessToken`] is an extractor for single routes of a router whose state has a [`Guard`].
//! `Option` around either takes a request without a token, too; one with a bad token is refused all the same.
//!
//! ```
//! use axum::{Router, routing::get};
//! use sprag_verify::{Claims, Verifier, axum::{AccessToken, Guard, RequireToken}};
//!
//! async fn me(claims: Claims) -> String {
//!     format!("You are {}", claims.subject())
//! }
//!
//! async fn greet(token: Option<AccessToken>) -> String {
//!     token.map_or("Hello, stranger".to_owned(), |AccessToken(claims)| format!("Hello, {}", claims.subject()))
//! }
//!
//! # fn main() -> Result<(), sprag_verify::SetupError> {
//! let verifier = Verifier::builder("https://id.example").audience("https://api.example").remote().build()?;
//! let guard = Guard::from(verifier);
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route_layer(RequireToken::new(guard.clone())) // only what was added above it
//!     .route("/hello", get(greet))
//!     .with_state(guard);
//! # Ok(())
//! # }
//! ```
//!
//! A refusal is a problem document (RFC 9457) with the status, the `WWW-Authenticate` header and the `code` of
//! [`Error`]; the `Error` itself stands in the response's extensions, for a layer that logs or counts. Browsers send no
//! token with a preflight request: put the layer that answers CORS outside of [`RequireToken`].

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use crate::{Claims, Error, RemoteVerifier, Verifier, bearer};

mod layer;

pub use layer::{RequireToken, TokenRequired};

/// A verifier of either kind, for the state of a router or for a layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Local(Verifier),
    Remote(RemoteVerifier),
}

/// The claims of the access token that came with a request, verified by the [`Guard`] in the router's state.
#[derive(Clone, PartialEq, Debug)]
pub struct AccessToken(
    /// What the token says.
    pub Claims,
);

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

/// The claims that [`RequireToken`] has verified; where no such layer is, nobody gets in.
impl<S: Send + Sync> FromRequestParts<S> for Claims {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get().cloned().ok_or(Error::NoLayer)
    }
}

/// The claims, if a token came; for routes behind [`RequireToken::optional`].
impl<S: Send + Sync> OptionalFromRequestParts<S> for Claims {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        Ok(parts.extensions.get().cloned())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        /// When to come back, in seconds, where the keys could not be had.
        const LATER: HeaderValue = HeaderValue::from_static("5");
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
            "code": self.code(),
        });
        let mut response = Response::new(Body::from(problem.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.www_authenticate().and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, LATER);
        }
        response.extensions_mut().insert(self);
        response
    }
}
