//! Files that commands are given: a URL in the place of one is not repeated.

use std::path::Path;

use anyhow::bail;

/// Refuses a URL where a file is to be named. It may have a password in it, and every later sentence would repeat it.
///
/// # Errors
/// It is one.
pub(super) fn expect_path(argument: &str, path: &Path) -> anyhow::Result<()> {
    if !path.exists() && path.to_string_lossy().contains("://") {
        bail!(
            "{argument} takes the name or path of a file, and this is a URL; it is not shown here, for there may be a password in it"
        );
    }
    Ok(())
}
