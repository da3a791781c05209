//! What a command that works on the configured store begins with: the settings, the log, the store and who asks.

use std::process::ExitCode;

use anyhow::Context as _;
use sprag::engine::Requester;
use sprag::session::ShortHash;

use crate::config::Sources;
use crate::run::database;
use crate::run::keeper::settle;
use crate::run::logs;
use crate::run::node::{Node, resolve};

/// What a command does with the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opens {
    /// It makes the store where there is none.
    MayMake,
    /// There is nothing to do without one, so that a wrong folder is noticed instead of filled.
    Existing,
}

/// Runs `work` on the configured store, beside a running server or without one.
pub(super) fn on_node<W>(sources: &Sources, opens: Opens, work: W) -> anyhow::Result<ExitCode>
where
    W: AsyncFnOnce(&Node) -> anyhow::Result<ExitCode>,
{
    let (config, profiles) = resolve(sources)?;
    logs::start(&config)?;
    if opens == Opens::Existing {
        database::expect(&config)?;
    }
    block_on(async {
        let node = match opens {
            Opens::MayMake => Node::make_beside(config, profiles).await?,
            Opens::Existing => Node::open(config, profiles).await?,
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
    Requester {
        ip: None,
        user_agent: Some(format!("sprag {version} command line, uid {user}")),
        instance: ShortHash::default(),
    }
}

/// A refusal is its own sentence.
pub(super) fn plainly(error: sprag::Error) -> anyhow::Error {
    match error {
        sprag::Error::Refused(refusal) => refusal.into(),
        sprag::Error::Failed(fault) => fault.into(),
    }
}
