//! Four times as many log-ins as can be hashed: right and wrong passwords, and hashes that another system made costly.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use sprag_testkit::binary::server::Server;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::refreshes::Refreshes;
use super::target::{Target, attacker, connect};
use super::{Figure, http1};
use crate::load::tally::Latency;
use crate::stage::Stage;

/// How many users log in with their right password, how many are guessed at, and how many have a costly hash.
const RIGHT: usize = 48;
const COSTLY: usize = 16;

/// bcrypt with 2^12 rounds, a tenth of a second and more: what many systems make.
const COSTLY_HASH: &str = "$2b$12$sGx6JH3i0QbVtq8MZpLwUe7S203rh5Cl2vf0GYkTkafQe22Y.fi0S";

/// How many times more log-ins come than can be hashed.
const TIMES: f64 = 4.0;

/// How many connections the flood has, of how many networks.
const CONNECTIONS: usize = 256;
const NETWORKS: usize = 8;

/// How long refreshes alone are measured before the flood and again after it, since a machine's own latencies drift within minutes;
/// and how long it is measured how much can be hashed.
const ALONE: Duration = Duration::from_secs(20);
const HASHING: Duration = Duration::from_secs(5);

/// How long a refresh may take beside the flood, at most, and how many times as long as alone.
const MOST_MILLIS: f64 = 50.0;
const MOST_TIMES: f64 = 2.0;

/// How long a log-in may take that is too many.
const EXCESS_MILLIS: f64 = 50.0;

/// How many kibibytes the server may hold beside what hashing takes.
const MOST_MIB: u64 = 200;

/// How long anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of log-ins.
struct Answers {
    /// 200, 401, what was too many (429, 503), and what came to nothing.
    counts: [u64; 5],
    excess_micros: Histogram<u64>,
}

impl Answers {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { counts: [0; 5], excess_micros: Histogram::new(3)? })
    }

    fn count(&mut self, status: Option<u16>, took: Duration) {
        let kind = match status {
            Some(200) => 0,
            Some(401) => 1,
            Some(429) => 2,
            Some(503) => 3,
            _ => 4,
        };
        self.counts[kind] += 1;
        if matches!(status, Some(429 | 503)) {
            self.excess_micros.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.counts.iter_mut().zip(other.counts).for_each(|(all, part)| *all += part);
        Ok(self.excess_micros.add(other.excess_micros)?)
    }
}

/// Refreshes alone, then the flood beside them; once with all limits on, once with those off that would turn most of it away
/// before anything is hashed.
pub(super) fn run(target: &Target, has_limits: bool, lasts: Duration) -> anyhow::Result<Vec<Figure>> {
    let capacity = capacity(target)?;
    let limits = if has_limits { "on" } else { "off" };
    let mut refreshes = Refreshes::start(target, RIGHT, &[("SPRAG_RATE_LIMITS", limits)])?;
    refreshes.stage.import_users(COSTLY, COSTLY_HASH)?;
    let rate = TIMES * capacity;
    let mut alone = refreshes.alone(ALONE)?;
    let flood = |_: &Stage, server: &Server| flood(server.address(), rate, lasts);
    let (beside, answers) = refreshes.beside(lasts, flood)?;
    alone.add(refreshes.alone(ALONE)?);
    let Answers { counts: [right, wrong, limited, busy, lost], excess_micros } = answers?;
    let Latency { p50: usual, p99: idle, .. } = alone.latency();
    let most = MOST_MILLIS.min(MOST_TIMES * idle);
    let millis = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1000.0;
    let (p99, slowest) = (millis(excess_micros.value_at_quantile(0.99)), millis(excess_micros.max()));
    let sent = right + wrong + limited + busy + lost;
    Ok(vec![
        Figure {
            what: format!(
                "{sent} log-ins, {rate:.0} a second: {right} in, {wrong} wrong, {limited} too many of their account or network \
                 (429), {busy} more than can wait (503), {lost} lost; {capacity:.0} a second can be hashed"
            ),
            is_within: lost == 0,
        },
        Figure { what: format!("refreshes alone: p50 {usual:.2} ms, p99 {idle:.2} ms"), is_within: true },
        beside.figure(most),
        beside.served(),
        Figure {
            what: format!(
                "what was too many: answered in {p99:.1} ms (p99), {slowest:.0} ms at most (promised: p99 {EXCESS_MILLIS:.0} ms)"
            ),
            is_within: limited + busy > 0 && p99 <= EXCESS_MILLIS,
        },
        refreshes.memory(MOST_MIB)?,
    ])
}

/// How many log-ins a second can be hashed, by a server of its own that turns none of them away.
fn capacity(target: &Target) -> anyhow::Result<f64> {
    let Refreshes { stage, server, .. } = &Refreshes::start(target, RIGHT, &[("SPRAG_RATE_LIMITS", "off")])?;
    let is_over = Arc::new(AtomicBool::new(false));
    let count = std::thread::scope(|scope| {
        let hammer = scope.spawn(|| stage.keep_logging_in(server, 16, &is_over));
        std::thread::sleep(HASHING);
        is_over.store(true, Ordering::Relaxed);
        hammer.join().ok().context("whoever logs in panicked")?
    })?;
    Ok((f64::from(count) / HASHING.as_secs_f64()).max(1.0))
}

fn flood(to: SocketAddr, rate: f64, lasts: Duration) -> anyhow::Result<Answers> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let begun = Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let mut senders = JoinSet::new();
        for number in 0..CONNECTIONS {
            let next = Arc::clone(&next);
            senders.spawn(async move {
                let mut sender = Sender { from: attacker(number, NETWORKS), to, stream: None };
                let mut answers = Answers::new()?;
                loop {
                    let ticket = next.fetch_add(1, Ordering::Relaxed);
                    let due = begun + Duration::from_secs_f64(f64::from(u32::try_from(ticket)?) / rate);
                    if due >= begun + lasts {
                        return anyhow::Ok(answers);
                    }
                    sleep_until(due).await;
                    let sent = Instant::now();
                    let status = timeout(PATIENCE, sender.log_in(&request(ticket))).await;
                    answers.count(status.ok().and_then(Result::ok), sent.elapsed());
                }
            });
        }
        let mut all = Answers::new()?;
        for answers in senders.join_all().await {
            all.add(answers?)?;
        }
        Ok(all)
    })
}

/// Of four log-ins one is right, two are wrong, and one has a costly hash.
fn request(ticket: u64) -> String {
    let number = usize::try_from(ticket / 4).unwrap_or(0);
    match ticket % 4 {
        0 => http1::kept_login(&Stage::user_name(number % RIGHT), Stage::PASSWORD),
        1 => http1::kept_login(&Stage::imported_name(number % COSTLY), "not the password"),
        _ => http1::kept_login(&Stage::user_name(number % RIGHT), "not the password"),
    }
}

/// One connection that logs in again and again.
struct Sender {
    from: Ipv4Addr,
    to: SocketAddr,
    stream: Option<TcpStream>,
}

impl Sender {
    async fn log_in(&mut self, request: &str) -> anyhow::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.from, self.to, false).await?,
        };
        let status = http1::exchange(&mut stream, request.as_bytes()).await?;
        self.stream = Some(stream);
        Ok(status)
    }
}
