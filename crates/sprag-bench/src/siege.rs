//! `sprag-bench siege`: what an attacker does to a server, again and again, and what honest clients notice of it.
//!
//! Attackers and honest clients are on this machine, each network of theirs a part of 127.0.0.0/8.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::output::say;

mod connections;
mod honest;
mod http1;
mod http2;
mod login;
mod memory;
mod target;

use target::Target;

/// What is attacked, and with how much.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to attack [default: all of it]
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How many connections an attack has
    #[arg(long, default_value_t = 4096)]
    connections: usize,
    /// How many seconds each attack on the memory lasts
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Only the attacks whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The server to attack [default: the `sprag` that was built beside this program]
    #[arg(long, value_name = "PATH")]
    server_binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What clients make the server hold: answers that nobody reads, uploads that do not end
    Memory,
    /// Idle connections that keep others out
    Connections,
    /// Wrong passwords that keep others from logging in
    Login,
}

/// One figure, and the bound that is promised for it.
struct Figure {
    what: String,
    is_within: bool,
}

/// Runs the attacks. Fails if a promise was broken.
///
/// # Errors
/// There is no server to attack, or it cannot be reached.
pub(crate) fn run(siege: &Args) -> anyhow::Result<ExitCode> {
    let sprag = crate::server_binary::beside(siege.server_binary.clone())?;
    let target =
        Target::new(&sprag.display().to_string(), Duration::from_secs(siege.seconds), siege.connections);
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    let is_meant = |part: Part| siege.parts.is_empty() || siege.parts.contains(&part);
    let mut is_sound = true;
    if is_meant(Part::Memory) {
        for attack in memory::attacks().into_iter().filter(|attack| attack.name.contains(&siege.only)) {
            is_sound &= tell(attack.name, &runtime.block_on(memory::run(&target, &attack))?)?;
        }
    }
    if is_meant(Part::Connections) {
        for (name, networks) in [("idle, from one network", 1), ("idle, from eight networks", 8)] {
            is_sound &= tell(name, &runtime.block_on(connections::run(&target, networks))?)?;
        }
    }
    if is_meant(Part::Login) {
        is_sound &= tell("wrong passwords, 64 at once", &runtime.block_on(login::run(&target))?)?;
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what an attack came to; `true` if nothing was beyond its bound.
fn tell(name: &str, figures: &[Figure]) -> anyhow::Result<bool> {
    say(name)?;
    for figure in figures {
        say(format!("  {}{}", if figure.is_within { "" } else { "BROKEN: " }, figure.what))?;
    }
    Ok(figures.iter().all(|figure| figure.is_within))
}
