//! The bounds of everything, in one place.

use std::time::Duration;

/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest key set that is read.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// The shortest shared secret (RFC 7518 section 3.2: as long as the hash).
pub const MIN_SECRET_BYTES: usize = sprag_secret::MIN_BYTES;

/// How far the clocks of issuer and API may differ unless it is said otherwise.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);

/// The longest leeway: beyond it, a leaked token would live noticeably longer than its issuer said.
pub const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// How long keys are kept where the issuer does not say.
#[cfg(feature = "http")]
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// Keys are kept at least this long, so that no header makes every request of the API one to the issuer.
#[cfg(feature = "http")]
pub const MIN_MAX_AGE: Duration = Duration::from_secs(30);

/// Keys are kept at most this long, so that a key that was retired after a leak is not accepted for longer.
#[cfg(feature = "http")]
pub const MAX_MAX_AGE: Duration = Duration::from_secs(60 * 60);
