//! Frames of HTTP/2 that cost a client nothing: streams that are reset at once, heads without an end, pings, settings, empty
//! data.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sprag_testkit::binary::server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::refreshes::Refreshes;
use super::target::{Target, attacker, connect};
use super::{Figure, http2};

/// How many connections an attacker has, of how many networks.
const CONNECTIONS: usize = 64;
const NETWORKS: usize = 8;

/// How long an attack lasts.
const LASTS: Duration = Duration::from_secs(8);

/// How long whoever was cut off waits before they come again.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a refresh may take meanwhile.
const MOST_MILLIS: f64 = 100.0;

/// Attacks while others refresh.
pub(super) fn run(target: &Target, flood: &http2::Flood) -> anyhow::Result<Vec<Figure>> {
    let mut refreshes = Refreshes::start(target, 0, &[])?;
    let attack = |_: &_, server: &Server| attack(server.address(), flood);
    let (seen, cut_off) = refreshes.beside(LASTS, attack)?;
    let cut_off = cut_off?;
    Ok(vec![
        Figure {
            what: format!("{CONNECTIONS} connections at once, cut off {cut_off} times (promised: all)"),
            is_within: cut_off >= CONNECTIONS,
        },
        seen.figure(MOST_MILLIS),
        seen.served(),
        refreshes.memory(200)?,
    ])
}

/// How often one of them was cut off.
fn attack(to: SocketAddr, flood: &http2::Flood) -> anyhow::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let until = Instant::now() + LASTS;
        let (first, again) = (Arc::new((flood.first)()), Arc::new((flood.again)()));
        let mut attackers = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (first, again) = (Arc::clone(&first), Arc::clone(&again));
            attackers.spawn(async move {
                let mut cut_off = 0;
                while Instant::now() < until {
                    let once = timeout_at(until, one(number, to, &first, &again)).await;
                    cut_off += usize::from(once.is_ok());
                    sleep(PAUSE).await;
                }
                cut_off
            });
        }
        Ok(attackers.join_all().await.into_iter().sum())
    })
}

/// Goes on until the server closes.
async fn one(number: usize, to: SocketAddr, first: &[u8], again: &[u8]) -> anyhow::Result<()> {
    let mut stream = connect(attacker(number, NETWORKS), to, false).await?;
    let (mut reader, mut writer) = stream.split();
    let reads = async {
        let mut room = [0; 4096];
        while reader.read(&mut room).await? > 0 {}
        anyhow::Ok(())
    };
    let writes = async {
        writer.write_all(first).await?;
        loop {
            writer.write_all(again).await?;
        }
    };
    tokio::select! {
        closed = reads => closed,
        broken = writes => broken,
    }
}
