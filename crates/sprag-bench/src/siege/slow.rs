//! Clients that take for ever: over a head, over a body, over an answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::refreshes::Refreshes;
use super::target::{Target, attacker, connect};
use super::{Figure, honest, http1};

/// How many there are, of how many networks.
const CONNECTIONS: usize = 2000;
const NETWORKS: usize = 16;

/// In how long they come, how often the server is asked who is there, and how many are there who are honest.
const COMING: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(200);
const HONEST: usize = 64;

/// How often each of them does a little.
const PACE: Duration = Duration::from_secs(1);

/// How long an attack lasts. Whoever is cut off does not come again.
pub(super) const LASTS: Duration = Duration::from_secs(18);

/// After how long they must be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

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
    let (seen, gone) = refreshes.beside(LASTS, attack)?;
    let (most, gone) = gone?;
    let what = gone.map_or("not gone".to_owned(), |after| {
        format!("gone {:.1} s after the last came", after.as_secs_f64())
    });
    Ok(vec![
        Figure {
            what: format!("{most} connections at once, {what} (promised: 10 s)"),
            is_within: most >= CONNECTIONS && gone.is_some_and(|after| after <= GONE_WITHIN),
        },
        seen.figure(MOST_MILLIS),
        seen.served(),
        refreshes.memory(200)?,
    ])
}

/// How many connections the server had at once, and how long after the last attacker came it had none of theirs any more. It is
/// asked itself: whoever reads nothing does not notice that the connection is over.
fn attack(to: SocketAddr, over: Over) -> anyhow::Result<(usize, Option<Duration>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let begun = Instant::now();
        let mut attackers = JoinSet::new();
        for number in 0..CONNECTIONS {
            attackers.spawn(async move {
                // They do not come all at once, or it is the system's queue that is measured.
                sleep(COMING * u32::try_from(number)? / u32::try_from(CONNECTIONS)?).await;
                let stream = connect(attacker(number, NETWORKS), to, matches!(over, Over::Answer)).await?;
                // Whatever ends it, the server has ended it.
                let _ = timeout(LASTS, one(stream, over)).await;
                anyhow::Ok(())
            });
        }
        let mut most = 0;
        while begun.elapsed() < LASTS {
            sleep(LOOK).await;
            let open = open(to).await?;
            most = most.max(open);
            if begun.elapsed() > COMING && open <= HONEST {
                return Ok((most, Some(begun.elapsed().saturating_sub(COMING))));
            }
        }
        Ok((most, None))
    })
}

/// How many connections the server says are open.
async fn open(server: SocketAddr) -> anyhow::Result<usize> {
    let mut stream = connect(honest::ADDRESS, server, false).await?;
    stream.write_all(http1::once("/metrics").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let open = answer.lines().find_map(|line| line.strip_prefix("sprag_connections "));
    Ok(open.context("the server does not say how many connections are open")?.trim().parse()?)
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
        if !rest {
            return std::future::pending().await;
        }
        loop {
            sleep(PACE).await;
            if writer.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = closed => {}
        () = writes => {}
    }
    Ok(())
}
