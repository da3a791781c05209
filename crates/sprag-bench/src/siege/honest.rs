//! Honest clients, who notice an attack only if it works.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::Figure;
use super::target::connect;

/// Where they are.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 1);

/// How long they wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often one of them comes.
const PACE: Duration = Duration::from_millis(200);

/// How often they asked, and what came of it.
#[derive(Default)]
pub(super) struct Seen {
    asked: usize,
    answered: usize,
    slowest: Duration,
}

impl Seen {
    /// Everybody must have been answered.
    pub(super) fn figure(&self, who: &str) -> Figure {
        let (answered, asked) = (self.answered, self.asked);
        let what = format!(
            "{answered} of {asked} {who} answered, the slowest in {:.0} ms (promised: all)",
            self.slowest.as_secs_f64() * 1000.0
        );
        Figure { what, is_within: answered == asked && asked > 0 }
    }
}

/// Asks again and again, each time on a connection of its own, until the time is over.
pub(super) async fn ask(from: Ipv4Addr, to: SocketAddr, request: &str, lasts: Duration) -> Seen {
    let begun = Instant::now();
    let mut seen = Seen::default();
    while begun.elapsed() < lasts {
        let asks = Instant::now();
        seen.asked += 1;
        if let Ok(Ok(true)) = timeout(PATIENCE, is_answered(from, to, request)).await {
            seen.answered += 1;
        }
        seen.slowest = seen.slowest.max(asks.elapsed());
        sleep(PACE).await;
    }
    seen
}

/// Asks again as soon as there is an answer, whatever it is.
pub(super) async fn ask_without_pause(from: Ipv4Addr, to: SocketAddr, request: &str) {
    loop {
        // Who is refused a connection tries again.
        let _ = timeout(PATIENCE, is_answered(from, to, request)).await;
    }
}

async fn is_answered(from: Ipv4Addr, to: SocketAddr, request: &str) -> anyhow::Result<bool> {
    let mut stream = connect(from, to, false).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}
