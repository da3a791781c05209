//! `sprag config`: what is in force and where it came from.

use std::process::ExitCode;

use super::output::{say, say_json, tell};
use crate::config::{self, Sources};
use crate::run::node::resolve;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON document
    #[arg(long, conflicts_with = "reference")]
    json: bool,
    /// Print what can be set at all, as docs/reference/config.md
    #[arg(long)]
    reference: bool,
}

impl Args {
    /// Whether the question is what can be set at all, which needs no configuration to answer.
    pub(super) fn wants_reference(&self) -> bool {
        self.reference
    }
}

pub(super) fn print_reference() -> anyhow::Result<ExitCode> {
    say(config::reference().trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    let (config, _) = resolve(sources)?;
    config.old_names().iter().for_each(tell);
    if let Some(told) = config.left_out() {
        tell(told);
    }
    if args.json {
        say_json(&config.lines())?;
    } else {
        say(config::table(config.lines()).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
