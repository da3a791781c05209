//! Logging: to standard error, filtered, as text or JSON.

use std::io::IsTerminal as _;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use crate::config::{Config, LogFormat};

/// Starts logging as `config` says, with what is to be said of names that were given.
///
/// # Errors
/// Logging was started before.
pub fn start(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.logs.filter)?;
    let output = fmt::layer().with_writer(std::io::stderr);
    let output = match config.logs.format {
        LogFormat::Json => output.json().boxed(),
        LogFormat::Text => output.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed(),
    };
    registry().with(output.with_filter(filter_fn(may_be_logged)).with_filter(filter)).try_init()?;
    for told in config.old_names() {
        tracing::warn!("{told}");
    }
    Ok(())
}

/// Whatever filter is asked for, the crates below speak only of what went wrong: at finer levels they show what
/// goes over the wire, and that has tokens in it.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("sprag") || *metadata.level() <= Level::WARN
}
