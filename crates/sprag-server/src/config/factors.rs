//! Second factors: when they are asked for.

use std::time::Duration;

use sprag::engine::SecondFactor;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "second-factor",
        env: "SPRAG_SECOND_FACTOR",
        placeholder: "optional|required|admins",
        help: "Who must have a second factor, on every profile: optional is nobody, required everybody, admins administrators. Whoever \
               must have one and has none is let in no further than to add one.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "admins",
        wrong: "always",
    },
    Setting {
        name: "remember-device",
        env: "SPRAG_REMEMBER_DEVICE",
        placeholder: "SPAN",
        help: "For how long a device on which a second factor was shown is not asked for another one, where its owner wishes so (0s to \
           365d; 0s: always asked).",
        default: Fallback::Value("30d"),
        is_secret: false,
        right: "7d",
        wrong: "2y",
    },
];

/// When second factors are asked for.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Who must have one; `None` leaves each profile its own.
    pub required_of: Option<SecondFactor>,
    /// For how long a device is not asked again; `None` where it is always asked.
    pub remember_for: Option<Duration>,
}

impl Factors {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let span = chosen.span("remember-device", "0s", "365d")?;
        Ok(Self {
            required_of: chosen.given("second-factor", required_of)?,
            remember_for: (!span.is_zero()).then_some(span),
        })
    }
}

fn required_of(text: &str) -> Parsed<SecondFactor> {
    let found = SecondFactor::ALL.iter().find(|(word, _)| *word == text).map(|(_, who)| *who);
    found.ok_or_else(|| format!("{} is none of optional, required, admins", quoted(text)))
}
