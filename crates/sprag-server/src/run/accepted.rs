//! Going on with a SQLite store that went back, because somebody has said so.

use anyhow::{Context as _, bail};
use sprag::store::sqlite::SqliteStore;

use crate::config::{Config, Database};
use crate::run::database;
use crate::run::high_water::{HighWater, doubt_of_file, went_back};
use crate::run::ring_file::RingSource;

/// Lets a SQLite file that is behind its mark count on from there, with a critical entry in the journal. Says whether there
/// was anything to accept.
///
/// # Errors
/// It is damaged beyond that, or cannot be written.
pub async fn accept_older(config: &Config) -> anyhow::Result<bool> {
    let Database::Sqlite(path) = &config.store.database else { return Ok(false) };
    let Some(doubt) = doubt_of_file(config, path)? else { return Ok(false) };
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
        bail!(
            "there is nothing at {} to go on with; restore a backup with: sprag restore --create FILE",
            path.display()
        );
    }
    if let Some(flaw) = SqliteStore::flaw(path)? {
        bail!(
            "{} is damaged, and nobody can go on with it: {flaw}; restore a backup with: sprag restore FILE",
            path.display()
        );
    }
    let keys = RingSource::of(config).read(config)?;
    let store = database::open_doubtful(path)?;
    went_back(store.as_ref(), doubt, None).await?;
    let progress = store.read_progress().await?;
    let progress = progress.with_context(|| format!("{} does not say which store it is", path.display()))?;
    HighWater::of(config).write(&keys, store.clock().now(), progress)?;
    Ok(true)
}
