//! Clients that have the server hold as much for them as they can: answers that nobody reads, uploads that do not end.

use std::net::SocketAddr;
use std::sync::Arc;

use sprag_testkit::binary::people::{LOGIN, Pair, log_in};
use sprag_testkit::binary::server::PASSWORD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::target::{Started, Target, attacker, connect};
use super::{Figure, honest, http1, http2};

/// Where attackers are; no network of theirs may have more than a quarter of all places.
const NETWORKS: usize = 8;

/// How many sessions the account has whose list nobody reads.
const SESSIONS: usize = 90;

const LIST: &str = "/api/v1/auth/sessions";

/// What each connection of an attack sends, and whether it reads what comes.
pub(super) struct Attack {
    pub(super) name: &'static str,
    sends: Sends,
    reads: bool,
}

/// What is sent; the token is of an account with many sessions.
enum Sends {
    Bytes(fn() -> Vec<u8>),
    WithToken(fn(&str) -> Vec<u8>),
}

/// All of them.
pub(super) fn attacks() -> Vec<Attack> {
    let attack = |name, reads, bytes| Attack { name, sends: Sends::Bytes(bytes), reads };
    let list = |name, reads, bytes| Attack { name, sends: Sends::WithToken(bytes), reads };
    vec![
        attack("HTTP/2, 32 documents unread", true, || http2::unread("/openapi.json", None)),
        attack("HTTP/2, 32 scripts unread", true, || http2::unread("/docs/swagger-ui-bundle.js", None)),
        attack("HTTP/2, 32 metrics unread", true, || http2::unread("/metrics", None)),
        list("HTTP/2, 32 session lists unread", true, |token| http2::unread(LIST, Some(token))),
        attack("HTTP/2, 32 uploads without an end", true, http2::unfinished_uploads),
        attack("HTTP/2, 32 uploads byte by byte", true, http2::tiny_uploads),
        attack("HTTP/2, 32 large heads without a body", true, http2::large_heads),
        attack("HTTP/2, a frame without an end", true, http2::unfinished_frame),
        attack("HTTP/1.1, documents pipelined and unread", false, || {
            http1::pipelined("/openapi.json", None, 400)
        }),
        attack("HTTP/1.1, metrics pipelined and unread", false, || http1::pipelined("/metrics", None, 400)),
        list("HTTP/1.1, session lists pipelined and unread", false, |token| {
            http1::pipelined(LIST, Some(token), 40)
        }),
        attack("HTTP/1.1, an upload without an end", true, http1::unfinished_upload),
        attack("HTTP/1.1, an upload in chunks of one byte", true, http1::unfinished_chunks),
        attack("HTTP/1.1, a head without an end", true, http1::unfinished_head),
        attack("HTTP/1.1, a large head without a body", true, http1::large_head),
    ]
}

/// Carries it out on a server of its own, while honest clients ask.
pub(super) async fn run(target: &Target, attack: &Attack) -> anyhow::Result<Vec<Figure>> {
    let started = target.start();
    let bytes = Arc::new(match attack.sends {
        Sends::Bytes(bytes) => bytes(),
        Sends::WithToken(bytes) => bytes(&token_of_many_sessions(&started)?),
    });
    let (address, until) = (started.address(), Instant::now() + target.lasts);
    let mut attackers = JoinSet::new();
    for number in 0..target.connections {
        attackers.spawn(strike(number, address, Arc::clone(&bytes), attack.reads, until));
    }
    let asks = http1::once("/healthz");
    let seen = honest::ask(honest::ADDRESS, address, &asks, target.lasts).await;
    let connections: usize = attackers.join_all().await.into_iter().sum();
    let made = format!("{connections} connections, {} at once", target.connections);
    Ok(vec![Figure { what: made, is_within: true }, started.memory()?, seen.figure("honest requests")])
}

/// Sends it, waits until the server closes, and begins again; how often.
async fn strike(number: usize, to: SocketAddr, bytes: Arc<Vec<u8>>, reads: bool, until: Instant) -> usize {
    let mut count = 0;
    while Instant::now() < until {
        let once = async {
            let mut stream = connect(attacker(number, NETWORKS), to, !reads).await?;
            let (mut reader, mut writer) = stream.split();
            let write = async {
                writer.write_all(&bytes).await?;
                sleep_until(until).await;
                anyhow::Ok(())
            };
            let read = async {
                if !reads {
                    sleep_until(until).await;
                }
                let mut room = [0; 1024];
                while reader.read(&mut room).await? > 0 {}
                anyhow::Ok(())
            };
            tokio::select! { gone = write => gone, gone = read => gone }
        };
        count += 1;
        // Whatever ends it, the server has ended it.
        let _ = timeout_at(until, once).await;
    }
    count
}

fn token_of_many_sessions(started: &Started) -> anyhow::Result<String> {
    started.home.create_user("ann");
    let mut connection = started.server.connect();
    let mut pair: Option<Pair> = None;
    for _ in 0..SESSIONS {
        pair = Some(log_in(&mut connection, "ann")?);
    }
    let refused = || anyhow::anyhow!("no log-in at {LOGIN} with {PASSWORD:?}");
    Ok(pair.ok_or_else(refused)?.access)
}
