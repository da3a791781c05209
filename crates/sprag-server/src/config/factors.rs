//! Second factors: when they are asked for.

use std::time::Duration;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "remember-device",
    env: "SPRAG_REMEMBER_DEVICE",
    placeholder: "SPAN",
    help: "For how long a device on which a second factor was shown is not asked for another one, where its owner wishes so (0s to \
           365d; 0s: always asked).",
    default: Fallback::Value("30d"),
    is_secret: false,
    right: "7d",
    wrong: "2y",
}];

/// When second factors are asked for.
#[derive(Clone, Debug)]
pub struct Factors {
    /// For how long a device is not asked again; `None` where it is always asked.
    pub remember_for: Option<Duration>,
}

impl Factors {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let span = chosen.span("remember-device", "0s", "365d")?;
        Ok(Self { remember_for: (!span.is_zero()).then_some(span) })
    }
}
