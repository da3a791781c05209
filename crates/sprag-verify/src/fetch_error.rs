//! Why the issuer's keys could not be had.

use std::error;
use std::fmt;
use std::time::Duration;

use crate::limits::MAX_KEY_SET_BYTES;
use crate::setup::SetupError;

/// Why the keys could not be had. For the log and for health checks: clients are told only to come back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection came about.
    Connect(String),
    /// The issuer's certificate was not accepted, or TLS failed otherwise.
    Tls(String),
    /// There was no answer in time.
    Timeout(Duration),
    /// The answer was another than 200; redirects are not followed.
    Status(u16),
    /// The answer was longer than [`MAX_KEY_SET_BYTES`](crate::MAX_KEY_SET_BYTES).
    TooLarge,
    /// The answer broke off, or was no HTTP.
    Http(String),
    /// The answer was no set of keys that can be used.
    Keys(SetupError),
    /// What fetched the keys was stopped, as happens when a process ends.
    Stopped,
}

impl FetchError {
    /// The stable name of the reason, for counters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Http(_) => "http",
            Self::Keys(_) => "keys",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not fetch the issuer's keys: ")?;
        match self {
            Self::Connect(why) => {
                write!(f, "no connection ({why}); check the address, and whether the issuer runs")
            }
            Self::Tls(why) => write!(f, "no TLS connection ({why}); check the issuer's certificate"),
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}; check whether the issuer runs"),
            Self::Status(status @ 300..400) => {
                write!(f, "it answered {status}, and redirects are not followed; give the final address")
            }
            Self::Status(status) => write!(f, "it answered {status}; check the address"),
            Self::TooLarge => write!(f, "the answer is over {MAX_KEY_SET_BYTES} bytes; check the address"),
            Self::Http(why) => {
                write!(f, "the answer broke off ({why}); check what stands between here and the issuer")
            }
            Self::Keys(why) => write!(f, "{why}"),
            Self::Stopped => f.write_str("the runtime stopped it; nothing is to be done"),
        }
    }
}

impl error::Error for FetchError {}
