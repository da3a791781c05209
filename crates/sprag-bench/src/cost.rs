//! `sprag-bench cost`: how many instructions a refresh, a log-in and `/healthz` take, counted by valgrind's callgrind, and
//! whether any of them takes more than was recorded.
//!
//! Instructions are those of the server's process alone, in user mode. They do not depend on how fast the machine is or on
//! what else runs there; batches of commits differ a little from run to run, which is why each figure is a median of rounds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;

use crate::load::driver::Endpoint;
use crate::output::{say, tell};
use crate::server_binary;
use crate::stage::{self, Signing, Stage, StoreKind};

mod callgrind;
mod counts;
mod figures;
mod log_ins;
mod report;

use callgrind::{Callgrind, Counted};
use figures::{Figures, Subject};
use log_ins::LogIns;
use report::Measured;

/// How many sessions are refreshed in turn.
const LIVE: u64 = 1024;

/// How many requests a server answers before it is measured, so that every buffer has its size and every statement is
/// prepared.
const WARM_UP: u64 = 1024;

/// How many threads serve requests, whatever the machine has.
const THREADS: &str = "2";

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where sessions are kept; several with commas between them
    #[arg(long, value_name = "STORES", value_enum, value_delimiter = ',', default_value = "sqlite,postgres")]
    store: Vec<StoreKind>,
    /// How access tokens are signed; several with commas between them
    #[arg(long, value_name = "ALGORITHMS", value_enum, value_delimiter = ',', default_value = "hs256,es256")]
    signing: Vec<Signing>,
    /// How many sessions are stored; several with commas between them
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "10000",
          value_parser = RangedU64ValueParser::<u64>::new().range(2048..=10_000_000))]
    sessions: Vec<u64>,
    /// How many refreshes, and how many requests of /healthz, a round has
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = RangedU64ValueParser::<u64>::new().range(64..=1_000_000))]
    requests: u64,
    /// How many log-ins a round has, each with a password to hash
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = RangedU64ValueParser::<usize>::new().range(0..=1000))]
    log_ins: usize,
    /// How many rounds there are; medians of them count
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = RangedU64ValueParser::<usize>::new().range(1..=99))]
    rounds: usize,
    /// Connections that are open at once, each asking again as soon as it is answered
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    connections: usize,
    /// Also list this many of the functions that took most of a refresh, what they called left out
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    top: usize,
    /// Keep callgrind's own files in this folder, for callgrind_annotate or KCachegrind: those of the rounds of the last server
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// The document whose table has the recorded figures
    #[arg(long, value_name = "FILE", default_value = "docs/reference/performance.md")]
    figures: PathBuf,
    /// What the build is called in the rows that are printed for that table
    #[arg(long, value_name = "NAME", default_value = "this build")]
    name: String,
    /// Count only, and compare with nothing
    #[arg(long)]
    no_compare: bool,
    /// The server to measure [default: the `sprag` that was built beside this program]
    #[arg(long, value_name = "PATH")]
    server_binary: Option<PathBuf>,
}

/// Measures, and fails if a figure rose.
///
/// # Errors
/// Valgrind is not installed, the recorded figures cannot be read, or a request failed.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sprag = server_binary::beside(args.server_binary.clone())?;
    let recorded = if args.no_compare { Figures::default() } else { read_figures(&args.figures)? };
    let callgrind = Callgrind::of(&sprag, args.keep.clone())?;
    let (mut rows, mut risen) = (Vec::new(), Vec::new());
    for &store in &args.store {
        for &sessions in &args.sessions {
            tell(format_args!("{store}: filling in {sessions} sessions"));
            let stage = Stage::set(store, sessions - LIVE, args.signing.len() * (args.rounds + 1))?;
            for (index, &signing) in args.signing.iter().enumerate() {
                tell(format_args!("{store}, {signing}, {sessions} sessions: counting"));
                let subject = Subject { store: store.to_string(), signing: signing.to_string(), sessions };
                let measured = measure(args, &stage, &callgrind, signing, index * (args.rounds + 1))?;
                say(measured.text(&subject, recorded.of(&subject), args.top).trim_end())?;
                risen.extend(measured.risen(&subject, recorded.of(&subject)));
                rows.push(measured.row(&subject, &args.name));
            }
        }
    }
    say(format!("\nTo record these figures, put these rows below those of {}:\n", args.figures.display()))?;
    say(rows.join("\n"))?;
    for sentence in &risen {
        tell(format_args!("\n{sentence}"));
    }
    Ok(if risen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_figures(path: &Path) -> anyhow::Result<Figures> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("could not read the recorded figures in {}; name the file with --figures, or compare with nothing by --no-compare", path.display())
    })?;
    Figures::read(&text).with_context(|| format!("the table of figures in {} cannot be read", path.display()))
}

/// Counts one server on one stage. Its rounds log in users of their own from the number `users` on, since a log-in looks at all
/// the sessions that its account has.
fn measure(
    args: &Args,
    stage: &Stage,
    callgrind: &Callgrind,
    signing: Signing,
    users: usize,
) -> anyhow::Result<Measured> {
    let mut live = stage.open_sessions(LIVE)?;
    let more = [callgrind::ENVIRONMENT.as_slice(), &[("SPRAG_THREADS", THREADS)]].concat();
    let mut counted = callgrind.watch(stage.start(&callgrind.runner, signing, &more));
    let round = |counted: &Counted<'_>, endpoint, requests| {
        let round = stage.round(&counted.server, endpoint, args.connections);
        stage::Round { requests: Some(requests), ..round }
    };
    counted.begin()?;
    for endpoint in [Endpoint::Healthz, Endpoint::Refresh] {
        stage::drive(&round(&counted, endpoint, WARM_UP), &mut live)?;
    }
    let mut log_ins = LogIns { stage, wanted: args.log_ins };
    log_ins.warm_up(&counted, users)?;
    let mut measured = Measured::default();
    for number in 1..=args.rounds {
        tell(format_args!("  round {number} of {}", args.rounds));
        let mut count = |endpoint| {
            counted.forget()?;
            let tally = stage::drive(&round(&counted, endpoint, args.requests), &mut live)?;
            anyhow::Ok((counted.take()?, tally.ok))
        };
        let (healthz, asked) = count(Endpoint::Healthz)?;
        measured.add_healthz(&healthz, asked);
        let (refreshes, rotated) = count(Endpoint::Refresh)?;
        measured.add_refreshes(&refreshes, rotated);
        log_ins.count(&mut counted, users + number, &mut measured)?;
    }
    Ok(measured)
}
