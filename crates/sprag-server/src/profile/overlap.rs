//! Whether profiles can be served at once: one owner for each call, token id and cookie.
//!
//! The router would panic on two owners of one call; here they are named.

use std::collections::HashMap;
use std::fmt;

use axum::http::Method;

use super::{CookieSpec, Profile, ProfileError};

/// The paths that the server answers itself, whatever its profiles say; so are all paths below `/docs/`.
pub const SYSTEM_PATHS: &[&str] = &[
    "/healthz",
    "/readyz",
    "/metrics",
    "/.well-known/jwks.json",
    "/.well-known/webauthn",
    "/openapi.json",
    "/docs",
];

/// Two lines that cannot both be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClashError {
    /// What both want.
    pub what: String,
    /// Who had it first: a profile and line, or the server itself.
    pub first: ClashSite,
    /// Who wants it too.
    pub second: ClashSite,
}

/// A line of a profile, or the server itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClashSite {
    /// A line of a profile.
    Line {
        /// The file as it was named to [`Profile::parse`].
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// One of [`SYSTEM_PATHS`].
    Server,
}

impl fmt::Display for ClashSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::Server => f.write_str("the server itself"),
        }
    }
}

impl fmt::Display for ClashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, first, second } = self;
        write!(
            f,
            "{second}: {what} already belongs to {first}; change one of them, or serve only one of the profiles"
        )
    }
}

impl std::error::Error for ClashError {}

/// Checks that these profiles can be served at once.
///
/// # Errors
/// Two of them have one id, one cookie, or calls that clash; both are named.
pub fn check_together(profiles: &[Profile]) -> Result<(), ClashError> {
    check_ids(profiles)?;
    check_cookies(profiles)?;
    check_routes(profiles)
}

/// Checks one profile by itself.
///
/// # Errors
/// Two of its routes clash, or one with a path of the server.
pub(super) fn check_alone(profile: &Profile) -> Result<(), ProfileError> {
    check_routes(std::slice::from_ref(profile)).map_err(|clash| {
        let (file, line) = match clash.second {
            ClashSite::Line { file, line } => (file, line),
            ClashSite::Server => (profile.file.clone(), 1),
        };
        let what = format!("{} already belongs to {}", clash.what, clash.first);
        ProfileError { file, line, what, hint: Some("change one of them".to_owned()) }
    })
}

fn check_ids(profiles: &[Profile]) -> Result<(), ClashError> {
    let site =
        |profile: &Profile| ClashSite::Line { file: profile.file.clone(), line: profile.client.id_line };
    for (position, second) in profiles.iter().enumerate() {
        if let Some(first) = profiles[..position].iter().find(|first| first.client.id == second.client.id) {
            let what = format!("the id {}, which tokens carry,", second.client.id.0);
            return Err(ClashError { what, first: site(first), second: site(second) });
        }
    }
    Ok(())
}

/// A log-in at one profile would overwrite the cookie of the other.
fn check_cookies(profiles: &[Profile]) -> Result<(), ClashError> {
    for (position, second) in profiles.iter().enumerate() {
        for first in &profiles[..position] {
            let (Some(one), Some(other)) = (&first.wire.refresh.cookie, &second.wire.refresh.cookie) else {
                continue;
            };
            if one.name == other.name && (one.covers(&other.path) || other.covers(&one.path)) {
                let what = format!("the cookie {:?}", other.name);
                let site =
                    |cookie: &CookieSpec| ClashSite::Line { file: cookie.file.clone(), line: cookie.line };
                let (first, second) = (site(one), site(other));
                return Err(ClashError { what, first, second });
            }
        }
    }
    Ok(())
}

/// A path may hold letters, digits and `{id}` as a whole segment, so two paths overlap only if they are equal,
/// or one has a word where the other has `{id}`, and then the router takes the word.
fn check_routes(profiles: &[Profile]) -> Result<(), ClashError> {
    let mut owners: HashMap<(&Method, &str), ClashSite> = HashMap::new();
    for profile in profiles {
        for route in &profile.wire.routes {
            let second = ClashSite::Line { file: route.file.clone(), line: route.line };
            if SYSTEM_PATHS.contains(&route.path.as_str()) || route.path.starts_with("/docs/") {
                return Err(ClashError { what: route.on(), first: ClashSite::Server, second });
            }
            if let Some(first) = owners.insert((&route.method, &route.path), second.clone()) {
                return Err(ClashError { what: route.on(), first, second });
            }
        }
    }
    Ok(())
}
