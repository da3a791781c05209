//! Who may read what is counted, and who is sent traces.

use url::Url;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::edge::metrics_readers::{MetricsReaders, NotReaders};
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "metrics-networks",
        env: "SPRAG_METRICS_NETWORKS",
        placeholder: "ADDRESSES",
        help: "Who may read /metrics beside this machine itself, as IP addresses and networks with commas between them; behind \
           trusted-proxies, whom they name.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "10.1.2.0/24,fd00::/8",
        wrong: "0.0.0.0/0",
    },
    Setting {
        name: "otlp-endpoint",
        env: "SPRAG_OTLP_ENDPOINT",
        placeholder: "URL",
        help: "The collector that is sent a trace of each request, by OTLP over HTTP: its URL without /v1/traces. In a build with \
               the feature otel, as the packages have it.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "http://127.0.0.1:4318",
        wrong: "https://collector.example.com",
    },
];

/// What is watched, and by whom.
#[derive(Clone, Debug)]
pub struct Monitoring {
    /// Who may read `/metrics`.
    pub metrics_readers: MetricsReaders,
    /// Who is sent traces.
    pub otlp_endpoint: Option<Url>,
}

impl Monitoring {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let readers = |text: &str| text.parse().map_err(|error: NotReaders| error.to_string());
        Ok(Self {
            metrics_readers: chosen.given("metrics-networks", readers)?.unwrap_or_default(),
            otlp_endpoint: chosen.given("otlp-endpoint", collector)?,
        })
    }
}

/// The URL of a collector. It is sent no secret, and yet who asked for what; so it stands on this machine or in a network of
/// one's own, and passes on by TLS what goes further.
fn collector(text: &str) -> Parsed<Url> {
    const LIKE: &str = "write it like http://127.0.0.1:4318";
    let url = Url::parse(text).map_err(|_| format!("{} is not a URL; {LIKE}", quoted(text)))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("this URL has a user name in it; {LIKE}"));
    }
    if url.scheme() != "http" {
        return Err(format!(
            "{} is not an http URL, and traces are sent without TLS; name a collector on this machine, which may send them on \
             by TLS, like http://127.0.0.1:4318",
            quoted(text)
        ));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().contains("/v1/") {
        return Err(format!("{} goes on behind the collector's own path; {LIKE}", quoted(text)));
    }
    Ok(url)
}
