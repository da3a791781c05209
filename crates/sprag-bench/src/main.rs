//! The program `sprag-bench`: it loads a server with refreshes and says what it commits, it kills one under load and
//! judges what its clients saw, it counts what requests cost one, and it attacks one and says what honest clients notice. It is for those who work on Sprag and is never shipped.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use sprag_server::config::{self, Sources};
use sprag_server::run::node;

mod compare;
mod cost;
mod enumeration;
mod framing;
mod hashing;
mod limits;
mod load;
mod output;
mod process_file;
mod process_time;
mod server_binary;
mod siege;
mod soak;
mod stage;

/// Load a Sprag server, kill it under load, or attack it.
#[derive(Debug, Parser)]
#[command(name = "sprag-bench", version, about, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a server with refreshes and report what it commits
    Load(load::Args),
    /// Count the instructions of a refresh, a log-in and /healthz, and compare them with those that are recorded
    Cost(cost::Args),
    /// Load two builds in turn, and say what a refresh takes of each
    Compare(compare::Args),
    /// Refresh sessions while every hash thread is busy with log-ins, and relate that to refreshes alone
    Hashing(hashing::Args),
    /// Refresh with all limits on and with none, in turn, and relate the two
    Limits(limits::Args),
    /// Kill a server under refresh load, again and again, and judge what its clients saw
    Soak(soak::Args),
    /// Send a server requests with a byte too many or too few, and judge what it answers
    Framing(framing::Args),
    /// Attack a server and judge what honest clients notice
    Siege(siege::Args),
    /// Ask a server with wrong passwords of all kinds, and say whether the time of a refusal tells one from another
    Enumeration(enumeration::Args),
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // With nobody to read it, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "sprag-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Load(args) => {
            let flags = matches.subcommand_matches("load").map(config::flags).unwrap_or_default();
            let (config, profiles) = node::resolve(&Sources::from_process(flags)?)?;
            load::run(args, config, profiles)
        }
        Command::Cost(args) => cost::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Hashing(args) => hashing::run(&args),
        Command::Limits(args) => limits::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Framing(args) => framing::run(&args),
        Command::Siege(args) => siege::run(&args),
        Command::Enumeration(args) => enumeration::run(&args),
    }
}

/// `load` takes the server's own settings, so that it finds the store that the server has.
fn command() -> clap::Command {
    Cli::command().mut_subcommand("load", |load| load.args(config::args()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_command_has_a_flag_that_a_setting_has() {
        super::command().debug_assert();
    }
}
