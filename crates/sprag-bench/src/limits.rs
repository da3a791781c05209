//! `sprag-bench limits`: refreshes with all limits on and with none, in turn on one store, and how much less the first come to.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use sprag_server::profile::parse_duration;
use sprag_testkit::binary::server::Home;

use crate::load::driver::{Endpoint, LiveSession};
use crate::load::report::median;
use crate::output::{say, tell};
use crate::process_time::ProcessTime;
use crate::server_binary;
use crate::stage::{self, Signing, Stage, StoreKind};

/// How much of the rate without limits must be left with them.
const LEAST: f64 = 0.95;

/// Sessions that are refreshed in turn, each too seldom for its budget to be exhausted.
const CHAINS: u64 = 10_000;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where sessions are kept
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// How access tokens are signed
    #[arg(long, value_enum, default_value_t = Signing::Hs256)]
    signing: Signing,
    /// Connections that refresh
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    connections: usize,
    /// How many rounds there are, of each kind
    #[arg(long, value_name = "COUNT", default_value_t = 7, value_parser = RangedU64ValueParser::<usize>::new().range(1..=99))]
    rounds: usize,
    /// How long each round is measured; in much more than this the budget of a network is exhausted
    #[arg(long, value_name = "SPAN", default_value = "4s", value_parser = parse_duration)]
    duration: Duration,
    /// How long each round runs before it is measured
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = parse_duration)]
    warmup: Duration,
    /// The server to load [default: the `sprag` that was built beside this program]
    #[arg(long, value_name = "PATH")]
    server_binary: Option<PathBuf>,
}

/// What a round came to.
#[derive(Clone, Copy, Default)]
struct Sample {
    per_second: f64,
    processor_micros: f64,
    p99_millis: f64,
}

/// Runs all rounds. Fails if limits take more than they may.
///
/// # Errors
/// The server does not run, or a refresh was refused.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let home = Home::new(server_binary::beside(args.server_binary.clone())?);
    let stage = Stage::set(args.store, 0, 1)?;
    let mut live = stage.open_sessions(CHAINS)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for number in 1..=args.rounds {
        // Who comes first has no advantage of it.
        let order = if number % 2 == 0 { ["on", "off"] } else { ["off", "on"] };
        for limits in order {
            let sample = round(args, &stage, &home, &mut live, limits)?;
            tell(format_args!("  round {number} of {}, limits {limits}: {}", args.rounds, sample.line()));
            if limits == "on" { with.push(sample) } else { without.push(sample) }
        }
    }
    conclude(args, &without, &with)
}

fn round(
    args: &Args,
    stage: &Stage,
    home: &Home,
    live: &mut Vec<LiveSession>,
    limits: &str,
) -> anyhow::Result<Sample> {
    let server = stage.start(home, args.signing, &[("SPRAG_RATE_LIMITS", limits)]);
    let of =
        |duration| stage::Round { duration, ..stage.round(&server, Endpoint::Refresh, args.connections) };
    stage::drive(&of(args.warmup), live)?;
    let before = ProcessTime::of(server.id())?.total();
    let tally = stage::drive(&of(args.duration), live)?;
    let took = ProcessTime::of(server.id())?.total() - before;
    let count = f64::from(u32::try_from(tally.rotated)?).max(1.0);
    let sample = Sample {
        per_second: count / args.duration.as_secs_f64(),
        processor_micros: took.as_secs_f64() * 1e6 / count,
        p99_millis: tally.latency().p99,
    };
    server.stop();
    Ok(sample)
}

fn conclude(args: &Args, without: &[Sample], with: &[Sample]) -> anyhow::Result<ExitCode> {
    say(format!(
        "{}, {}, {CHAINS} sessions, {} connections: medians of {} rounds in turn\n",
        args.store, args.signing, args.connections, args.rounds
    ))?;
    for (name, samples) in [("limits off", without), ("limits on", with)] {
        let of = |value: fn(&Sample) -> f64| middle(samples, value);
        let sample = Sample {
            per_second: of(|sample| sample.per_second),
            processor_micros: of(|sample| sample.processor_micros),
            p99_millis: of(|sample| sample.p99_millis),
        };
        say(format!("  {name:<12}{}", sample.line()))?;
    }
    let ratio = middle(with, |sample| sample.per_second) / middle(without, |sample| sample.per_second);
    let is_within = ratio >= LEAST;
    let broken = if is_within { "" } else { "BROKEN: " };
    say(format!(
        "\n  {broken}with all limits on, {ratio:.3} of the rate without (promised: {LEAST} at least)"
    ))?;
    Ok(if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Sample {
    fn line(&self) -> String {
        format!(
            "{:6.0} rotations/s, {:5.2} µs of the server's processor time each, p99 {:5.2} ms",
            self.per_second, self.processor_micros, self.p99_millis
        )
    }
}

fn middle(samples: &[Sample], value: fn(&Sample) -> f64) -> f64 {
    median(samples.iter().map(value).collect()).unwrap_or_default()
}
