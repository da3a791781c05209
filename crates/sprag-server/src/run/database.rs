//! The store that a configuration names: bringing it up to date, opening it, and whose clock counts for it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sprag::clock::{Clock, SystemClock};
use sprag::store::postgres::{self, PostgresStore, Server};
use sprag::store::sqlite::{self, SqliteStore};
use sprag::store::{Migrated, Store};

use crate::config::{Config, Database};
use crate::run::high_water;
use crate::run::ring_file::{self, RingSource};

/// Applies the migrations that the database lacks, and makes it where it is a file; says which it applied.
///
/// # Errors
/// It cannot be reached or written, is from a newer build, or is not ours.
pub async fn migrate(config: &Config) -> anyhow::Result<Vec<Migrated>> {
    let applied = match &config.store.database {
        Database::Sqlite(path) => {
            refuse_lost(config, path)?;
            high_water::expect_level(config, path)?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                ring_file::make_dir(folder)?;
            }
            SqliteStore::migrate(path)
        }
        Database::Postgres(server) => PostgresStore::migrate(&settings(config, server)).await,
    };
    applied.with_context(|| format!("could not prepare the database {}", shown(config)))
}

/// Refuses to make a new database in place of one that is lost: beside a key ring there was one, and an empty one would
/// log everybody out and forget every account without a word. An empty file is no database either, and SQLite would
/// remove the log beside it.
fn refuse_lost(config: &Config, path: &Path) -> anyhow::Result<()> {
    let size_bytes = std::fs::metadata(path).map(|metadata| metadata.len());
    let what = match size_bytes {
        Ok(0) => "is empty",
        Err(error) if error.kind() == ErrorKind::NotFound => "is missing",
        Ok(_) | Err(_) => return Ok(()),
    };
    match RingSource::of(config) {
        RingSource::File(ring) if ring.exists() => bail!(
            "the database {} {what}, but there is a key ring at {}, so it has been used; put the database back, with \
             its -wal file if there is one, or from a backup (docs/guide/backup.md); to begin anew without any account, \
             move the key ring away as well",
            path.display(),
            ring.display()
        ),
        RingSource::File(_) | RingSource::Named(_) | RingSource::Given(_) => Ok(()),
    }
}

/// Opens a database that has been migrated.
///
/// # Errors
/// It cannot be reached, is not migrated or is from a newer build, or does not keep what it acknowledges.
pub async fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let opened = match &config.store.database {
        Database::Sqlite(path) => {
            high_water::expect_level(config, path)?;
            SqliteStore::open(path, sqlite_settings(config)).map(shared)
        }
        Database::Postgres(server) => PostgresStore::open(settings(config, server)).await.map(shared),
    };
    opened.with_context(|| format!("could not open the database {}", shown(config)))
}

/// Opens a SQLite file that went back, which is bound to be accepted.
///
/// # Errors
/// It cannot be opened, or is from a newer build.
pub fn open_doubtful(path: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let opened =
        SqliteStore::migrate(path).and_then(|_| SqliteStore::open(path, sqlite::Settings::default()));
    opened.map(shared).with_context(|| format!("could not open the database {}", path.display()))
}

fn sqlite_settings(config: &Config) -> sqlite::Settings {
    let writer_cache_kib = u32::try_from(config.store.cache_mib.get() * 1024).unwrap_or(u32::MAX);
    sqlite::Settings { writer_cache_kib, ..sqlite::Settings::default() }
}

fn shared(store: impl Store + 'static) -> Arc<dyn Store> {
    Arc::new(store)
}

/// The clock of the configured database, for what is done without it.
///
/// Where the database does not answer, this machine's: a leaked key must be retired even then.
pub async fn clock(config: &Config) -> Arc<dyn Clock> {
    if let Database::Sqlite(path) = &config.store.database
        && !path.exists()
    {
        return Arc::new(SystemClock);
    }
    // Nor is it waited for.
    let mut at_once = config.clone();
    at_once.store.start_timeout = Duration::ZERO;
    match open(&at_once).await {
        Ok(store) => store.clock(),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "the database's clock cannot be asked, so this machine's counts; check that it is right"
            );
            Arc::new(SystemClock)
        }
    }
}

/// Whether there is no store yet where the configuration says: no file, or nothing of ours in the database.
///
/// # Errors
/// It cannot be reached, or is no database.
pub async fn is_new(config: &Config) -> anyhow::Result<bool> {
    let looked = match &config.store.database {
        Database::Sqlite(path) => SqliteStore::is_new(path),
        Database::Postgres(server) => PostgresStore::is_new(&settings(config, server)).await,
    };
    looked.with_context(|| format!("could not look at the database {}", shown(config)))
}

/// Refuses to make a store that nobody asked for, so that a wrong folder or database is noticed instead of filled.
///
/// # Errors
/// There is none yet and none `is_asked_for`, or nobody can tell.
pub async fn expect_or_ask(config: &Config, is_asked_for: bool) -> anyhow::Result<()> {
    if is_asked_for || !is_new(config).await? {
        return Ok(());
    }
    if let Database::Sqlite(path) = &config.store.database {
        refuse_lost(config, path)?;
    }
    bail!(
        "there is no store yet in {}; if one is to be made there, add --create; if not, name yours with --data-dir or \
         --database-url: this shell may lack a setting that the server's service has",
        named(config)
    )
}

/// Refuses a configuration whose database is a file that is not there, so that a wrong folder is noticed. A server
/// says for itself when it is opened.
///
/// # Errors
/// There is no such file.
pub fn expect(config: &Config) -> anyhow::Result<()> {
    let Database::Sqlite(path) = &config.store.database else { return Ok(()) };
    match fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no database at {}; name its folder with --data-dir, or make one here with: sprag migrate --create",
            path.display()
        ),
        Err(error) => {
            let why = sqlite::obstacle_at(path).unwrap_or_else(|| error.to_string());
            bail!("could not look for the database {}: {why}", path.display())
        }
    }
}

/// How messages name the database: never with its password.
#[must_use]
pub fn shown(config: &Config) -> String {
    match &config.store.database {
        Database::Sqlite(path) => path.display().to_string(),
        Database::Postgres(server) => server.to_string(),
    }
}

/// Which store it is, in words that tell it from any other: never with its password.
#[must_use]
pub fn named(config: &Config) -> String {
    match &config.store.database {
        Database::Sqlite(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("SQLite, {}", path.display())
        }
        Database::Postgres(server) => format!("PostgreSQL, {server}{}", server.beyond_its_url()),
    }
}

/// What the configuration says about a PostgreSQL store.
#[must_use]
pub fn settings(config: &Config, server: &Server) -> postgres::Settings {
    postgres::Settings {
        start_patience: config.store.start_timeout,
        batching: config.store.batch,
        batchers: config.store.batchers.get(),
        pool: config.store.connections.get(),
        ..postgres::Settings::new(server.clone())
    }
}
