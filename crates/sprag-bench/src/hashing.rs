//! `sprag-bench hashing`: refreshes alone and refreshes while passwords are hashed without a pause, in turn on one server, and
//! how much longer the slowest hundredth takes. First with all that the connections can send, which leaves no core to spare; then
//! at a third of what was answered then.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use sprag_server::profile::parse_duration;
use sprag_testkit::binary::server::{Home, Server};

use crate::load::driver::{Endpoint, LiveSession};
use crate::load::positive;
use crate::load::report::median;
use crate::output::{say, tell};
use crate::process_time::ProcessTime;
use crate::server_binary;
use crate::stage::{self, Signing, Stage, StoreKind};

/// How much longer the slowest hundredth of refreshes may take while every hash thread is busy.
const MOST: f64 = 1.5;

/// How many times what refreshes come to in a second when they leave at fixed moments is what they come to without a pause: then
/// cores are to spare.
const SPARED: f64 = 3.0;

/// What the threads that hash passwords are called.
const HASHING: &str = "sprag-hash";

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where sessions are kept
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// How access tokens are signed
    #[arg(long, value_enum, default_value_t = Signing::Hs256)]
    signing: Signing,
    /// How many sessions are stored
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=100_000_000))]
    sessions: u64,
    /// How many of them are refreshed in turn
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000))]
    chains: u64,
    /// Connections that refresh
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    connections: usize,
    /// Connections that log in, each again as soon as it is answered
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    log_ins: usize,
    /// Only send this many refreshes a second at fixed moments [default: each connection asks again as soon as it is answered,
    /// then a third of that rate]
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    rate: Option<f64>,
    /// How many rounds there are, of each kind
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=99))]
    rounds: usize,
    /// How long each round is measured
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = parse_duration)]
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
    p50_millis: f64,
    p99_millis: f64,
    per_second: f64,
    log_ins_per_second: f64,
    /// How many processors hashed passwords, on average.
    hashing: f64,
}

/// Runs all rounds. Fails if refreshes beside log-ins take longer than they may.
///
/// # Errors
/// The server does not run, or a request failed.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sprag = server_binary::beside(args.server_binary.clone())?;
    tell(format_args!("{}: filling in {} sessions", args.store, args.sessions));
    let stage = Stage::set(args.store, args.sessions.saturating_sub(args.chains), 1)?;
    let mut live = stage.open_sessions(args.chains)?;
    let home = Home::new(sprag);
    let server = stage.start(&home, args.signing, &[]);
    say(format!(
        "{}, {}, {} sessions, {} connections: medians of {} rounds in turn",
        args.store, args.signing, args.sessions, args.connections, args.rounds
    ))?;
    let mut rounds = |rate| {
        let compared = compare(args, &stage, &server, &mut live, rate)?;
        say(compared.text(rate))?;
        anyhow::Ok(compared)
    };
    let first = rounds(args.rate)?;
    let mut is_within = first.is_within();
    if args.rate.is_none() {
        is_within &= rounds(Some((first.alone.per_second / SPARED).round()))?.is_within();
    }
    server.stop();
    Ok(if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rounds alone and beside log-ins, in turn.
fn compare(
    args: &Args,
    stage: &Stage,
    server: &Server,
    live: &mut Vec<LiveSession>,
    rate: Option<f64>,
) -> anyhow::Result<Compared> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for number in 1..=args.rounds {
        for (log_ins, samples) in [(0, &mut alone), (args.log_ins, &mut beside)] {
            let sample = round(args, stage, server, live, (rate, log_ins))?;
            tell(format_args!("  round {number} of {}: {}", args.rounds, sample.line()));
            samples.push(sample);
        }
    }
    Ok(Compared::of(&alone, &beside))
}

