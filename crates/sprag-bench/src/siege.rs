//! `sprag-bench siege`: what an attacker does to a server, again and again, and what honest clients notice of it.
//!
//! Attackers and honest clients are on this machine, each network of theirs a part of 127.0.0.0/8.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::runtime::Runtime;

use crate::output::say;

mod connections;
mod floods;
mod forged;
mod honest;
mod http1;
mod http2;
mod login;
mod memory;
mod overload;
mod refreshes;
mod report;
mod slow;
mod target;
mod tools;

use report::Report;
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
    /// How many seconds the flood of log-ins lasts
    #[arg(long, default_value_t = 60)]
    flood_seconds: u64,
    /// Write the figures into this document too, in place of those that it has
    #[arg(long, value_name = "PATH")]
    write: Option<PathBuf>,
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
    /// Four times as many log-ins as can be hashed
    Overload,
    /// Clients that take for ever
    Slow,
    /// Frames of HTTP/2 that cost a client nothing
    Floods,
    /// The tools by which others attack, where this machine has them
    Tools,
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
    let runtime = Runtime::new().context("could not start the runtime")?;
    let mut siege_of = Siege { args: siege, is_chosen: true, is_sound: true, report: Report::default() };
    for part in Part::value_variants() {
        siege_of.is_chosen = siege.parts.is_empty() || siege.parts.contains(part);
        siege_of.carry_out(*part, &target, &runtime)?;
    }
    if let Some(document) = &siege.write {
        siege_of.report.write(document)?;
    }
    Ok(if siege_of.is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has been found so far.
struct Siege<'a> {
    args: &'a Args,
    /// Whether the part under way was asked for; of the others only the names are noted.
    is_chosen: bool,
    is_sound: bool,
    report: Report,
}

impl Siege<'_> {
    fn carry_out(&mut self, part: Part, target: &Target, runtime: &Runtime) -> anyhow::Result<()> {
        match part {
            Part::Memory => {
                for attack in memory::attacks() {
                    self.attack(attack.name, || runtime.block_on(memory::run(target, &attack)))?;
                }
            }
            Part::Connections => {
                for (name, networks) in [("idle, from one network", 1), ("idle, from eight networks", 8)] {
                    self.attack(name, || runtime.block_on(connections::run(target, networks)))?;
                }
            }
            Part::Login => {
                self.attack("wrong passwords, 64 at once", || runtime.block_on(login::run(target)))?;
                let name = format!("{} wrong passwords with forged forwarding headers", forged::GUESSES);
                self.attack(&name, || runtime.block_on(forged::run(target)))?;
            }
            Part::Overload => {
                let lasts = Duration::from_secs(self.args.flood_seconds);
                for (limits, has_limits) in [("off", false), ("on", true)] {
                    let seconds = lasts.as_secs();
                    let name = format!(
                        "four times the log-ins that can be hashed, for {seconds} s, limits {limits}"
                    );
                    self.attack(&name, || overload::run(target, has_limits, lasts))?;
                }
            }
            Part::Slow => {
                for (name, over) in slow::Over::ALL {
                    self.attack(name, || slow::run(target, over))?;
                }
            }
            Part::Floods => {
                for flood in &http2::FLOODS {
                    self.attack(flood.name, || floods::run(target, flood))?;
                }
            }
            Part::Tools => {
                for tool in &tools::TOOLS {
                    if !self.is_meant(tool.name) {
                        continue;
                    }
                    match tools::run(target, tool)? {
                        Some(figures) => self.tell(tool.name, figures)?,
                        None => say(format!("{}\n  left out: this machine does not have it", tool.name))?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes that there is such an attack, and says whether it is to be made.
    fn is_meant(&mut self, name: &str) -> bool {
        self.report.knows(name);
        self.is_chosen && name.contains(&self.args.only)
    }

    fn attack(
        &mut self,
        name: &str,
        attack: impl FnOnce() -> anyhow::Result<Vec<Figure>>,
    ) -> anyhow::Result<()> {
        if self.is_meant(name) { self.tell(name, attack()?) } else { Ok(()) }
    }

    /// Prints what an attack came to.
    fn tell(&mut self, name: &str, figures: Vec<Figure>) -> anyhow::Result<()> {
        say(name)?;
        for figure in &figures {
            say(format!("  {}", figure.line()))?;
        }
        self.is_sound &= figures.iter().all(|figure| figure.is_within);
        self.report.add(name, figures);
        Ok(())
    }
}

impl Figure {
    fn line(&self) -> String {
        format!("{}{}", if self.is_within { "" } else { "BROKEN: " }, self.what)
    }
}
