//! Verifies the access tokens of a Sprag server, in an API of yours.
//!
//! A request comes with `Authorization: Bearer …`; this crate says whose it is, or why it is not let in and what to
//! answer. It needs no database and no secret, and asks nobody: the token is signed, and the server publishes the keys
//! to check it with.
//!
//! # With the keys in hand
//!
//! The core does no I/O, knows no runtime and reads no environment. It is handed a set of keys, or the secret that the
//! server shares with it:
//!
//! ```
//! use sprag_verify::{Algorithm, Error, Verifier};
//!
//! # fn main() -> Result<(), sprag_verify::SetupError> {
//! let published = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "2026",
//!                     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//! let verifier = Verifier::builder("https://id.example")
//!     .audience("https://api.example")
//!     .algorithm(Algorithm::EdDsa)
//!     .jwks(published)?;
//!
//! match verifier.verify("what the request carried") {
//!     Ok(claims) => println!("account {}, session {}", claims.subject(), claims.session()),
//!     Err(error) => {
//!         assert_eq!(error, Error::Segments);
//!         assert_eq!((error.status(), error.code()), (401, "token_invalid"));
//!         assert!(error.www_authenticate().is_some());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Verifier`] takes exactly one algorithm, one issuer and one audience. [`bearer`] takes the token out of the headers
//! of whatever framework there is.
//!
//! # With keys that are fetched (feature `http`)
//!
//! `RemoteVerifier` fetches the keys from the issuer and keeps them fresh: one fetch at a time, one a minute for
//! unknown keys, the last keys for a day while the issuer is away. It needs tokio.
//!
#![cfg_attr(feature = "http", doc = "```no_run")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! # async fn run(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = sprag_verify::Verifier::builder("https://id.example").remote().build()?;
//! let claims = verifier.verify(token).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # In axum (feature `axum`)
//!
//! A layer in front of routes, and an extractor for single ones; the module `axum` shows both.
//!
//! # What is checked
//!
//! Everything that a token of the server has, and that it has nothing else in its header (RFC 9068 section 4, RFC 8725):
//!
//! - at most 8 KiB, three segments of canonical base64url, JSON that says each thing once;
//! - a header of `alg`, `typ` and `kid` only: `crit`, `jku`, `jwk`, `x5u` and whatever else are refused, never followed;
//! - `typ` is `at+jwt`, so that no identity or refresh token passes for an access token;
//! - `alg` is the verifier's one algorithm and that of the key which `kid` names: `kid` is a name to look up, no more;
//! - the signature, before a single claim is looked at;
//! - `iss` and `aud`; the time between `iat` or `nbf` and `exp`, give or take the leeway; the type of each claim.
//!
//! What it cannot see: that a session has ended. An access token stays good until it expires, a quarter of an hour at
//! most unless the server is set up otherwise. Where that is too long for an action, ask the server.
//!
//! # What to answer
//!
//! | [`Error`] | status | `code` | what a client does |
//! |---|---|---|---|
//! | [`Missing`](Error::Missing) | 401 | `token_missing` | log in |
//! | [`Expired`](Error::Expired) | 401 | `token_expired` | refresh once, repeat |
//! | [`Credentials`](Error::Credentials) | 400 | `request_invalid` | mend the request |
//! | `Keys` | 503 | `unavailable` | come back later, with this token |
//! | any other | 401 | `token_invalid` | refresh once, repeat; else log in |

mod algorithm;
#[cfg(feature = "axum")]
pub mod axum;
mod bearer;
mod claims;
mod error;
#[cfg(feature = "http")]
mod fetch_error;
mod keys;
mod limits;
#[cfg(feature = "http")]
mod remote;
mod rules;
mod setup;
mod strict;
mod token;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use bearer::bearer;
pub use claims::Claims;
pub use error::Error;
#[cfg(feature = "http")]
pub use fetch_error::FetchError;
pub use keys::KeySet;
pub use limits::{DEFAULT_LEEWAY, MAX_KEY_SET_BYTES, MAX_LEEWAY, MAX_TOKEN_BYTES, MIN_SECRET_BYTES};
#[cfg(feature = "http")]
pub use limits::{DEFAULT_MAX_AGE, MAX_MAX_AGE, MIN_MAX_AGE};
#[cfg(feature = "http")]
pub use remote::{RemoteBuilder, RemoteVerifier};
pub use setup::SetupError;
pub use sprag_secret::WeakSecret;
pub use verifier::{Builder, Verifier};

/// The guide's code compiles, too.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/guide/verifying.md")]
struct Guide;
