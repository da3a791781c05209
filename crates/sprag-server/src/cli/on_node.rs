//! What a command that works on the configured store begins with: the settings, the log, the store and who asks.

use std::process::ExitCode;

use anyhow::Context as _;
use sprag::engine::Requester;

use super::output::tell;
use crate::config::{Config, Sources};
use crate::profile::Profile;
use crate::run::database;
use crate::run::keeper::settle;
use crate::run::logs;
use crate::run::node::{Node, resolve};

/// Whether a command that would be the first in a store may make it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct MayCreate {
    /// Make the store if there is none yet; without this, a wrong folder or database is noticed instead of filled
    #[arg(long)]
    pub(super) create: bool,
}

/// What a command does with the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opens {
    /// It needs one, and makes it where there is none and that is asked for.
    MayMake(MayCreate),
    /// There is nothing to do without one, so that a wrong folder is noticed instead of filled.
    Existing,
}

/// What every command on a store begins with: the settings, the log, and one line that says which store it is.
pub(super) fn begin(sources: &Sources) -> anyhow::Result<(Config, Vec<Profile>)> {
    let (config, profiles) = resolve(sources)?;
    logs::start(&config)?;
    tell(format_args!("store: {}", database::named(&config)));
    Ok((config, profiles))
}

/// Runs `work` on the configured store, beside a running server or without one.
pub(super) fn on_node<W>(sources: &Sources, opens: Opens, work: W) -> anyhow::Result<ExitCode>
where
    W: AsyncFnOnce(&Node) -> anyhow::Result<ExitCode>,
{
    let (config, profiles) = begin(sources)?;
    block_on(async {
        let node = match opens {
            Opens::MayMake(MayCreate { create }) => {
                database::expect_or_ask(&config, create).await?;
                Node::make_beside(config, profiles).await?
            }
            Opens::Existing => {
                database::expect(&config)?;
                Node::open(config, profiles).await?
            }
        };
        let outcome = work(&node).await;
        if let Err(fault) = settle(&node).await {
            tracing::warn!(%fault, "what was committed last is not counted; if it is lost, nobody is told");
        }
        outcome
    })
}

pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("could not start the runtime")?.block_on(work)
}

/// The command line, as the journal knows it: which of the machine's users it was, for there is no address.
pub(super) fn requester() -> Requester {
    let user = rustix::process::getuid().as_raw();
    let version = env!("CARGO_PKG_VERSION");
    Requester { user_agent: Some(format!("sprag {version} command line, uid {user}")), ..Requester::nobody() }
}

/// A refusal is its own sentence.
pub(super) fn plainly(error: sprag::Error) -> anyhow::Error {
    match error {
        sprag::Error::Refused(refusal) => refusal.into(),
        sprag::Error::Failed(fault) => fault.into(),
    }
}
