//! An extractor and a layer for axum (feature `axum`).
//!
//! [`RequireToken`] is a layer: what is behind it is reached with an access token only, and handlers there take
//! [`Claims`](crate::Claims) as an argument. [`AccessToken`] is an extractor for single routes of a router whose state has a [`Guard`].
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
//! [`Error`](crate::Error); the `Error` itself stands in the response's extensions, for a layer that logs or counts. Browsers send no
//! token with a preflight request: put the layer that answers CORS outside of [`RequireToken`].

mod extract;
mod guard;
mod layer;
mod response;

pub use extract::AccessToken;
pub use guard::Guard;
pub use layer::{RequireToken, TokenRequired};
