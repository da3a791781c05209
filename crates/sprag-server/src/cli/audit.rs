//! `sprag audit`: what the journal says, whether it still says what was written, and what it need not keep.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use sprag::audit::{Event, EventKind};
use sprag::checkpoints::{self, Checkpointing, Finding, Report};

use self::verified::{record, summary};
use super::on_node::{Opens, on_node, requester};
use super::output::{Progress, moment, say, say_json};
use crate::config::Sources;
use crate::run::high_water::{HighWater, told};
use crate::run::node::Node;

mod cursor;
mod cut;
mod export;
mod exported;
mod lines;
mod list;
mod patterns;
mod since;
mod verified;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what the journal says
    List(list::Args),
    /// Go through the whole journal and name whatever was altered, removed or added
    Verify(Verify),
    /// Write the journal for another system: a JSON object a line, from a cursor on, with all that it takes to verify it there
    Export(export::Args),
    /// Look for what looks like an attack, and say what to do about it; the exit status is 3 where something was found
    Patterns(patterns::Args),
    /// Remove what is older than keep-journal, so that the rest can still be verified; a server does so by itself where it may
    Cut(cut::Args),
    /// Accept that the store went back, so that /readyz says so no longer
    Accept,
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Where the journal is intact, bind what is new in it by a checkpoint at once; a running server does so hourly
    #[arg(long, alias = "seal")]
    checkpoint: bool,
    /// Verify what `sprag audit export` wrote instead, without the database: its files, the oldest first
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "checkpoint")]
    from: Vec<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command, sources: &Sources) -> anyhow::Result<ExitCode> {
    let args = match command {
        Command::Verify(args) => args,
        Command::List(args) => {
            return on_node(sources, Opens::Existing, async |node| list::run(&args, node).await);
        }
        Command::Patterns(args) => {
            return on_node(sources, Opens::Existing, async |node| patterns::run(&args, node).await);
        }
        Command::Export(args) => {
            return on_node(sources, Opens::Existing, async |node| export::run(&args, node).await);
        }
        Command::Cut(args) => {
            return on_node(sources, Opens::Existing, async |node| cut::run(&args, node).await);
        }
        Command::Accept => return on_node(sources, Opens::Existing, accept),
    };
    if !args.from.is_empty() {
        return exported::run(&args.from, args.json, sources);
    }
    on_node(sources, Opens::Existing, async |node| {
        let doubt =
            HighWater::of(&node.config).doubt(&node.engine.keys(), node.engine.store().as_ref()).await?;
        let mut report = read_all(node).await?;
        if args.checkpoint && report.is_sound() && doubt.is_none() {
            add_checkpoint(node, &mut report).await?;
        }
        if args.json {
            let mut record = record(&report);
            record["store_went_back"] = json!(doubt.map(|doubt| doubt.to_string()));
            say_json(&record)?;
        } else {
            let told = doubt.map(|doubt| format!("The database {doubt}.\n"));
            say(told.unwrap_or_default() + &summary(&report))?;
        }
        Ok(if report.is_sound() && doubt.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// An operator has looked at what was lost.
async fn accept(node: &Node) -> anyhow::Result<ExitCode> {
    let store = node.engine.store();
    let went_back_at = store.read_progress().await?.and_then(|progress| progress.went_back_at);
    let Some(at) = went_back_at else {
        say("there is nothing to accept: nobody has noticed that the store went back; nothing was changed")?;
        return Ok(ExitCode::SUCCESS);
    };
    let requester = requester();
    let note = format!("that it went back was noticed at {}", moment(at));
    let event = Event {
        ip: requester.ip,
        user_agent: requester.user_agent,
        ..told(EventKind::StoreAccepted, node.engine.now(), note)
    };
    store.record(event).await?;
    store.count_on(0, None).await?;
    say("accepted: /readyz no longer says that the store went back, and the journal keeps that it did")?;
    Ok(ExitCode::SUCCESS)
}

async fn read_all(node: &Node) -> anyhow::Result<Report> {
    let mut progress = Progress::new();
    let keys = node.engine.keys();
    let show = |entries| progress.show(format_args!("read {entries} entries"));
    Ok(checkpoints::verify(node.engine.store().as_ref(), keys.as_ref(), show).await?)
}

/// Adds a checkpoint; what it finds wrong meanwhile counts.
async fn add_checkpoint(node: &Node, report: &mut Report) -> anyhow::Result<()> {
    match node.engine.upkeep().add_checkpoint().await? {
        Checkpointing::NothingNew => {}
        Checkpointing::Added(checkpoint) => {
            report.checkpoints += 1;
            report.newest = Some(checkpoint);
        }
        Checkpointing::Broken(flaw) => {
            let number = report.newest.as_ref().map_or(0, |newest| newest.number);
            report.flaws += 1;
            report.findings.push(Finding::Checkpoint { number, flaw });
        }
    }
    Ok(())
}
