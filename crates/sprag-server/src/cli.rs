//! The command line: every command works on the configured store, beside a running server or without one.
//!
//! Each command ends with 0 where it did what was asked, 1 where that was refused or failed, 2 where it was not
//! understood.

use std::io;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, Sources};
use crate::run::node::resolve;
use crate::run::{first_process, memory_dumps};
use crate::{old_names, openapi};
use on_node::{Opens, on_node};
use output::misused;

mod accounts;
mod audit;
mod backup;
mod demo;
mod healthy;
#[cfg(feature = "import")]
mod import;
mod import_store;
mod key;
mod mail;
mod messages;
mod migrate;
#[cfg(not(feature = "import"))]
mod no_import;
mod on_node;
mod output;
mod paths;
mod profile;
mod report;
mod restore;
mod serve;
mod session;
mod settings;
mod sweep;
mod terminal;
mod user;
mod uses;
mod webhook;
mod why;

#[cfg(not(feature = "import"))]
use no_import as import;

/// What `sprag --version` says: of a build that `scripts/build-release` made, with the commit.
const VERSION: &str = match option_env!("SPRAG_VERSION_TEXT") {
    Some(text) => text,
    None => env!("CARGO_PKG_VERSION"),
};

/// Sessions that turn one way.
#[derive(Debug, Parser)]
#[command(name = "sprag", version = VERSION, about, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Args),
    /// Bring the database up to date
    Migrate(migrate::Args),
    /// Copy the SQLite database into a file, beside a running server
    Backup(backup::Args),
    /// Put a backup in the place of the SQLite database, while no server runs
    Restore(restore::Args),
    /// Move a whole SQLite store into the configured, empty PostgreSQL database; its sessions live on
    ImportStore(import_store::Args),
    /// Make, list, change, disable, enable and delete accounts
    #[command(subcommand)]
    User(user::Command),
    /// List and end sessions
    #[command(subcommand)]
    Session(session::Command),
    /// List, rotate and retire the keys that make tokens
    #[command(subcommand)]
    Key(key::Command),
    /// Send a letter to try it out, list letters, and have one tried again
    #[command(subcommand)]
    Mail(mail::Command),
    /// Tell other systems something to try it out, list what they were told, and tell it once more
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// End the sessions that have expired, and remove those that ended long ago
    Sweep(sweep::Args),
    /// Show the journal, prove it, and cut it
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show what was counted by the day: log-ins, failures, refreshes, sessions, accounts
    Report(report::Args),
    /// Ask the running server of these settings whether it is alive, as a container's health check
    Healthy(healthy::Args),
    /// Explain how a session lived and ended
    Why(why::Args),
    /// Print the settings in force, and where each came from
    Config(settings::Args),
    /// Print the description of the API that the configured profiles make (OpenAPI)
    Openapi,
    /// Check and show profiles
    #[command(subcommand)]
    Profile(profile::Command),
    /// Tell the story of a session, with a server of its own
    Demo(demo::Args),
}

/// What to do instead of `sprag load`, a command of earlier builds.
const LOAD_HAS_MOVED: &str = "a server carries no load generator; run `sprag-bench load` in its place, which takes the same flags: \
     cargo run --release -p sprag-bench -- load";

/// Runs the command that the process was started with.
///
/// # Errors
/// What went wrong, where, and what to do about it.
pub fn run() -> anyhow::Result<ExitCode> {
    // Before anything secret is read. Every command reads something that is, or is given it.
    if let Err(why) = memory_dumps::prevent() {
        output::tell(why);
    }
    let matches = match uses::shown_where_used(Cli::command()).try_get_matches() {
        Err(error) if is_unknown(&error, "load") => return Ok(misused(LOAD_HAS_MOVED)),
        parsed => parsed.unwrap_or_else(|error| error.exit()),
    };
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into()).collect();
    old_names::of_command(&name(&matches), &words).iter().for_each(output::tell);
    if !matches!(cli.command, Command::Serve(_)) {
        first_process::ends_at_signals();
    }
    match carry_out(cli.command, config::flags(&matches)) {
        // Whoever read our output has seen enough, as in `sprag user list | head`.
        Err(error) if is_closed_output(&error) => Ok(ExitCode::SUCCESS),
        outcome => outcome,
    }
}

/// The command with the one below it, as in `key replace`, whatever it was called on the command line.
fn name(matches: &ArgMatches) -> String {
    match matches.subcommand() {
        Some((first, below)) => format!("{first} {}", name(below)).trim_end().to_owned(),
        None => String::new(),
    }
}

fn carry_out(command: Command, flags: config::Flags) -> anyhow::Result<ExitCode> {
    let sources = || Sources::from_process(flags.clone()).map_err(anyhow::Error::from);
    match command {
        Command::Serve(args) => serve::run(&args, flags),
        Command::Migrate(args) => migrate::run(&args, &sources()?),
        Command::Backup(args) => backup::run(&args, &sources()?),
        Command::Restore(args) => restore::run(&args, &sources()?),
        Command::ImportStore(args) => import_store::run(&args, &sources()?),
        Command::User(command) => user::run(command, &sources()?),
        Command::Session(command) => session::run(command, &sources()?),
        Command::Key(command) => key::run(command, &sources()?),
        Command::Mail(command) => mail::run(command, &sources()?),
        Command::Webhook(command) => webhook::run(command, &sources()?),
        Command::Sweep(args) => sweep::run(&args, &sources()?),
        Command::Report(args) => {
            on_node(&sources()?, Opens::Existing, async |node| report::run(&args, node).await)
        }
        Command::Audit(command) => audit::run(command, &sources()?),
        Command::Healthy(args) => healthy::run(&args, &Sources::open_from_process(flags)?),
        Command::Config(args) if args.wants_reference() => settings::print_reference(),
        Command::Config(args) => settings::run(&args, &sources()?),
        Command::Openapi => {
            let (config, profiles) = resolve(&sources()?)?;
            output::say_json(&openapi::document(&profiles, config.issuer()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Profile(command) => profile::run(&command),
        Command::Why(args) => on_node(&sources()?, Opens::Existing, async |node| why::run(&args, node).await),
        Command::Demo(args) => demo::run(args),
    }
}

/// Whether the command line names a command of that name, and there is none.
fn is_unknown(error: &clap::Error, name: &str) -> bool {
    matches!(error.get(ContextKind::InvalidSubcommand), Some(ContextValue::String(given)) if given == name)
}

/// Standard output is the only thing that a command writes to without saying what it was doing.
fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_has_a_flag_that_a_setting_has() {
        uses::shown_where_used(Cli::command()).debug_assert();
    }
}
