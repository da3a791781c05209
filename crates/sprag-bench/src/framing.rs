//! `sprag-bench framing`: requests with a byte too many or too few and a marker behind them, and whether a server ever
//! answers more than a strict reader sees: the long form of the everyday run in `sprag-server`'s tests.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use sprag_testkit::binary::framing;
use sprag_testkit::binary::server::Home;

use crate::output::say;

/// How long, and from where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many connections are made, each with one or two requests and a marker
    #[arg(long, default_value_t = 1_000_000)]
    cases: u64,
    /// How many of them there are at once
    #[arg(long, default_value_t = 4)]
    at_once: u64,
    /// What randomness begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server to attack [default: the `sprag` that was built beside this program]
    #[arg(long, value_name = "PATH")]
    server_binary: Option<PathBuf>,
}

/// Runs it to its end. Fails if anything was answered that should not have been.
///
/// # Errors
/// There is no server to attack.
pub(crate) fn run(siege: &Args) -> anyhow::Result<ExitCode> {
    let sprag = crate::server_binary::beside(siege.server_binary.clone())?;
    let home = Home::new(&sprag);
    let server = home.start(&[]);
    let begun = Instant::now();
    let tally = framing::besiege(server.address(), siege.seed, siege.cases, siege.at_once.max(1));
    say(format!(
        "{} connections in {:.0} s, from seed {}",
        tally.cases,
        begun.elapsed().as_secs_f64(),
        siege.seed
    ))?;
    say(format!(
        "  a strict reader sees: {} ended by a refusal, {} closed in order, {} without an end",
        tally.refused, tally.closed, tally.unfinished
    ))?;
    say(format!("  {} answers came, {} of them a marker's", tally.answers, tally.markers))?;
    say(format!("  {} were answered otherwise than that reader has it", tally.failures))?;
    for failure in &tally.told {
        say(format!("  {failure}"))?;
    }
    Ok(if tally.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
