//! The command line: every command works on the configured store, beside a running server or without one.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, Config, Sources};
use crate::node::{self, Node};
use crate::profile::Profile;
use crate::{logs, openapi};

pub mod serve;

/// Sessions that turn one way.
#[derive(Debug, Parser)]
#[command(name = "sprag", version, about, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve,
    /// Print the description of the API that the configured pages make (OpenAPI)
    Openapi,
}

/// Runs the command that the process was started with.
///
/// # Errors
/// What went wrong, where, and what to do about it.
pub fn run() -> anyhow::Result<ExitCode> {
    let matches = Cli::command().args(config::args()).get_matches();
    let cli = Cli::from_arg_matches(&matches)?;
    let sources = Sources::from_process(config::flags(&matches))?;
    match cli.command {
        Command::Serve => {
            let (config, profiles) = resolve(&sources)?;
            logs::start(&config)?;
            serve::run(config, profiles)
        }
        Command::Openapi => {
            let (config, profiles) = resolve(&sources)?;
            println!("{:#}", openapi::document(&profiles, config.issuer()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The configuration and the pages it names. The pages come first, since they may bring names for settings.
fn resolve(sources: &Sources) -> anyhow::Result<(Config, Vec<Profile>)> {
    let names = sources.profiles()?;
    let mapping: Vec<_> = node::load_profiles(&names, &config::Lifetimes::default())?
        .into_iter()
        .flat_map(|profile| profile.environment)
        .collect();
    let config = sources.resolve(&mapping)?;
    let profiles = node::load_profiles(&config.profiles, &config.lifetimes)?;
    Ok((config, profiles))
}

/// Opens the store for a command that is not the server.
fn open(sources: &Sources) -> anyhow::Result<Node> {
    let (config, profiles) = resolve(sources)?;
    logs::start(&config)?;
    Node::open(config, profiles)
}

/// Runs an action of the engine to its end.
fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("could not start the runtime")?.block_on(future))
}