/// One round at that rate, beside `log_ins` connections that log in.
fn round(
    args: &Args,
    stage: &Stage,
    server: &Server,
    live: &mut Vec<LiveSession>,
    (rate, log_ins): (Option<f64>, usize),
) -> anyhow::Result<Sample> {
    let of = |duration| stage::Round {
        duration,
        rate,
        ..stage.round(server, Endpoint::Refresh, args.connections)
    };
    let is_over = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let hammer = scope.spawn(|| stage.keep_logging_in(server, log_ins, &is_over));
        let mut rounds = || {
            stage::drive(&of(args.warmup), live)?;
            let (begun, before) = (Instant::now(), ProcessTime::of_threads(server.id(), HASHING)?);
            let tally = stage::drive(&of(args.duration), live)?;
            let hashed = ProcessTime::of_threads(server.id(), HASHING)?.total() - before.total();
            anyhow::Ok((tally, hashed.as_secs_f64() / begun.elapsed().as_secs_f64()))
        };
        let driven = rounds();
        is_over.store(true, Ordering::Relaxed);
        let logged_in = hammer.join().ok().context("what logs in panicked")??;
        let (tally, hashing) = driven?;
        let (latency, seconds) = (tally.latency(), args.duration.as_secs_f64());
        Ok(Sample {
            p50_millis: latency.p50,
            p99_millis: latency.p99,
            per_second: f64::from(u32::try_from(tally.rotated).unwrap_or(u32::MAX)) / seconds,
            log_ins_per_second: f64::from(logged_in) / (seconds + args.warmup.as_secs_f64()),
            hashing,
        })
    })
}

/// What rounds alone and rounds beside log-ins came to.
#[derive(Clone, Copy)]
struct Compared {
    alone: Sample,
    beside: Sample,
}

impl Compared {
    fn of(alone: &[Sample], beside: &[Sample]) -> Self {
        Self { alone: Sample::median(alone), beside: Sample::median(beside) }
    }

    /// How much longer the slowest hundredth takes beside log-ins.
    fn ratio(&self) -> f64 {
        self.beside.p99_millis / self.alone.p99_millis
    }

    fn is_within(&self) -> bool {
        self.ratio() <= MOST
    }

    fn text(&self, rate: Option<f64>) -> String {
        let load = rate.map_or_else(
            || "each connection asks again as soon as it is answered; no core is to spare".to_owned(),
            |rate| format!("{rate:.0} refreshes a second at fixed moments"),
        );
        let broken = if self.is_within() { "" } else { "BROKEN: " };
        format!(
            "\n  {load}\n  alone           {}\n  beside log-ins  {}\n  {broken}p99 beside log-ins is {:.2} times p99 alone (promised: \
             {MOST} at most)",
            self.alone.line(),
            self.beside.line(),
            self.ratio()
        )
    }
}

impl Sample {
    fn median(samples: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| median(samples.iter().map(value).collect()).unwrap_or_default();
        Self {
            p50_millis: of(|sample| sample.p50_millis),
            p99_millis: of(|sample| sample.p99_millis),
            per_second: of(|sample| sample.per_second),
            log_ins_per_second: of(|sample| sample.log_ins_per_second),
            hashing: of(|sample| sample.hashing),
        }
    }

    fn line(&self) -> String {
        format!(
            "p50 {:6.2} ms, p99 {:6.2} ms, {:6.0} rotations/s, {:5.1} log-ins/s, {:4.2} processors hash",
            self.p50_millis, self.p99_millis, self.per_second, self.log_ins_per_second, self.hashing
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_does_not_decide() {
        let round = |p99_millis| Sample { p99_millis, ..Sample::default() };
        let (alone, beside) = ([4.0, 5.0, 90.0].map(round), [6.0, 80.0, 5.5].map(round));
        let compared = Compared::of(&alone, &beside);
        assert!((compared.ratio() - 1.2).abs() < 1e-9 && compared.is_within());
        assert!(!Compared::of(&beside, &alone.map(|_| round(9.5))).is_within());
    }
}
