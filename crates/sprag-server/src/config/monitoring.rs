//! Who may read what is counted.

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use crate::edge::metrics_readers::{MetricsReaders, NotReaders};

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "metrics-networks",
    env: "SPRAG_METRICS_NETWORKS",
    placeholder: "ADDRESSES",
    help: "Who may read /metrics beside this machine itself, as IP addresses and networks with commas between them; behind \
           trusted-proxies, whom they name.",
    default: Fallback::Derived("none"),
    is_secret: false,
    right: "10.1.2.0/24,fd00::/8",
    wrong: "0.0.0.0/0",
}];

/// What is watched, and by whom.
#[derive(Clone, Debug)]
pub struct Monitoring {
    /// Who may read `/metrics`.
    pub metrics_readers: MetricsReaders,
}

impl Monitoring {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let readers = |text: &str| text.parse().map_err(|error: NotReaders| error.to_string());
        Ok(Self { metrics_readers: chosen.given("metrics-networks", readers)?.unwrap_or_default() })
    }
}
