//! `sprag backup`: a copy of the database while the server runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use sprag::store::sqlite::SqliteStore;

use super::on_node::begin;
use super::output::say;
use super::paths::expect_path;
use crate::config::{Database, Sources};
use crate::run::ring_file::RingSource;
use crate::run::{database, high_water};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make, which must not be there yet; nobody else may read it
    file: PathBuf,
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    expect_path("FILE", &args.file)?;
    let (config, _) = begin(sources)?;
    let Database::Sqlite(path) = &config.store.database else {
        bail!(
            "{} is backed up with PostgreSQL's own means; run pg_dump --format=custom on it, or archive its WAL, and keep the \
             key ring apart from it",
            database::shown(&config)
        )
    };
    database::expect(&config)?;
    high_water::expect_level(&config, path)?;
    SqliteStore::back_up(path, &args.file)?;
    say(format_args!(
        "{} is a backup of {}, whole and as it stood when the copy began.\n\
         The key ring {} is not in it: keep a copy of that at another place, or nobody's session outlives a restore.",
        args.file.display(),
        path.display(),
        RingSource::of(&config)
    ))?;
    Ok(ExitCode::SUCCESS)
}
