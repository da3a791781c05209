//! Clients that take for ever: over a head, over a body, over an answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::refreshes::Refreshes;
use super::target::{Target, attacker, connect};
use super::{Figure, http1};

/// How many there are, of how many networks.
const CONNECTIONS: usize = 2000;
const NETWORKS: usize = 16;

/// How often each of them does a little.
const PACE: Duration = Duration::from_secs(1);

/// How long an attack lasts. Whoever is cut off does not come again.
pub(super) const LASTS: Duration = Duration::from_secs(18);

/// After how long they must be gone, with what a busy machine takes to close so many.
const GONE_WITHIN: Duration = Duration::from_millis(11_000);

/// How long a refresh may take meanwhile.
const MOST_MILLIS: f64 = 100.0;

/// What takes for ever.
#[derive(Clone, Copy)]
pub(super) enum Over {
    Head,
    Body,
    Answer,
}

impl Over {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("2,000 slow heads, a byte a second", Self::Head),
        ("2,000 slow bodies, a byte a second", Self::Body),
        ("2,000 slow readers, a byte a second", Self::Answer),
    ];
}

/// Attacks while others refresh.
pub(super) fn run(target: &Target, over: Over) -> anyhow::Result<Vec<Figure>> {
    let mut refreshes = Refreshes::start(target, 0, &[])?;
    let attack = |_: &_, server: &sprag_testkit::binary::server::Server| attack(server.address(), over);
    let (seen, lives) = refreshes.beside(LASTS, attack)?;
    let lives = lives?;
    let gone = lives.iter().filter(|lived| **lived <= GONE_WITHIN).count();
    let longest = lives.iter().max().copied().unwrap_or_default().as_secs_f64();
    Ok(vec![
        Figure {
            what: format!(
                "{gone} of {CONNECTIONS} attackers gone within 10 s, the last after {longest:.1} s (promised: all)"
            ),
            is_within: gone == CONNECTIONS,
        },
        seen.figure(MOST_MILLIS),
        seen.served(),
        refreshes.memory(200)?,
    ])
}

/// For how long each of them was connected.
fn attack(to: SocketAddr, over: Over) -> anyhow::Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut attackers = JoinSet::new();
        for number in 0..CONNECTIONS {
            attackers.spawn(async move {
                // They do not come all at once, or it is the system's queue that is measured.
                sleep(Duration::from_millis(u64::try_from(number)? / 2)).await;
                let stream = connect(attacker(number, NETWORKS), to, matches!(over, Over::Answer)).await?;
                let begun = Instant::now();
                let _ = timeout(LASTS, one(stream, over)).await;
                anyhow::Ok(begun.elapsed())
            });
        }
        attackers.join_all().await.into_iter().collect()
    })
}

/// Goes on until the server closes.
async fn one(mut stream: TcpStream, over: Over) -> anyhow::Result<()> {
    let (first, rest) = match over {
        Over::Head => ("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ".to_owned(), true),
        Over::Body => (http1::begun_login(4096), true),
        Over::Answer => (http1::many("/openapi.json", 40), false),
    };
    let (mut reader, mut writer) = stream.split();
    let closed = async {
        let mut byte = [0; 1];
        loop {
            match reader.read(&mut byte).await {
                Ok(0) | Err(_) => return,
                Ok(_) if rest => {}
                Ok(_) => sleep(PACE).await,
            }
        }
    };
    let writes = async {
        let _ = writer.write_all(first.as_bytes()).await;
        while rest {
            sleep(PACE).await;
            if writer.write_all(b"x").await.is_err() {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = closed => {}
        () = writes => {}
    }
    Ok(())
}
