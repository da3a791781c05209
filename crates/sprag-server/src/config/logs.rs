//! What is logged, and how.

use tracing_subscriber::EnvFilter;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "log",
        env: "SPRAG_LOG",
        placeholder: "FILTER",
        help: "What is logged: a level (error, warn, info, debug, trace), or target=level with commas between.",
        default: Fallback::Value("info"),
        is_secret: false,
        right: "warn,sprag=debug",
        wrong: "inof",
    },
    Setting {
        name: "log-format",
        env: "SPRAG_LOG_FORMAT",
        placeholder: "text|json",
        help: "How it is logged: text or json.",
        default: Fallback::Value("text"),
        is_secret: false,
        right: "json",
        wrong: "xml",
    },
];

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Logs {
    /// What: a filter that `tracing_subscriber::EnvFilter` has accepted.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

impl Logs {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        Ok(Self { filter: chosen.typed("log", log_filter)?, format: chosen.typed("log-format", log_format)? })
    }
}

/// What is logged. A bare word that is no level would be a target's name to the filter, and silence to us.
fn log_filter(text: &str) -> Parsed<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_plain =
        |part: &str| part.contains(['=', '[']) || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
    if text.split(',').all(|part| is_plain(part.trim())) && EnvFilter::builder().parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("{} is not a log filter; write info, or warn,sprag=debug", quoted(text)))
}

/// How logs are written.
fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{} is neither text nor json", quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_word_in_a_log_filter_is_a_level() {
        for text in ["info", "WARN", "off", "warn,sprag=debug", "info,hyper=off", "sprag[refresh]=trace"] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in ["inof", "sprag", "sprag=loud", "info,,"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }
}
