//! `sprag sweep`: what a running server does now and then, at once.

use std::process::ExitCode;

use serde_json::json;
use sprag::store::Swept;
use tokio::time::sleep;

use super::on_node::{Opens, on_node};
use super::output::{Progress, counted, say, say_json};
use crate::config::{Sources, spell};
use crate::run::jobs::SWEEP_PAUSE;
use crate::run::node::Node;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    on_node(sources, Opens::Existing, async |node| {
        let total = sweep(node).await?;
        if args.json {
            let Swept { seen, ended, removed, live, .. } = total;
            say_json(&json!({ "seen": seen, "ended": ended, "removed": removed, "live": live }))?;
        } else {
            let kept = spell(node.config.sessions.keep_ended);
            say(format_args!(
                "looked at {}: {} had expired and {} ended, {} that ended more than {kept} ago {} removed",
                counted(total.seen, "session", "sessions"),
                total.ended,
                were(total.ended),
                total.removed,
                were(total.removed),
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn sweep(node: &Node) -> anyhow::Result<Swept> {
    let mut progress = Progress::new();
    let mut total = Swept::default();
    loop {
        let swept = node.engine.upkeep().sweep(total.next, node.config.sessions.keep_ended).await?;
        total = total.then(swept);
        if total.next.is_none() {
            return Ok(total);
        }
        progress.show(format_args!(
            "looked at {}; {} ended, {} removed so far",
            counted(total.seen, "session", "sessions"),
            total.ended,
            total.removed
        ));
        // A server beside us gets to write, too.
        sleep(SWEEP_PAUSE).await;
    }
}

fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}
