//! Whether clients are limited in how often they may ask.

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "rate-limits",
    env: "SPRAG_RATE_LIMITS",
    placeholder: "on|off",
    help: "Whether this server limits how often a client may ask, as far as it has limits yet: on or off.",
    default: Fallback::Value("on"),
    is_secret: false,
    right: "off",
    wrong: "false",
}];

pub(super) fn from(chosen: &Chosen) -> Result<bool, ConfigError> {
    chosen.typed("rate-limits", value::switch)
}
