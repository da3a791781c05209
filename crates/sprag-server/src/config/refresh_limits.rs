//! How often a session and a network may refresh.

use super::budget::budget;
use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use crate::edge::refresh_limits::RefreshBudgets;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "limit-refresh-session",
        env: "SPRAG_LIMIT_REFRESH_SESSION",
        placeholder: "BUDGET",
        help: "How often one session may be refreshed on each node: so many at once, then so many in a span of time.",
        default: Fallback::Value("60, 1/s"),
        is_secret: false,
        right: "10, 1/10s",
        wrong: "60",
    },
    Setting {
        name: "limit-refresh-prefix",
        env: "SPRAG_LIMIT_REFRESH_PREFIX",
        placeholder: "BUDGET",
        help: "How often one network may refresh on each node, 24 bits of an IPv4 address or 64 of an IPv6 one: so many at \
               once, then so many in a span of time; a hundred times that where it may be a proxy that trusted-proxies does \
               not name.",
        default: Fallback::Value("3000, 300/s"),
        is_secret: false,
        right: "100, 1/s",
        wrong: "3000/s",
    },
];

pub(super) fn from(chosen: &Chosen) -> Result<RefreshBudgets, ConfigError> {
    Ok(RefreshBudgets {
        session: chosen.typed("limit-refresh-session", budget)?,
        prefix: chosen.typed("limit-refresh-prefix", budget)?,
    })
}
