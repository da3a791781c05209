//! The server that is tried.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// The `sprag` that was named, or the one that was built beside this program; wherever it is started from.
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
    std::path::absolute(&sprag).with_context(|| format!("could not learn where {} lies", sprag.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_named_from_here_is_found_from_every_folder() {
        let found = beside(Some("Cargo.toml".into())).unwrap();
        assert!(found.is_absolute() && found.is_file(), "{}", found.display());
        let error = beside(Some("no/such/sprag".into())).unwrap_err().to_string();
        assert!(error.contains("there is no server at no/such/sprag"), "{error}");
    }
}
