//! `sprag demo`: the story of a session, told by a server of its own that is gone when the story ends; on a terminal, or on a
//! page on which the reader has a hand in it.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::output::{self, say};
use crate::edge::serve::serve;
use crate::http_client::HttpClient;
use crate::run::node::{Node, load_profiles};

mod own_config;
mod page;
mod stage;
mod story;

use stage::Stage;
use story::{REUSE_INTERVAL, Story};

/// How `sprag demo` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Serve a page that shows one session as it lives, on this machine only, until Ctrl-C
    #[arg(long)]
    page: bool,
    /// The port of 127.0.0.1 that the page is at; any free one where it is left out
    #[arg(long, requires = "page", value_name = "PORT")]
    port: Option<u16>,
    /// Leave the temporary data directory in place and say where it is
    #[arg(long)]
    keep: bool,
}

/// Tells the story, or serves the page. Fails if any step went otherwise than it should.
///
/// # Errors
/// The server of the story cannot be started.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("sprag-demo-").tempdir();
    let folder =
        folder.context("could not make a temporary directory; is there room, and is TMPDIR right?")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("could not start the runtime")?;
    let failures = if args.page {
        runtime.block_on(page::serve_until_told(&folder, args.port.unwrap_or(0)))?;
        Vec::new()
    } else {
        runtime.block_on(tell(&folder, Stage::new(stdout())))?
    };
    if args.keep {
        say(format_args!("\n  The data is kept in {}", folder.keep().display()))?;
    }
    if failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for failure in failures {
        output::tell(format_args!("sprag: {failure}"));
    }
    Ok(ExitCode::FAILURE)
}

/// Tells the story to a server that keeps everything in `folder`; gives back what went otherwise.
async fn tell(folder: &TempDir, stage: Stage<impl Write>) -> anyhow::Result<Vec<String>> {
    beside_own_server(folder, REUSE_INTERVAL, async |node| {
        let client = HttpClient::to(node.config.listen.address);
        Story::new(stage, client, Arc::clone(&node.engine)).tell().await
    })
    .await
}

/// Starts a server on a free port of 127.0.0.1, does `act` beside it and stops it.
pub(super) async fn beside_own_server<T>(
    folder: &TempDir,
    reuse_interval: Duration,
    act: impl AsyncFnOnce(&Node) -> T,
) -> anyhow::Result<T> {
    let mut config = own_config::of(folder, 0, &[("reuse-interval", reuse_interval)])?;
    let profiles = load_profiles(&config.profiles, Some(&config))?;
    let listener = TcpListener::bind(config.listen.address).await;
    let listener = listener.context("could not listen on a free port of 127.0.0.1")?;
    config.bound_to(listener.local_addr().context("could not learn the port that was bound")?);
    let node = Node::make(config, profiles).await?;
    let served = node.served(&node.app());
    let bounds = node.bounds();
    let (stop, stopped) = oneshot::channel::<Duration>();
    let metrics = Arc::clone(&node.metrics);
    let server = tokio::spawn(async move {
        // Stops as soon as the other end is dropped, too.
        let stopped = async { stopped.await.unwrap_or_default() };
        serve(listener, served, metrics, bounds, stopped).await
    });
    let outcome = act(&node).await;
    drop(stop);
    server.await.context("the server panicked")?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one test that waits in earnest: it tries the real server with the real clock.
    #[tokio::test]
    async fn the_story_goes_as_it_is_told_and_fits_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        let failures = tell(&folder, Stage::plain(&mut told)).await.unwrap();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(failures, Vec::<String>::new(), "{told}");
        // How long the path is that the program was called by is its caller's matter.
        let measured = told.replace(&output::program(), "sprag");
        let too_wide = measured.lines().find(|line| line.chars().count() > 100);
        assert_eq!(too_wide, None);
        assert!(told.contains("11  She logs out everywhere"), "{told}");
        assert!(!told.contains('\u{fffd}'), "no sign stands for one that a terminal does not show: {told}");
        assert!(
            told.ends_with(&format!("Run a server of your own: {} serve\n", output::program())),
            "{told}"
        );
    }
}
