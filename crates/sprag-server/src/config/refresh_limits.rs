//! How often a session and a network may refresh.

use super::chosen::Chosen;
use super::error::ConfigError;
use super::limits::rate;
use super::setting::{Fallback, Setting};
use super::value;
use crate::edge::refresh_limits::RefreshRates;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "limit-refresh-session",
        env: "SPRAG_LIMIT_REFRESH_SESSION",
        placeholder: "RATE",
        help: "How often one session may be refreshed on each node: at once and then per time.",
        default: Fallback::Value("60, 1/1s"),
        is_secret: false,
        right: "10, 1/10s",
        wrong: "60",
    },
    Setting {
        name: "limit-refresh-prefix",
        env: "SPRAG_LIMIT_REFRESH_PREFIX",
        placeholder: "RATE",
        help: "How often one network may refresh on each node, 24 bits of an IPv4 address or 64 of an IPv6 one: at once and then \
               per time; a hundred times that where it may be a proxy that trusted-proxies does not name.",
        default: Fallback::Value("3000, 300/1s"),
        is_secret: false,
        right: "100, 1/1s",
        wrong: "3000/s",
    },
];

/// Nothing where nothing is limited; what was given is read all the same.
pub(super) fn from(chosen: &Chosen) -> Result<Option<RefreshRates>, ConfigError> {
    let rates = RefreshRates {
        session: chosen.typed("limit-refresh-session", rate)?,
        prefix: chosen.typed("limit-refresh-prefix", rate)?,
    };
    Ok(chosen.typed("rate-limits", value::switch)?.then_some(rates))
}
