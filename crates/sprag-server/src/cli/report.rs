//! `sprag report`: what was counted by the day, as bars on a terminal, as JSON, or as one HTML file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::output::{misused, say, say_json, tell};
use crate::report_asked::ReportAsked;
use crate::run::node::Node;

mod charts;
mod figures;
mod html;
mod screen;

use screen::Screen;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many days, today among them, as 30d; or the first day, as 2026-11-21 [default: 14d]
    #[arg(long, value_name = "DAYS|DAY")]
    since: Option<String>,
    /// What each row is of: day, week (from Monday) or month
    #[arg(long, value_name = "PERIOD", default_value = "day")]
    by: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write it as one HTML file, which needs no other and no script
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, node: &Node) -> anyhow::Result<ExitCode> {
    let asked = match ReportAsked::read(args.since.as_deref(), Some(&args.by), node.engine.now()) {
        Ok(asked) => asked,
        Err(sentence) => return Ok(misused(&sentence)),
    };
    let report = node.engine.report(asked.since, asked.until, asked.by).await?;
    if args.json {
        say_json(&report)?;
    } else if let Some(file) = &args.html {
        let text = html::document(&report);
        fs::write(file, text).with_context(|| format!("could not write the report to {}", file.display()))?;
        tell(format_args!(
            "the report is in {}; it shows in any browser, and can be mailed as it is",
            file.display()
        ));
    } else {
        say(charts::drawn(&report, &Screen::of_this_process()).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
