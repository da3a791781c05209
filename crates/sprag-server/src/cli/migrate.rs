//! `sprag migrate`: the database's schema.

use std::process::ExitCode;

use super::on_node::{MayCreate, begin, block_on};
use super::output::say;
use crate::config::Sources;
use crate::run::database;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing; fail if there is something to do
    #[arg(long, conflicts_with = "create")]
    check: bool,
    #[command(flatten)]
    store: MayCreate,
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    let (config, _) = begin(sources)?;
    let shown = database::shown(&config);
    if args.check {
        database::expect(&config)?;
        block_on(async { Ok(database::open(&config).await?.ready().await?) })?;
        say(format_args!("{shown} is up to date"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let applied = block_on(async {
        database::expect_or_ask(&config, args.store.create).await?;
        database::migrate(&config).await
    })?;
    for migration in &applied {
        say(format_args!("applied V{} {}", migration.version, migration.name))?;
    }
    let outcome =
        if applied.is_empty() { "was up to date; there was nothing to do" } else { "is up to date" };
    say(format_args!("{shown} {outcome}"))?;
    Ok(ExitCode::SUCCESS)
}
