//! Verifies Sprag's access tokens in an API.

mod algorithm;
#[cfg(feature = "axum")]
pub mod axum;
mod bearer;
mod claims;
mod error;
mod keys;
#[cfg(feature = "http")]
mod remote;
mod setup;
mod strict;
mod token;
mod verifier;

pub use algorithm::Algorithm;
pub use bearer::bearer;
pub use claims::Claims;
pub use error::Error;
pub use keys::{KeySet, MAX_KEY_SET_BYTES};
#[cfg(feature = "http")]
pub use remote::{DEFAULT_MAX_AGE, FetchError, MAX_MAX_AGE, MIN_MAX_AGE, RemoteBuilder, RemoteVerifier};
pub use setup::SetupError;
pub use token::MAX_TOKEN_BYTES;
pub use verifier::{Builder, DEFAULT_LEEWAY, MAX_LEEWAY, MIN_SECRET_BYTES, Verifier};
