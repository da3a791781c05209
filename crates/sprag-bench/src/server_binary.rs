//! The server that is tried.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// The `sprag` that was named, or the one that was built beside this program.
///
/// # Errors
/// There is none.
pub(crate) fn beside(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let beside = || {
        Ok(std::env::current_exe()
            .context("could not learn where this program lies")?
            .with_file_name("sprag"))
    };
    let sprag = named.map_or_else(beside, anyhow::Ok)?;
    ensure!(
        sprag.is_file(),
        "there is no server at {}; build it with `cargo build -p sprag-server`, or name one with --server-binary",
        sprag.display()
    );
    Ok(sprag)
}
