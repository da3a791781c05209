//! `sprag demo --page`: one session as it lives, for people who have never heard of refresh tokens.
//!
//! The page and its scripts are in the binary. What it shows is asked of a real server on the same listener, with a store of its
//! own. The demo tells more than a server may: which row of the verdict table decided, and how the row stands. None of this is
//! part of `sprag serve`.

use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::own_config;
use crate::cli::output::say;
use crate::edge::serve::serve;

mod files;
mod router;
mod service;
mod told;

use service::Service;

/// What is shorter here than elsewhere, so that a visitor sees it end.
const SPANS: [(&str, Duration); 2] =
    [("reuse-interval", Duration::from_secs(6)), ("access-ttl", Duration::from_secs(60))];

/// Serves the page on 127.0.0.1 until somebody presses Ctrl-C or ends the process.
///
/// # Errors
/// The port is taken, or the server cannot be started.
pub(super) async fn serve_until_told(folder: &TempDir, port: u16) -> anyhow::Result<()> {
    // Before there is anything to leave behind: by itself a signal would end the process at once.
    let told = told_to_stop().context("could not listen for signals")?;
    let mut config = own_config::of(folder, port, &SPANS)?;
    let listener = TcpListener::bind(config.listen.address).await.with_context(|| {
        format!(
            "could not listen on {}: is something else running there? leave --port out, and a free one is taken",
            config.listen.address
        )
    })?;
    config.bound_to(listener.local_addr().context("could not learn the port that was bound")?);
    let address = config.listen.address;
    let service = Service::start(config).await?;
    let (metrics, bounds) = service.measures_and_bounds().await;
    let router = router::router(&service, address);
    say(format_args!(
        "A page that shows one session as it lives:\n\n    http://{address}/\n\n\
         It is served to this machine only, and everything it does is real but the people. Ctrl-C ends it, and its store with it."
    ))?;
    serve(listener, router, metrics, bounds, told).await;
    service.stop().await;
    Ok(())
}

/// Waits for SIGINT, SIGTERM or SIGHUP, as of a terminal that is closed. Newcomers are served no more from then on.
fn told_to_stop() -> std::io::Result<impl Future<Output = Duration>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
        Duration::ZERO
    })
}
