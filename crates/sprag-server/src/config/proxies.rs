//! Which proxies are believed about where a request comes from.

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use crate::edge::proxies::{NotProxies, Proxies};

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "trusted-proxies",
    env: "SPRAG_TRUSTED_PROXIES",
    placeholder: "ADDRESSES",
    help: "The proxies in front, as IP addresses and networks with commas between them: what they say in X-Forwarded-For \
               is where a request comes from.",
    default: Fallback::Derived("none"),
    is_secret: false,
    right: "127.0.0.1,10.1.2.0/24,fd00::/8",
    wrong: "0.0.0.0/0",
}];

pub(super) fn from(chosen: &Chosen) -> Result<Proxies, ConfigError> {
    let proxies = |text: &str| text.parse().map_err(|error: NotProxies| error.to_string());
    Ok(chosen.given("trusted-proxies", proxies)?.unwrap_or_default())
}
