//! `sprag audit cut`: removes what the journal has kept long enough, as whoever may.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};
use sprag::audit::Cut;
use sprag::checkpoints::Cutting;
use sprag::clock::rfc3339;
use tokio::time::sleep;

use crate::cli::output::{Progress, counted, say, say_json};
use crate::config::spell;
use crate::run::jobs::SWEEP_PAUSE;
use crate::run::node::Node;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, node: &Node) -> anyhow::Result<ExitCode> {
    let Some(keep) = node.config.sessions.keep_journal else {
        bail!(
            "the journal is kept for ever, so nothing was cut; say how long it is to be kept, as with --keep-journal 400d or \
             SPRAG_KEEP_JOURNAL=400d"
        );
    };
    let mut progress = Progress::new();
    let pause = |removed| {
        progress.show(format_args!("removed {}", counted(removed, "entry", "entries")));
        // A server beside us gets to write, too.
        sleep(SWEEP_PAUSE)
    };
    let cutting = node.engine.upkeep().cut_journal(keep, pause).await?;
    drop(progress);
    let (cut, removed) = match cutting {
        Ok(Cutting::Done { cut, removed }) => (Some(cut), removed),
        Ok(Cutting::NothingOldEnough) => (None, 0),
        Ok(Cutting::NotAllowed) => bail!(
            "this role may not remove entries of the journal, and nothing was cut; run this as the owner of the tables: put its \
             name and password into {}",
            node.config.called("database-url")
        ),
        Ok(Cutting::Broken(flaw)) => {
            bail!("the journal was tampered with, and nothing was cut: {flaw}; run: sprag audit verify")
        }
        Err(flaw) => {
            bail!("the journal was tampered with, and nothing was cut: {flaw}; run: sprag audit verify")
        }
    };
    if args.json {
        say_json(&json!({ "removed": removed, "cut": cut.as_ref().map(record) }))?;
        return Ok(ExitCode::SUCCESS);
    }
    match cut {
        Some(cut) => say(format_args!("removed {}.\n{}", counted(removed, "entry", "entries"), told(&cut)))?,
        None => say(format_args!(
            "there is nothing to cut: no entry that a checkpoint covers is older than {}; a running server adds a checkpoint each \
             hour, and `sprag audit verify --checkpoint` adds one now",
            spell(keep)
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the journal has lost because it was kept long enough.
pub(super) fn told(cut: &Cut) -> String {
    format!(
        "Cut off by retention: {} of {}, all from before {}; last on {} (cut {})",
        counted(cut.entries, "entry", "entries"),
        counted(cut.chains, "chain", "chains"),
        rfc3339(cut.before),
        rfc3339(cut.at),
        cut.number
    )
}

/// What the journal has lost, for machines.
pub(super) fn record(cut: &Cut) -> Value {
    json!({
        "number": cut.number,
        "at": rfc3339(cut.at),
        "before": rfc3339(cut.before),
        "chains": cut.chains,
        "entries": cut.entries,
        "tag": data_encoding::HEXLOWER.encode(&cut.tag),
        "key_id": cut.key_id,
    })
}
