//! How the demo's own server is set.

use std::time::Duration;

use tempfile::TempDir;

use crate::config::{Config, Flags};

/// Everything lies in `folder`, and nothing is read from this machine's environment or files.
///
/// # Errors
/// One of the settings is wrong.
pub(super) fn of(folder: &TempDir, port: u16, spans: &[(&'static str, Duration)]) -> anyhow::Result<Config> {
    let own = [
        ("listen", format!("127.0.0.1:{port}")),
        ("data-dir", folder.path().join("data").display().to_string()),
        ("rate-limits", "off".to_owned()),
        ("shutdown-grace", "1s".to_owned()),
    ];
    let spans = spans.iter().map(|(name, span)| (*name, format!("{}s", span.as_secs())));
    let flags: Flags = own.into_iter().chain(spans).collect();
    Ok(Config::resolve(flags, [], folder.path())?)
}
