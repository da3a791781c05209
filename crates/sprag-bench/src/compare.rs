//! `sprag-bench compare`: two builds of the server in turn, old, new, old, new, on stores of the same size, and what a refresh
//! takes of each.
//!
//! Each build makes its own store and is loaded by its own generator, so that builds may be compared whose schemas differ. What
//! counts is read from outside: processor time and memory from `/proc`, refreshes from the server's own metrics. Only the
//! server's process is counted; the generator, and PostgreSQL where that keeps the sessions, share the machine with it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use sprag_server::profile::parse_duration;

use crate::load::positive;
use crate::output::{say, tell};
use crate::stage::{Signing, StoreKind, filling, start_postgres};

mod contender;
mod report;
mod sample;

use contender::Contender;
use sample::{Load, Sample};

/// What is compared, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The `sprag` of the build before
    old: PathBuf,
    /// The `sprag` of this build
    new: PathBuf,
    /// Where sessions are kept; several with commas between them
    #[arg(long, value_name = "STORES", value_enum, value_delimiter = ',', default_value = "sqlite,postgres")]
    store: Vec<StoreKind>,
    /// How access tokens are signed; several with commas between them
    #[arg(long, value_name = "ALGORITHMS", value_enum, value_delimiter = ',', default_value = "hs256,es256")]
    signing: Vec<Signing>,
    /// How many sessions are stored; several with commas between them
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "10000,1000000",
          value_parser = RangedU64ValueParser::<u64>::new().range(1..=100_000_000))]
    sessions: Vec<u64>,
    /// How many rounds each build has
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=99))]
    rounds: usize,
    /// How long each round is measured
    #[arg(long, value_name = "SPAN", default_value = "8s", value_parser = parse_duration)]
    duration: Duration,
    /// How long each round runs before it is measured
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = parse_duration)]
    warmup: Duration,
    /// Connections that are open at once
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    connections: usize,
    /// Sessions that are refreshed in turn
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    chains: usize,
    /// Send this many refreshes a second at fixed moments; without it each connection asks again as soon as it is answered,
    /// and the processors are never idle
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    rate: Option<f64>,
}

/// Runs all rounds and prints a table for each store, size and algorithm.
///
/// # Errors
/// A server or its generator does not run, or a refresh failed.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let load = Load {
        connections: args.connections,
        chains: args.chains,
        warmup: args.warmup,
        duration: args.duration,
        rate: args.rate,
    };
    for &store in &args.store {
        for &sessions in &args.sessions {
            let postgres = start_postgres(store);
            let contender = |name, binary| Contender::new(name, binary, postgres.as_ref());
            let contenders = [contender("old", &args.old)?, contender("new", &args.new)?];
            let fill = || {
                contenders.iter().try_for_each(|contender| {
                    tell(format_args!("{store}, {}: filling in {sessions} sessions", contender.name));
                    contender.fill(sessions)
                })
            };
            let databases: Vec<_> = contenders.iter().filter_map(Contender::database).collect();
            match &postgres {
                Some(server) => filling(server, &databases, fill)?,
                None => fill()?,
            }
            for &signing in &args.signing {
                tell(format_args!("{store}, {signing}, {sessions} sessions"));
                let rounds = alternate(args, &load, &contenders, signing)
                    .with_context(|| format!("on {store} with {signing} and {sessions} sessions"))?;
                say(report::text(&format!("{store}, {signing}, {sessions} sessions"), &load, &rounds))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Rounds of the old build and of the new, one after the other.
fn alternate(
    args: &Args,
    load: &Load,
    contenders: &[Contender; 2],
    signing: Signing,
) -> anyhow::Result<[Vec<Sample>; 2]> {
    let mut rounds = [Vec::new(), Vec::new()];
    for number in 1..=args.rounds {
        for (contender, samples) in contenders.iter().zip(&mut rounds) {
            let sample = sample::take(contender, load, signing)
                .with_context(|| format!("the {} build", contender.name))?;
            tell(format_args!("  round {number} of {}, {}: {}", args.rounds, contender.name, sample.line()));
            samples.push(sample);
        }
    }
    Ok(rounds)
}
