//! The database is slow, or stands still while more and more is asked of it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprag_rig::{Postgres, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::crowd::{Crowd, Rhythm};
use crate::people::refresh;
use crate::server::Server;
use crate::stage::{Stage, metric};

pub(crate) fn f6_a_slow_database_ends_no_session() {
    let database_server = Postgres::shared();
    let database = database_server.fresh_database();
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], database_server.port())));
    let stage = Stage::on(&database.url());
    let by_proxy = format!("postgres://postgres@{}/{}", proxy.addr(), database.name());
    let node = stage.node_by(&by_proxy, &["--reuse-interval", "2s"]);
    let mut crowd = Crowd::log_in(&stage, &[&node], 24, 0);
    let back = crowd.live_through(Rhythm::Each(Duration::from_millis(50)), |outside| {
        outside.wait(Duration::from_secs(1));
        proxy.delay(Duration::from_millis(500));
        outside.wait(Duration::from_secs(3));
        proxy.delay(Duration::from_secs(2));
        outside.wait(Duration::from_secs(4));
        proxy.heal();
        let back = outside.now();
        outside.wait(Duration::from_secs(3));
        back
    });
    crowd.assert_unharmed(&stage, "slow");
    // What is on the way takes the two seconds it had before it.
    crowd.assert_back_soon(back, "slow");
    assert_eq!(metric(&node, "sprag_state_regressions_total"), 0);
}

const OFFERED_A_SECOND: u32 = 500;
const OFFERED_FOR: Duration = Duration::from_secs(6);
const MOST_MORE_MEMORY_KIB: u64 = 64 * 1024;
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn f6_a_flood_of_refreshes_on_a_frozen_database_fills_no_memory() {
    let database_server = Postgres::start();
    let stage = Stage::on(&database_server.fresh_database().url());
    // All reach it through one balancer, which is named: a network of clients may not have that many connections.
    let node = stage.node(&["--reuse-interval", "2s", "--trusted-proxies", "127.0.0.1"]);
    let mut crowd = Crowd::log_in(&stage, &[&node], 16, 0);
    crowd.live_through(Rhythm::Each(Duration::from_millis(20)), |outside| {
        outside.wait(Duration::from_secs(1))
    });
    let tokens: Vec<String> = crowd.tokens().map(str::to_owned).collect();
    let before = memory_kib(&node);
    database_server.freeze();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut answers, most) = runtime.block_on(flood(&node, &tokens));
    database_server.thaw();
    answers.sort_by_key(|answer| answer.1);
    let (count, slowest) = (answers.len(), answers[answers.len() - 1].1);
    eprintln!("flood: {count} answers, slowest {slowest:?}; memory {before} KiB before, {most} KiB at most");
    assert!(answers.iter().all(|answer| answer.0 == 503), "nobody can be served");
    assert!(slowest < ANSWERED_WITHIN, "an answer took {slowest:?}");
    assert!(most.saturating_sub(before) < MOST_MORE_MEMORY_KIB, "it grew from {before} to {most} KiB");
    crowd.live_through(Rhythm::Each(Duration::from_millis(20)), |outside| {
        outside.wait(Duration::from_secs(1))
    });
    crowd.assert_unharmed(&stage, "flood");
}

/// Status and time of each answer to what was asked at that rate, and the server's memory at its largest.
async fn flood(node: &Server, tokens: &[String]) -> (Vec<(u16, Duration)>, u64) {
    let requests: Vec<Arc<Vec<u8>>> = tokens.iter().map(|token| Arc::new(closing(token))).collect();
    let mut asked = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / OFFERED_A_SECOND);
    let (begun, mut most) = (Instant::now(), 0);
    while begun.elapsed() < OFFERED_FOR {
        ticks.tick().await;
        let request = Arc::clone(&requests[asked.len() % requests.len()]);
        asked.spawn(ask(node.address(), request));
        if asked.len().is_multiple_of(50) {
            most = most.max(memory_kib(node));
        }
    }
    (asked.join_all().await, most.max(memory_kib(node)))
}

/// A refresh after which the server closes the connection.
fn closing(token: &str) -> Vec<u8> {
    let request = refresh(token).header("Connection", "close");
    let (mut head, body) = request.parts();
    head.extend_from_slice(body);
    head
}

async fn ask(node: SocketAddr, request: Arc<Vec<u8>>) -> (u16, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(node).await.expect("the node accepts connections");
    stream.write_all(&request).await.expect("the node takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the node answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer:?}")), begun.elapsed())
}

fn memory_kib(node: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
