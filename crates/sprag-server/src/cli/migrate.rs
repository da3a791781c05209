//! `sprag migrate`: the database's schema.

use std::process::ExitCode;

use anyhow::Context as _;
use sprag::store::Store as _;
use sprag::store::sqlite::{Settings, SqliteStore};

use super::output::say;
use super::{block_on, expect_database, resolve};
use crate::config::{Database, Sources};
use crate::{logs, ring_file};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing; fail if there is something to do
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    let (config, _) = resolve(sources)?;
    logs::start(&config)?;
    let Database::Sqlite(path) = &config.database;
    let shown = path.display();
    if args.check {
        expect_database(&config)?;
        block_on(async { Ok(SqliteStore::open(path, Settings::default())?.ready().await?) })?;
        say(format_args!("{shown} is up to date"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        ring_file::make_dir(folder)?;
    }
    let applied =
        SqliteStore::migrate(path).with_context(|| format!("could not migrate the database {shown}"))?;
    for migration in &applied {
        say(format_args!("applied V{} {}", migration.version, migration.name))?;
    }
    let outcome =
        if applied.is_empty() { "was up to date; there was nothing to do" } else { "is up to date" };
    say(format_args!("{shown} {outcome}"))?;
    Ok(ExitCode::SUCCESS)
}
