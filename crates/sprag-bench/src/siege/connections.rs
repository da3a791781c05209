//! Idle connections, more than the server has places.

use super::target::{Target, attacker, connect};
use super::{Figure, honest, http1};

/// How many more than there are places.
const BEYOND: usize = 204;

/// Opens them from so many networks and leaves them idle, while honest clients ask: strangers, and one of their own
/// network.
pub(super) async fn run(target: &Target, networks: usize) -> anyhow::Result<Vec<Figure>> {
    let started = target.start();
    let to = started.address();
    let mut held = Vec::new();
    for number in 0..target.connections + BEYOND {
        held.push(connect(attacker(number, networks), to, false).await?);
    }
    let asks = http1::once("/healthz");
    let (stranger, neighbour) = tokio::join!(
        honest::ask(honest::ADDRESS, to, &asks, target.lasts / 3),
        honest::ask(attacker(0, networks), to, &asks, target.lasts / 3),
    );
    let made = format!("{} connections", held.len());
    Ok(vec![
        Figure { what: made, is_within: true },
        stranger.figure("strangers"),
        neighbour.figure("neighbours"),
        started.memory()?,
    ])
}
